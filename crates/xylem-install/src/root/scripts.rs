//! Which scripts a component carries. They are never run.

use xylem_artifact::package::{Component, FlatPackage};
use xylem_artifact::payload::{Budget, MemberKind, PayloadError, PayloadReader};

/// Names that Apple's installer runs by itself, declared or not.
const KNOWN_NAMES: [&str; 6] =
    ["preinstall", "postinstall", "preflight", "postflight", "preupgrade", "postupgrade"];

/// The scripts that the installation of `component` would run on a Mac: those it declares, and
/// those its archive holds under the names that are run anyway.
pub(super) fn names(
    package: &FlatPackage,
    component: &Component,
) -> Result<Vec<String>, PayloadError> {
    let mut names = component.facts.script_names.clone();
    let Some(scripts) = &component.scripts else { return Ok(names) };
    let reader = package
        .open_entry(scripts)
        .map_err(|error| PayloadError::Read(std::io::Error::other(error)))?;
    let mut archive = PayloadReader::open(reader, Budget::for_declared_kbytes(0))?;
    while let Some(member) = archive.next_member()? {
        let name = member.path.as_str();
        let is_file = matches!(member.kind, MemberKind::File | MemberKind::HardLink { .. });
        let is_new = !names.iter().any(|known| known.trim_start_matches("./") == name);
        if is_file && is_new && KNOWN_NAMES.contains(&name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

//! What a Munki repository says of its files is put beside them.

use std::collections::HashSet;

use super::{Entry, Finding, read_at_most};
use crate::munki::{self, MAX_PKGINFO_BYTES, PackageInfo};
use crate::reason::{Reason, ReasonCode};
use crate::scan::unreadable;
use crate::tree::Tree;

/// Reads each property list, and compares what it says with the file that it names.
pub(super) fn describe(tree: &Tree, entries: &mut [Entry], infos: &[usize]) {
    let paths = entries.iter().enumerate().map(|(index, entry)| (index, &entry.path));
    let places = munki::locations(paths);
    let mut described = HashSet::new();
    for index in infos {
        let Some(path) = entries.get(*index).map(|entry| entry.path.clone()) else { continue };
        let finding = match read(tree, entries, *index) {
            Err(reason) => Finding::Refuse(reason),
            Ok(info) => {
                if let Some(place) = info.uninstaller.as_ref().and_then(|it| places.get(it)) {
                    described.insert(*place);
                }
                let place = info.location.as_ref().and_then(|it| places.get(it)).copied();
                match place.and_then(|place| Some((place, entries.get_mut(place)?))) {
                    None => without_file(&info),
                    Some((place, package)) => {
                        let is_first = described.insert(place);
                        one(package, info, is_first, &path.to_string())
                    }
                }
            }
        };
        if let Some(entry) = entries.get_mut(*index) {
            entry.finding = finding;
        }
    }
    for (_, place) in places.iter().filter(|(_, place)| !described.contains(place)) {
        if let Some(entry) = entries.get_mut(*place)
            && matches!(entry.finding, Finding::Bundle(_) | Finding::File(..))
        {
            entry.warnings.push("an orphan: no pkgsinfo names it".to_owned());
        }
    }
}

fn read(tree: &Tree, entries: &[Entry], index: usize) -> Result<PackageInfo, Reason> {
    let entry = entries.get(index);
    let Some(entry) = entry else { return Err(refused("it is gone".to_owned())) };
    let bytes = read_at_most(tree, &entry.path, MAX_PKGINFO_BYTES);
    let bytes = bytes.map_err(|error| unreadable(&error))?;
    let bytes = bytes.ok_or_else(|| refused("a pkgsinfo of more than 4 MiB is not read".into()))?;
    PackageInfo::read(&bytes).map_err(refused)
}

fn refused(text: String) -> Reason {
    Reason::new(ReasonCode::WrongContent, text)
}

fn without_file(info: &PackageInfo) -> Finding {
    match &info.location {
        _ if info.has_no_file => {
            let text = "it describes a package without a file, so there is nothing to take";
            Finding::LeaveOut(Reason::new(ReasonCode::PackageInfo, text))
        }
        Some(location) => {
            let text = format!(
                "the file that it describes, `pkgs/{}`, is not there: put it back, or remove this",
                location.escape_debug()
            );
            Finding::Refuse(Reason::new(ReasonCode::Missing, text))
        }
        None => Finding::Refuse(refused("it names no file: add installer_item_location".into())),
    }
}

/// Puts what is said of a package beside it. The first list in the stable order is believed.
fn one(package: &mut Entry, info: PackageInfo, is_first: bool, from: &str) -> Finding {
    if let (Finding::File(_, content), Some(expected)) = (&package.finding, info.sha256)
        && content.digests.sha256 != expected
    {
        let text = format!(
            "its SHA-256 is {}, and `{from}` says {expected}: it is damaged or was replaced; \
             import it into Munki again",
            content.digests.sha256
        );
        package.finding = Finding::Refuse(Reason::new(ReasonCode::HashDiffers, text));
    }
    if !info.hints.scripts_inside.is_empty() {
        let inside = info.hints.scripts_inside.join(", ");
        package
            .warnings
            .push(format!("`{from}` has scripts inside, which are not taken: {inside}"));
    }
    if is_first {
        package.hints = Some(Box::new(info.hints));
    } else {
        package.warnings.push(format!("`{from}` describes it too; the first one counts"));
    }
    let text = format!("what it says goes along with `{}`", package.path);
    Finding::LeaveOut(Reason::new(ReasonCode::PackageInfo, text))
}

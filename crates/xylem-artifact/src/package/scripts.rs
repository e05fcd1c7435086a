//! What a component's `Scripts` archive holds.
//!
//! Scripts run as root on every Mac that gets the package, so an administrator should see which
//! there are, and whether they are the same as last time. They are hashed, and never kept or run.

use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};

use super::component::Component;
use super::facts::{PayloadKind, ScriptFacts};
use crate::error::ArtifactError;
use crate::payload::{Budget, MIN_BUDGET_BYTES, Member, MemberKind, PayloadError, PayloadReader};
use crate::warning::{Warning, WarningCode};
use crate::xar::{Entry, XarArchive};

/// Most scripts that are listed, over all components; those that a `PackageInfo` names always are.
/// Some makers put whole programs beside their scripts.
pub const MAX_LISTED_SCRIPTS: usize = 200;
/// Largest archive of scripts that is looked into, in bytes. Larger ones carry what should be a
/// payload, and expanding that would cost more than everything else together.
pub const MAX_SCRIPTS_BYTES: u64 = 64 << 20;
/// Most bytes that all archives of scripts of one package may expand to.
pub const MAX_EXPANDED_SCRIPTS_BYTES: u64 = 1 << 30;
/// How many times its length an archive of scripts may expand to, if that is more than
/// [`MIN_BUDGET_BYTES`]. Text shrinks to a fifth.
const MAX_EXPANSION: u64 = 16;
/// Longest beginning of a script that is shown, in bytes: an interpreter and its arguments.
const MAX_FIRST_LINE_BYTES: usize = 200;
/// Bytes hashed at once.
const BUFFER_BYTES: usize = 16 << 10;

/// What the components of one package may still take.
pub(super) struct Allowance {
    listed: usize,
    expanded_bytes: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { listed: MAX_LISTED_SCRIPTS, expanded_bytes: MAX_EXPANDED_SCRIPTS_BYTES }
    }
}

/// Lists the scripts of a component in its facts.
pub(super) fn list(
    archive: &XarArchive,
    component: &mut Component,
    allowance: &mut Allowance,
    warnings: &mut Vec<Warning>,
) -> Result<(), ArtifactError> {
    let Some(entry) = component.scripts.clone() else { return Ok(()) };
    if let Some(reason) = reason_to_pass_over(archive, &entry)? {
        let id = &component.facts.identifier;
        let message = format!("the scripts of {id} are not listed: {reason}");
        warnings.push(Warning::new(WarningCode::UnlistedScripts, message));
        return Ok(());
    }
    let path = archive.path(&entry);
    let mut missing = component.script_files.clone();
    walk(archive.reader(&entry)?, &entry, component, allowance, &mut missing)
        .map_err(|error| refused(path, error))?;
    if !missing.is_empty() {
        let message = format!(
            "{} declares {}, but holds no such script; its installation will fail",
            component.facts.identifier,
            missing.join(" and ")
        );
        warnings.push(Warning::new(WarningCode::MissingScripts, message));
    }
    Ok(())
}

/// Archives that a Mac may understand, but that are not looked into here.
fn reason_to_pass_over(
    archive: &XarArchive,
    entry: &Entry,
) -> Result<Option<&'static str>, ArtifactError> {
    if entry.size_bytes() > MAX_SCRIPTS_BYTES {
        return Ok(Some("their archive is too large"));
    }
    let form = super::component::payload_kind(archive, entry)?;
    Ok((form == PayloadKind::AppleArchive).then_some("they are packed as an Apple Archive"))
}

fn walk(
    reader: impl Read,
    entry: &Entry,
    component: &mut Component,
    allowance: &mut Allowance,
    missing: &mut Vec<String>,
) -> Result<(), PayloadError> {
    let fair = entry.size_bytes().saturating_mul(MAX_EXPANSION).max(MIN_BUDGET_BYTES);
    let mut scripts =
        PayloadReader::open(reader, Budget::of_bytes(fair.min(allowance.expanded_bytes)))?;
    while let Some(member) = scripts.next_member()? {
        let name = member.path.as_str();
        // A link to a script will do, and no Mac minds the case.
        let is_it = |file: &str| file.eq_ignore_ascii_case(name);
        let declared = !matches!(member.kind, MemberKind::Directory)
            && component.script_files.iter().any(|file| is_it(file));
        missing.retain(|file| !(declared && is_it(file)));
        if declared {
            // Of two of one name the last is what is there once the archive is unpacked, a link too.
            component.facts.scripts.retain(|script| !is_it(&script.name));
        }
        let is_file = matches!(member.kind, MemberKind::File | MemberKind::HardLink { .. });
        if !is_file || is_apple_double(name) {
            continue;
        }
        component.facts.script_files += 1;
        if declared || allowance.listed > 0 {
            allowance.listed = allowance.listed.saturating_sub(1);
            let facts = describe(&member, scripts.body()).map_err(PayloadError::from_io)?;
            component.facts.scripts.push(ScriptFacts { declared, ..facts });
        }
    }
    allowance.expanded_bytes = allowance.expanded_bytes.saturating_sub(scripts.expanded_bytes());
    Ok(())
}

/// Extended attributes in a file of their own, as archives made on a Mac have them.
fn is_apple_double(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|last| last.starts_with("._"))
}

fn describe(member: &Member, mut body: impl Read) -> io::Result<ScriptFacts> {
    let mut hash = Context::new(&SHA256);
    let mut head = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = body.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        let wanted = MAX_FIRST_LINE_BYTES.saturating_sub(head.len()).min(read);
        head.extend_from_slice(bytes.get(..wanted).unwrap_or_default());
    }
    Ok(ScriptFacts {
        name: member.path.as_str().to_owned(),
        bytes: member.size,
        sha256: hex::encode(hash.finish()),
        first_line: first_line(&head),
        executable: member.mode & 0o111 != 0,
        declared: false,
    })
}

/// Text as far as it is text: programs in machine code have no lines.
fn first_line(head: &[u8]) -> String {
    let line = head.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let shown =
        |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    String::from_utf8_lossy(line).chars().map(shown).collect()
}

fn refused(what: String, error: PayloadError) -> ArtifactError {
    match error {
        PayloadError::Read(source) => ArtifactError::from_read(what, source),
        PayloadError::UnsafePath { path, reason } => {
            ArtifactError::UnsafeName { name: path, reason }
        }
        PayloadError::Bomb { .. } | PayloadError::TooMany { .. } => {
            ArtifactError::Oversized { what, source: io::Error::other(error) }
        }
        _ => ArtifactError::Undecodable { what, source: io::Error::other(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_cut_and_made_fit_to_be_shown() {
        assert_eq!(first_line(b"#!/bin/sh -e\r\nexit"), "#!/bin/sh -e");
        assert_eq!(first_line(b"\xca\xfe\0\x1b[2J"), "\u{fffd}\u{fffd}\u{fffd}\u{fffd}[2J");
        assert_eq!(first_line(b""), "");
    }

    #[test]
    fn files_of_extended_attributes_are_told_from_scripts() {
        for (name, expected) in [("._postinstall", true), ("a/._b", true), ("._a/b", false)] {
            assert_eq!(is_apple_double(name), expected, "{name}");
        }
    }
}

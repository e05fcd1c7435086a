//! Applications for Macs.

use super::facts::AppBundleFacts;
use super::macho;
use crate::error::ArtifactError;
use crate::plist::{MAX_PLIST_BYTES, Value};
use crate::text::shown;
use crate::zip::ZipArchive;

pub(super) fn read(archive: &ZipArchive, folder: &str) -> Result<AppBundleFacts, ArtifactError> {
    let path = format!("{folder}/Contents/Info.plist");
    let missing = || ArtifactError::malformed(shown(&path), "it is missing");
    let member = archive.find_file(&path).ok_or_else(missing)?;
    let info = Value::parse(&archive.read(member, MAX_PLIST_BYTES)?, &shown(&path))?;
    let executable = info.get("CFBundleExecutable").and_then(Value::as_text);
    let seal = format!("{folder}/Contents/_CodeSignature/CodeResources");
    Ok(AppBundleFacts {
        inner_name: shown(folder),
        name: info.text("CFBundleDisplayName").or_else(|| info.text("CFBundleName")),
        identifier: info.text("CFBundleIdentifier"),
        version: info.text("CFBundleShortVersionString"),
        build_version: info.text("CFBundleVersion"),
        minimum_os: info.text("LSMinimumSystemVersion"),
        architectures: match executable {
            Some(name) => architectures(archive, &format!("{folder}/Contents/MacOS/{name}"))?,
            None => Vec::new(),
        },
        sealed: archive.find_file(&seal).is_some(),
        expanded_bytes: archive.expanded_bytes(),
    })
}

/// The name comes from the file and is only looked up in the archive.
fn architectures(archive: &ZipArchive, path: &str) -> Result<Vec<String>, ArtifactError> {
    let Some(program) = archive.find_file(path) else { return Ok(Vec::new()) };
    let head = archive.head(program, macho::HEAD_BYTES)?;
    Ok(macho::architectures(&head))
}

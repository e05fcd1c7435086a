//! The texts of the table of contents as values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::damaged;
use crate::digest::{Checksum, ChecksumStyle};
use crate::error::ArtifactError;
use crate::xar::MAX_NAME_BYTES;
use crate::xar::entry::EntryKind;

pub(super) fn kind(text: &str) -> EntryKind {
    match text {
        "file" => EntryKind::File,
        "directory" => EntryKind::Directory,
        "symlink" => EntryKind::Symlink,
        "hardlink" => EntryKind::HardLink,
        _ => EntryKind::Other,
    }
}

/// A name is one path component; nothing else may ever be joined to a folder.
pub(super) fn check_name(name: &str) -> Result<(), ArtifactError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name == "." || name == ".." {
        "it stands for a folder"
    } else if name.contains('/') {
        "it contains a slash and could lead outside the package"
    } else if name.contains('\0') {
        "it contains a zero byte"
    } else if name.len() > MAX_NAME_BYTES {
        "it is longer than any file system allows"
    } else {
        return Ok(());
    };
    Err(ArtifactError::UnsafeName { name: name.chars().take(80).collect(), reason })
}

pub(super) fn number(text: &str) -> Result<u64, ArtifactError> {
    text.trim().parse().map_err(|_| {
        let shown: String = text.trim().chars().take(32).collect();
        damaged(format!("{shown:?} stands where a number belongs"))
    })
}

/// A checksum element; `style="none"` means that there is none.
pub(super) fn checksum(style: &str, text: &str) -> Result<Option<Checksum>, ArtifactError> {
    if style.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let checksum = ChecksumStyle::parse(style).and_then(|style| Checksum::parse(style, text));
    checksum.map(Some).ok_or_else(|| damaged(format!("a {style:?} checksum is not one")))
}

pub(super) fn base64(text: &str, what: &str) -> Result<Vec<u8>, ArtifactError> {
    let compact: String = text.split_ascii_whitespace().collect();
    BASE64.decode(compact).map_err(|_| damaged(format!("{what} is not base64")))
}

/// Sets a value that may be repeated, but not contradicted.
pub(super) fn set_once<T: PartialEq>(slot: &mut Option<T>, value: T) -> Result<(), ArtifactError> {
    match slot {
        Some(existing) if *existing != value => {
            Err(damaged("one file has two different offsets, lengths, sizes or checksums"))
        }
        _ => {
            *slot = Some(value);
            Ok(())
        }
    }
}

//! The best icon that lies openly in an app.

use super::facts::AppIcon;
use crate::error::ArtifactError;
use crate::plist::Value;
use crate::text::shown;
use crate::zip::{Member, ZipArchive};

/// Most names taken from `Info.plist`; genuine apps have about five.
const MAX_NAMES: usize = 50;
/// Most files looked into: each name comes in up to three resolutions for two kinds of device.
const MAX_CANDIDATES: usize = 200;
/// Enough for the signature, Apple's own chunk and the header with the size.
const HEAD_BYTES: usize = 64;
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The widest of the icons that `Info.plist` names; absent where all are in the asset catalogue.
pub(super) fn best(
    archive: &ZipArchive,
    folder: &str,
    info: &Value,
) -> Result<Option<AppIcon>, ArtifactError> {
    let names = names(info);
    let candidates = archive.members().iter().filter(|member| is_icon(member, folder, &names));
    let mut best: Option<AppIcon> = None;
    for member in candidates.take(MAX_CANDIDATES) {
        let head = archive.head(member, HEAD_BYTES)?;
        let Some((width, height, crushed)) = size(&head) else { continue };
        if best.as_ref().is_none_or(|best| width > best.width) {
            let path = shown(member.name());
            best = Some(AppIcon { path, size_bytes: member.size_bytes(), width, height, crushed });
        }
    }
    Ok(best)
}

/// The names in all the places where versions of iOS have looked for them.
fn names(info: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for icons in ["CFBundleIcons", "CFBundleIcons~ipad"] {
        let primary = info.get(icons).and_then(|icons| icons.get("CFBundlePrimaryIcon"));
        if let Some(primary) = primary {
            names.extend(primary.list("CFBundleIconFiles").iter().filter_map(Value::as_text));
        }
    }
    names.extend(info.list("CFBundleIconFiles").iter().filter_map(Value::as_text));
    names.extend(info.get("CFBundleIconFile").and_then(Value::as_text));
    names.retain(|name| !name.is_empty());
    names.truncate(MAX_NAMES);
    names
}

/// Whether a file is one of the named icons in some resolution: `Icon60x60@2x~ipad.png`.
fn is_icon(member: &Member, folder: &str, names: &[&str]) -> bool {
    let in_folder = member.name().strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    let Some(name) = in_folder.filter(|name| !name.contains('/')) else { return false };
    let Some(stem) = name.strip_suffix(".png") else { return false };
    member.is_file()
        && names.iter().any(|named| {
            let rest = stem.strip_prefix(named.strip_suffix(".png").unwrap_or(named));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['@', '~']))
        })
}

/// Width, height, and whether it is crushed, from a PNG's first bytes.
fn size(head: &[u8]) -> Option<(u32, u32, bool)> {
    let chunks = head.strip_prefix(SIGNATURE)?;
    // Apple's chunk has four bytes of content between length, name and checksum.
    let crushed = chunks.get(4..8)? == b"CgBI";
    let header = if crushed { chunks.get(16..)? } else { chunks };
    if header.get(4..8)? != b"IHDR" {
        return None;
    }
    let number =
        |at: usize| Some(u32::from_be_bytes(header.get(at..at.checked_add(4)?)?.try_into().ok()?));
    Some((number(8)?, number(12)?, crushed))
}

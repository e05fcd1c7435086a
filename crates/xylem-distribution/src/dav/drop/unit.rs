//! What belongs together in the tree, and whether it may be published.

use std::time::Duration;

use xylem_api::error::ErrorCode;
use xylem_http::ApiError;
use xylem_model::{FileKind, Timestamp};
use xylem_webdav::Item;

use super::below;
use crate::dav::session::is_of_the_mac;

/// A file that has not changed for this long is complete.
const FILE_SETTLES: Duration = Duration::from_secs(10);

/// A folder in which nothing has changed for this long is: between two of its files a tool may
/// think for a while.
const BUNDLE_SETTLES: Duration = Duration::from_secs(30);

/// Which endings are of which kind. In what a name may end decides nobody else: what is in the
/// file is looked at later.
const ENDINGS: [(&str, FileKind); 9] = [
    (".pkg", FileKind::Package),
    (".mpkg", FileKind::Package),
    (".pkg.zip", FileKind::Package),
    (".mpkg.zip", FileKind::Package),
    (".dmg", FileKind::Package),
    (".ipa", FileKind::App),
    (".epub", FileKind::Ebook),
    (".ibooks", FileKind::Ebook),
    (".pdf", FileKind::Ebook),
];

/// Endings of folders that are packages.
const BUNDLES: [&str; 2] = [".pkg", ".mpkg"];

/// A file by itself, or a folder that is a package with all that is in it.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub(super) top: &'a Item,
    /// What is in it; itself too.
    pub(super) items: Vec<&'a Item>,
}

/// What there is to look at: packages, files outside of packages, and empty folders.
pub(super) fn units(items: &[Item]) -> Vec<Unit<'_>> {
    let bundles: Vec<&Item> = items.iter().filter(|item| is_bundle(item)).collect();
    let in_bundle = |item: &&Item| {
        bundles
            .iter()
            .any(|bundle| item.place.is_within(&bundle.place) && item.place != bundle.place)
    };
    let tops = items.iter().filter(|item| !in_bundle(item));
    let units = tops.filter_map(|top| {
        let within: Vec<&Item> = below(items, &top.place).collect();
        let is_unit = !top.meta.is_folder || is_bundle(top) || within.len() == 1;
        is_unit.then_some(Unit { top, items: within })
    });
    units.collect()
}

fn is_bundle(item: &Item) -> bool {
    item.meta.is_folder && ends_in_one_of(item.place.name().unwrap_or(""), BUNDLES)
}

fn ends_in_one_of<const N: usize>(name: &str, endings: [&str; N]) -> bool {
    let name = name.to_lowercase();
    endings.iter().any(|ending| name.ends_with(ending) && name.len() > ending.len())
}

impl Unit<'_> {
    pub(super) fn is_bundle(&self) -> bool {
        is_bundle(self.top)
    }

    /// When anything of it was last written.
    pub(super) fn touched(&self) -> Timestamp {
        self.items.iter().map(|item| item.meta.modified).max().unwrap_or_default()
    }

    /// Whether it is worth being looked at: complete, and no folder that somebody has just made,
    /// nor a file that Macs write for themselves.
    pub(super) fn is_settled(&self, now: Timestamp) -> bool {
        let settles = if self.is_bundle() { BUNDLE_SETTLES } else { FILE_SETTLES };
        let is_plain_folder = self.top.meta.is_folder && !self.is_bundle();
        let name = self.top.place.name().unwrap_or("");
        !is_plain_folder && !is_of_the_mac(name) && now.since(self.touched()) >= settles
    }

    /// What it would be published as.
    pub(super) fn kind_and_name(&self) -> Result<(FileKind, String), ApiError> {
        let name = self.top.place.name().unwrap_or("");
        let refused = |reason: &str| Err(ApiError::new(ErrorCode::Refused, reason));
        if self.is_bundle() {
            return match self.items.iter().any(|item| !item.meta.is_folder) {
                true => Ok((FileKind::Package, format!("{name}.zip"))),
                false => refused("it is an empty folder, and no package"),
            };
        }
        if self.top.meta.len == 0 {
            return refused("it is empty");
        }
        let lower = name.to_lowercase();
        match ENDINGS.iter().find(|(ending, _)| lower.ends_with(ending)) {
            Some((_, kind)) => Ok((*kind, name.to_owned())),
            None => refused(
                "its name does not say what it is: packages end in .pkg, .dmg or .pkg.zip, apps in \
                 .ipa, eBooks in .epub, .ibooks or .pdf",
            ),
        }
    }

    pub(super) fn innermost_first(&self) -> Vec<&Item> {
        let mut items = self.items.clone();
        items.sort_by_key(|item| std::cmp::Reverse(item.place.names().len()));
        items
    }
}

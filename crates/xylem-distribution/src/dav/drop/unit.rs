//! What belongs together in the tree, and whether it may be published.

use std::time::Duration;

use xylem_api::error::ErrorCode;
use xylem_http::ApiError;
use xylem_model::{FileKind, Timestamp};
use xylem_webdav::Item;

use crate::dav::session::is_of_the_mac;

/// A file that has not changed for this long is complete.
const FILE_SETTLES: Duration = Duration::from_secs(10);

/// A folder in which nothing has changed for this long is: between two of its files a tool may
/// think for a while.
const BUNDLE_SETTLES: Duration = Duration::from_secs(30);

/// How scripts are called, AppleScripts among them: they go elsewhere.
const SCRIPTS: [&str; 14] = [
    ".sh",
    ".bash",
    ".zsh",
    ".ksh",
    ".csh",
    ".command",
    ".py",
    ".pl",
    ".rb",
    ".php",
    ".tcl",
    ".scpt",
    ".scptd",
    ".applescript",
];

/// Endings of folders that are packages.
const BUNDLES: [&str; 2] = [".pkg", ".mpkg"];

/// A file by itself, or a folder that is a package with all that is in it.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub(super) top: &'a Item,
    /// Itself, and what is in it.
    pub(super) items: &'a [Item],
}

/// What there is to look at: packages, and files outside of packages. Other folders are whoever's
/// who made them. The items must be in the order of their places.
pub(super) fn units(items: &[Item]) -> Vec<Unit<'_>> {
    let mut units = Vec::new();
    let mut rest = items;
    while let Some(top) = rest.first() {
        let within = rest.iter().take_while(|item| item.place.is_within(&top.place)).count();
        let taken = if is_bundle(top) { within } else { 1 };
        let (unit, others) = rest.split_at(taken.max(1));
        if !top.meta.is_folder || is_bundle(top) {
            units.push(Unit { top, items: unit });
        }
        rest = others;
    }
    units
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

    /// Whether it is worth being looked at: complete, and no file that Macs write for themselves.
    pub(super) fn is_settled(&self, now: Timestamp) -> bool {
        let settles = if self.is_bundle() { BUNDLE_SETTLES } else { FILE_SETTLES };
        let name = self.top.place.name().unwrap_or("");
        !is_of_the_mac(name) && now.since(self.touched()) >= settles
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
        if ends_in_one_of(name, SCRIPTS) {
            return refused(
                "it is a script. Scripts are kept in the management server's database and never on \
                 a distribution point: `xylem script upload` puts them there",
            );
        }
        match FileKind::of_name(name) {
            Some(kind) => Ok((kind, name.to_owned())),
            None => refused(&format!(
                "its name does not say what it is: packages end in {}, apps in {}, eBooks in {}. \
                 Scripts go into the management server's database, by `xylem script upload`",
                FileKind::Package.endings(),
                FileKind::App.endings(),
                FileKind::Ebook.endings(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use xylem_webdav::{Meta, Place};

    use super::*;

    fn item(path: &str, is_folder: bool, modified: i64) -> Item {
        let modified = Timestamp::from_unix_ms(modified);
        let meta = match is_folder {
            true => Meta::folder(modified, modified),
            false => Meta { len: 1, is_folder, ..Meta::folder(modified, modified) },
        };
        Item::of(Place::of_url(path).unwrap(), meta, Some("casper".to_owned()))
    }

    #[test]
    fn a_package_is_one_with_all_that_is_in_it() {
        let mut items = vec![
            item("/A.pkg", false, 1),
            item("/Team", true, 1),
            item("/Team/B.mpkg", true, 1),
            item("/Team/B.mpkg/Contents", true, 1),
            item("/Team/B.mpkg/Contents/C.pkg", false, 7),
            item("/Team/D.pdf", false, 1),
            item("/Team.txt", false, 1),
        ];
        items.sort_by(|one, other| one.place.cmp(&other.place));
        let units = units(&items);
        let tops: Vec<String> = units.iter().map(|unit| unit.top.place.to_string()).collect();
        assert_eq!(tops, ["/A.pkg", "/Team/B.mpkg", "/Team/D.pdf", "/Team.txt"]);
        let bundle = &units[1];
        assert_eq!((bundle.items.len(), bundle.touched()), (3, Timestamp::from_unix_ms(7)));
        assert_eq!(bundle.kind_and_name().unwrap(), (FileKind::Package, "B.mpkg.zip".to_owned()));
        assert!(!bundle.is_settled(Timestamp::from_unix_ms(30_006)));
        assert!(bundle.is_settled(Timestamp::from_unix_ms(30_007)));
        assert_eq!(units[2].kind_and_name().unwrap().0, FileKind::Ebook);
        assert!(units[3].kind_and_name().is_err());
    }

    #[test]
    fn a_script_is_sent_to_the_database() {
        for name in ["/Map drives.SH", "/a.command", "/Greet.scpt", "/postinstall"] {
            let name = name.replace(' ', "%20");
            let items = [item(&name, false, 1)];
            let refused = units(&items)[0].kind_and_name().unwrap_err();
            assert!(refused.message().contains("xylem script upload"), "{name}");
        }
    }
}

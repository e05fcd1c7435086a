//! Which sort of source it is, by the folders at its top.

use serde::{Deserialize, Serialize};

/// The layouts that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// The original's file share, with scripts still in files.
    CasperShare,
    /// The original's file share after its scripts were moved to the database: no `Scripts`.
    CasperShareWithoutScripts,
    /// A Munki repository.
    Munki,
    /// Any folder; also a share of the original's distribution servers, where packages lie at the
    /// top.
    Plain,
}

impl Layout {
    /// By the names of the folders at the top; file shares keep no case.
    pub(crate) fn of_folders<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<String> = names.into_iter().map(str::to_lowercase).collect();
        let has = |name: &str| names.iter().any(|it| it == name);
        match () {
            () if has("pkgs") && (has("pkgsinfo") || has("catalogs")) => Self::Munki,
            () if has("packages") && has("scripts") => Self::CasperShare,
            () if has("packages") => Self::CasperShareWithoutScripts,
            () if has("scripts") && has("compiledconfigurations") => Self::CasperShare,
            () => Self::Plain,
        }
    }

    /// For people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::CasperShare => "a file share of the original, with scripts",
            Self::CasperShareWithoutScripts => "a file share of the original, without scripts",
            Self::Munki => "a Munki repository",
            Self::Plain => "a folder",
        }
    }
}

/// What a folder means for what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// What lies here is distributed, and files of other kinds are worth a word.
    Packages,
    /// Every text is meant to be a script.
    Scripts,
    /// Anything may lie here.
    Anywhere,
    /// What describes packages.
    PackageInfo,
    /// Known, and not taken.
    Not(&'static str),
}

/// Folders of the original and of Munki that are not taken, and why.
const CASPER_NOT: [(&str, &str); 7] = [
    ("compiledconfigurations", IMAGES),
    ("compiled configurations", IMAGES),
    ("os x installers", "installers of systems for imaging, which is no longer possible on Macs"),
    ("receipts", "lists that the original kept for itself: they are made anew from the packages"),
    ("casperdata", "the original's own data: it lives in its database"),
    ("casperscripts", "the original's own scripts"),
    ("backups", "backups of the original: they are no files to distribute"),
];
const IMAGES: &str =
    "images for imaging, which is no longer possible on Macs; nothing here replaces it";
const MUNKI_NOT: [(&str, &str); 4] = [
    ("catalogs", "catalogues: they are made anew from what is published"),
    ("manifests", "manifests say which Mac gets what: set up policies for that"),
    ("icons", "icons: they are taken from the packages themselves"),
    ("client_resources", "pictures and links for Munki's own program on the Mac"),
];

impl Place {
    /// The meaning of a folder at the top.
    pub(crate) fn at_top(layout: Layout, name: &str) -> Self {
        let name = name.to_lowercase();
        let find = |known: &[(&str, &'static str)]| {
            let found = known.iter().find(|(known, _)| *known == name);
            found.map(|(_, why)| Self::Not(why))
        };
        match (layout, name.as_str()) {
            (Layout::Plain, _) => Self::Anywhere,
            (Layout::Munki, "pkgs") => Self::Packages,
            (Layout::Munki, "pkgsinfo") => Self::PackageInfo,
            (Layout::Munki, _) => find(&MUNKI_NOT).unwrap_or(Self::Anywhere),
            (_, "packages") => Self::Packages,
            (_, "scripts") => Self::Scripts,
            (_, _) => find(&CASPER_NOT).unwrap_or(Self::Anywhere),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_known_by_their_folders() {
        for (folders, layout) in [
            (&["Packages", "Scripts", "CompiledConfigurations"][..], Layout::CasperShare),
            (&["PACKAGES", "scripts"], Layout::CasperShare),
            (&["Packages", "Compiled Configurations"], Layout::CasperShareWithoutScripts),
            (&["Scripts", "CompiledConfigurations"], Layout::CasperShare),
            (&["catalogs", "icons", "manifests", "pkgs", "pkgsinfo"], Layout::Munki),
            (&["pkgs", "catalogs"], Layout::Munki),
            (&["pkgs"], Layout::Plain),
            (&["Scripts"], Layout::Plain),
            (&["eBooks", "ebooks"], Layout::Plain),
            (&[], Layout::Plain),
        ] {
            assert_eq!(Layout::of_folders(folders.iter().copied()), layout, "{folders:?}");
        }
    }

    #[test]
    fn folders_that_are_not_taken_say_why() {
        let is_not = |layout, name| matches!(Place::at_top(layout, name), Place::Not(_));
        for name in ["CompiledConfigurations", "OS X Installers", "RECEIPTS"] {
            assert!(is_not(Layout::CasperShare, name), "{name}");
            assert!(!is_not(Layout::Plain, name), "{name}");
        }
        assert!(is_not(Layout::Munki, "icons"));
        assert_eq!(Place::at_top(Layout::Munki, "pkgs"), Place::Packages);
        assert_eq!(Place::at_top(Layout::CasperShare, "PACKAGES"), Place::Packages);
    }
}

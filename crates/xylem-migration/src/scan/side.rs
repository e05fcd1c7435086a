//! What systems write beside files, for themselves.
//!
//! Only names that nothing else has are listed without a look; a name such as `Office.pkg.bom` is a
//! side file only where its file lies beside it, so that nothing is taken for one wrongly.

use std::collections::HashSet;

/// Names of files, in lower case.
const FILES: [&str; 11] = [
    ".ds_store",
    ".localized",
    ".apdisk",
    ".com.apple.timemachine.supported",
    ".metadata_never_index",
    ".volumeicon.icns",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    ".parentlock",
];

/// Names of folders, in lower case. What is in them is not looked at.
const FOLDERS: [&str; 18] = [
    ".trashes",
    ".trash",
    ".spotlight-v100",
    ".fseventsd",
    ".temporaryitems",
    ".documentrevisions-v100",
    ".pkinstallsandboxmanager",
    ".appledouble",
    ".appledb",
    ".appledesktop",
    "network trash folder",
    "temporary items",
    "thevolumesettingsfolder",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
];

/// Endings that the original and people's tools put behind the whole name of a file: its list of
/// contents, and digests of it.
const BEHIND: [&str; 6] = [".bom", ".index", ".md5", ".sha1", ".sha256", ".sha512"];

/// Whether a file is one that is written beside others. `siblings` are the names in its folder, in
/// lower case.
pub(super) fn is_side_file(raw: &[u8], siblings: &HashSet<String>) -> bool {
    let name = String::from_utf8_lossy(raw).to_lowercase();
    let belongs =
        |ending: &&str| name.strip_suffix(*ending).is_some_and(|of| siblings.contains(of));
    name.starts_with("._") || FILES.contains(&name.as_str()) || BEHIND.iter().any(belongs)
}

/// Whether a file is the list that the original kept beside its packages. Elsewhere a file may be
/// called so for any reason.
pub(super) fn is_index(raw: &[u8]) -> bool {
    raw.eq_ignore_ascii_case(b"INDEX")
}

/// Whether a folder is one of a system's own.
pub(super) fn is_side_folder(raw: &[u8]) -> bool {
    FOLDERS.contains(&String::from_utf8_lossy(raw).to_lowercase().as_str())
}

/// Whether what lies in a folder that is zipped stays behind.
pub(crate) fn stays_behind(raw: &[u8]) -> bool {
    raw.starts_with(b"._") || raw == b".DS_Store"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_files_are_known_and_nothing_else_is_one() {
        let siblings: HashSet<String> =
            ["office.pkg", "notes", "._x"].map(str::to_owned).into_iter().collect();
        for (name, is_side) in [
            ("._Office.pkg", true),
            (".DS_Store", true),
            ("Thumbs.db", true),
            ("Desktop.ini", true),
            ("Icon\r", true),
            ("INDEX", false),
            ("Office.pkg.bom", true),
            ("OFFICE.PKG.md5", true),
            ("Firefox.pkg.bom", false),
            (".bom", false),
            ("Icon.pkg", false),
            ("index.pkg", false),
            ("notes.pkg", false),
            (".Office.pkg", false),
        ] {
            assert_eq!(is_side_file(name.as_bytes(), &siblings), is_side, "{name:?}");
        }
        assert!(is_index(b"INDEX") && !is_index(b"INDEX.pkg"));
        assert!(is_side_folder(b".Trashes") && is_side_folder(b"@eaDir"));
        assert!(!is_side_folder(b"Trashes") && !is_side_folder(b".hidden"));
    }
}

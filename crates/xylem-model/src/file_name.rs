//! The one rule set for names of files, on every way in: API, command line, WebDAV, migration.
//!
//! The eleven forbidden characters are those the original refused when it moved files to its
//! distribution servers; its guide prints the double quote in curly form, so both are refused.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

/// Longest name in bytes of UTF-8: what ext4, XFS, APFS and HFS+ all can hold.
pub const MAX_FILE_NAME_BYTES: usize = 255;

/// `/ : ? < > \ * | " [ ]` and the curly quotes.
const FORBIDDEN: [char; 13] =
    ['/', ':', '?', '<', '>', '\\', '*', '|', '"', '[', ']', '\u{201c}', '\u{201d}'];

/// Names that Windows, and so an SMB share, treats as devices, with or without an extension.
const DEVICE_NAMES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// A name under which a package, app or book can be published everywhere.
///
/// Kept in Unicode normalisation form C. Two names that differ only by case or by Unicode form
/// are the same name to a file share, so [`FileName::collision_key`] is what must be unique.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(String);

/// Why a name is refused. Every message names the name and says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileNameError {
    /// No characters at all.
    #[error("the name is empty: give the file a name such as `Firefox-140.pkg`")]
    Empty,
    /// More than [`MAX_FILE_NAME_BYTES`].
    #[error(
        "the name `{shown}…` is {bytes} bytes long; at most 255 fit on every file system: shorten it"
    )]
    TooLong {
        /// Its first characters.
        shown: String,
        /// Its length in bytes of UTF-8.
        bytes: usize,
    },
    /// Holds a character that some distribution point cannot store.
    #[error(
        "the name `{name}` holds the character `{character}`, which file shares cannot store: rename the file without any of / : ? < > \\ * | \" [ ]"
    )]
    ForbiddenCharacter {
        /// The name, with control characters escaped.
        name: String,
        /// The first forbidden character.
        character: char,
    },
    /// Holds a control character.
    #[error(
        "the name `{name}` holds the control character U+{code:04X}: rename the file without it"
    )]
    ControlCharacter {
        /// The name, with control characters escaped.
        name: String,
        /// The character's code point.
        code: u32,
    },
    /// Begins or ends with a blank or a dot.
    #[error(
        "the name `{name}` begins or ends with a blank or a dot, which some systems drop or hide: rename the file"
    )]
    Edge {
        /// The name.
        name: String,
    },
    /// Its ending is none of those that files of its kind have.
    #[error(
        "the name `{name}` does not say what the file is: names in {} end in {}. Scripts go into the management server's database, by `xylem script upload`",
        kind.folder(), kind.endings()
    )]
    OtherEnding {
        /// The name.
        name: String,
        /// What the file is to be.
        kind: crate::FileKind,
    },
    /// A device name of Windows, which no SMB share can hold.
    #[error("the name `{name}` is reserved on Windows file shares: rename the file")]
    DeviceName {
        /// The name.
        name: String,
    },
}

impl FileName {
    /// Checks a name and brings it to normalisation form C.
    pub fn new(name: &str) -> Result<Self, FileNameError> {
        if name.is_empty() {
            return Err(FileNameError::Empty);
        }
        // Bounded before anything is copied: the name may come from the network.
        if name.len() > MAX_FILE_NAME_BYTES * 3 {
            return Err(too_long(name, name.len()));
        }
        let name: String = name.nfc().collect();
        if name.len() > MAX_FILE_NAME_BYTES {
            return Err(too_long(&name, name.len()));
        }
        let shown = || name.escape_debug().to_string();
        if let Some(character) = name.chars().find(|c| FORBIDDEN.contains(c)) {
            return Err(FileNameError::ForbiddenCharacter { name: shown(), character });
        }
        if let Some(control) = name.chars().find(|&c| c.is_control() || is_invisible(c)) {
            return Err(FileNameError::ControlCharacter { name: shown(), code: control as u32 });
        }
        let at_edge = |c: char| c.is_whitespace() || c == '.';
        if name.starts_with(at_edge) || name.ends_with(at_edge) {
            return Err(FileNameError::Edge { name: shown() });
        }
        let stem = name.split('.').next().unwrap_or_default().to_lowercase();
        if DEVICE_NAMES.contains(&stem.as_str()) {
            return Err(FileNameError::DeviceName { name: shown() });
        }
        Ok(Self(name))
    }

    /// The name as it is shown and published.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What says which sort of file it is, with its first dot: what comes after the last dot, or
    /// `.pkg.zip` and `.mpkg.zip` as a whole. In lower case; empty where there is no dot.
    pub fn ending(&self) -> String {
        let name = self.0.to_lowercase();
        let zipped = [".pkg.zip", ".mpkg.zip"].into_iter().find(|end| name.ends_with(end));
        match (zipped, name.rfind('.')) {
            (Some(whole), _) => whole.to_owned(),
            (None, Some(dot)) => name.split_at(dot).1.to_owned(),
            (None, None) => String::new(),
        }
    }

    /// What must be unique among published names: case folded, in normalisation form C.
    pub fn collision_key(&self) -> String {
        fold_name(&self.0)
    }
}

/// A text in the form in which names are compared: case folded, in normalisation form C.
pub fn fold_name(text: &str) -> String {
    // Lower-casing the upper-cased text approximates Unicode case folding (ß, ſ and final sigma
    // included) without a table of our own.
    let folded: String =
        text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
    folded.nfc().collect()
}

/// Marks that change the direction of text or take no room: they make two names look alike.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// What no text of one line may hold: control characters, what [`is_invisible`], and the ends of lines
/// and paragraphs that are no control characters.
pub fn breaks_a_line(c: char) -> bool {
    c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

fn too_long(name: &str, bytes: usize) -> FileNameError {
    FileNameError::TooLong { shown: name.chars().take(40).collect(), bytes }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl FromStr for FileName {
    type Err = FileNameError;

    fn from_str(text: &str) -> Result<Self, FileNameError> {
        Self::new(text)
    }
}

impl serde::Serialize for FileName {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for FileName {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_forbidden_character_is_refused_by_name() {
        for character in FORBIDDEN {
            let name = format!("Fire{character}fox.pkg");
            let error = FileName::new(&name).unwrap_err();
            assert!(
                matches!(error, FileNameError::ForbiddenCharacter { character: c, .. } if c == character),
                "{name}: {error}"
            );
        }
    }

    #[test]
    fn an_ending_is_what_comes_after_the_last_dot_or_a_zipped_package() {
        for (name, ending) in [
            ("Firefox 140.0.pkg", ".pkg"),
            ("a.PKG", ".pkg"),
            ("Bundle.mpkg.zip", ".mpkg.zip"),
            ("Bundle.PKG.Zip", ".pkg.zip"),
            ("a.zip", ".zip"),
            ("App", ""),
        ] {
            assert_eq!(FileName::new(name).unwrap().ending(), ending, "{name}");
        }
    }

    #[test]
    fn names_no_share_can_hold_are_refused() {
        let long = "x".repeat(256);
        let names = [
            "",
            " a.pkg",
            "a.pkg ",
            ".a.pkg",
            "a.pkg.",
            "..",
            ".",
            "a\u{0}b",
            "a\nb",
            "a\u{7f}b",
            "CON",
            "nul.pkg",
            "Lpt1.dmg",
            "a\u{202e}gkp.exe",
            &long,
        ];
        for name in names {
            assert!(FileName::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn names_that_only_urls_dislike_are_taken() {
        for name in ["a b.pkg", "é & co+50%#1@!^.pkg", "日本語.pkg", &"x".repeat(255)] {
            assert!(FileName::new(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn names_that_differ_by_case_or_unicode_form_collide() {
        let key = |name| FileName::new(name).unwrap().collision_key();
        assert_eq!(key("Firefox.pkg"), key("FIREFOX.PKG"));
        assert_eq!(key("Caf\u{e9}.pkg"), key("cafe\u{301}.pkg"));
        assert_eq!(key("Straße.pkg"), key("STRASSE.pkg"));
        assert_ne!(key("Firefox.pkg"), key("Firefox2.pkg"));
    }
}

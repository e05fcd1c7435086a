//! The kinds of file a distribution point holds.

use crate::word::words;
use crate::{FileName, FileNameError};

words! {
    /// What a published file is. Scripts are not among them: they live in the database only and
    /// never on a distribution point.
    FileKind, "kind of file", "package, app or ebook",
    /// An in-house app.
    App = "app",
    /// A book.
    Ebook = "ebook",
    /// An installer package or disk image.
    Package = "package",
}

/// How names of files end, and what such a file is. In what a name may end decides nobody else.
const ENDINGS: [(&str, FileKind); 8] = [
    (".pkg", FileKind::Package),
    (".mpkg", FileKind::Package),
    (".dmg", FileKind::Package),
    (".zip", FileKind::Package),
    (".ipa", FileKind::App),
    (".epub", FileKind::Ebook),
    (".ibooks", FileKind::Ebook),
    (".pdf", FileKind::Ebook),
];

impl FileKind {
    /// What a file is by the ending of its name; none where nothing ends so.
    pub fn of_name(name: &str) -> Option<Self> {
        let dot = name.rfind('.').filter(|dot| *dot > 0)?;
        let ending = name.get(dot..)?.to_lowercase();
        ENDINGS.iter().find(|(known, _)| *known == ending).map(|(_, kind)| *kind)
    }

    /// Checks that a name says that the file is of this kind.
    ///
    /// # Errors
    /// [`FileNameError::OtherEnding`] where it says something else, or nothing.
    pub fn require_ending(self, name: &FileName) -> Result<(), FileNameError> {
        if Self::of_name(name.as_str()) == Some(self) {
            return Ok(());
        }
        Err(FileNameError::OtherEnding { name: name.to_string(), kind: self })
    }

    /// The endings that names of this kind have, for people: `.epub, .ibooks or .pdf`.
    pub fn endings(self) -> String {
        let all: Vec<&str> =
            ENDINGS.iter().filter(|(_, kind)| *kind == self).map(|(ending, _)| *ending).collect();
        match all.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }

    /// The folder it is published in, as clients of the original expect it.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::App => "Apps",
            Self::Ebook => "eBooks",
            Self::Package => "Packages",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_the_file_is() {
        for (name, kind) in [
            ("Firefox.pkg", Some(FileKind::Package)),
            ("Old Suite.MPKG.ZIP", Some(FileKind::Package)),
            ("a.dmg", Some(FileKind::Package)),
            ("a.ipa", Some(FileKind::App)),
            ("Book.iBooks", Some(FileKind::Ebook)),
            ("pdf", None),
            (".pdf", None),
            ("a.sh", None),
        ] {
            assert_eq!(FileKind::of_name(name), kind, "{name}");
        }
        assert_eq!(FileKind::App.endings(), ".ipa");
        assert_eq!(FileKind::Package.endings(), ".pkg, .mpkg, .dmg or .zip");
    }
}

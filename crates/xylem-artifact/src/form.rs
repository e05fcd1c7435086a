//! What a file has to be, by the ending of its name.

use std::fmt;

use xylem_model::FileKind;

/// The forms that are understood. The name chooses; content of another form is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// `.zip`: a bundle package, an application or a flat package in a zip archive.
    Archive,
    /// `.dmg`.
    DiskImage,
    /// `.epub`.
    Epub,
    /// `.pkg` and `.mpkg`.
    FlatPackage,
    /// `.ibooks`: a book of iBooks Author.
    IBooks,
    /// `.ipa`: an app for mobile devices.
    MobileApp,
    /// `.pdf`.
    Pdf,
}

/// The forms by the endings of names, without the dot: also the words that cross to the inspecting
/// process.
const FORMS: [(&str, Form); 8] = [
    ("pkg", Form::FlatPackage),
    ("mpkg", Form::FlatPackage),
    ("dmg", Form::DiskImage),
    ("zip", Form::Archive),
    ("ipa", Form::MobileApp),
    ("epub", Form::Epub),
    ("ibooks", Form::IBooks),
    ("pdf", Form::Pdf),
];

impl Form {
    /// The form that a name promises, where a file of this kind can have it.
    #[must_use]
    pub fn of_name(kind: FileKind, name: &str) -> Option<Self> {
        let (_, ending) =
            name.rsplit_once('.').filter(|_| FileKind::of_name(name) == Some(kind))?;
        Self::from_word(&ending.to_lowercase())
    }

    /// The word for it on a command line: its ending, without the dot.
    #[must_use]
    pub fn word(self) -> &'static str {
        let known = FORMS.iter().find(|(_, form)| *form == self);
        known.map_or("", |(word, _)| *word)
    }

    /// Reads such a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        FORMS.iter().find(|(known, _)| *known == word).map(|(_, form)| *form)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Archive => "a zip archive",
            Self::DiskImage => "a disk image",
            Self::Epub => "an EPUB book",
            Self::FlatPackage => "an installer package",
            Self::IBooks => "an iBooks book",
            Self::MobileApp => "an app archive (IPA)",
            Self::Pdf => "a PDF document",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_promises_a_form_that_its_kind_can_have() {
        for (kind, name, form) in [
            (FileKind::Package, "Firefox.pkg", Some(Form::FlatPackage)),
            (FileKind::Package, "Old Suite.MPKG.ZIP", Some(Form::Archive)),
            (FileKind::Package, "a.ipa", None),
            (FileKind::Package, "a", None),
            (FileKind::App, "a.ipa", Some(Form::MobileApp)),
            (FileKind::Ebook, "a.PDF", Some(Form::Pdf)),
        ] {
            assert_eq!(Form::of_name(kind, name), form, "{name}");
        }
    }

    #[test]
    fn every_ending_has_a_reader_and_words_lead_back() {
        for (word, form) in FORMS {
            assert!(FileKind::of_name(&format!("a.{word}")).is_some(), "{word}");
            assert_eq!(Form::from_word(form.word()), Some(form));
        }
        assert_eq!(Form::from_word(""), None);
    }
}

//! The kinds of file a distribution point holds.

use crate::word::words;

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

impl FileKind {
    /// The folder it is published in, as clients of the original expect it.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::App => "Apps",
            Self::Ebook => "eBooks",
            Self::Package => "Packages",
        }
    }
}

//! The kinds of file a distribution point holds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a published file is. Scripts are not among them: they live in the database only and never
/// on a distribution point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// An in-house app.
    App,
    /// A book.
    Ebook,
    /// An installer package or disk image.
    Package,
}

/// A word that names no kind of file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of file: use package, app or ebook")]
pub struct UnknownKind(String);

impl FileKind {
    /// The word used in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Ebook => "ebook",
            Self::Package => "package",
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

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FileKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        [Self::App, Self::Ebook, Self::Package]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownKind(text.chars().take(40).collect()))
    }
}

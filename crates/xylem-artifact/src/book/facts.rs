//! What is known about a book: plain values that cross a process border as JSON.

use serde::{Deserialize, Serialize};

/// What a book or document says about itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BookFacts {
    /// EPUB, iBooks or PDF.
    pub kind: BookKind,
    /// The version of the format, such as `3.0` for EPUB or `1.7` for PDF.
    pub format_version: Option<String>,
    /// The identifier that the book names as its own.
    pub identifier: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// Authors, editors and others that it names as its makers.
    pub creators: Vec<String>,
    /// The first language, such as `en`.
    pub language: Option<String>,
    /// The publisher.
    pub publisher: Option<String>,
    /// When it was last changed, as it says.
    pub modified: Option<String>,
    /// The version of an iBooks book that its maker gives.
    pub version: Option<String>,
    /// The picture on its cover.
    pub cover: Option<Cover>,
    /// Number of pages; books that flow have none.
    pub pages: Option<u64>,
    /// Whether the book, or parts of it, are encrypted.
    pub encrypted: bool,
}

impl BookFacts {
    pub(super) fn new(kind: BookKind) -> Self {
        Self {
            kind,
            format_version: None,
            identifier: None,
            title: None,
            creators: Vec::new(),
            language: None,
            publisher: None,
            modified: None,
            version: None,
            cover: None,
            pages: None,
            encrypted: false,
        }
    }
}

/// The kinds of book.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BookKind {
    /// EPUB 2 or 3.
    Epub,
    /// A book of iBooks Author.
    Ibooks,
    /// A PDF document.
    Pdf,
}

/// The picture on a book's cover.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Cover {
    /// Its path in the archive.
    pub path: String,
    /// Its length.
    pub size_bytes: u64,
    /// Its kind, as declared, such as `image/jpeg`.
    pub media_type: Option<String>,
}

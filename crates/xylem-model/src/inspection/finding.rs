//! What is to be said of a version, and how names are shown in it.

use std::collections::BTreeSet;

use crate::file_name::is_invisible;
use crate::word::words;

/// Most names that one finding tells; of the others it tells how many there are.
const MAX_NAMES: usize = 5;
/// Longest text of a file that is shown, in characters.
const MAX_SHOWN: usize = 200;

words! {
    /// How much a finding matters.
    Severity, "severity", "note or warning",
    /// Worth knowing; most new versions have some.
    Note = "note",
    /// Somebody should look before the version goes to computers.
    Warning = "warning",
}

/// One thing to be said of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The stable machine word.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Finding {
    pub(super) fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, code, message: message.into() }
    }

    pub(super) fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, code, message: message.into() }
    }
}

/// A text of a file, cut and without what moves the cursor or hides in a line.
pub(super) fn shown(text: &str) -> String {
    let visible = |c: char| if c.is_control() || is_invisible(c) { '?' } else { c };
    let mut cut: String = text.chars().take(MAX_SHOWN).map(visible).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        cut.push('…');
    }
    cut
}

/// Such a text, or a word for its absence.
pub(super) fn or_none(text: Option<&str>) -> String {
    text.map_or_else(|| "none".to_owned(), |text| format!("`{}`", shown(text)))
}

/// Names in one line: the first few, and how many more there are.
pub(super) fn names(all: &BTreeSet<&str>) -> String {
    let first: Vec<String> =
        all.iter().take(MAX_NAMES).map(|name| format!("`{}`", shown(name))).collect();
    let first = first.join(", ");
    match all.len().saturating_sub(MAX_NAMES) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

//! The texts that a version is found by.

use std::collections::BTreeSet;

use serde_json::Value;

use super::facts::{list, text, texts};
use crate::file_name::is_invisible;
use crate::fold_name;
use crate::word::words;

/// Most terms of one version. A package of hundreds of components is found by the first of them.
pub const MAX_SEARCH_TERMS: usize = 256;
/// Longest term, in bytes of UTF-8; more is cut off.
pub const MAX_TERM_BYTES: usize = 255;
/// Longest text that is searched for, in bytes of UTF-8.
pub const MAX_SEARCH_BYTES: usize = MAX_TERM_BYTES;

words! {
    /// What a term is.
    SearchField, "field of a search",
    "name, display-name, identifier, team, signer, title, author, version or app",
    /// The name it is published under.
    Name = "name",
    /// The display name of its record.
    DisplayName = "display-name",
    /// An identifier: its own, of a receipt, or of an application inside.
    Identifier = "identifier",
    /// The ten characters of the signer's team.
    Team = "team",
    /// The signer's name, or the team's.
    Signer = "signer",
    /// What it calls itself.
    Title = "title",
    /// An author or publisher.
    Author = "author",
    /// A version: its own, of a receipt, or of an application inside.
    Version = "version",
    /// The name of an application or package inside.
    App = "app",
}

/// A text that a version is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SearchTerm {
    /// What it is.
    pub field: SearchField,
    /// The text, folded as names are, so that case and Unicode form make no difference. It is not
    /// empty, and holds nothing that cannot be seen.
    pub text: String,
}

impl SearchTerm {
    /// A term, cut to what is kept; none where nothing is left.
    pub fn new(field: SearchField, text: &str) -> Option<Self> {
        Some(Self { field, text: folded(text)? })
    }
}

/// A text that is searched for, in the form that terms have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchText(String);

/// Why nothing can be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SearchTextError {
    /// Nothing of it can be seen.
    #[error("there is nothing in it to search for: give at least one character")]
    Empty,
    /// It is too long.
    #[error("it has {0} bytes; at most {MAX_SEARCH_BYTES} are searched for: shorten it")]
    TooLong(usize),
}

impl SearchText {
    /// Reads what somebody searches for. Case, Unicode form and blanks around it make no difference.
    ///
    /// # Errors
    /// Where it is too long, or nothing of it can be seen.
    pub fn new(text: &str) -> Result<Self, SearchTextError> {
        if text.len() > MAX_SEARCH_BYTES {
            return Err(SearchTextError::TooLong(text.len()));
        }
        folded(text).map(Self).ok_or(SearchTextError::Empty)
    }

    /// The text, folded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> serde::Deserialize<'de> for SearchText {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// A text as it is kept and searched for; none where nothing of it can be seen.
fn folded(text: &str) -> Option<String> {
    let visible = text.chars().filter(|c| !c.is_control() && !is_invisible(*c));
    // Folding may make it longer; this much alone is worth folding.
    let visible: String = visible.take(MAX_TERM_BYTES).collect();
    let folded = fold_name(visible.trim());
    let mut end = folded.len().min(MAX_TERM_BYTES);
    while !folded.is_char_boundary(end) {
        end -= 1;
    }
    let kept = folded.get(..end)?.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// What a version is found by, each once, the most telling first; at most [`MAX_SEARCH_TERMS`].
pub fn search_terms(inspection: &Value) -> Vec<SearchTerm> {
    let mut found = Found::default();
    let content = inspection.get("content").unwrap_or(&Value::Null);
    let signature = content.get("signature").unwrap_or(&Value::Null);
    let profile = content.get("profile").unwrap_or(&Value::Null);
    let root = content.get("root").unwrap_or(&Value::Null);
    found.add(SearchField::Identifier, texts_at(content, &["identifier"]));
    found.add(SearchField::Identifier, texts_at(signature, &["identifier"]));
    found.add(SearchField::Team, texts_at(signature, &["team"]));
    found.add(SearchField::Team, texts_at(profile, &["team"]));
    found.add(SearchField::Signer, texts_at(signature, &["signer"]));
    found.add(SearchField::Signer, texts_at(profile, &["team_name"]));
    found.add(SearchField::Title, texts_at(inspection, &["display_name"]));
    found.add(SearchField::Title, texts_at(content, &["title", "name", "inner_name"]));
    found.add(SearchField::Version, texts_at(inspection, &["version"]));
    found.add(SearchField::Version, texts_at(content, &["version", "build_version"]));
    found.add(SearchField::Author, texts(content, "creators"));
    found.add(SearchField::Author, texts_at(content, &["publisher"]));
    for app in list(root, "applications") {
        found.add(SearchField::Identifier, texts_at(app, &["identifier"]));
        found.add(SearchField::App, texts_at(app, &["file_name"]));
        found.add(SearchField::Version, texts_at(app, &["short_version"]));
    }
    found.add(SearchField::App, texts(root, "packages"));
    for part in list(content, "components").chain(list(content, "packages")) {
        found.add(SearchField::Identifier, texts_at(part, &["identifier"]));
        found.add(SearchField::Version, texts_at(part, &["version"]));
    }
    for component in list(content, "components") {
        for bundle in list(component, "bundles") {
            found.add(SearchField::Identifier, texts_at(bundle, &["identifier"]));
            found.add(SearchField::App, texts_at(bundle, &["path"]));
            found.add(SearchField::Version, texts_at(bundle, &["short_version"]));
        }
    }
    found.terms
}

/// The texts of these keys.
fn texts_at<'a>(of: &'a Value, keys: &'static [&'static str]) -> impl Iterator<Item = &'a str> {
    keys.iter().filter_map(move |key| text(of, key))
}

/// Terms in the order in which they were found.
#[derive(Debug, Default)]
struct Found {
    terms: Vec<SearchTerm>,
    known: BTreeSet<SearchTerm>,
}

impl Found {
    fn add<'a>(&mut self, field: SearchField, texts: impl Iterator<Item = &'a str>) {
        for text in texts {
            if self.terms.len() >= MAX_SEARCH_TERMS {
                return;
            }
            let Some(term) = SearchTerm::new(field, text) else { continue };
            if self.known.insert(term.clone()) {
                self.terms.push(term);
            }
        }
    }
}

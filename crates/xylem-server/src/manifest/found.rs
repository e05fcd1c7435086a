//! What of an inspection manifests are made from. Distribution servers inspect uploads and report
//! it as JSON; this server reads no packages itself.

use serde::Deserialize;

/// What the inspection found.
#[derive(Debug, Deserialize)]
pub(super) struct Inspected {
    pub(super) display_name: Option<String>,
    pub(super) content: Found,
}

/// By the kind of file.
#[derive(Debug, Deserialize)]
#[serde(tag = "format", rename_all = "snake_case")]
pub(super) enum Found {
    Book(Book),
    FlatPackage(Package),
    MobileApp(App),
    /// Of which there are no manifests.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct App {
    pub(super) identifier: String,
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) build_version: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Book {
    /// `epub`, `ibooks` or `pdf`.
    pub(super) kind: String,
    pub(super) title: Option<String>,
    pub(super) creators: Vec<String>,
    pub(super) version: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Package {
    /// `component` or `product`.
    pub(super) kind: String,
    pub(super) identifier: Option<String>,
    pub(super) version: Option<String>,
    pub(super) signature: Option<Signature>,
}

/// How the signatures compare with the table of contents.
#[derive(Debug, Deserialize)]
pub(super) struct Signature {
    rsa: Option<String>,
    cms: Option<String>,
}

impl Signature {
    /// Whether one is over it, and none over something else.
    pub(super) fn matches(&self) -> bool {
        let both = [self.rsa.as_deref(), self.cms.as_deref()];
        both.contains(&Some("matches")) && !both.contains(&Some("differs"))
    }
}

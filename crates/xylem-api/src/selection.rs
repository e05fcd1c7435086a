//! What a distribution server holds of all there is, and what files are sorted into.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{FileKind, FileName};

/// `PUT /v1/distribution-servers/{name}/selection`: from now on it holds what one of the rules
/// chooses, and what the servers below it need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectFiles {
    /// The rules. Without any, it holds nothing for itself.
    pub rules: Vec<SelectionRule>,
    /// Whether the rules there are stay too. A server that holds everything has none.
    #[serde(default)]
    pub add: bool,
}

/// A rule chooses the files to which all of its parts apply; a part applies to a file with one of
/// its choices. What is left out applies to all; one part must be there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SelectionRule {
    /// These files, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Files of these kinds: `package`, `app`, `ebook`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub kinds: Vec<FileKind>,
    /// Files in these categories, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Files that belong to these sites, or are marked for them, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<String>,
    /// Files with such names: `*` stands for any text, `?` for one character; case does not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// `GET /v1/distribution-servers/{name}/why/{file}`: why it holds a file, or does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyHeld {
    /// The distribution server.
    pub server: String,
    /// The file.
    #[schema(value_type = String)]
    pub file: FileName,
    /// Whether it is to hold the file.
    pub held: bool,
    /// Whether it is to offer the file to clients: not where it holds it only for servers below it.
    pub offered: bool,
    /// Everything that brings the file there; empty where nothing does.
    pub reasons: Vec<HoldingReason>,
}

/// One reason why a distribution server holds a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldingReason {
    /// Whose reason it is: the server's own, or that of one below it.
    pub server: String,
    /// What it is: `root`, `everything` or `rule`.
    pub reason: String,
    /// The number of the rule, from 1.
    pub rule: Option<u64>,
    /// The rule.
    pub chooses: Option<SelectionRule>,
}

/// `PATCH /v1/files/{kind}/{name}`: what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SortFile {
    /// Another category by name; an empty text takes it out of its category.
    pub category: Option<String>,
    /// Another owner site by name; an empty text takes it out of its site.
    pub site: Option<String>,
    /// The other sites it is marked for, by name.
    pub marked_sites: Option<Vec<String>>,
}

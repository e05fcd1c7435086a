//! What a file puts on a Mac: `docs/design/package-index.md`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::IndexedKind;

/// Entries of a page, where nothing else is asked for.
pub const DEFAULT_INDEX_PAGE: u64 = 1_000;
/// Most entries of a page. Each page unpacks the index from its beginning, so pages that are looked
/// through one after the other are to be large.
pub const MAX_INDEX_PAGE: u64 = 10_000;

/// `GET /v1/files/{kind}/{name}/index`: a page of it, in the order of the bytes of paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexPage {
    /// Of which version.
    pub version: u64,
    /// How many entries there are in all.
    pub entries: u64,
    /// Entries: all of them, or those that are searched for.
    pub items: Vec<IndexEntry>,
    /// Pass as `after` to get the next page.
    pub next: Option<String>,
}

/// One file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexEntry {
    /// Where it is put, from the top of the volume.
    #[schema(example = "/Applications/Firefox.app")]
    pub path: String,
    /// What it is: `file`, `folder` or `link`.
    #[schema(value_type = String, example = "folder")]
    pub kind: IndexedKind,
}

/// How many entries an index has, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum IndexSummary {
    /// There is one.
    Entries {
        /// How many entries it has.
        entries: u64,
    },
    /// There is none.
    Missing {
        /// Why.
        missing: String,
    },
}

//! A folder at the root, which is named there.

use serde::{Deserialize, Serialize};

use crate::layout::Prefix;

/// Settings of a folder. Where it lies is none: an API token must not choose where a server writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderSettings {
    /// What everything lies below, in the folder.
    #[serde(default)]
    pub prefix: Prefix,
}

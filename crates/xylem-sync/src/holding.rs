//! Which server is to hold which file.

use xylem_model::{CategoryId, DistributionServerId, FileId, FileKind, SiteId};

/// What the question needs to know of a server.
#[derive(Debug, Clone)]
pub struct ServerFacts {
    /// The server.
    pub id: DistributionServerId,
    /// Whether it is the root.
    pub is_root: bool,
    /// Its site.
    pub site: Option<SiteId>,
}

/// What the question needs to know of a file.
#[derive(Debug, Clone)]
pub struct FileFacts {
    /// The file.
    pub id: FileId,
    /// Its kind.
    pub kind: FileKind,
    /// Its category.
    pub category: Option<CategoryId>,
    /// Its owner site.
    pub site: Option<SiteId>,
}

/// Whether a server is to hold a file. The root holds everything, because it feeds all others;
/// every other server replicates the entire contents of its parent, which is everything too, as
/// long as no server carries a selection.
pub const fn should_hold(_server: &ServerFacts, _file: &FileFacts) -> bool {
    true
}

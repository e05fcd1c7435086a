//! What is on its way to this server, beyond what the repository knows of it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use xylem_model::{ContentId, DistributionServerId};

/// Where bytes that are arriving come from.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    paths: Mutex<HashMap<ContentId, Vec<DistributionServerId>>>,
}

impl Arrivals {
    fn paths(&self) -> MutexGuard<'_, HashMap<ContentId, Vec<DistributionServerId>>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Content comes from a parent, to which it comes through others.
    pub(crate) fn note_path(
        &self,
        content: ContentId,
        parent: DistributionServerId,
        beyond: &[DistributionServerId],
    ) {
        let path = std::iter::once(parent).chain(beyond.iter().copied()).collect();
        self.paths().insert(content, path);
    }

    /// The servers through which content is arriving, nearest first.
    pub(crate) fn path(&self, content: &ContentId) -> Vec<DistributionServerId> {
        self.paths().get(content).cloned().unwrap_or_default()
    }

    /// Content is not arriving any more.
    pub(crate) fn forget(&self, content: &ContentId) {
        self.paths().remove(content);
    }
}

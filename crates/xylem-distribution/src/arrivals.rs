//! What is on its way to this server, beyond what the repository knows of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use xylem_model::{ContentId, DistributionServerId};

/// Bytes of small files that may be in memory at once, over all streams.
const MEMORY_BYTES: usize = 16 << 20;

/// Where bytes that are arriving come from, and the memory for those that are not written yet.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// One permit for each byte.
    pub(crate) memory: Arc<Semaphore>,
    paths: Mutex<HashMap<ContentId, Vec<DistributionServerId>>>,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { memory: Arc::new(Semaphore::new(MEMORY_BYTES)), paths: Mutex::default() }
    }
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

//! Content that is arriving, for those who follow it.
//!
//! Whoever takes content in against its outboard announces it here; readers open it like published
//! content and wait for it to grow. The announcement ends with the staged file, whether that was
//! published or given up.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;
use xylem_model::ContentId;

use crate::repository::Repository;

/// What is known of content that is arriving.
#[derive(Debug, Clone)]
pub(crate) struct Arriving {
    pub(crate) size: u64,
    /// Bytes proved so far, from the front.
    pub(crate) verified: watch::Receiver<u64>,
}

/// The announcement of content that is arriving; dropping it takes it back.
pub(crate) struct Arrival {
    repository: Repository,
    id: ContentId,
    /// Lives until readers can be told how it ended.
    _verified: Arc<watch::Sender<u64>>,
}

impl Arrival {
    pub(crate) fn announce(
        repository: &Repository,
        id: ContentId,
        size: u64,
        verified: Arc<watch::Sender<u64>>,
    ) -> Self {
        let arriving = Arriving { size, verified: verified.subscribe() };
        repository.state().arriving.insert(id, arriving);
        repository.note_change();
        Self { repository: repository.clone(), id, _verified: verified }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.repository.state().arriving.remove(&self.id);
        self.repository.note_change();
    }
}

/// Lets a reader wait for bytes that are still to come.
#[derive(Clone)]
pub struct Growth(watch::Receiver<u64>);

impl Growth {
    pub(crate) const fn new(verified: watch::Receiver<u64>) -> Self {
        Self(verified)
    }

    /// Returns once more than `offset` bytes are there, or once no more will come: reading then
    /// tells whether the content was published or given up.
    pub async fn beyond(&mut self, offset: u64) {
        // An error says that the staged file is gone, which is an end to waiting as well.
        let _ended = self.0.wait_for(|verified| *verified > offset).await.is_err();
    }
}

impl fmt::Debug for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Growth({})", *self.0.borrow())
    }
}

impl Repository {
    /// The size in bytes of content that is arriving and whose outboard is here.
    pub fn arriving(&self, id: &ContentId) -> Option<u64> {
        self.state().arriving.get(id).map(|arriving| arriving.size)
    }

    /// Hears of each change of what can be read: content begins to arrive, is given up, is
    /// published, or is withdrawn. What changed is to be asked for; the number means nothing.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.change_count().subscribe()
    }

    pub(crate) fn note_change(&self) {
        self.change_count().send_modify(|count| *count = count.wrapping_add(1));
    }
}

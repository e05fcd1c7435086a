//! What happened in a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use xylem_client::BaseUrl;
use xylem_model::ContentId;

/// A package that somebody uploads.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) content: ContentId,
}

/// Shared by everybody in a run.
#[derive(Clone)]
pub(crate) struct History {
    /// The distribution servers.
    pub(crate) servers: Arc<Vec<(&'static str, BaseUrl)>>,
    record: Arc<Mutex<Record>>,
    acknowledged: Arc<Notify>,
}

#[derive(Default)]
pub(crate) struct Record {
    /// By name, the newest version that was acknowledged.
    pub(crate) acknowledged: BTreeMap<String, Arc<Package>>,
    /// All that may ever be read, acknowledged or on its way.
    pub(crate) known: BTreeMap<ContentId, Arc<Package>>,
    pub(crate) acknowledgements: u64,
    /// Bodies that were read to their end and compared.
    pub(crate) bodies: u64,
    /// What must not have been read, and was.
    pub(crate) wrong: Vec<String>,
    /// Set when everybody is to stop.
    pub(crate) over: bool,
}

impl History {
    pub(crate) fn new(servers: Vec<(&'static str, BaseUrl)>) -> Self {
        Self { servers: Arc::new(servers), record: Arc::default(), acknowledged: Arc::default() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a package that is about to be uploaded.
    pub(crate) fn begin(&self, package: &Arc<Package>) {
        self.lock().known.insert(package.content, Arc::clone(package));
    }

    /// Notes that a package was acknowledged.
    pub(crate) fn acknowledge(&self, package: &Arc<Package>) {
        let mut record = self.lock();
        record.acknowledgements += 1;
        record.acknowledged.insert(package.name.clone(), Arc::clone(package));
        drop(record);
        self.acknowledged.notify_waiters();
    }

    /// Waits for the next acknowledgement.
    pub(crate) async fn next_acknowledgement(&self) {
        self.acknowledged.notified().await;
    }

    /// Compares a body with what was uploaded.
    pub(crate) fn compare(
        &self,
        server: &str,
        package: &Package,
        start: usize,
        body: &[u8],
    ) -> anyhow::Result<()> {
        let whole = std::fs::read(&package.path)?;
        let mut record = self.lock();
        record.bodies += 1;
        if whole.get(start..) != Some(body) {
            record
                .wrong
                .push(format!("{server} gave wrong bytes of {} from {start}", package.name));
        }
        Ok(())
    }
}

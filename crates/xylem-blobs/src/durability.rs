//! How much of a staged file survives a power cut.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use xylem_runtime::FsFile;

use crate::error::{BlobError, Doing};
use crate::layout::StageKey;
use crate::repository::Repository;

/// What of a staged file is on the disk for good.
///
/// Its writer and whoever syncs beside the writing ([`Syncer`]) share one of these, and one open
/// file: the kernel tells each open file of a failed write once, and then counts the lost pages as
/// written. So whoever hears of it notes it here, cuts off what is not known to be on the disk, and
/// nobody gets any further with this file.
pub(crate) struct Durability {
    file: Arc<dyn FsFile>,
    written: AtomicU64,
    synced: AtomicU64,
    failure: OnceLock<io::Error>,
    /// Held while the file is synced or cut.
    turn: Mutex<()>,
}

impl Durability {
    /// A file of which `written` bytes are there, the first `synced` of them for good.
    pub(crate) fn new(file: Arc<dyn FsFile>, written: u64, synced: u64) -> Self {
        Self {
            file,
            written: AtomicU64::new(written),
            synced: AtomicU64::new(synced),
            failure: OnceLock::new(),
            turn: Mutex::default(),
        }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that survive a power cut.
    pub(crate) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Why a sync failed, if one has: the file is then of no more use.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        self.failure.get().map(same)
    }

    /// The file has grown to `len` bytes.
    pub(crate) fn note_written(&self, len: u64) {
        self.written.store(len, Ordering::Release);
    }

    /// Cuts the file.
    pub(crate) fn cut(&self, len: u64) -> io::Result<()> {
        let _turn = self.turn();
        self.written.store(len, Ordering::Release);
        self.synced.fetch_min(len, Ordering::AcqRel);
        self.file.set_len(len)
    }

    /// Makes what is written durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let _turn = self.turn();
        if let Some(error) = self.failure() {
            return Err(error);
        }
        let written = self.written.load(Ordering::Acquire);
        let result = self.file.sync();
        match &result {
            Ok(()) => {
                self.synced.fetch_max(written, Ordering::AcqRel);
            }
            Err(error) => {
                // A second sync that succeeds would mean nothing.
                self.failure.get_or_init(|| same(error));
                if let Err(error) = self.file.set_len(self.synced()) {
                    tracing::warn!(%error, "a staged file whose sync failed was not cut");
                }
            }
        }
        result
    }
}

fn same(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Syncs a staged file while more of it is being written.
#[derive(Clone)]
pub struct Syncer {
    pub(crate) durable: Arc<Durability>,
    pub(crate) repository: Repository,
    pub(crate) key: StageKey,
}

impl Syncer {
    /// Bytes that survive a power cut.
    pub fn synced(&self) -> u64 {
        self.durable.synced()
    }

    /// Makes durable what has been written so far.
    ///
    /// # Errors
    /// Failures of the disk. Whoever writes the file is told of them too, and staging it again goes
    /// on at what was durable before.
    pub fn sync(&self) -> Result<(), BlobError> {
        let (fs, layout) = (self.repository.fs(), self.repository.layout());
        self.durable.sync().doing("sync", &layout.part(&self.key))?;
        let folder = layout.staged();
        fs.sync_dir(&folder).doing("sync the folder", &folder)
    }
}

//! The repository: what it holds, and who is busy with what.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use xylem_model::ContentId;
use xylem_runtime::{Disk, Fs};

use crate::arrival::Arriving;
use crate::digests::DigestSet;
use crate::error::{BlobError, Doing};
use crate::files::{Files, OpenOrder};
use crate::layout::{Layout, StageKey};
use crate::reach::Reach;
use crate::reader::BlobReader;
use crate::recover;
use crate::staged::StagedFile;
use crate::tree::{has_outboard, outboard_len};
use crate::tree_reader::TreeReader;

/// When stored bytes are compared with their digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerifyOnRead {
    /// Whenever they are read.
    #[default]
    Always,
    /// Only by [`Repository::verify`]: for machines too slow to hash what they serve.
    ScrubOnly,
}

/// How a repository behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct RepositoryOptions {
    /// When stored bytes are compared with their digest.
    pub verify_on_read: VerifyOnRead,
}

/// A content-addressed repository. Clones share one state.
#[derive(Clone)]
pub struct Repository {
    shared: Arc<Shared>,
}

struct Shared {
    disk: Disk,
    layout: Layout,
    options: RepositoryOptions,
    state: Mutex<State>,
    /// Bytes that all staged files in use may still write. Raised only under the lock of `state`.
    promised: AtomicU64,
    changes: watch::Sender<u64>,
}

/// What is known without asking the disk.
#[derive(Default)]
pub(crate) struct State {
    /// All published content. What is in here is durable.
    pub(crate) index: HashMap<ContentId, Entry>,
    /// Content between the start of a publish and its end, which must not be moved meanwhile.
    pub(crate) publishing: HashMap<ContentId, usize>,
    /// Content whose outboard is here and whose bytes are coming in.
    pub(crate) arriving: HashMap<ContentId, Arriving>,
    /// Folders below `content/` that survive a power cut.
    pub(crate) shards: HashSet<u8>,
    /// Which of the published content's files are open.
    pub(crate) open_order: OpenOrder,
    /// Whether another process has the folder now.
    pub(crate) given_up: bool,
    /// Staged files in use.
    staging: HashSet<StageKey>,
}

/// One piece of published content.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) size: u64,
    /// Held by every open reader too: what others hold is in use.
    pub(crate) lease: Arc<()>,
    /// Where they are open.
    pub(crate) files: Option<Arc<Files>>,
}

impl Entry {
    pub(crate) fn new(size: u64) -> Self {
        Self { size, lease: Arc::new(()), files: None }
    }

    pub(crate) fn readers(&self) -> usize {
        Arc::strong_count(&self.lease) - 1
    }
}

impl Repository {
    /// Opens a repository, making it where there is none.
    ///
    /// Brings it into a consistent state after whatever happened: content without a sound outboard
    /// is hashed and gets a new one, or goes to quarantine; outboards without content are removed.
    /// Staged files are kept, to be resumed or [swept](Self::sweep_staged).
    ///
    /// # Errors
    /// [`BlobError::NewerFormat`], and failures of the disk.
    pub fn open(
        disk: Disk,
        folder: PathBuf,
        options: RepositoryOptions,
    ) -> Result<Self, BlobError> {
        let layout = Layout::new(folder);
        recover::prepare(disk.fs(), &layout)?;
        let found = recover::scan(disk.fs(), &layout)?;
        let state = State { index: found.index, shards: found.shards, ..State::default() };
        let (state, changes) = (Mutex::new(state), watch::Sender::new(0));
        let shared = Shared { disk, layout, options, state, promised: AtomicU64::new(0), changes };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs blocking work on the repository without holding up async tasks.
    pub async fn run<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> T + Send + 'static,
    {
        let repository = self.clone();
        self.shared.disk.run(move |_| work(&repository)).await
    }

    /// The same for work that writes nothing, which nobody waits for when the folder is given to
    /// another process.
    pub async fn run_reading<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> T + Send + 'static,
    {
        let repository = self.clone();
        self.shared.disk.run_reading(move |_| work(&repository)).await
    }

    /// Another process has the folder from now on: what is open here can still be read, and
    /// nothing is moved any more, also not what turns out to be damaged.
    pub fn give_up(&self) {
        self.state().given_up = true;
    }

    /// Takes in a file of `size` bytes, or goes on with one that was interrupted: see
    /// [`StagedFile::offset`]. Going on reads the bytes already here once, to hash them.
    ///
    /// # Errors
    /// [`BlobError::NoSpace`] unless the missing bytes and 5 % of the size are free,
    /// [`BlobError::Busy`] while another holds this staged file, and failures of the disk.
    pub fn stage(
        &self,
        key: &StageKey,
        size: u64,
        digests: DigestSet,
    ) -> Result<StagedFile, BlobError> {
        StagedFile::open(self, key, size, digests)
    }

    /// Whether it holds this content.
    pub fn contains(&self, id: &ContentId) -> bool {
        self.state().index.contains_key(id)
    }

    /// The size in bytes of content it holds.
    pub fn size_of(&self, id: &ContentId) -> Option<u64> {
        self.state().index.get(id).map(|entry| entry.size)
    }

    /// How many readers of this content are open.
    pub fn readers(&self, id: &ContentId) -> usize {
        self.state().index.get(id).map_or(0, Entry::readers)
    }

    /// All content with its size in bytes, ordered by id.
    pub fn list(&self) -> Vec<(ContentId, u64)> {
        let mut list: Vec<_> =
            self.state().index.iter().map(|(id, entry)| (*id, entry.size)).collect();
        list.sort_unstable();
        list
    }

    /// Bytes that published content takes, outboards included.
    pub fn used_bytes(&self) -> u64 {
        let with_outboard = |entry: &Entry| match has_outboard(entry.size) {
            true => entry.size + outboard_len(entry.size),
            false => entry.size,
        };
        self.state().index.values().map(with_outboard).sum()
    }

    /// Bytes that the disk still has room for.
    ///
    /// # Errors
    /// When the file system does not tell.
    pub fn free_space(&self) -> Result<u64, BlobError> {
        let folder = self.layout().folder();
        self.fs().free_space(folder).doing("ask for the free space of", folder)
    }

    /// Opens content for reading.
    ///
    /// # Errors
    /// [`BlobError::NotFound`], and failures of the disk.
    pub fn open_blob(&self, id: &ContentId) -> Result<BlobReader, BlobError> {
        let verify = self.shared.options.verify_on_read;
        BlobReader::published(self, id, verify, Reach::Disk)
    }

    /// Opens content that is published or arriving; of the latter, what is
    /// [available](BlobReader::available) can be read, and [`BlobReader::growth`] tells when there
    /// is more.
    ///
    /// # Errors
    /// [`BlobError::NotFound`], failures of the disk, and [`would_block`](BlobError::would_block)
    /// where `reach` is too short.
    pub fn open_arriving(&self, id: &ContentId, reach: Reach) -> Result<BlobReader, BlobError> {
        let arriving = {
            let state = self.state();
            if state.index.contains_key(id) { None } else { state.arriving.get(id).cloned() }
        };
        match arriving {
            Some(arriving) => BlobReader::staged(self, id, arriving, reach),
            None => BlobReader::shared(self, id, reach),
        }
    }

    /// Opens the outboard of content that is published or arriving, to be sent to a peer that fetches it.
    ///
    /// # Errors
    /// [`BlobError::NotFound`], and failures of the disk.
    pub fn open_tree(&self, id: &ContentId) -> Result<TreeReader, BlobError> {
        TreeReader::open(self, id)
    }

    pub(crate) fn change_count(&self) -> &watch::Sender<u64> {
        &self.shared.changes
    }

    pub(crate) fn fs(&self) -> &dyn Fs {
        self.shared.disk.fs()
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    pub(crate) fn options(&self) -> RepositoryOptions {
        self.shared.options
    }

    /// The state. Held for moments only: never while bytes are written, read or synced.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds it leaves it half changed, so a panic elsewhere spoils nothing.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Repository").field(&self.layout().folder()).finish()
    }
}

/// The exclusive use of a staged file, and of the room it still needs.
pub(crate) struct Claim {
    pub(crate) repository: Repository,
    pub(crate) key: StageKey,
    /// Its share of the promised bytes.
    missing: AtomicU64,
}

impl Claim {
    pub(crate) fn new(repository: &Repository, key: &StageKey) -> Result<Self, BlobError> {
        if !repository.state().staging.insert(*key) {
            return Err(BlobError::Busy { key: *key });
        }
        Ok(Self { repository: repository.clone(), key: *key, missing: AtomicU64::new(0) })
    }

    /// Reserves room for the `missing` bytes of a file of `size` bytes, and the spare 5 %.
    pub(crate) fn reserve(&self, missing: u64, size: u64) -> Result<(), BlobError> {
        if missing == 0 {
            return Ok(());
        }
        let free = self.repository.free_space()?;
        let needed = missing.saturating_add(size / SPARE_SHARE);
        self.set_missing(0);
        let _state = self.repository.state();
        let promised = self.repository.shared.promised.load(Ordering::Relaxed);
        let free = free.saturating_sub(promised);
        if free < needed {
            let folder = self.repository.layout().folder().to_owned();
            return Err(BlobError::NoSpace { folder, needed, free });
        }
        // Still under the lock, so that two uploads cannot both be promised the last bytes.
        self.set_missing(missing);
        Ok(())
    }

    /// Notes how much of the room is still unused.
    pub(crate) fn set_missing(&self, missing: u64) {
        let before = self.missing.swap(missing, Ordering::Relaxed);
        let promised = &self.repository.shared.promised;
        if missing > before {
            promised.fetch_add(missing - before, Ordering::Relaxed);
        } else {
            promised.fetch_sub(before - missing, Ordering::Relaxed);
        }
    }
}

/// One part in this many of a file must be free beyond its size: 5 %.
const SPARE_SHARE: u64 = 20;

impl Drop for Claim {
    fn drop(&mut self) {
        self.set_missing(0);
        self.repository.state().staging.remove(&self.key);
    }
}

impl State {
    /// Published content, kept from being removed for as long as the copy of its entry lives.
    pub(crate) fn lease(&self, id: &ContentId) -> Result<Entry, BlobError> {
        self.index.get(id).cloned().ok_or(BlobError::NotFound { id: *id })
    }

    /// Whether a staged file is in use.
    pub(crate) fn is_staging(&self, key: &StageKey) -> bool {
        self.staging.contains(key)
    }
}

//! Uploads under way, in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;
use xylem_api::error::ErrorCode;
use xylem_blobs::{BlobError, DigestSet, StageKey, StagedFile};
use xylem_http::ApiError;
use xylem_model::{ContentId, Timestamp, UploadId};
use xylem_runtime::Shutdown;

use super::ahead::Ahead;
use super::record::{Facts, Record, Stage};
use crate::node::Node;

/// How long a restart takes, as senders are told, in seconds.
const RESTART_SECONDS: u32 = 1;

/// Uploads under way. One request at a time works on each.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    /// Begun once another program takes over: from then on only that one takes parts.
    closing: Shutdown,
    slots: Mutex<HashMap<UploadId, Arc<Slot>>>,
    /// Other changes under way.
    changes: AtomicUsize,
    finishing: Mutex<HashMap<UploadId, ContentId>>,
}

/// One upload under way.
#[derive(Debug)]
pub(crate) struct Slot {
    work: Arc<tokio::sync::Mutex<Work>>,
    /// Bytes staged, as of the last piece; read while somebody else works.
    offset: AtomicU64,
    /// What comes ahead of them.
    pub(crate) ahead: Arc<Ahead>,
}

/// What whoever works on an upload has in hand.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) record: Option<Record>,
    /// Kept open between two parts: opening it again reads all its bytes to hash them.
    pub(crate) staged: Option<StagedFile>,
    /// Hears when it is opened. The slot's.
    ahead: Arc<Ahead>,
    /// When it was last worked on.
    pub(crate) used: Timestamp,
}

impl Slot {
    /// The exclusive use of an upload; none while another has it.
    pub(crate) fn try_work(&self) -> Option<OwnedMutexGuard<Work>> {
        Arc::clone(&self.work).try_lock_owned().ok()
    }

    /// The exclusive use of an upload, once others are done.
    pub(crate) async fn work(&self) -> OwnedMutexGuard<Work> {
        Arc::clone(&self.work).lock_owned().await
    }

    /// Bytes staged, as far as is known.
    pub(crate) fn offset(&self) -> u64 {
        self.offset.load(Ordering::Relaxed)
    }

    pub(crate) fn note_offset(&self, offset: u64) {
        self.offset.store(offset, Ordering::Relaxed);
    }
}

impl Uploads {
    /// Takes no more, and breaks off what is coming in.
    pub(crate) fn close(&self) {
        self.closing.begin();
    }

    /// Whether uploads are taken.
    ///
    /// # Errors
    /// What the sender hears where they are not.
    pub(crate) fn check_open(&self) -> Result<(), ApiError> {
        if !self.closing.has_begun() {
            return Ok(());
        }
        let message = "this server is being restarted: ask again, what has arrived is kept";
        Err(ApiError::unavailable(message, RESTART_SECONDS))
    }

    /// Begins a change that is no upload; whoever takes over waits for its end.
    ///
    /// # Errors
    /// What is heard where another program is about to take over.
    pub(crate) fn begin_change(self: &Arc<Self>) -> Result<Change, ApiError> {
        // Counted before it is looked, so that whoever closes sees it or is seen.
        self.changes.fetch_add(1, Ordering::SeqCst);
        let change = Change(Arc::clone(self));
        self.check_open()?;
        Ok(change)
    }

    /// Returns once no more are taken.
    pub(crate) async fn closed(&self) {
        self.closing.begun().await;
    }

    /// Whether nobody works on any, or changes anything else.
    pub(crate) fn are_idle(&self) -> bool {
        if self.changes.load(Ordering::SeqCst) > 0 {
            return false;
        }
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.values().all(|slot| slot.try_work().is_some())
    }

    /// The place of an upload.
    pub(crate) fn slot(&self, upload: UploadId) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let ahead = Arc::<Ahead>::default();
            let work = Work { ahead: Arc::clone(&ahead), ..Work::default() };
            let work = Arc::new(tokio::sync::Mutex::new(work));
            Arc::new(Slot { work, ahead, offset: AtomicU64::new(0) })
        };
        Arc::clone(slots.entry(upload).or_insert_with(new))
    }

    /// Whether this content is about to be published by an upload, so that nobody else need
    /// fetch it.
    pub(crate) fn is_finishing(&self, content: &ContentId) -> bool {
        let finishing = self.finishing.lock().unwrap_or_else(PoisonError::into_inner);
        finishing.values().any(|other| other == content)
    }

    /// Marks an upload as about to be published until the guard is dropped.
    pub(crate) fn finishing(&self, upload: UploadId, content: ContentId) -> Finishing<'_> {
        let mut finishing = self.finishing.lock().unwrap_or_else(PoisonError::into_inner);
        finishing.insert(upload, content);
        Finishing { uploads: self, upload }
    }

    /// Lets go of what nobody has worked on since `before`; it is on the disk.
    pub(crate) fn close_idle(&self, before: Timestamp) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| {
            let in_use = Arc::strong_count(slot) > 1;
            in_use || slot.try_work().is_none_or(|work| work.used >= before)
        });
    }
}

/// See [`Uploads::begin_change`].
pub(crate) struct Change(Arc<Uploads>);

impl Drop for Change {
    fn drop(&mut self) {
        self.0.changes.fetch_sub(1, Ordering::SeqCst);
    }
}

/// See [`Uploads::finishing`].
pub(crate) struct Finishing<'a> {
    uploads: &'a Uploads,
    upload: UploadId,
}

impl Drop for Finishing<'_> {
    fn drop(&mut self) {
        let mut finishing = self.uploads.finishing.lock().unwrap_or_else(PoisonError::into_inner);
        finishing.remove(&self.upload);
    }
}

impl Work {
    /// Finds the record, or makes it; another ticket must say the same of the same upload.
    pub(crate) async fn load(&mut self, node: &Arc<Node>, facts: &Facts) -> Result<(), ApiError> {
        self.used = node.now();
        if self.record.is_none() {
            let (target, id) = (Arc::clone(node), facts.upload);
            let read = move |fs: &dyn xylem_runtime::Fs| Record::read(fs, &target.folder, id);
            self.record = node
                .environment
                .disk
                .run(read)
                .await
                .map_err(|error| ApiError::internal("reading the upload's record", error))?;
        }
        match &self.record {
            Some(record) if record.facts == *facts => Ok(()),
            Some(_) => Err(other_facts()),
            None => self.write(node, facts, Stage::Receiving).await,
        }
    }

    /// Moves on to a stage, on the disk first.
    pub(crate) async fn write(
        &mut self,
        node: &Arc<Node>,
        facts: &Facts,
        stage: Stage,
    ) -> Result<(), ApiError> {
        let record = Record { facts: facts.clone(), stage, touched: node.now() };
        let (target, written) = (Arc::clone(node), record.clone());
        node.environment
            .disk
            .run(move |fs| written.write(fs, &target.folder))
            .await
            .map_err(|error| ApiError::internal("writing the upload's record", error))?;
        self.record = Some(record);
        Ok(())
    }

    /// The staged file, opened where it is not.
    pub(crate) async fn take_staged(
        &mut self,
        node: &Arc<Node>,
        facts: &Facts,
    ) -> Result<StagedFile, ApiError> {
        if let Some(staged) = self.staged.take() {
            return Ok(staged);
        }
        // Nobody begins to write ahead while what is there is being hashed.
        self.ahead.closed();
        let staged = open_staged(node, facts).await?;
        // How far it reaches is known now, and whether somebody is still writing in front of that.
        self.ahead.opened(facts, &staged)?;
        Ok(staged)
    }

    /// Lets go of the staged file for good.
    pub(crate) fn give_up_staged(&mut self) -> Option<StagedFile> {
        self.ahead.closed();
        self.staged.take()
    }

    /// Forgets the upload.
    pub(crate) fn forget(&mut self) {
        self.give_up_staged();
        self.record = None;
    }
}

/// Opens the staged file of an upload, to which nothing comes ahead.
pub(super) async fn open_staged(node: &Arc<Node>, facts: &Facts) -> Result<StagedFile, ApiError> {
    let (key, size) = (StageKey::Upload(facts.upload), facts.size);
    node.repository
        .run(move |repository| repository.stage(&key, size, DigestSet::Blake3AndSha256))
        .await
        .map_err(|error| blob_error("staging the upload", error))
}
/// What the sender hears whose ticket does not fit the upload.
pub(super) fn other_facts() -> ApiError {
    ApiError::new(
        ErrorCode::Conflict,
        "another ticket said something else of this upload: declare a new one",
    )
}

/// How a failure of the repository is answered to the sender of an upload.
pub(crate) fn blob_error(doing: &'static str, error: BlobError) -> ApiError {
    let code = match &error {
        BlobError::NoSpace { .. } => ErrorCode::NoSpace,
        BlobError::Overrun { .. } => ErrorCode::TooLarge,
        BlobError::Gap { .. } | BlobError::Busy { .. } | BlobError::Incomplete { .. } => {
            ErrorCode::Conflict
        }
        BlobError::Mismatch { .. } => ErrorCode::DigestMismatch,
        _ => return ApiError::internal(doing, error),
    };
    ApiError::new(code, error.to_string())
}

//! Files that are still arriving.
//!
//! A staged file grows from front to back and is hashed as it grows. It can be interrupted by
//! anything; staging it again goes on at [`StagedFile::offset`]. What that offset may rest on
//! differs:
//!
//! - Where the digest is only known at the end, on the *mark*: a small file beside it, written after
//!   a sync, that says how many bytes survive a power cut. Bytes after it are dropped, because
//!   nothing tells which of them were torn.
//! - Where the outboard came first ([`TreeIntake`](crate::TreeIntake)), on the tree itself: every
//!   group that matches is kept, synced or not.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use xylem_model::{ContentId, Sha256};
use xylem_runtime::{Fs, FsFile};

use crate::ahead::AheadWriter;
use crate::arrival::Arrival;
use crate::digests::{Computation, DigestSet, Expected, compare, finish_sha256};
use crate::durability::{Durability, Syncer};
use crate::error::{BlobError, Doing};
use crate::intake::Comparison;
use crate::layout::{Layout, StageKey};
use crate::mark;
use crate::publish::{Unnamed, Verified};
use crate::recover::feed;
use crate::repository::{Claim, Repository};
use crate::tree::{has_outboard, outboard_len};
use crate::withdraw::ignore_missing;

/// A staged file is synced, and its mark moved, after this many new bytes: what a power cut can
/// cost. A file that has no mark is left to whoever writes it: see [`StagedFile::syncer`].
pub const MARK_EVERY_BYTES: u64 = 64 * 1024 * 1024;
/// A file that is still arriving. Dropped, it stays on the disk; call [`pause`](Self::pause) first
/// so that as much as possible of it can be used when it is staged again.
pub struct StagedFile {
    claim: Claim,
    size: u64,
    offset: u64,
    file: Arc<dyn FsFile>,
    durable: Arc<Durability>,
    /// Whether a mark moves along, so that it can be resumed after a power cut.
    has_marks: bool,
    check: Check,
    /// Lets readers follow, where bytes are checked as they come.
    arrival: Option<Arrival>,
}

/// How the bytes are checked.
enum Check {
    /// All at the end, against digests.
    AtEnd(Computation),
    /// Group by group, against a tree that is already here.
    AgainstTree(Comparison),
}

impl StagedFile {
    pub(crate) fn open(
        repository: &Repository,
        key: &StageKey,
        size: u64,
        digests: DigestSet,
    ) -> Result<Self, BlobError> {
        let claim = Claim::new(repository, key)?;
        let (fs, layout) = (repository.fs(), repository.layout());
        let path = layout.part(key);
        let file: Arc<dyn FsFile> = open_or_create(fs, &path)?.into();
        let offset = mark::settle(fs, layout, key, size, &*file)?;
        if let Err(refused) = claim.reserve(size - offset, size) {
            if offset == 0 {
                remove_staged(fs, layout, key)?;
            }
            return Err(refused);
        }
        let check = Check::AtEnd(Computation::new(size, digests));
        let durable = Arc::new(Durability::new(Arc::clone(&file), offset, offset));
        let mut staged =
            Self { claim, size, offset: 0, file, durable, has_marks: true, check, arrival: None };
        staged.hash_again(offset)?;
        Ok(staged)
    }

    /// Hashes what is here from before, up to `end`. Its outboard is written anew on the way, so
    /// that the memory needed does not grow with the file.
    fn hash_again(&mut self, end: u64) -> Result<(), BlobError> {
        let path = self.claim.repository.layout().part(&self.claim.key);
        let file = Arc::clone(&self.file);
        feed(&*file, &path, self.offset..end, |bytes| {
            self.offset += bytes.len() as u64;
            match &mut self.check {
                Check::AtEnd(check) => {
                    check.update(bytes);
                    if check.tree.has_much_pending() { self.write_outboard() } else { Ok(()) }
                }
                // Its tree was here first, and its bytes were compared with it.
                Check::AgainstTree(_) => Ok(()),
            }
        })
    }

    /// The same for a file that nobody will resume: no mark moves along, and syncing it while it
    /// grows is left to whoever writes it, as with one whose tree came first.
    #[must_use]
    pub fn without_marks(self) -> Self {
        Self { has_marks: false, ..self }
    }

    /// Goes on with a file whose tree is here, as far as its bytes match the tree.
    pub(crate) fn open_against(
        claim: Claim,
        size: u64,
        mut comparison: Comparison,
    ) -> Result<Self, BlobError> {
        let path = claim.repository.layout().part(&claim.key);
        let file: Arc<dyn FsFile> = open_or_create(claim.repository.fs(), &path)?.into();
        let offset = comparison.resume(&*file).doing("read", &path)?;
        if file.len().doing("measure", &path)? != offset {
            file.set_len(offset).doing("cut", &path)?;
        }
        claim.reserve(size - offset, size)?;
        let (id, verified) = (comparison.id(), comparison.verified());
        let arrival = Some(Arrival::announce(&claim.repository, id, size, verified));
        let check = Check::AgainstTree(comparison);
        // What matches may lie in memory alone.
        let durable = Arc::new(Durability::new(Arc::clone(&file), offset, 0));
        Ok(Self { claim, size, offset, file, durable, has_marks: false, check, arrival })
    }

    /// Where the file goes on: all bytes before are here.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Its declared size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its name among the staged files.
    pub fn key(&self) -> StageKey {
        self.claim.key
    }

    /// Takes bytes that begin at `offset`. Those already here are skipped, so a sender may overlap.
    ///
    /// After a failure the file is as if the call had not been made or had been made in part;
    /// [`offset`](Self::offset) tells.
    ///
    /// # Errors
    /// [`BlobError::Gap`], [`BlobError::Overrun`], [`BlobError::ForeignBytes`] where a tree says
    /// that the bytes are wrong, [`BlobError::NoSpace`], and failures of the disk.
    pub fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlobError> {
        let key = self.claim.key;
        self.refuse_if_failed()?;
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= self.size);
        if end.is_none() {
            return Err(BlobError::Overrun { key, size: self.size });
        }
        let Some(known) = self.offset.checked_sub(offset) else {
            return Err(BlobError::Gap { key, expected: self.offset, offset });
        };
        let new = usize::try_from(known).ok().and_then(|known| bytes.get(known..));
        let Some(new) = new.filter(|new| !new.is_empty()) else { return Ok(()) };
        // First what a full disk kept back, so that it never grows.
        self.write_outboard()?;
        self.write(new)?;
        self.take(new)?;
        self.note_taken()
    }

    /// What follows whenever bytes were taken.
    fn note_taken(&mut self) -> Result<(), BlobError> {
        self.claim.set_missing(self.size - self.offset);
        if self.has_marks && self.offset - self.durable.synced() >= MARK_EVERY_BYTES {
            self.pause()?;
        }
        Ok(())
    }

    /// Writes bytes further on, beside this: see [`advance`](Self::advance).
    pub fn ahead_writer(&self) -> AheadWriter {
        let (file, durable) = (Arc::clone(&self.file), Arc::clone(&self.durable));
        let Claim { repository, key, .. } = &self.claim;
        AheadWriter { file, durable, repository: repository.clone(), key: *key, size: self.size }
    }

    /// Takes in what was written ahead, up to `end`, by reading it.
    ///
    /// # Errors
    /// Those of [`append`](Self::append). Reading past what was written is a failure of the disk.
    pub fn advance(&mut self, end: u64) -> Result<(), BlobError> {
        self.refuse_if_failed()?;
        if end > self.size {
            return Err(BlobError::Overrun { key: self.claim.key, size: self.size });
        }
        let path = self.claim.repository.layout().part(&self.claim.key);
        let file = Arc::clone(&self.file);
        feed(&*file, &path, self.offset..end, |bytes| {
            self.write_outboard()?;
            self.take(bytes)?;
            self.note_taken()
        })
    }

    fn write(&self, bytes: &[u8]) -> Result<(), BlobError> {
        self.file.write_all_at(bytes, self.offset).map_err(|error| {
            let path = self.claim.repository.layout().part(&self.claim.key);
            let (fs, needed) = (self.claim.repository.fs(), bytes.len() as u64);
            BlobError::writing(fs, "write", &path, needed, error)
        })
    }

    /// Hashes bytes that have been written.
    fn take(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        match &mut self.check {
            Check::AtEnd(check) => check.update(bytes),
            Check::AgainstTree(comparison) => {
                if let Err(error) = comparison.update(bytes) {
                    self.offset = comparison.proved();
                    let path = self.claim.repository.layout().part(&self.claim.key);
                    self.durable.cut(self.offset).doing("cut", &path)?;
                    return Err(error);
                }
            }
        }
        self.offset += bytes.len() as u64;
        self.durable.note_written(self.offset);
        Ok(())
    }

    /// Makes what is here durable, so that an interruption costs nothing: call it when the sender
    /// goes away.
    ///
    /// # Errors
    /// Failures of the disk. When the sync itself fails the file is of no more use: stage it again.
    pub fn pause(&mut self) -> Result<(), BlobError> {
        self.refuse_if_failed()?;
        self.sync()?;
        let (fs, layout) = (self.claim.repository.fs(), self.claim.repository.layout());
        if matches!(self.check, Check::AtEnd(_)) {
            // Replacing the mark syncs the folder, and with it the names of the file itself.
            return mark::write(fs, layout, &self.claim.key, self.offset, self.size);
        }
        let folder = layout.staged();
        fs.sync_dir(&folder).doing("sync the folder", &folder)
    }

    /// Lets another sync it while it is being written.
    pub fn syncer(&self) -> Syncer {
        let (durable, repository) = (Arc::clone(&self.durable), self.claim.repository.clone());
        Syncer { durable, repository, key: self.claim.key }
    }

    fn sync(&self) -> Result<(), BlobError> {
        self.durable.sync().map_err(|error| self.sync_failed(error))
    }

    fn sync_failed(&self, error: io::Error) -> BlobError {
        let path = self.claim.repository.layout().part(&self.claim.key);
        let needed = self.offset.saturating_sub(self.durable.synced());
        BlobError::writing(self.claim.repository.fs(), "sync", &path, needed, error)
    }

    /// Compares the whole file with what was declared, and makes file and outboard durable. The
    /// next step is [`Repository::publish`].
    ///
    /// An upload survives a crash from here on: staged again, it is complete. Content fetched from
    /// a peer is not worth the extra syncs, since it can be fetched again.
    ///
    /// # Errors
    /// [`BlobError::Incomplete`] (staging it again goes on), [`BlobError::Mismatch`] (the staged
    /// file is gone), [`BlobError::NoSpace`], and failures of the disk.
    pub fn finish(mut self, expected: &Expected) -> Result<Verified, BlobError> {
        self.refuse_if_failed()?;
        if self.offset != self.size {
            let (key, have, size) = (self.claim.key, self.offset, self.size);
            return Err(BlobError::Incomplete { key, have, size });
        }
        let (id, sha256) = self.digests(expected.sha256.is_some())?;
        if let Err(mismatch) = compare(self.claim.key, self.size, id, sha256, expected) {
            self.discard()?;
            return Err(mismatch);
        }
        if matches!(self.claim.key, StageKey::Upload(_)) {
            self.pause()?;
        } else {
            self.sync()?;
        }
        self.write_outboard()?;
        self.sync_outboard()?;
        let Self { claim, file, size, arrival, .. } = self;
        let unnamed = Unnamed { claim, id, size, has_leftovers: true };
        Ok(Verified { unnamed, file, sha256, _arrival: arrival })
    }

    fn digests(&mut self, want_sha256: bool) -> Result<(ContentId, Option<Sha256>), BlobError> {
        let (id, sha256) = match &mut self.check {
            Check::AtEnd(check) => {
                (ContentId::from_bytes(check.tree.finish()), check.sha256.take())
            }
            Check::AgainstTree(comparison) => (comparison.id(), None),
        };
        let sha256 = match sha256 {
            None if want_sha256 => {
                let mut sha256 = digest::Context::new(&digest::SHA256);
                let path = self.claim.repository.layout().part(&self.claim.key);
                feed(&*self.file, &path, 0..self.size, |bytes| {
                    sha256.update(bytes);
                    Ok(())
                })?;
                Some(sha256)
            }
            sha256 => sha256,
        };
        Ok((id, sha256.map(finish_sha256)))
    }

    /// Throws away what is here.
    ///
    /// # Errors
    /// Failures of the disk.
    pub fn discard(self) -> Result<(), BlobError> {
        remove_staged(self.claim.repository.fs(), self.claim.repository.layout(), &self.claim.key)
    }

    /// The operating system's file, to be handed to another process; simulated files have none.
    pub fn os_file(&self) -> Option<io::Result<File>> {
        self.file.os_file()
    }

    /// After a failed sync it is unknown what the disk holds.
    fn refuse_if_failed(&self) -> Result<(), BlobError> {
        self.durable.failure().map_or(Ok(()), |error| Err(self.sync_failed(error)))
    }

    /// Writes what is known of the outboard.
    fn write_outboard(&mut self) -> Result<(), BlobError> {
        let Check::AtEnd(check) = &mut self.check else { return Ok(()) };
        if !has_outboard(self.size) || !check.tree.has_pending() {
            return Ok(());
        }
        let fs = self.claim.repository.fs();
        let path = self.claim.repository.layout().part_tree(&self.claim.key);
        let len = outboard_len(self.size);
        let writing = |error| BlobError::writing(fs, "write", &path, len, error);
        let outboard = match check.outboard.take() {
            Some(outboard) => outboard,
            None => {
                let outboard = open_or_create(fs, &path)?;
                // An earlier, longer one may lie there. Its bytes are all written over.
                outboard.set_len(len).map_err(writing)?;
                outboard
            }
        };
        let written = check.tree.write_pending(&*outboard);
        check.outboard = Some(outboard);
        written.map_err(writing)
    }

    fn sync_outboard(&self) -> Result<(), BlobError> {
        let outboard = match &self.check {
            Check::AtEnd(check) => check.outboard.as_deref(),
            Check::AgainstTree(comparison) => comparison.outboard(),
        };
        let path = self.claim.repository.layout().part_tree(&self.claim.key);
        let fs = self.claim.repository.fs();
        outboard.map_or(Ok(()), FsFile::sync).map_err(|error| {
            // As with the file itself, another sync would prove nothing; it is written anew.
            if let Err(error) = fs.remove_file(&path) {
                tracing::warn!(key = %self.claim.key, %error, "an outboard was not removed");
            }
            BlobError::writing(fs, "sync", &path, outboard_len(self.size), error)
        })
    }
}

impl fmt::Debug for StagedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StagedFile({}: {} of {})", self.claim.key, self.offset, self.size)
    }
}

/// Opens a file for writing, making it where there is none.
pub(crate) fn open_or_create(fs: &dyn Fs, path: &Path) -> Result<Box<dyn FsFile>, BlobError> {
    if fs.exists(path).doing("look for", path)? {
        return fs.open_write(path).doing("open", path);
    }
    fs.create_new(path).map_err(|error| BlobError::writing(fs, "make", path, 0, error))
}

/// Removes all files of a staged file, wherever there are any.
pub(crate) fn remove_staged(fs: &dyn Fs, layout: &Layout, key: &StageKey) -> Result<(), BlobError> {
    // The mark first: alone it would vouch for bytes that are gone.
    for path in [layout.mark(key), layout.part(key), layout.part_tree(key)] {
        ignore_missing(fs.remove_file(&path)).doing("remove", &path)?;
    }
    Ok(())
}

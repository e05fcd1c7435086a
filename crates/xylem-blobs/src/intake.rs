//! Fetching content whose outboard comes first.
//!
//! A peer sends the outboard ahead of the bytes. It proves itself against the content id, and from
//! then on every group can be checked on arrival and passed on at once: a wrong byte travels one
//! hop, and no further.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use xylem_model::ContentId;
use xylem_runtime::FsFile;

use crate::error::{BlobError, Doing};
use crate::layout::StageKey;
use crate::path::{Fault, Outboard, OutboardCheck, ProvedPath};
use crate::reach::{Reach, read_full};
use crate::recover::feed;
use crate::repository::{Claim, Repository};
use crate::staged::{StagedFile, open_or_create};
use crate::tree::{GROUP_BYTES, GroupHasher, Hash, groups_of, outboard_len};

/// An outboard that is still arriving.
pub struct TreeIntake {
    claim: Claim,
    id: ContentId,
    size: u64,
    check: OutboardCheck,
    received: u64,
    /// A single group has no outboard on the disk.
    file: Option<Box<dyn FsFile>>,
}

impl Repository {
    /// Takes in content of `size` bytes from a peer, outboard first. Where the outboard is here
    /// from an earlier attempt, [`TreeIntake::is_complete`] says so.
    ///
    /// # Errors
    /// [`BlobError::ForeignBytes`] where the size cannot be that of the content,
    /// [`BlobError::NoSpace`], [`BlobError::Busy`] while another fetches the same content, and
    /// failures of the disk.
    pub fn stage_relayed(&self, id: &ContentId, size: u64) -> Result<TreeIntake, BlobError> {
        if size == 0 && *id != ContentId::of(b"") {
            // No byte will arrive that could be checked.
            return Err(BlobError::ForeignBytes { id: *id, offset: 0 });
        }
        let claim = Claim::new(self, &StageKey::Content(*id))?;
        claim.reserve(size, size)?;
        let check = OutboardCheck::new(id, size);
        let mut intake = TreeIntake { claim, id: *id, size, check, received: 0, file: None };
        if groups_of(size) > 1 {
            intake.open()?;
        }
        Ok(intake)
    }
}

impl TreeIntake {
    fn open(&mut self) -> Result<(), BlobError> {
        let path = self.claim.repository.layout().part_tree(&self.claim.key);
        let file = open_or_create(self.claim.repository.fs(), &path)?;
        let len = outboard_len(self.size);
        if file.len().doing("measure", &path)? == len {
            let mut right = true;
            feed(&*file, &path, 0..len, |bytes| {
                right = right && self.check.update(bytes).is_ok();
                Ok(())
            })?;
            if right && self.check.is_complete() {
                self.received = len;
            } else {
                self.check = OutboardCheck::new(&self.id, self.size);
            }
        }
        if self.received == 0 {
            file.set_len(0).doing("cut", &path)?;
        }
        self.file = Some(file);
        Ok(())
    }

    /// The length of the outboard in bytes.
    pub fn len(&self) -> u64 {
        outboard_len(self.size)
    }

    /// Always false: the size at its head is there even for an empty file.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Bytes of the outboard that have arrived.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether all of it is here and right. A file of one group needs none of it.
    pub fn is_complete(&self) -> bool {
        self.file.is_none() || self.check.is_complete()
    }

    /// Takes the next bytes of the outboard.
    ///
    /// # Errors
    /// [`BlobError::ForeignBytes`] where they do not belong to the content: start again, with
    /// another peer. [`BlobError::NoSpace`], and failures of the disk.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let foreign = |offset| BlobError::ForeignBytes { id: self.id, offset };
        self.check.update(bytes).map_err(|_| foreign(self.check.taken()))?;
        if let Some(file) = &self.file {
            let path = self.claim.repository.layout().part_tree(&self.claim.key);
            let (fs, needed) = (self.claim.repository.fs(), bytes.len() as u64);
            file.write_all_at(bytes, self.received)
                .map_err(|error| BlobError::writing(fs, "write", &path, needed, error))?;
        }
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// Goes on to the bytes of the content itself.
    ///
    /// # Errors
    /// [`BlobError::Incomplete`], and failures of the disk.
    pub fn finish(self) -> Result<StagedFile, BlobError> {
        if !self.is_complete() {
            let (key, have, size) = (self.claim.key, self.received, self.len());
            return Err(BlobError::Incomplete { key, have, size });
        }
        let path = self.claim.repository.layout().part_tree(&self.claim.key);
        let comparison = Comparison::new(self.id, self.size, self.file, path);
        StagedFile::open_against(self.claim, self.size, comparison)
    }
}

impl fmt::Debug for TreeIntake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeIntake({}: {} of {})", self.id, self.received, self.len())
    }
}

/// Checks a file group by group while it arrives.
pub(crate) struct Comparison {
    id: ContentId,
    size: u64,
    path: ProvedPath,
    outboard: Option<Box<dyn FsFile>>,
    outboard_path: PathBuf,
    group: GroupHasher,
    taken: u64,
    /// Bytes proved so far: whole groups.
    proved: u64,
    /// The same, as of the last visit, for readers of the arriving file.
    verified: Arc<watch::Sender<u64>>,
}

impl Comparison {
    fn new(
        id: ContentId,
        size: u64,
        outboard: Option<Box<dyn FsFile>>,
        outboard_path: PathBuf,
    ) -> Self {
        Self {
            id,
            size,
            path: ProvedPath::new(&id, size),
            outboard,
            outboard_path,
            group: GroupHasher::new(0, size),
            taken: 0,
            proved: 0,
            verified: Arc::new(watch::Sender::new(0)),
        }
    }

    pub(crate) fn id(&self) -> ContentId {
        self.id
    }

    pub(crate) fn outboard(&self) -> Option<&dyn FsFile> {
        self.outboard.as_deref()
    }

    /// Bytes proved so far.
    pub(crate) fn proved(&self) -> u64 {
        self.proved
    }

    /// What readers of the arriving file look at.
    pub(crate) fn verified(&self) -> Arc<watch::Sender<u64>> {
        Arc::clone(&self.verified)
    }

    /// Takes up the groups of a staged file that are right, up to the first that is not. Returns
    /// where they end.
    pub(crate) fn resume(&mut self, file: &dyn FsFile) -> io::Result<u64> {
        let mut buffer = vec![0; GROUP_BYTES as usize];
        while self.taken < self.size {
            let want = GROUP_BYTES.min(self.size - self.taken) as usize;
            let bytes = buffer.get_mut(..want).unwrap_or_default();
            let whole = read_full(file, bytes, self.taken)? == want;
            if !whole || self.take(bytes).is_err() {
                break;
            }
        }
        self.verified.send_replace(self.proved);
        Ok(self.taken)
    }

    /// Takes the next bytes, and tells readers. At a wrong group it goes back to where that group
    /// began.
    pub(crate) fn update(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let taken = self.take(bytes);
        if *self.verified.borrow() != self.proved {
            self.verified.send_replace(self.proved);
        }
        taken
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), BlobError> {
        while !bytes.is_empty() {
            let room = GROUP_BYTES - self.taken % GROUP_BYTES;
            let (now, later) = bytes.split_at(bytes.len().min(room as usize));
            self.group.update(now);
            self.taken += now.len() as u64;
            bytes = later;
            if self.taken.is_multiple_of(GROUP_BYTES) || self.taken == self.size {
                self.end_group()?;
            }
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), BlobError> {
        let start = self.proved;
        let expected = self.expected(start / GROUP_BYTES);
        let right = matches!(&expected, Ok(hash) if *hash == self.group.finish());
        if right {
            self.proved = self.taken;
        } else {
            self.taken = start;
        }
        self.group = GroupHasher::new(self.taken / GROUP_BYTES, self.size);
        match expected {
            _ if right => Ok(()),
            Ok(_) => Err(BlobError::ForeignBytes { id: self.id, offset: start }),
            Err(Fault::Wrong { offset }) => Err(BlobError::Corrupt { id: self.id, offset }),
            Err(Fault::Io(source)) => Err(source).doing("read", &self.outboard_path),
        }
    }

    /// The hash of a group, by an outboard that was right when it arrived: what is wrong with it
    /// now may be the reading.
    fn expected(&mut self, group: u64) -> Result<Hash, Fault> {
        let outboard = Outboard { file: self.outboard.as_deref(), reach: Reach::Disk };
        match self.path.expected(group, outboard) {
            Err(Fault::Wrong { .. }) => self.path.expected(group, outboard),
            expected => expected,
        }
    }
}

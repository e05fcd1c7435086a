//! Reading content, checked.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use xylem_model::ContentId;

use crate::arrival::{Arriving, Growth};
use crate::error::{BlobError, Doing};
use crate::files::Files;
use crate::layout::StageKey;
use crate::path::{Fault, Outboard, ProvedPath};
use crate::reach::Reach;
use crate::repository::{Entry, Repository, VerifyOnRead};
use crate::tree::{GROUP_BYTES, groups_of, has_outboard, outboard_len};

/// Bytes read, and hashed in one run, at a time: large enough for the hash to use the whole width
/// of the processor, small enough to stay in its cache until the bytes are encrypted.
pub const FRAME_BYTES: u64 = 256 * 1024;
/// Groups of a frame: a power of two, so that a frame is a node of the tree.
pub(crate) const FRAME_GROUPS: u64 = FRAME_BYTES / GROUP_BYTES;

/// One open piece of content. Several may be open at once; each keeps the content from being
/// [removed](Repository::remove).
pub struct BlobReader {
    repository: Repository,
    id: ContentId,
    size: u64,
    source: Source,
    files: Arc<Files>,
    path: ProvedPath,
    verify: VerifyOnRead,
}

enum Source {
    /// Published; holds the lease.
    Published { lease: Arc<()> },
    /// Still arriving; proved up to here.
    Staged { verified: watch::Receiver<u64> },
}

impl BlobReader {
    /// Opens published content by its name on the disk.
    pub(crate) fn published(
        repository: &Repository,
        id: &ContentId,
        verify: VerifyOnRead,
        reach: Reach,
    ) -> Result<Self, BlobError> {
        let Entry { size, lease, .. } = repository.state().lease(id)?;
        let files = Arc::new(open_published(repository, id, size, reach)?);
        Ok(Self::new(repository, id, size, Source::Published { lease }, files, verify))
    }

    /// The same with files that may be open already, and stay so for the next reader.
    pub(crate) fn shared(
        repository: &Repository,
        id: &ContentId,
        reach: Reach,
    ) -> Result<Self, BlobError> {
        let Entry { size, lease, files } = repository.state().lease(id)?;
        let files = match files {
            Some(files) => files,
            None => {
                let files = Arc::new(open_published(repository, id, size, reach)?);
                // Without an outboard that should be there it is about to be withdrawn.
                if files.outboard.is_some() == has_outboard(size) {
                    repository.state().keep_open(id, &lease, &files);
                }
                files
            }
        };
        let verify = repository.options().verify_on_read;
        Ok(Self::new(repository, id, size, Source::Published { lease }, files, verify))
    }

    pub(crate) fn staged(
        repository: &Repository,
        id: &ContentId,
        arriving: Arriving,
        reach: Reach,
    ) -> Result<Self, BlobError> {
        let (fs, layout, key) = (repository.fs(), repository.layout(), StageKey::Content(*id));
        let (part, tree) = (layout.part(&key), layout.part_tree(&key));
        let Arriving { size, verified } = arriving;
        let verify = repository.options().verify_on_read;
        let published = || Self::shared(repository, id, reach);
        let data = match reach.open(fs, &part) {
            // Published, or given up, at this very moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return published();
            }
            file => file.doing("open", &part)?,
        };
        let source = Source::Staged { verified };
        let mut outboard = None;
        if groups_of(size) > 1 {
            outboard = match reach.open(fs, &tree) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return published(),
                file => Some(file.doing("open", &tree)?),
            };
        }
        let files = Arc::new(Files { data, outboard });
        Ok(Self::new(repository, id, size, source, files, verify))
    }

    fn new(
        repository: &Repository,
        id: &ContentId,
        size: u64,
        source: Source,
        files: Arc<Files>,
        verify: VerifyOnRead,
    ) -> Self {
        let path = ProvedPath::new(id, size);
        let repository = repository.clone();
        Self { repository, id: *id, size, source, files, path, verify }
    }

    /// The content's id.
    pub fn id(&self) -> ContentId {
        self.id
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many bytes from the front can be read: all, except of a file that still arrives.
    pub fn available(&self) -> u64 {
        match &self.source {
            Source::Published { .. } => self.size,
            Source::Staged { verified } => *verified.borrow(),
        }
    }

    /// Lets one wait for more of a file that still arrives; none for published content.
    pub fn growth(&self) -> Option<Growth> {
        match &self.source {
            Source::Published { .. } => None,
            Source::Staged { verified } => Some(Growth::new(verified.clone())),
        }
    }

    /// Whether more may become available: not once it is published, or given up.
    pub fn may_grow(&self) -> bool {
        match &self.source {
            Source::Published { .. } => false,
            Source::Staged { verified } => verified.has_changed().is_ok(),
        }
    }

    /// The operating system's file, to be handed to another process; simulated files have none.
    pub fn os_file(&self) -> Option<io::Result<File>> {
        self.files.data.os_file()
    }

    /// Has the disk begin to read bytes that will be wanted soon.
    pub fn prefetch(&self, range: Range<u64>) {
        let end = range.end.min(self.available());
        if range.start < end {
            self.files.data.prefetch(range.start, end - range.start);
        }
    }

    /// Reads bytes of `range`, beginning with its first, into the caller's buffer, and returns
    /// where in the buffer they are. It reads whole groups, at most up to the next multiple of
    /// [`FRAME_BYTES`], so a range takes several calls; an empty answer means that nothing of it
    /// is (yet) [available](Self::available).
    ///
    /// The buffer should hold [`FRAME_BYTES`]; it must hold a file that is no larger than that, and
    /// [`GROUP_BYTES`] of others. What is left of the file is always enough.
    ///
    /// # Errors
    /// [`BlobError::Corrupt`] where the content is damaged; it has then been withdrawn. Failures of
    /// the disk. [`would_block`](BlobError::would_block) where `reach` is too short. No byte of the
    /// buffer may then be used.
    pub fn read_frame(
        &mut self,
        range: Range<u64>,
        buffer: &mut [u8],
        reach: Reach,
    ) -> Result<Range<usize>, BlobError> {
        self.follow_publish(reach)?;
        let end = range.end.min(self.available());
        if range.start >= end {
            return Ok(0..0);
        }
        let rest = self.size - range.start / GROUP_BYTES * GROUP_BYTES;
        let len = buffer.len() as u64;
        let fits =
            if len >= rest { rest.div_ceil(GROUP_BYTES) } else { (len / GROUP_BYTES).max(1) };
        let groups = self.groups_to_read(range.start, end, fits);
        let least = (groups.end * GROUP_BYTES).min(self.size) - groups.start * GROUP_BYTES;
        if (buffer.len() as u64) < least {
            return Err(BlobError::SmallBuffer { len: buffer.len(), least });
        }
        let Range { start: first, end: last } = groups;
        let start = first * GROUP_BYTES;
        let len = ((last * GROUP_BYTES).min(self.size) - start) as usize;
        let bytes = buffer.get_mut(..len).unwrap_or_default();
        self.read_groups(first..last, bytes, reach)?;
        Ok((range.start - start) as usize..len.min((end - start) as usize))
    }

    /// The groups that are read at once for bytes from `start` to `end`.
    fn groups_to_read(&self, start: u64, end: u64, fits: u64) -> Range<u64> {
        if self.is_read_whole() {
            return 0..groups_of(self.size);
        }
        let first = start / GROUP_BYTES;
        let frame_end = (first / FRAME_GROUPS + 1) * FRAME_GROUPS;
        first..end.div_ceil(GROUP_BYTES).min(first + fits).min(frame_end)
    }

    /// Whether only all of it together can be proved, for want of an outboard.
    fn is_read_whole(&self) -> bool {
        matches!(self.source, Source::Published { .. }) && !has_outboard(self.size)
    }

    /// Reads up to `at_most` bytes from `offset`, as many as one frame gives; see
    /// [`read_frame`](Self::read_frame), which needs no new buffer every time.
    ///
    /// # Errors
    /// As `read_frame`.
    pub fn read(&mut self, offset: u64, at_most: u64) -> Result<Bytes, BlobError> {
        let end = offset.saturating_add(at_most);
        let groups = end.min(self.size).saturating_sub(offset).div_ceil(GROUP_BYTES) + 1;
        self.follow_publish(Reach::Disk)?;
        let len =
            if self.is_read_whole() { self.size } else { groups.min(FRAME_GROUPS) * GROUP_BYTES };
        let mut buffer = vec![0; len as usize];
        let filled = self.read_frame(offset..end, &mut buffer, Reach::Disk)?;
        Ok(Bytes::from(buffer).slice(filled))
    }

    /// Has the outboard be read from the disk next.
    fn forget_cached_outboard(&self) {
        if let Some(outboard) = &self.files.outboard {
            outboard.forget_cached(0, outboard_len(self.size));
        }
    }

    /// Checks bytes of published content as its disk holds them. The range begins with a frame.
    pub(crate) fn check(&mut self, range: Range<u64>) -> Result<(), BlobError> {
        let mut buffer = vec![0; FRAME_BYTES.min(self.size) as usize];
        // What is read ahead would look as if somebody used it.
        self.files.data.read_randomly();
        let (first, last) = (range.start / GROUP_BYTES, groups_of(range.end));
        for first in (first..last).step_by(FRAME_GROUPS as usize) {
            let groups = first..last.min(first + FRAME_GROUPS);
            let (start, end) = (first * GROUP_BYTES, (groups.end * GROUP_BYTES).min(self.size));
            let bytes = buffer.get_mut(..(end - start) as usize).unwrap_or_default();
            let data = &self.files.data;
            // What somebody reads now and then stays in memory. It is read from the disk all the
            // same: what memory holds says nothing of it.
            let is_used = data.is_cached(start);
            data.forget_cached(start, end - start);
            self.read_groups(groups, bytes, Reach::Disk)?;
            if !is_used {
                self.files.data.forget_cached(start, end - start);
            }
        }
        Ok(())
    }

    fn read_groups(
        &mut self,
        groups: Range<u64>,
        into: &mut [u8],
        reach: Reach,
    ) -> Result<(), BlobError> {
        let fault = match self.try_read_groups(groups.clone(), into, reach) {
            Err(Fault::Wrong { .. }) if reach == Reach::Memory => {
                // Looking again, and withdrawing what is damaged, is for a thread that may wait.
                self.path.clear();
                Err(Fault::Io(io::ErrorKind::WouldBlock.into()))
            }
            Err(Fault::Wrong { .. }) => {
                // Bytes may go wrong on their way from a sound disk. Once more tells.
                self.path.clear();
                self.files.data.forget_cached(groups.start * GROUP_BYTES, into.len() as u64);
                self.forget_cached_outboard();
                self.try_read_groups(groups, into, reach)
            }
            result => result,
        };
        match fault {
            Ok(()) => Ok(()),
            Err(Fault::Wrong { offset }) => Err(self.condemn(offset)),
            Err(Fault::Io(error)) => {
                let path = self.repository.layout().blob(&self.id);
                Err(error).doing("read", &path)
            }
        }
    }

    fn try_read_groups(
        &mut self,
        groups: Range<u64>,
        into: &mut [u8],
        reach: Reach,
    ) -> Result<(), Fault> {
        let offset = groups.start * GROUP_BYTES;
        let read = reach.read_full(&*self.files.data, into, offset).map_err(Fault::Io)?;
        if read < into.len() {
            return Err(Fault::Wrong { offset: offset + read as u64 });
        }
        match self.verify {
            VerifyOnRead::Always => {
                let outboard = Outboard { file: self.files.outboard.as_deref(), reach };
                self.path.check(groups, into, outboard)
            }
            VerifyOnRead::ScrubOnly => Ok(()),
        }
    }

    fn condemn(&self, offset: u64) -> BlobError {
        let id = self.id;
        tracing::error!(package.digest = %id, offset, "content is damaged; it is withdrawn");
        if let Source::Published { lease } = &self.source
            && let Err(error) = self.repository.withdraw_leased(&id, lease)
        {
            tracing::error!(package.digest = %id, %error, "content could not be quarantined");
        }
        BlobError::Corrupt { id, offset }
    }

    /// Moves over to the published file once there is one: from then on this reader holds a lease
    /// like any other, and a simulated file, which is found by its name, is still found.
    fn follow_publish(&mut self, reach: Reach) -> Result<(), BlobError> {
        if matches!(self.source, Source::Staged { .. }) && self.repository.contains(&self.id) {
            *self = Self::shared(&self.repository, &self.id, reach)?;
        }
        Ok(())
    }
}

/// Opens the files of published content.
fn open_published(
    repository: &Repository,
    id: &ContentId,
    size: u64,
    reach: Reach,
) -> Result<Files, BlobError> {
    let (fs, path) = (repository.fs(), repository.layout().blob(id));
    let data = match reach.open(fs, &path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Somebody else removed it. What is not here must not be reported as held.
            tracing::error!(package.digest = %id, "content has vanished from the disk");
            repository.state().index.remove(id);
            return Err(BlobError::NotFound { id: *id });
        }
        file => file.doing("open", &path)?,
    };
    let mut outboard = None;
    if has_outboard(size) {
        let path = repository.layout().tree(id);
        outboard = match reach.open(fs, &path) {
            // Whoever reads finds the content unproved, and withdraws it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => Some(file.doing("open", &path)?),
        };
    }
    Ok(Files { data, outboard })
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobReader({}: {} of {})", self.id, self.available(), self.size)
    }
}

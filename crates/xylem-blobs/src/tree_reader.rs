//! Reading an outboard, checked.

use std::fmt;
use std::io;

use bytes::Bytes;
use xylem_model::ContentId;
use xylem_runtime::FsFile;

use crate::builder::outboard_of;
use crate::error::{BlobError, Doing};
use crate::layout::StageKey;
use crate::path::OutboardCheck;
use crate::reach::read_full;
use crate::repository::Repository;
use crate::tree::{groups_of, has_outboard, outboard_len};

/// An outboard, read front to back. It is always checked: its reader is about to trust it.
pub struct TreeReader {
    repository: Repository,
    id: ContentId,
    size: u64,
    /// Where it lies on the disk; small content has none there.
    file: Option<Box<dyn FsFile>>,
    /// All of it, where it was made from the content.
    made: Vec<u8>,
    check: OutboardCheck,
    offset: u64,
    /// Whether it was opened while its content was arriving.
    staged: bool,
}

impl TreeReader {
    pub(crate) fn open(repository: &Repository, id: &ContentId) -> Result<Self, BlobError> {
        let published = repository.size_of(id);
        let size = published.or_else(|| repository.arriving(id));
        let size = size.ok_or(BlobError::NotFound { id: *id })?;
        let check = OutboardCheck::new(id, size);
        let (repository, staged) = (repository.clone(), published.is_none());
        let (id, file, made) = (*id, None, Vec::new());
        let mut reader = Self { repository, id, size, file, made, check, offset: 0, staged };
        reader.open_source()?;
        Ok(reader)
    }

    /// Opens the file it lies in, or makes it from the content.
    fn open_source(&mut self) -> Result<(), BlobError> {
        let on_disk = if self.staged { groups_of(self.size) > 1 } else { has_outboard(self.size) };
        if on_disk {
            return self.open_file();
        }
        self.file = None;
        self.made = match groups_of(self.size) {
            1 => self.size.to_le_bytes().to_vec(),
            _ => {
                let bytes = self.repository.open_blob(&self.id)?.read(0, self.size)?;
                outboard_of(&bytes).1
            }
        };
        Ok(())
    }

    fn open_file(&mut self) -> Result<(), BlobError> {
        let layout = self.repository.layout();
        let path = if self.staged {
            layout.part_tree(&StageKey::Content(self.id))
        } else {
            layout.tree(&self.id)
        };
        match self.repository.fs().open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.staged && self.repository.contains(&self.id) {
                    self.staged = false;
                    return self.open_source();
                }
                if !self.staged {
                    return Err(self.condemn());
                }
                Err(BlobError::NotFound { id: self.id })
            }
            file => {
                self.file = Some(file.doing("open", &path)?);
                Ok(())
            }
        }
    }

    /// Moves over to the published file once there is one, as [`BlobReader`](crate::BlobReader)
    /// does.
    fn follow_publish(&mut self) -> Result<(), BlobError> {
        if self.staged && self.repository.contains(&self.id) {
            self.staged = false;
            self.open_source()?;
        }
        Ok(())
    }

    /// The id of the content it belongs to.
    pub fn id(&self) -> ContentId {
        self.id
    }

    /// The length of the outboard in bytes.
    pub fn len(&self) -> u64 {
        outboard_len(self.size)
    }

    /// Always false: the size at its head is there even for an empty file.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The next whole nodes, together at most `at_most` bytes but at least one, or all of a small
    /// outboard; empty at the end.
    ///
    /// # Errors
    /// [`BlobError::Corrupt`] where it is damaged; the content has then been withdrawn. Failures of
    /// the disk.
    pub fn read(&mut self, at_most: usize) -> Result<Bytes, BlobError> {
        self.follow_publish()?;
        let left = self.len() - self.offset;
        if left == 0 {
            return Ok(Bytes::new());
        }
        let Some(file) = &self.file else {
            let rest = self.made.get(self.offset as usize..).unwrap_or_default();
            let rest = Bytes::copy_from_slice(rest);
            self.offset = self.len();
            return Ok(rest);
        };
        // Whole nodes only: the part of one could not be checked before it leaves.
        let prefix = if self.offset == 0 { PREFIX } else { 0 };
        let want = prefix + at_most.saturating_sub(prefix).max(NODE) / NODE * NODE;
        let mut bytes = vec![0; want.min(usize::try_from(left).unwrap_or(usize::MAX))];
        let path = self.repository.layout().tree(&self.id);
        // As with content, a second reading tells a passing fault from a lasting one.
        for _ in 0..2 {
            let read = read_full(&**file, &mut bytes, self.offset).doing("read", &path)?;
            let mut check = self.check.clone();
            if read == bytes.len() && check.update(&bytes).is_ok() {
                self.check = check;
                self.offset += bytes.len() as u64;
                return Ok(bytes.into());
            }
            file.forget_cached(self.offset, bytes.len() as u64);
        }
        Err(self.condemn())
    }

    fn condemn(&self) -> BlobError {
        let (id, offset) = (self.id, self.offset);
        if !self.staged {
            tracing::error!(package.digest = %id, "an outboard is damaged; its content goes");
            if let Err(error) = self.repository.withdraw(&id) {
                tracing::error!(package.digest = %id, %error, "content could not be quarantined");
            }
        }
        BlobError::Corrupt { id, offset }
    }
}

const PREFIX: usize = crate::tree::PREFIX_BYTES as usize;
const NODE: usize = crate::tree::PARENT_BYTES;

impl fmt::Debug for TreeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeReader({}: {} of {})", self.id, self.offset, self.len())
    }
}

impl Repository {
    /// The whole outboard of content: 0.39 % of its size. For large files prefer
    /// [`open_tree`](Self::open_tree).
    ///
    /// # Errors
    /// As [`TreeReader::read`].
    pub fn tree(&self, id: &ContentId) -> Result<Vec<u8>, BlobError> {
        let mut reader = self.open_tree(id)?;
        let mut tree = Vec::new();
        loop {
            let bytes = reader.read(READ_BYTES)?;
            if bytes.is_empty() {
                return Ok(tree);
            }
            tree.extend_from_slice(&bytes);
        }
    }
}

/// Bytes of an outboard that are read at a time.
const READ_BYTES: usize = 64 * 1024;

//! Bytes of a staged file that come before those in front of them.
//!
//! A staged file grows from front to back. A sender with several connections has later bytes on
//! their way at the same time; they are written at their places beside the growing, and taken in,
//! by being read and hashed, once all before them are there. Nothing rests on them until then: a
//! power cut costs them.

use std::fmt;
use std::sync::Arc;

use xylem_runtime::FsFile;

use crate::durability::Durability;
use crate::error::BlobError;
use crate::layout::StageKey;
use crate::repository::Repository;

/// Writes bytes of a staged file at their places, beside whoever has the file itself.
///
/// No byte may be written here that is in front of [`StagedFile::offset`](crate::StagedFile), or
/// that is about to be: what has been hashed must stay as it was. Whoever writes sees to that.
#[derive(Clone)]
pub struct AheadWriter {
    pub(crate) file: Arc<dyn FsFile>,
    pub(crate) durable: Arc<Durability>,
    pub(crate) repository: Repository,
    pub(crate) key: StageKey,
    pub(crate) size: u64,
}

impl AheadWriter {
    /// Writes bytes that begin at `offset`.
    ///
    /// # Errors
    /// [`BlobError::Overrun`], [`BlobError::NoSpace`], and failures of the disk.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), BlobError> {
        let path = self.repository.layout().part(&self.key);
        let needed = bytes.len() as u64;
        if offset.checked_add(needed).is_none_or(|end| end > self.size) {
            return Err(BlobError::Overrun { key: self.key, size: self.size });
        }
        let written = match self.durable.failure() {
            Some(error) => Err(error),
            None => self.file.write_all_at(bytes, offset),
        };
        written.map_err(|error| {
            BlobError::writing(self.repository.fs(), "write", &path, needed, error)
        })
    }
}

impl fmt::Debug for AheadWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AheadWriter({}, {} bytes)", self.key, self.size)
    }
}

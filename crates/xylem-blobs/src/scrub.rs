//! Looking at what the disk holds, before somebody needs it.

use std::collections::BTreeMap;

use xylem_model::ContentId;

use crate::error::BlobError;
use crate::reach::Reach;
use crate::reader::BlobReader;
use crate::repository::{Repository, VerifyOnRead};

/// Bytes that one step looks at.
const STEP_BYTES: u64 = 4 << 20;

/// Bytes of an outboard that are read at a time.
const TREE_BYTES: usize = 64 * 1024;

impl Repository {
    /// One step of a scrub: reads published content again from its disk, from `offset` on (a
    /// multiple of 4 MiB), up to 4 MiB of it, and checks every byte, whatever [`VerifyOnRead`] says;
    /// with the first step also the outboard. Returns where to go on; none once all of it is
    /// checked.
    ///
    /// What was in memory only because of the scrub is not kept there.
    ///
    /// # Errors
    /// [`BlobError::Corrupt`] where it was damaged and is now withdrawn, [`BlobError::NotFound`],
    /// and failures of the disk; [`is_unreadable`](BlobError::is_unreadable) tells those apart that
    /// mean that the bytes are lost.
    pub fn scrub(&self, id: &ContentId, offset: u64) -> Result<Option<u64>, BlobError> {
        let mut reader = BlobReader::published(self, id, VerifyOnRead::Always, Reach::Disk)?;
        if offset == 0 {
            reader.forget_cached_outboard();
            let mut tree = self.open_tree(id)?;
            while !tree.read(TREE_BYTES)?.is_empty() {}
        }
        let end = reader.size().min(offset.saturating_add(STEP_BYTES));
        reader.check(offset..end)?;
        Ok(Some(end).filter(|end| *end < reader.size()))
    }

    /// Checks every byte of content and of its outboard on the disk: all [steps](Self::scrub) at
    /// once.
    ///
    /// # Errors
    /// As [`scrub`](Self::scrub).
    pub fn verify(&self, id: &ContentId) -> Result<(), BlobError> {
        let mut next = Some(0);
        while let Some(offset) = next {
            next = self.scrub(id, offset)?;
        }
        Ok(())
    }

    /// The content that follows on `after` in the order of ids, with its size in bytes: the first
    /// `most`. So a walk over all of a large repository takes little memory.
    pub fn list_after(&self, after: Option<&ContentId>, most: usize) -> Vec<(ContentId, u64)> {
        let mut first = BTreeMap::new();
        for (id, entry) in &self.state().index {
            if after.is_some_and(|after| id <= after) {
                continue;
            }
            let is_beyond = || first.last_key_value().is_some_and(|(last, _)| id > last);
            if first.len() < most || !is_beyond() {
                first.insert(*id, entry.size);
            }
            if first.len() > most {
                first.pop_last();
            }
        }
        first.into_iter().collect()
    }
}

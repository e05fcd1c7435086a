//! Looking at what the disk holds, before somebody needs it.

use std::collections::BTreeMap;
use std::io;

use xylem_model::ContentId;
use xylem_runtime::FsFile;

use crate::error::{BlobError, Doing};
use crate::path::OutboardCheck;
use crate::reach::{Reach, read_full};
use crate::reader::BlobReader;
use crate::recover::rebuild;
use crate::repository::{Repository, VerifyOnRead};
use crate::tree::{has_outboard, outboard_len};

/// Bytes that one step looks at.
const STEP_BYTES: u64 = 4 << 20;

/// Bytes of an outboard that are read at a time.
const TREE_BYTES: usize = 64 * 1024;

/// What one step of a scrub found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scrubbed {
    /// Where to go on; none once all of the content is checked.
    pub next: Option<u64>,
    /// Whether the outboard was not sound, and was made anew from content that is.
    pub mended: bool,
}

impl Repository {
    /// One step of a scrub: reads published content again from its disk, from `offset` on (a
    /// multiple of 4 MiB), up to 4 MiB of it, and checks every byte, whatever [`VerifyOnRead`] says;
    /// with the first step also the outboard (4 MiB for each GiB).
    ///
    /// An outboard that is not sound is made anew where the content is; then all of the content is
    /// read. Bytes of the content that were in memory only because of the scrub are not
    /// kept there.
    ///
    /// # Errors
    /// [`BlobError::Corrupt`] where it was damaged and is now withdrawn, [`BlobError::NotFound`],
    /// and failures of the disk; [`is_unreadable`](BlobError::is_unreadable) tells those apart that
    /// mean that the bytes are lost.
    pub fn scrub(&self, id: &ContentId, offset: u64) -> Result<Scrubbed, BlobError> {
        // Held open, it keeps the content from being removed meanwhile.
        let mut reader = BlobReader::published(self, id, VerifyOnRead::Always, Reach::Disk)?;
        let size = reader.size();
        let mut mended = false;
        if offset == 0 && has_outboard(size) && !self.outboard_is_sound(id, size)? {
            self.mend_outboard(id, size)?;
            mended = true;
            reader = BlobReader::published(self, id, VerifyOnRead::Always, Reach::Disk)?;
        }
        let end = size.min(offset.saturating_add(STEP_BYTES));
        reader.check(offset..end)?;
        Ok(Scrubbed { next: Some(end).filter(|end| *end < size), mended })
    }

    /// Checks every byte of content and of its outboard on the disk. Nothing is mended.
    ///
    /// # Errors
    /// [`BlobError::Corrupt`] where either was damaged and is now withdrawn,
    /// [`BlobError::NotFound`], and failures of the disk.
    pub fn verify(&self, id: &ContentId) -> Result<(), BlobError> {
        let mut reader = BlobReader::published(self, id, VerifyOnRead::Always, Reach::Disk)?;
        reader.check(0..reader.size())?;
        let mut tree = self.open_tree(id)?;
        while !tree.read(TREE_BYTES)?.is_empty() {}
        Ok(())
    }

    /// Whether the outboard on the disk is the one of this content.
    fn outboard_is_sound(&self, id: &ContentId, size: u64) -> Result<bool, BlobError> {
        let path = self.layout().tree(id);
        let file = match self.fs().open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file.doing("open", &path)?,
        };
        let len = outboard_len(size);
        let is_used = file.is_cached(0);
        let read = || {
            file.forget_cached(0, len);
            matches_content(&*file, id, size).doing("read", &path)
        };
        // A second reading tells a passing fault from a lasting one.
        let is_sound = read()? || read()?;
        if !is_used {
            file.forget_cached(0, len);
        }
        Ok(is_sound)
    }

    /// Makes the outboard anew, or withdraws the content where that is what is damaged.
    fn mend_outboard(&self, id: &ContentId, size: u64) -> Result<(), BlobError> {
        let path = self.layout().blob(id);
        let file = self.fs().open(&path).doing("open", &path)?;
        file.read_randomly();
        file.forget_cached(0, size);
        if rebuild(self.fs(), self.layout(), id, &*file, size)? {
            // Readers from now on are to use the new one.
            if let Some(entry) = self.state().index.get_mut(id) {
                entry.files = None;
            }
            return Ok(());
        }
        tracing::error!(package.digest = %id, "content is damaged; it is withdrawn");
        if let Err(error) = self.withdraw(id) {
            tracing::error!(package.digest = %id, %error, "content could not be quarantined");
        }
        Err(BlobError::Corrupt { id: *id, offset: 0 })
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

/// Whether an open outboard has the right length, head and nodes.
fn matches_content(file: &dyn FsFile, id: &ContentId, size: u64) -> io::Result<bool> {
    let (len, mut offset) = (outboard_len(size), 0);
    if file.len()? != len {
        return Ok(false);
    }
    let (mut check, mut buffer) = (OutboardCheck::new(id, size), vec![0; TREE_BYTES]);
    while offset < len {
        let want = (len - offset).min(TREE_BYTES as u64) as usize;
        let bytes = buffer.get_mut(..want).unwrap_or_default();
        if read_full(file, bytes, offset)? < want || check.update(bytes).is_err() {
            return Ok(false);
        }
        offset += want as u64;
    }
    Ok(check.is_complete())
}

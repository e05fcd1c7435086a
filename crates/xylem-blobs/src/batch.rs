//! Many small files, made durable together.
//!
//! A file that fits into memory is checked there, before a byte of it touches the disk, so nothing
//! of it needs to be resumed or taken back. A group of them is written without names, synced once,
//! renamed, and the folders synced once: what a single file costs is its share of two syncs.

use std::fmt;
use std::io;
use std::path::Path;

use xylem_model::ContentId;
use xylem_runtime::{Fs, FsFile, SyncGroup};

use crate::builder::outboard_of;
use crate::error::BlobError;
use crate::layout::StageKey;
use crate::publish::Unnamed;
use crate::repository::{Claim, Repository};
use crate::staged::remove_staged;
use crate::tree::has_outboard;

/// Files that are checked and written, and not yet published. Dropped, nothing of them remains.
pub struct Batch {
    repository: Repository,
    files: Vec<Unnamed>,
    written: Box<dyn SyncGroup>,
    bytes: u64,
}

impl Repository {
    /// Begins a group of small files.
    pub fn begin_batch(&self) -> Batch {
        let written = self.fs().begin_sync();
        Batch { repository: self.clone(), files: Vec::new(), written, bytes: 0 }
    }
}

impl Batch {
    /// Files in it.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Bytes of all files in it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes a whole file. After a failure the others are as they were.
    ///
    /// # Errors
    /// [`BlobError::ForeignBytes`] where the bytes are not those of the content,
    /// [`BlobError::Busy`] while another fetches the same content, [`BlobError::NoSpace`], and
    /// failures of the disk.
    pub fn add(&mut self, id: &ContentId, bytes: &[u8]) -> Result<(), BlobError> {
        let size = bytes.len() as u64;
        let (found, outboard) = if has_outboard(size) {
            let (root, outboard) = outboard_of(bytes);
            (ContentId::from_bytes(root), outboard)
        } else {
            (ContentId::of(bytes), Vec::new())
        };
        if found != *id {
            return Err(BlobError::ForeignBytes { id: *id, offset: 0 });
        }
        let claim = Claim::new(&self.repository, &StageKey::Content(*id))?;
        claim.reserve(size, size)?;
        self.write(&claim, bytes, &outboard).inspect_err(|_| discard(&claim))?;
        claim.set_missing(0);
        self.bytes += size;
        self.files.push(Unnamed { claim, id: *id, size, has_leftovers: false });
        Ok(())
    }

    fn write(&mut self, claim: &Claim, bytes: &[u8], outboard: &[u8]) -> Result<(), BlobError> {
        let (fs, layout) = (self.repository.fs(), self.repository.layout());
        let mut parts = vec![(layout.part(&claim.key), bytes)];
        if !outboard.is_empty() {
            parts.push((layout.part_tree(&claim.key), outboard));
        }
        for (path, bytes) in parts {
            let needed = bytes.len() as u64;
            let writing = |error| BlobError::writing(fs, "write", &path, needed, error);
            let file = create_empty(fs, &path).map_err(writing)?;
            file.write_all_at(bytes, 0).map_err(writing)?;
            self.written.add(file);
        }
        Ok(())
    }

    /// Publishes all of them: once this returns they survive a power cut, and readers find them.
    ///
    /// # Errors
    /// Failures of the disk. None of them is then visible, and nothing of them remains staged.
    pub fn publish(mut self) -> Result<(), BlobError> {
        let (fs, staged) = (self.repository.fs(), self.repository.layout().staged());
        std::mem::replace(&mut self.written, fs.begin_sync())
            .sync()
            .map_err(|error| BlobError::writing(fs, "sync", &staged, self.bytes, error))?;
        // What fails from here on is not worth keeping either: it is a moment's work to fetch.
        self.repository.name_and_list(&self.files)?;
        self.files.clear();
        Ok(())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.files.iter().for_each(|file| discard(&file.claim));
    }
}

/// Makes a file, or empties the rest of an earlier attempt.
fn create_empty(fs: &dyn Fs, path: &Path) -> io::Result<Box<dyn FsFile>> {
    match fs.create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = fs.open_write(path)?;
            file.set_len(0)?;
            Ok(file)
        }
        file => file,
    }
}

/// Removes what was staged; what cannot be removed is swept another time.
fn discard(claim: &Claim) {
    if let Err(error) = remove_staged(claim.repository.fs(), claim.repository.layout(), &claim.key)
    {
        tracing::warn!(key = %claim.key, %error, "a staged leftover could not be removed");
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} files, {} bytes)", self.len(), self.bytes)
    }
}

//! Giving verified content its name.
//!
//! Content and outboard are on the disk already ([`StagedFile::finish`](crate::StagedFile::finish)
//! synced them), so what is left is names: the outboard's first, so that whoever sees the content
//! can check it; then the content's; then the folder is synced, and only then does anyone hear of
//! it. A crash before that leaves the content staged, or an outboard alone, which the next start
//! removes, or the whole of it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

use xylem_model::{ContentId, Sha256};
use xylem_runtime::FsFile;

use crate::arrival::Arrival;
use crate::error::{BlobError, Doing};
use crate::layout::shard_of;
use crate::repository::{Claim, Entry, Repository};
use crate::staged::remove_staged;
use crate::tree::has_outboard;

/// Content that lies whole and durable under a staged name.
pub(crate) struct Unnamed {
    pub(crate) claim: Claim,
    pub(crate) id: ContentId,
    pub(crate) size: u64,
    /// Whether more than what gets a name may lie among the staged files.
    pub(crate) has_leftovers: bool,
}

/// Staged content whose digests are right and which is on the disk, but not yet published.
///
/// Dropped, it stays staged: staging it again and finishing it leads back here.
pub struct Verified {
    pub(crate) unnamed: Unnamed,
    pub(crate) file: Arc<dyn FsFile>,
    pub(crate) sha256: Option<Sha256>,
    /// Readers follow until it is published, or given up.
    pub(crate) _arrival: Option<Arrival>,
}

impl Verified {
    /// Its content id.
    pub fn id(&self) -> ContentId {
        self.unnamed.id
    }

    /// Its SHA-256, where it was computed.
    pub fn sha256(&self) -> Option<Sha256> {
        self.sha256
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.unnamed.size
    }

    /// The operating system's file, for a process that inspects the content before it is
    /// published; simulated files have none.
    pub fn os_file(&self) -> Option<io::Result<File>> {
        self.file.os_file()
    }

    /// Reads staged bytes, unchecked; fewer than asked for only at the end.
    ///
    /// # Errors
    /// Failures of the disk.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, BlobError> {
        let claim = &self.unnamed.claim;
        let path = claim.repository.layout().part(&claim.key);
        crate::reach::read_full(&*self.file, buffer, offset).doing("read", &path)
    }

    /// Throws the content away instead of publishing it.
    ///
    /// # Errors
    /// Failures of the disk.
    pub fn discard(self) -> Result<(), BlobError> {
        self.unnamed.discard()
    }
}

impl Unnamed {
    fn discard(&self) -> Result<(), BlobError> {
        let repository = &self.claim.repository;
        remove_staged(repository.fs(), repository.layout(), &self.claim.key)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("id", &self.id()).field("size", &self.size()).finish()
    }
}

impl Repository {
    /// Publishes content: once this returns it survives a power cut, and readers find it.
    /// Content that is already here is left as it is.
    ///
    /// # Errors
    /// Failures of the disk. The content is then not visible, and may be staged again.
    pub fn publish(&self, verified: Verified) -> Result<(), BlobError> {
        self.name_and_list(std::slice::from_ref(&verified.unnamed))
    }

    /// Gives names to many files, with one sync for each folder they go to, not one for each file.
    /// They become visible together, or, after a failure, none of them.
    pub(crate) fn name_and_list(&self, batch: &[Unnamed]) -> Result<(), BlobError> {
        let _publishing = Publishing::begin(self, batch);
        let (here, fresh): (Vec<_>, Vec<_>) = {
            let state = self.state();
            batch.iter().partition(|unnamed| state.index.contains_key(&unnamed.id))
        };
        let named = self.name_all(&fresh);
        if named.is_err() {
            // Best effort: what cannot be moved back is found at the next start.
            fresh.iter().for_each(|unnamed| self.take_name_back(unnamed));
            return named;
        }
        let mut state = self.state();
        for unnamed in &fresh {
            state.index.insert(unnamed.id, Entry::new(unnamed.size));
        }
        drop(state);
        self.note_change();
        let leftovers = fresh.into_iter().filter(|unnamed| unnamed.has_leftovers);
        for unnamed in here.into_iter().chain(leftovers) {
            // They are published; a leftover is swept another time.
            if let Err(error) = unnamed.discard() {
                let key = unnamed.claim.key;
                tracing::warn!(%key, %error, "a staged leftover could not be removed");
            }
        }
        Ok(())
    }

    fn name_all(&self, batch: &[&Unnamed]) -> Result<(), BlobError> {
        let shards: BTreeSet<u8> = batch.iter().map(|unnamed| shard_of(&unnamed.id)).collect();
        self.make_shards(&shards)?;
        for unnamed in batch {
            self.name(unnamed)?;
        }
        let folders: Vec<_> = shards.into_iter().map(|shard| self.layout().shard(shard)).collect();
        self.fs().sync_dirs(&folders).doing("sync the folders of", &self.layout().content())
    }

    /// Makes folders below `content/` and makes them durable, each once in a process's life.
    fn make_shards(&self, shards: &BTreeSet<u8>) -> Result<(), BlobError> {
        let mut missing = shards.clone();
        missing.retain(|shard| !self.state().shards.contains(shard));
        if missing.is_empty() {
            return Ok(());
        }
        for shard in &missing {
            let folder = self.layout().shard(*shard);
            self.fs().create_dir_all(&folder).map_err(|error| {
                BlobError::writing(self.fs(), "make the folder", &folder, 0, error)
            })?;
        }
        let content = self.layout().content();
        self.fs().sync_dir(&content).doing("sync the folder", &content)?;
        self.state().shards.extend(missing);
        Ok(())
    }

    fn name(&self, unnamed: &Unnamed) -> Result<(), BlobError> {
        let (layout, key, id) = (self.layout(), &unnamed.claim.key, &unnamed.id);
        let mut moves = vec![(layout.part(key), layout.blob(id))];
        if has_outboard(unnamed.size) {
            moves.insert(0, (layout.part_tree(key), layout.tree(id)));
        }
        for (from, to) in moves {
            self.fs()
                .rename(&from, &to)
                .map_err(|error| BlobError::writing(self.fs(), "publish", &from, 0, error))?;
        }
        Ok(())
    }

    fn take_name_back(&self, unnamed: &Unnamed) {
        let (layout, key, id) = (self.layout(), &unnamed.claim.key, &unnamed.id);
        let part = layout.part(key);
        let state = self.state();
        let others = state.publishing.get(id).is_some_and(|count| *count > 1);
        if others || state.index.contains_key(id) || self.fs().exists(&part).unwrap_or(true) {
            // Equal content under the same name is, or is about to be, somebody else's success.
            return;
        }
        for (from, to) in [(layout.blob(id), part), (layout.tree(id), layout.part_tree(key))] {
            if let Err(error) = self.fs().rename(&from, &to) {
                tracing::debug!(%key, %error, "a failed publish could not be taken back");
            }
        }
    }
}

/// Keeps content from being removed while it is published.
struct Publishing {
    repository: Repository,
    ids: Vec<ContentId>,
}

impl Publishing {
    fn begin(repository: &Repository, batch: &[Unnamed]) -> Self {
        let ids: Vec<_> = batch.iter().map(|unnamed| unnamed.id).collect();
        let mut state = repository.state();
        for id in &ids {
            *state.publishing.entry(*id).or_default() += 1;
        }
        drop(state);
        Self { repository: repository.clone(), ids }
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        let mut state = self.repository.state();
        for id in &self.ids {
            if let Some(count) = state.publishing.get_mut(id) {
                *count -= 1;
                if *count == 0 {
                    state.publishing.remove(id);
                }
            }
        }
    }
}

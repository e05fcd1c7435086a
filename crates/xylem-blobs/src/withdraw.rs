//! Taking content away: damaged content to quarantine, unwanted content off the disk.
//!
//! Both move files only while the state is locked and no publish of the same content is under
//! way, so a publish that has been acknowledged is never undone by a removal decided before it.

use std::io;
use std::sync::Arc;

use xylem_model::ContentId;
use xylem_runtime::Fs;

use crate::error::{BlobError, Doing};
use crate::layout::{Layout, parse_content_name, shard_of};
use crate::repository::{Entry, Repository};
use crate::tree::groups_of;

impl Repository {
    /// Takes damaged content out of service and moves it to `quarantine/`, where it is kept for
    /// an administrator to look at. Open readers go on, but pass on no unchecked byte.
    ///
    /// Returns whether it was there.
    ///
    /// # Errors
    /// Failures of the disk; even then the content is no longer served by this process.
    pub fn withdraw(&self, id: &ContentId) -> Result<bool, BlobError> {
        self.withdraw_if(id, |_| true)
    }

    /// The same for the copy with this lease alone: whoever still reads one that was withdrawn
    /// must not take away the one that has come since.
    pub(crate) fn withdraw_leased(
        &self,
        id: &ContentId,
        lease: &Arc<()>,
    ) -> Result<bool, BlobError> {
        self.withdraw_if(id, |entry| Arc::ptr_eq(&entry.lease, lease))
    }

    fn withdraw_if(
        &self,
        id: &ContentId,
        is_meant: impl FnOnce(&Entry) -> bool,
    ) -> Result<bool, BlobError> {
        let mut state = self.state();
        if !state.index.get(id).is_some_and(is_meant) {
            return Ok(false);
        }
        state.index.remove(id);
        // A new copy may just be taking its place; and another process's files are its own.
        if state.publishing.contains_key(id) || state.given_up {
            return Ok(true);
        }
        move_to_quarantine(self.fs(), self.layout(), id)?;
        drop(state);
        sync_quarantine(self.fs(), self.layout(), id)?;
        Ok(true)
    }

    /// Content in quarantine.
    ///
    /// # Errors
    /// Failures of the disk.
    pub fn quarantined(&self) -> Result<Vec<ContentId>, BlobError> {
        let folder = self.layout().quarantine();
        let entries = self.fs().list(&folder).doing("list", &folder)?;
        Ok(entries.iter().filter_map(|entry| parse_content_name(&entry.name)).collect())
    }

    /// Removes content from quarantine.
    ///
    /// # Errors
    /// Failures of the disk.
    pub fn discard_quarantined(&self, id: &ContentId) -> Result<(), BlobError> {
        for path in [self.layout().quarantined(id), self.layout().quarantined_tree(id)] {
            ignore_missing(self.fs().remove_file(&path)).doing("remove", &path)?;
        }
        Ok(())
    }

    /// Removes content that nobody reads or publishes. Returns whether it was removed; content
    /// that is not here counts as not removed.
    ///
    /// Whether it is still wanted is for the caller to decide, right before the call.
    ///
    /// # Errors
    /// Failures of the disk. The content may then be gone from the index but not yet from the
    /// disk; the next start finds it.
    pub fn remove(&self, id: &ContentId) -> Result<bool, BlobError> {
        let removed = self.layout().removed(id);
        let mut state = self.state();
        let Some(entry) = state.index.get(id) else { return Ok(false) };
        if entry.readers() > 0 || state.publishing.contains_key(id) {
            return Ok(false);
        }
        let (path, tree) = (self.layout().blob(id), self.layout().tree(id));
        // Unlinking a large file takes long; under the lock it only loses its name. It goes first:
        // an outboard left alone is swept at the next start, content left alone would be rehashed.
        self.fs().rename(&path, &removed).doing("remove", &path)?;
        let entry = state.index.remove(id);
        if entry.is_some_and(|entry| groups_of(entry.size) > 1) {
            ignore_missing(self.fs().remove_file(&tree)).doing("remove", &tree)?;
        }
        drop(state);
        ignore_missing(self.fs().remove_file(&removed)).doing("remove", &removed)?;
        let folder = self.layout().shard(shard_of(id));
        self.fs().sync_dir(&folder).doing("sync the folder", &folder)?;
        Ok(true)
    }
}

/// Moves content and outboard to `quarantine/`, over what an earlier visit left there.
pub(crate) fn move_to_quarantine(
    fs: &dyn Fs,
    layout: &Layout,
    id: &ContentId,
) -> Result<(), BlobError> {
    let blob = layout.blob(id);
    let tree = layout.tree(id);
    ignore_missing(fs.rename(&blob, &layout.quarantined(id))).doing("quarantine", &blob)?;
    if fs.exists(&tree).doing("look for", &tree)? {
        fs.rename(&tree, &layout.quarantined_tree(id)).doing("quarantine", &tree)?;
    }
    Ok(())
}

/// Makes that move durable.
pub(crate) fn sync_quarantine(
    fs: &dyn Fs,
    layout: &Layout,
    id: &ContentId,
) -> Result<(), BlobError> {
    for folder in [layout.quarantine(), layout.shard(shard_of(id))] {
        fs.sync_dir(&folder).doing("sync the folder", &folder)?;
    }
    Ok(())
}

/// What is to be gone may be gone already.
pub(crate) fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

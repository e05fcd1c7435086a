//! Clearing staged files that nobody will go on with.

use std::collections::BTreeSet;

use crate::error::{BlobError, Doing};
use crate::layout::StageKey;
use crate::repository::Repository;
use crate::staged::remove_staged;
use crate::withdraw::ignore_missing;

/// What the files of one staged file end in; and removed content that a crash left.
const ENDINGS: [&str; 5] = [".part", ".tree", ".mark", ".mark.new", ".removed"];

impl Repository {
    /// The staged files, in use or interrupted.
    ///
    /// # Errors
    /// Failures of the disk.
    pub fn staged_keys(&self) -> Result<Vec<StageKey>, BlobError> {
        let keys: BTreeSet<_> = self
            .staged_names()?
            .into_iter()
            .filter_map(|(key, ending, _)| (ending != ".removed").then_some(key))
            .collect();
        Ok(keys.into_iter().collect())
    }

    /// Removes the staged files that are not in use and that `keep` does not want kept. Returns how
    /// many files on the disk that were.
    ///
    /// # Errors
    /// Failures of the disk; what was removed before stays removed.
    pub fn sweep_staged(&self, keep: impl Fn(&StageKey) -> bool) -> Result<usize, BlobError> {
        let mut removed = 0;
        for (key, ending, name) in self.staged_names()? {
            if ending != ".removed" && keep(&key) {
                continue;
            }
            let path = self.layout().staged().join(name);
            // Asked again for every file, under the lock: an upload may just have begun.
            let state = self.state();
            if ending != ".removed" && state.is_staging(&key) {
                continue;
            }
            ignore_missing(self.fs().remove_file(&path)).doing("remove", &path)?;
            drop(state);
            removed += 1;
        }
        Ok(removed)
    }

    /// Removes one staged file, unless it is in use; says whether nothing of it is left.
    ///
    /// # Errors
    /// Failures of the disk.
    pub fn discard_staged(&self, key: &StageKey) -> Result<bool, BlobError> {
        // Held throughout: an attempt that begins meanwhile must not lose what it just made.
        let state = self.state();
        if state.is_staging(key) {
            return Ok(false);
        }
        remove_staged(self.fs(), self.layout(), key)?;
        // A mark that was being replaced when its process died.
        let unfinished = self.layout().mark(key).with_extension("mark.new");
        ignore_missing(self.fs().remove_file(&unfinished)).doing("remove", &unfinished)?;
        Ok(true)
    }

    fn staged_names(&self) -> Result<Vec<(StageKey, &'static str, String)>, BlobError> {
        let folder = self.layout().staged();
        let entries = self.fs().list(&folder).doing("list", &folder)?;
        Ok(entries.into_iter().filter_map(|entry| parse(entry.name)).collect())
    }
}

fn parse(name: String) -> Option<(StageKey, &'static str, String)> {
    let (key, ending) = ENDINGS.iter().find_map(|ending| {
        let key = name.strip_suffix(ending)?;
        Some((StageKey::parse(key)?, *ending))
    })?;
    Some((key, ending, name))
}

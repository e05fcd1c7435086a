//! One process at a time works with a folder.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use crate::Fs;

/// The exclusive use of a folder, for as long as it lives. The system takes it back from a process
/// that ends, however that happens.
#[derive(Debug)]
pub struct FolderLock {
    /// A simulated disk has no locks, and no second process either.
    _file: Option<File>,
}

impl FolderLock {
    /// Locks `FOLDER/lock`; none where another process has it.
    ///
    /// # Errors
    /// Failures of the disk.
    pub fn take(fs: &dyn Fs, folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join("lock");
        let opened = match fs.create_private(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs.open_write(&path),
            other => other,
        };
        let Some(file) = opened?.os_file().transpose()? else {
            return Ok(Some(Self { _file: None }));
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RealFs;

    #[test]
    fn one_at_a_time_has_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(&RealFs, folder.path()).unwrap();
        assert!(lock.is_some());
        assert!(FolderLock::take(&RealFs, folder.path()).unwrap().is_none());
        drop(lock);
        assert!(FolderLock::take(&RealFs, folder.path()).unwrap().is_some());
    }
}

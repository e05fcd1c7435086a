//! Who may work with a data folder: one at a time.

use std::sync::Arc;

use xylem_runtime::{Disk, FolderLock, Fs};

use crate::folder::{DataFolder, FolderError, failed};

/// The right to work with a data folder, held by one process and one task of it at a time.
///
/// Work on the disk goes on to its end when the task that asked for it is dropped, so each piece of
/// work holds the lock too: nobody else begins before the last one has ended.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    disk: Disk,
    folder: DataFolder,
    lock: Arc<FolderLock>,
}

impl Session {
    /// Takes the lock.
    pub(crate) async fn begin(disk: &Disk, folder: &DataFolder) -> Result<Self, FolderError> {
        let at = folder.clone();
        let lock = disk
            .run(move |fs| {
                let lock = FolderLock::take(fs, at.path());
                let lock = lock.map_err(failed("lock", at.path()))?;
                lock.ok_or_else(|| FolderError::Busy { path: at.path().to_owned() })
            })
            .await?;
        Ok(Self { disk: disk.clone(), folder: folder.clone(), lock: Arc::new(lock) })
    }

    /// Runs blocking work on the folder.
    pub(crate) async fn run<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(&dyn Fs, &DataFolder) -> T + Send + 'static,
    {
        let (folder, lock) = (self.folder.clone(), Arc::clone(&self.lock));
        let locked_work = move |fs: &dyn Fs| {
            let result = work(fs, &folder);
            drop(lock);
            result
        };
        self.disk.run(locked_work).await
    }
}

#[cfg(test)]
mod tests {
    use xylem_runtime::RealFs;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_works_with_a_folder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(parent.path().join("data"));
        folder.create(&RealFs).unwrap();
        let disk = Disk::real();
        let session = Session::begin(&disk, &folder).await.unwrap();
        let error = Session::begin(&disk, &folder).await.unwrap_err();
        assert!(matches!(error, FolderError::Busy { .. }), "{error}");
        drop(session);
        Session::begin(&disk, &folder).await.unwrap();
    }
}

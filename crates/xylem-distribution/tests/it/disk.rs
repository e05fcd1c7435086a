//! A disk that can be told how much room it has.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xylem_runtime::{Disk, Entry, Fs, FsFile, RealFs};

/// The real disk, but with as much free room as it is told.
#[derive(Debug, Clone)]
pub(crate) struct Cramped {
    free: Arc<AtomicU64>,
}

impl Cramped {
    pub(crate) fn new(free: u64) -> Self {
        Self { free: Arc::new(AtomicU64::new(free)) }
    }

    pub(crate) fn disk(&self) -> Disk {
        Disk::in_place(Arc::new(self.clone()))
    }

    pub(crate) fn make_room(&self, free: u64) {
        self.free.store(free, Ordering::SeqCst);
    }
}

impl Fs for Cramped {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        RealFs.create_dir_all(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        RealFs.create_new(path)
    }

    fn create_private(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        RealFs.create_private(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        RealFs.open(path)
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        RealFs.open_write(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFs.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealFs.remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealFs.sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        RealFs.list(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        RealFs.exists(path)
    }

    fn free_space(&self, _: &Path) -> io::Result<u64> {
        Ok(self.free.load(Ordering::SeqCst))
    }
}

//! A disk that keeps nothing, a clock that stands still, and chance that is none: the same input
//! does the same, and quickly.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use xylem_model::Timestamp;
use xylem_runtime::{Disk, Entry, Environment, Fs, FsFile, ManualClock, Rng};

/// The environment of one input.
pub(crate) fn environment() -> Environment {
    Environment {
        clock: Arc::new(ManualClock::new(Timestamp::from_unix_ms(1_700_000_000_000))),
        disk: Disk::in_place(Arc::new(Nowhere)),
        rng: Arc::new(Counter::default()),
        ..Environment::real()
    }
}

#[derive(Debug, Default)]
struct Counter(AtomicU8);

impl Rng for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
    }
}

#[derive(Debug)]
struct Nowhere;

fn nothing<T>() -> io::Result<T> {
    Err(io::ErrorKind::NotFound.into())
}

fn swallowing() -> io::Result<Box<dyn FsFile>> {
    Ok(Box::new(Nowhere))
}

impl Fs for Nowhere {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create_new(&self, _: &Path) -> io::Result<Box<dyn FsFile>> {
        swallowing()
    }

    fn create_private(&self, _: &Path) -> io::Result<Box<dyn FsFile>> {
        swallowing()
    }

    fn open(&self, _: &Path) -> io::Result<Box<dyn FsFile>> {
        nothing()
    }

    fn open_write(&self, _: &Path) -> io::Result<Box<dyn FsFile>> {
        nothing()
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove_file(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<Entry>> {
        Ok(Vec::new())
    }

    fn exists(&self, _: &Path) -> io::Result<bool> {
        Ok(false)
    }

    fn free_space(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl FsFile for Nowhere {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn os_file(&self) -> Option<io::Result<std::fs::File>> {
        None
    }
}

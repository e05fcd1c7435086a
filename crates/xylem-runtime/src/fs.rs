//! The dozen file operations of a repository.
//!
//! They are plain blocking calls, so that code which stages, verifies and publishes reads as one
//! story. [`Disk::run`](crate::Disk::run) takes such a story off the async threads; in simulation it
//! runs in place, because a simulated disk belongs to the simulated host's thread.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::cached;

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, where that is Unicode; other names are not ours and are left out of listings.
    pub name: String,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Whether it is an ordinary file: no folder, link, pipe or device.
    pub is_file: bool,
}

/// An open file.
pub trait FsFile: Send + Sync {
    /// Reads at an offset; fewer bytes than asked for only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Reads at an offset without ever waiting for the disk: an error of the kind `WouldBlock`, or
    /// fewer bytes than asked for, where not all of them are in memory. Files that never wait for a
    /// disk need nothing of their own here.
    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }
    /// Has the disk begin to read `len` bytes from an offset that will be wanted soon.
    fn prefetch(&self, _offset: u64, _len: u64) {}
    /// Has nothing be read ahead of what is asked for.
    fn read_randomly(&self) {}
    /// Whether the byte at an offset is in memory, as far as that can be told.
    fn is_cached(&self, _offset: u64) -> bool {
        false
    }
    /// Has memory forget `len` bytes from an offset, so that the next read asks the disk. What was
    /// not written yet stays.
    fn forget_cached(&self, _offset: u64, _len: u64) {}
    /// Writes all bytes at an offset.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns once all written bytes survive a power cut.
    fn sync(&self) -> io::Result<()>;
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or extends the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// The operating system's file, to be handed to another process; simulated files have none.
    fn os_file(&self) -> Option<io::Result<File>>;
    /// Whether it holds no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// Files that are to survive a power cut together.
pub trait SyncGroup: Send {
    /// Takes a file whose bytes have been written.
    fn add(&mut self, file: Box<dyn FsFile>);
    /// Returns once all bytes of all of them survive a power cut.
    fn sync(self: Box<Self>) -> io::Result<()>;
}

/// Syncs each file by itself.
struct OneByOne(Vec<Box<dyn FsFile>>);

impl SyncGroup for OneByOne {
    fn add(&mut self, file: Box<dyn FsFile>) {
        self.0.push(file);
    }

    fn sync(self: Box<Self>) -> io::Result<()> {
        self.0.iter().try_for_each(|file| file.sync())
    }
}

/// Syncs the whole file system once there are many files. The first few stay open: since Linux
/// 5.8, whoever holds a file open since before a write is told by syncfs(2) when that failed, for
/// any file of the file system.
#[cfg(target_os = "linux")]
struct Together {
    first: Vec<Box<dyn FsFile>>,
    others: usize,
}

#[cfg(target_os = "linux")]
impl SyncGroup for Together {
    fn add(&mut self, file: Box<dyn FsFile>) {
        if self.first.len() < SYNC_TOGETHER_FROM {
            self.first.push(file);
        } else {
            self.others += 1;
        }
    }

    fn sync(self: Box<Self>) -> io::Result<()> {
        match self.first.first().filter(|_| self.others > 0).and_then(|file| file.os_file()) {
            Some(file) => Ok(rustix::fs::syncfs(file?)?),
            None => self.first.iter().try_for_each(|file| file.sync()),
        }
    }
}

/// File operations on one machine.
pub trait Fs: Send + Sync + std::fmt::Debug {
    /// Makes a folder and those above it.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes a file for reading and writing; fails where one exists.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;
    /// Makes a file that only its owner may read or write (mode 0600): for keys and tokens.
    fn create_private(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;
    /// Opens a file for reading without ever waiting for the disk: an error of the kind
    /// `WouldBlock` where it would have to be asked.
    fn open_cached(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.open(path)
    }
    /// Opens an existing file for reading and writing.
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;
    /// Moves a file over whatever has the new name, in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Returns once the names in a folder survive a power cut.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Begins a group of files that are to survive a power cut together: cheaper than one after
    /// the other where there are many.
    fn begin_sync(&self) -> Box<dyn SyncGroup> {
        Box::new(OneByOne(Vec::new()))
    }
    /// Returns once the names in all these folders survive a power cut.
    fn sync_dirs(&self, paths: &[PathBuf]) -> io::Result<()> {
        paths.iter().try_for_each(|path| self.sync_dir(path))
    }
    /// The entries of a folder, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// Whether there is something of that name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Bytes that can still be written below a folder.
    fn free_space(&self, path: &Path) -> io::Result<u64>;
}

/// Reads a small file whole; refuses one of more than `limit` bytes.
pub fn read_bounded(fs: &dyn Fs, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = fs.open(path)?;
    let len = file.len()?;
    if len > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} holds {len} bytes; at most {limit} are expected there", path.display()),
        ));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Replaces a small file so that after a power cut either the old or the new one is there, whole:
/// write beside it, sync, rename, sync the folder.
pub fn replace_file(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(fs, path, bytes, |staged| fs.create_new(staged))
}

/// Like [`replace_file`], for a file that only its owner may read.
pub fn replace_private_file(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(fs, path, bytes, |staged| fs.create_private(staged))
}

fn replace_with(
    fs: &dyn Fs,
    path: &Path,
    bytes: &[u8],
    create: impl FnOnce(&Path) -> io::Result<Box<dyn FsFile>>,
) -> io::Result<()> {
    let mut staged = path.as_os_str().to_owned();
    staged.push(".new");
    let staged = PathBuf::from(staged);
    if fs.exists(&staged)? {
        fs.remove_file(&staged)?;
    }
    let file = create(&staged)?;
    file.write_all_at(bytes, 0)?;
    file.sync()?;
    drop(file);
    fs.rename(&staged, path)?;
    match path.parent() {
        Some(folder) => fs.sync_dir(folder),
        None => Ok(()),
    }
}

/// From this many files or folders on, the whole file system is synced at once. Below, what others
/// have written there meanwhile would cost more than it saves.
#[cfg(target_os = "linux")]
const SYNC_TOGETHER_FROM: usize = 8;

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFs;

impl Fs for RealFs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).create_new(true).open(path)?))
    }

    fn create_private(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let mut options = OpenOptions::new();
        Ok(Box::new(options.read(true).write(true).create_new(true).mode(0o600).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(Box::new(File::open(path)?))
    }

    fn open_cached(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(Box::new(cached::open(path)?))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    #[cfg(target_os = "linux")]
    fn begin_sync(&self) -> Box<dyn SyncGroup> {
        Box::new(Together { first: Vec::new(), others: 0 })
    }

    #[cfg(target_os = "linux")]
    fn sync_dirs(&self, paths: &[PathBuf]) -> io::Result<()> {
        match paths.first().filter(|_| paths.len() >= SYNC_TOGETHER_FROM) {
            Some(path) => Ok(rustix::fs::syncfs(File::open(path)?)?),
            None => paths.iter().try_for_each(|path| self.sync_dir(path)),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string() {
                let kind = entry.file_type()?;
                entries.push(Entry { name, is_dir: kind.is_dir(), is_file: kind.is_file() });
            }
        }
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl FsFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        cached::read_at(self, buffer, offset)
    }

    fn prefetch(&self, offset: u64, len: u64) {
        cached::prefetch(self, offset, len);
    }

    fn read_randomly(&self) {
        cached::read_randomly(self);
    }

    fn is_cached(&self, offset: u64) -> bool {
        cached::read_at(self, &mut [0], offset).is_ok()
    }

    fn forget_cached(&self, offset: u64, len: u64) {
        cached::forget(self, offset, len);
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn os_file(&self) -> Option<io::Result<File>> {
        Some(self.try_clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaced_files_hold_the_new_bytes_and_leave_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head.json");
        for bytes in [&b"old"[..], b"new and longer"] {
            replace_file(&RealFs, &path, bytes).unwrap();
            assert_eq!(read_bounded(&RealFs, &path, 100).unwrap(), bytes);
        }
        assert_eq!(RealFs.list(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn files_over_the_limit_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big");
        std::fs::write(&path, [0; 11]).unwrap();
        let error = read_bounded(&RealFs, &path, 10).unwrap_err().to_string();
        assert!(error.contains("big") && error.contains("11"), "{error}");
    }
}

//! A file system that forgets: the faults that the suites must bring to light.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use xylem_runtime::{Disk, Entry, Fs, FsFile, RealFs};

/// What the worker's disk forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Forgets {
    /// Nothing: the real code on the real disk.
    Nothing,
    /// Syncing a file does nothing.
    FileSync,
    /// Syncing a folder does nothing.
    FolderSync,
    /// A rename that fails counts as done.
    FailedRename,
}

impl Forgets {
    /// The disk that forgets this.
    pub(crate) fn disk(self) -> Disk {
        match self {
            Self::Nothing => Disk::real(),
            forgets => Disk::in_place(Arc::new(ForgetfulFs(forgets))),
        }
    }
}

#[derive(Debug)]
struct ForgetfulFs(Forgets);

struct UnsyncedFile(Box<dyn FsFile>);

impl ForgetfulFs {
    fn wrap(&self, file: Box<dyn FsFile>) -> Box<dyn FsFile> {
        if self.0 == Forgets::FileSync { Box::new(UnsyncedFile(file)) } else { file }
    }
}

impl Fs for ForgetfulFs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        RealFs.create_dir_all(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(self.wrap(RealFs.create_new(path)?))
    }

    fn create_private(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(self.wrap(RealFs.create_private(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        RealFs.open(path)
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(self.wrap(RealFs.open_write(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let renamed = RealFs.rename(from, to);
        if self.0 == Forgets::FailedRename { Ok(()) } else { renamed }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealFs.remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if self.0 == Forgets::FolderSync { Ok(()) } else { RealFs.sync_dir(path) }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        RealFs.list(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        RealFs.exists(path)
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        RealFs.free_space(path)
    }
}

impl FsFile for UnsyncedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn os_file(&self) -> Option<io::Result<File>> {
        self.0.os_file()
    }
}

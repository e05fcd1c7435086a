//! How far a read goes for its bytes.

use std::io;
use std::path::Path;

use xylem_runtime::{Fs, FsFile};

/// How far a read may go for its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only into memory: never waits, so that an async thread may read. Where that is not enough,
    /// or what it finds is wrong, [`would_block`](crate::BlobError::would_block) says so, nothing
    /// has happened, and a blocking thread reads the same again from the disk.
    Memory,
    /// To the disk.
    Disk,
}

impl Reach {
    pub(crate) fn open(self, fs: &dyn Fs, path: &Path) -> io::Result<Box<dyn FsFile>> {
        match self {
            Self::Memory => fs.open_cached(path),
            Self::Disk => fs.open(path),
        }
    }

    /// Reads until the buffer is full or the file ends.
    pub(crate) fn read_full(
        self,
        file: &dyn FsFile,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let offset = offset + filled as u64;
            let read = match self {
                Self::Memory => file.read_cached_at(rest, offset),
                Self::Disk => file.read_at(rest, offset),
            };
            match read {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// Reads from the disk until the buffer is full or the file ends.
pub(crate) fn read_full(file: &dyn FsFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    Reach::Disk.read_full(file, buffer, offset)
}

/// Fills the buffer from the disk; where the file ends before, that is a failure.
pub(crate) fn read_whole(file: &dyn FsFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    match read_full(file, buffer, offset)? == buffer.len() {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

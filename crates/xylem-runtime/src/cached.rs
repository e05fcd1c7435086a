//! Reading what is in memory already, without ever waiting for the disk.
//!
//! Whoever serves from an async thread tries this first, and goes to a blocking thread only where
//! the answer is [`WouldBlock`](io::ErrorKind::WouldBlock). Linux tells (`RWF_NOWAIT` of preadv2(2),
//! `RESOLVE_CACHED` of openat2(2)); elsewhere everything is said to need the disk.

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens a file whose name and inode are in memory.
#[cfg(target_os = "linux")]
pub(crate) fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
    use rustix::io::Errno;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    match rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED) {
        Ok(file) => Ok(file.into()),
        // Kernels before 5.12 know no such flag, before 5.6 no such call; some sandboxes forbid it.
        Err(Errno::AGAIN | Errno::INVAL | Errno::NOSYS | Errno::PERM) => Err(would_block()),
        Err(error) => Err(error.into()),
    }
}

/// Reads at an offset; may stop where memory ends.
#[cfg(target_os = "linux")]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    use rustix::io::{Errno, ReadWriteFlags};
    let mut buffers = [io::IoSliceMut::new(buffer)];
    match rustix::io::preadv2(file, &mut buffers, offset, ReadWriteFlags::NOWAIT) {
        Ok(read) => Ok(read),
        // Not every file system can say what is in memory.
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => Err(would_block()),
        Err(error) => Err(error.into()),
    }
}

/// Has the disk begin to read what will be wanted soon.
#[cfg(target_os = "linux")]
pub(crate) fn prefetch(file: &File, offset: u64, len: u64) {
    advise(file, offset, len, rustix::fs::Advice::WillNeed);
}

/// Has nothing be read ahead.
#[cfg(target_os = "linux")]
pub(crate) fn read_randomly(file: &File) {
    // Advice: where it is not taken, more is read than is used.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
}

/// Has memory forget bytes.
#[cfg(target_os = "linux")]
pub(crate) fn forget(file: &File, offset: u64, len: u64) {
    advise(file, offset, len, rustix::fs::Advice::DontNeed);
}

#[cfg(target_os = "linux")]
fn advise(file: &File, offset: u64, len: u64, advice: rustix::fs::Advice) {
    // None would mean: to the end of the file.
    let Some(len) = std::num::NonZeroU64::new(len) else { return };
    // Advice: where it is not taken, reading takes longer or sees what memory holds.
    let _ = rustix::fs::fadvise(file, offset, Some(len), advice);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn open(_: &Path) -> io::Result<File> {
    Err(would_block())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn read_at(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
    Err(would_block())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn prefetch(_: &File, _: u64, _: u64) {}

#[cfg(not(target_os = "linux"))]
pub(crate) fn read_randomly(_: &File) {}

#[cfg(not(target_os = "linux"))]
pub(crate) fn forget(_: &File, _: u64, _: u64) {}

fn would_block() -> io::Error {
    io::ErrorKind::WouldBlock.into()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_just_written_is_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"in memory").unwrap();
        let file = open(&path).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(read_at(&file, &mut buffer, 3).unwrap(), 6);
        assert_eq!(&buffer[..6], b"memory");
        assert_eq!(read_at(&file, &mut buffer, 9).unwrap(), 0, "the end");
        prefetch(&file, 0, 9);
        let missing = open(&folder.path().join("missing")).unwrap_err();
        let kinds = [io::ErrorKind::NotFound, io::ErrorKind::WouldBlock];
        assert!(kinds.contains(&missing.kind()), "{missing}");
    }
}

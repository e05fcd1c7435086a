//! The source, open for reading only.
//!
//! Every step from the folder down is taken by itself and follows no symbolic link, so that nothing
//! outside the folder is read even if somebody puts a link there meanwhile. Where the system lets
//! us, times of access stay as they were.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::path::SourcePath;

/// A folder that nothing is written to.
#[derive(Debug)]
pub(crate) struct Tree {
    top: OwnedFd,
}

/// What the file system says of something, without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) sort: Sort,
    pub(crate) size: u64,
    pub(crate) modified_ns: i128,
    /// When anything about it was last changed: notices content of which the time was put back.
    pub(crate) changed_ns: i128,
    pub(crate) inode: u64,
    pub(crate) executable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    File,
    Folder,
    Link,
    /// A pipe, socket or device.
    Special,
}

impl Tree {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        // The folder itself may be given as a link: that was the administrator's choice.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { top: rustix::fs::open(folder, flags, Mode::empty())? })
    }

    /// Opens a folder.
    pub(crate) fn folder(&self, path: &SourcePath) -> io::Result<OwnedFd> {
        let mut at = step(self.top.as_fd(), b".", OFlags::DIRECTORY)?;
        for name in path.names() {
            at = step(at.as_fd(), name, OFlags::DIRECTORY)?;
        }
        Ok(at)
    }

    /// Opens a file, and says what it is.
    pub(crate) fn file(&self, path: &SourcePath) -> io::Result<(File, Facts)> {
        let folder = self.folder(&path.parent())?;
        // A pipe that took the file's place must not hold us up.
        let file = step(folder.as_fd(), path.name(), OFlags::NONBLOCK)?;
        let facts = Facts::from(&rustix::fs::fstat(&file)?);
        if facts.sort != Sort::File {
            return Err(io::Error::other("it is no file any more"));
        }
        Ok((File::from(file), facts))
    }

    /// What there is at a path.
    pub(crate) fn facts(&self, path: &SourcePath) -> io::Result<Facts> {
        facts_at(self.folder(&path.parent())?.as_fd(), path.name())
    }

    /// The first bytes of a file.
    pub(crate) fn head(&self, path: &SourcePath, bytes: u64) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        self.file(path)?.0.take(bytes).read_to_end(&mut head)?;
        Ok(head)
    }

    /// Where a symbolic link leads.
    pub(crate) fn link_target(&self, path: &SourcePath) -> io::Result<Vec<u8>> {
        let folder = self.folder(&path.parent())?;
        Ok(rustix::fs::readlinkat(&folder, path.name(), Vec::new())?.into_bytes())
    }
}

/// The names in a folder, in no order. No more than `most` are read: who gets that many has to say
/// that it is too many.
pub(crate) fn names(folder: BorrowedFd<'_>, most: usize) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        if names.len() >= most {
            break;
        }
        names.push(name.to_vec());
    }
    Ok(names)
}

/// What lies in a folder under a name; a link is not followed.
pub(crate) fn facts_at(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<Facts> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(Facts::from(&stat))
}

fn step(folder: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | flags;
    // Only the owner, and root, may ask that the time of access stay as it is.
    #[cfg(target_os = "linux")]
    match rustix::fs::openat(folder, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => {}
        opened => return opened.map_err(in_words),
    }
    rustix::fs::openat(folder, name, flags, Mode::empty()).map_err(in_words)
}

fn in_words(error: Errno) -> io::Error {
    match error {
        Errno::LOOP => io::Error::other("it is a symbolic link"),
        error => error.into(),
    }
}

impl From<&Stat> for Facts {
    fn from(stat: &Stat) -> Self {
        // The fields' types differ from system to system; all fit.
        let time = |seconds: i128, nanoseconds: i128| seconds * 1_000_000_000 + nanoseconds;
        let sort = match FileType::from_raw_mode(stat.st_mode as _) {
            FileType::RegularFile => Sort::File,
            FileType::Directory => Sort::Folder,
            FileType::Symlink => Sort::Link,
            _ => Sort::Special,
        };
        Self {
            sort,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified_ns: time(stat.st_mtime as i128, stat.st_mtime_nsec as i128),
            changed_ns: time(stat.st_ctime as i128, stat.st_ctime_nsec as i128),
            inode: stat.st_ino,
            executable: stat.st_mode & 0o100 != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_never_followed_not_even_on_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        symlink(outside.path(), folder.path().join("out")).unwrap();
        symlink(outside.path().join("secret"), folder.path().join("file")).unwrap();
        let tree = Tree::open(folder.path()).unwrap();
        assert!(tree.file(&"out/secret".into()).is_err());
        assert!(tree.file(&"file".into()).is_err());
        assert!(tree.folder(&"out".into()).is_err());
        assert_eq!(tree.facts(&"out".into()).unwrap().sort, Sort::Link);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_in_a_files_place_does_not_hold_us_up() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("a.pkg");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .unwrap();
        let tree = Tree::open(folder.path()).unwrap();
        assert_eq!(tree.facts(&"a.pkg".into()).unwrap().sort, Sort::Special);
        assert!(tree.file(&"a.pkg".into()).is_err());
    }
}

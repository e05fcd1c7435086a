//! A directory tree that is never left: every walk starts at an open directory, goes down one
//! checked component at a time and follows no symbolic link.
//!
//! On Linux a walk is one `openat2(2)` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`; elsewhere, and
//! on kernels or in sandboxes without that call, it is one `openat` with `O_NOFOLLOW` per
//! component. Both refuse a directory that was replaced by a link a moment ago.
//!
//! Paths are relative, with `/` between components, and empty for the tree's own root.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RawMode, chmodat, fchmod, openat, renameat, statat,
    unlinkat,
};
use rustix::io::Errno;

/// How a directory is opened: to list it and to name what is in it.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What a name stands for; links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A directory.
    Directory,
    /// A symbolic link, wherever it leads.
    Symlink,
    /// A regular file, or anything else that is not a directory.
    Other,
}

/// An open directory and what is below it.
#[derive(Debug)]
pub(crate) struct Tree {
    fd: OwnedFd,
}

impl Tree {
    /// Opens a directory that the administrator named. Links in `path` itself are followed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { fd: openat(CWD, path, DIRECTORY, Mode::empty())? })
    }

    /// The tree below `path`.
    pub(crate) fn subtree(&self, path: &str) -> io::Result<Self> {
        Ok(Self { fd: self.dir(path)? })
    }

    /// Opens the directory at `path`. A symbolic link on the way or at the end is an error of kind
    /// `FilesystemLoop` or `NotADirectory`.
    pub(crate) fn dir(&self, path: &str) -> io::Result<OwnedFd> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        match self.dir_in_one_call(path) {
            Err(Errno::NOSYS | Errno::PERM) => {}
            answered => return Ok(answered?),
        }
        self.dir_step_by_step(path)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn dir_in_one_call(&self, path: &str) -> Result<OwnedFd, Errno> {
        use rustix::fs::{ResolveFlags, openat2};

        let path = if path.is_empty() { "." } else { path };
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.fd, path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty(), resolve)
    }

    fn dir_step_by_step(&self, path: &str) -> io::Result<OwnedFd> {
        let mut dir = openat(&self.fd, ".", DIRECTORY, Mode::empty())?;
        for component in path.split('/').filter(|component| !component.is_empty()) {
            if component == ".." {
                return Err(Errno::XDEV.into());
            }
            dir = openat(&dir, component, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok(dir)
    }

    /// Makes the directory at `path` fully accessible to its owner, whatever its mode was.
    pub(crate) fn open_up(&self, path: &str) -> io::Result<OwnedFd> {
        match self.dir(path) {
            // Its own mode keeps even the owner from opening it. (Never the case for root.)
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let (parent, name) = split(path);
                chmodat(self.dir(parent)?, name, Mode::RWXU, AtFlags::empty())?;
                self.dir(path)
            }
            answered => {
                let dir = answered?;
                fchmod(&dir, Mode::RWXU)?;
                Ok(dir)
            }
        }
    }

    /// Removes `name` and everything below it. Links are removed, not followed.
    pub(crate) fn remove_all(&self, name: &str) -> io::Result<()> {
        let mut pending = vec![name.to_owned()];
        while let Some(path) = pending.last().cloned() {
            // A directory of the payload may be declared read-only.
            let dir = self.open_up(&path)?;
            // Some systems skip names while others are being removed: go on until none is left.
            let mut empty = true;
            for entry in Dir::read_from(&dir)? {
                let entry = entry?;
                let name = entry.file_name();
                if is_dot(name) {
                    continue;
                }
                empty = false;
                match unlinkat(&dir, name, AtFlags::empty()) {
                    Ok(()) => {}
                    // What a directory answers differs between systems.
                    Err(Errno::ISDIR | Errno::PERM) => {
                        pending.push(format!("{path}/{}", utf8(name)?));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            if empty {
                pending.pop();
                let (parent, name) = split(&path);
                unlinkat(self.dir(parent)?, name, AtFlags::REMOVEDIR)?;
            }
        }
        Ok(())
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What `name` in `dir` stands for, if anything.
pub(crate) fn found(dir: BorrowedFd<'_>, name: &str) -> io::Result<Option<Found>> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(match FileType::from_raw_mode(stat.st_mode as RawMode) {
            FileType::Directory => Found::Directory,
            FileType::Symlink => Found::Symlink,
            _ => Found::Other,
        })),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The names in an open directory, one at a time, without `.` and `..`.
pub(crate) fn names(dir: BorrowedFd<'_>) -> io::Result<impl Iterator<Item = io::Result<String>>> {
    Ok(Dir::read_from(dir)?.filter_map(|entry| match entry {
        Ok(entry) if is_dot(entry.file_name()) => None,
        Ok(entry) => Some(utf8(entry.file_name())),
        Err(error) => Some(Err(error.into())),
    }))
}

/// Renames without ever replacing anything.
pub(crate) fn rename_new(
    from: BorrowedFd<'_>,
    from_name: &str,
    to: BorrowedFd<'_>,
    to_name: &str,
) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{RenameFlags, renameat_with};

        match renameat_with(from, from_name, to, to_name, RenameFlags::NOREPLACE) {
            // The file system cannot do it in one step.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            answered => return Ok(answered?),
        }
    }
    match found(to, to_name)? {
        Some(_) => Err(Errno::EXIST.into()),
        None => Ok(renameat(from, from_name, to, to_name)?),
    }
}

/// Whether an error of [`Tree::dir`] means that a component is no directory (but perhaps a link).
pub(crate) fn is_not_a_directory(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::LOOP | Errno::NOTDIR))
}

/// The directory part and the last component of a path.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// `dir` and `name` as one path.
pub(crate) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

fn is_dot(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

fn utf8(name: &CStr) -> io::Result<String> {
    name.to_str().map(str::to_owned).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{name:?} is not UTF-8: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn walks_stop_at_symbolic_links_and_never_leave_the_tree() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("tree/a/b")).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        symlink("../outside", folder.path().join("tree/out")).unwrap();
        symlink("a", folder.path().join("tree/in")).unwrap();
        let tree = Tree::open(&folder.path().join("tree")).unwrap();

        for open in [Tree::dir, Tree::dir_step_by_step] {
            assert!(open(&tree, "").is_ok());
            assert!(open(&tree, "a/b").is_ok());
            assert!(is_not_a_directory(&open(&tree, "out").unwrap_err()));
            assert!(is_not_a_directory(&open(&tree, "in/b").unwrap_err()));
            assert!(open(&tree, "../outside").is_err());
            assert!(open(&tree, "a/../../outside").is_err());
            assert_eq!(open(&tree, "a/none").unwrap_err().kind(), io::ErrorKind::NotFound);
        }
        assert_eq!(found(tree.as_fd(), "out").unwrap(), Some(Found::Symlink));
        assert_eq!(found(tree.as_fd(), "a").unwrap(), Some(Found::Directory));
        assert_eq!(found(tree.as_fd(), "x").unwrap(), None);
    }

    #[test]
    fn removing_a_tree_spares_what_its_links_point_at() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("tree/a/b/c")).unwrap();
        fs::write(folder.path().join("kept"), b"kept").unwrap();
        symlink("../../kept", folder.path().join("tree/a/link")).unwrap();
        fs::write(folder.path().join("tree/a/b/file"), b"x").unwrap();
        Tree::open(folder.path()).unwrap().remove_all("tree").unwrap();
        assert!(!folder.path().join("tree").exists());
        assert_eq!(fs::read(folder.path().join("kept")).unwrap(), b"kept");
    }

    #[test]
    fn renaming_something_new_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"a").unwrap();
        fs::write(folder.path().join("b"), b"b").unwrap();
        let tree = Tree::open(folder.path()).unwrap();
        let error = rename_new(tree.as_fd(), "a", tree.as_fd(), "b").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        rename_new(tree.as_fd(), "a", tree.as_fd(), "c").unwrap();
        assert_eq!(fs::read(folder.path().join("c")).unwrap(), b"a");
    }
}

//! The hidden directory in the target root where an installation is prepared.
//!
//! ```text
//! TARGET/.xylem-staging-1769846400000-4711/
//!   0/ 1/ …      what component 0, 1, … brings, in place below the target root
//!   new/         the same, laid over each other: what is moved into the target
//!   old/7        what step 7 of the commit replaced
//!   plan         the steps of the commit; its presence means that they may have begun
//!   committed    every step is done: nothing is to be undone any more
//! ```
//!
//! It lies in the target so that moving into place is a rename. A lock on the target root itself
//! (released by the system when a process dies) keeps installations apart; what is found under the
//! lock is therefore left over from a run that was killed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    FlockOperation, Mode, OFlags, RawMode, flock, fstat, fsync, mkdirat, openat, renameat,
};
use rustix::io::Errno;
use rustix::process::{geteuid, getpid};
use xylem_model::Timestamp;

use crate::error::InstallError;
use crate::tree::{Found, Tree, found, names};

/// How the name of every staging directory begins; no payload may bring such a name.
pub(super) const PREFIX: &str = ".xylem-staging-";

/// What is moved into the target.
pub(super) const NEW: &str = "new";
/// What was replaced.
pub(super) const OLD: &str = "old";
const PLAN: &str = "plan";
const UNFINISHED_PLAN: &str = "plan.part";
const COMMITTED: &str = "committed";

/// How many names are tried before giving up.
const MAX_NAME_ATTEMPTS: u32 = 100;

/// Takes the lock that keeps two installations to one target apart; it lasts as long as `root`.
pub(super) fn lock(root: &Tree) -> Result<(), LockError> {
    match flock(root, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(LockError::Busy),
        Err(error) => Err(LockError::Failed(error.into())),
    }
}

/// Why [`lock`] did not get the lock.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another installation holds it.
    Busy,
    /// The file system cannot lock.
    Failed(io::Error),
}

/// One staging directory.
#[derive(Debug)]
pub(super) struct Staging {
    name: String,
    tree: Tree,
}

impl Staging {
    /// Makes a new, private staging directory.
    pub(super) fn create(root: &Tree, now: Timestamp) -> Result<Self, InstallError> {
        let pid = getpid().as_raw_nonzero();
        for attempt in 0..MAX_NAME_ATTEMPTS {
            let name = format!("{PREFIX}{}-{pid}-{attempt}", now.unix_ms());
            match mkdirat(root, &name, Mode::RWXU) {
                Ok(()) => return Self::open(root, &name),
                Err(Errno::EXIST) => {}
                Err(error) => {
                    return Err(InstallError::target("creating the staging directory", name)(
                        error,
                    ));
                }
            }
        }
        Err(InstallError::target("creating a staging directory in", ".")(Errno::EXIST))
    }

    /// Opens the staging directory called `name`.
    fn open(root: &Tree, name: &str) -> Result<Self, InstallError> {
        let tree = root
            .subtree(name)
            .map_err(InstallError::target::<io::Error>("opening the staging directory", name))?;
        Ok(Self { name: name.to_owned(), tree })
    }

    /// The staging directories in `root` that earlier runs left, and the names that only look like
    /// one: directories that others own or may write to are never touched, because acting on what
    /// they hold would let their owner rename files as us.
    pub(super) fn left_over(root: &Tree) -> Result<(Vec<Self>, Vec<String>), InstallError> {
        let failed = || InstallError::target::<io::Error>("listing", ".");
        let (mut ours, mut foreign) = (Vec::new(), Vec::new());
        for name in names(root.as_fd()).map_err(failed())? {
            // A name that is not UTF-8 is not ours.
            let Ok(name) = name else { continue };
            if !name.starts_with(PREFIX) {
                continue;
            }
            let is_directory =
                found(root.as_fd(), &name).map_err(failed())? == Some(Found::Directory);
            match is_directory.then(|| Self::open(root, &name)) {
                Some(Ok(staging)) if staging.is_private() => ours.push(staging),
                _ => foreign.push(name),
            }
        }
        Ok((ours, foreign))
    }

    fn is_private(&self) -> bool {
        fstat(&self.tree).is_ok_and(|stat| {
            let mode = Mode::from_raw_mode(stat.st_mode as RawMode);
            stat.st_uid == geteuid().as_raw() && !mode.intersects(Mode::RWXG | Mode::RWXO)
        })
    }

    /// The directory's name in the target root.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the directory holds.
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Makes a private directory directly in the staging directory.
    pub(super) fn make_dir(&self, name: &str) -> Result<Tree, InstallError> {
        mkdirat(&self.tree, name, Mode::RWXU)
            .map_err(InstallError::target("creating", self.path_of(name)))?;
        self.tree.subtree(name).map_err(InstallError::target("opening", self.path_of(name)))
    }

    /// Opens the place where a plan is written.
    pub(super) fn create_plan(&self) -> Result<File, InstallError> {
        self.create_file(UNFINISHED_PLAN)
    }

    /// From here on the plan counts: whoever finds it undoes its steps.
    pub(super) fn publish_plan(&self) -> Result<(), InstallError> {
        renameat(&self.tree, UNFINISHED_PLAN, &self.tree, PLAN)
            .map_err(InstallError::target("naming", self.path_of(PLAN)))
    }

    /// Opens the plan, if there is one that counts.
    pub(super) fn plan(&self) -> Result<Option<File>, InstallError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.tree, PLAN, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(InstallError::target("opening", self.path_of(PLAN))(error)),
        }
    }

    /// From here on nothing is undone any more.
    pub(super) fn mark_committed(&self) -> Result<(), InstallError> {
        let marker = self.create_file(COMMITTED)?;
        fsync(&marker)
            .and_then(|()| fsync(&self.tree))
            .map_err(InstallError::target("writing", self.path_of(COMMITTED)))
    }

    /// Whether every step of the plan has been done.
    pub(super) fn is_committed(&self) -> Result<bool, InstallError> {
        let marker =
            found(self.tree.as_fd(), COMMITTED).map_err(InstallError::target::<io::Error>(
                "looking at",
                self.path_of(COMMITTED),
            ))?;
        Ok(marker.is_some())
    }

    /// Removes the staging directory and all that is in it.
    pub(super) fn remove(self, root: &Tree) -> Result<(), InstallError> {
        root.remove_all(&self.name)
            .map_err(InstallError::target::<io::Error>("removing", &*self.name))
    }

    fn create_file(&self, name: &str) -> Result<File, InstallError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd: OwnedFd = openat(&self.tree, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(InstallError::target("creating", self.path_of(name)))?;
        Ok(File::from(fd))
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn only_private_directories_count_as_left_over() {
        let folder = tempfile::tempdir().unwrap();
        let root = Tree::open(folder.path()).unwrap();
        let ours = Staging::create(&root, Timestamp::from_unix_ms(1)).unwrap();
        let shared = folder.path().join(".xylem-staging-shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
        symlink("elsewhere", folder.path().join(".xylem-staging-link")).unwrap();
        fs::write(folder.path().join("other"), b"").unwrap();

        let (found, mut foreign) = Staging::left_over(&root).unwrap();
        let found: Vec<_> = found.iter().map(Staging::name).collect();
        assert_eq!(found, [ours.name()]);
        foreign.sort();
        assert_eq!(foreign, [".xylem-staging-link", ".xylem-staging-shared"]);
    }

    #[test]
    fn a_second_installation_finds_the_target_busy() {
        let folder = tempfile::tempdir().unwrap();
        let first = Tree::open(folder.path()).unwrap();
        lock(&first).unwrap();
        let second = Tree::open(folder.path()).unwrap();
        assert!(matches!(lock(&second), Err(LockError::Busy)));
        drop(first);
        lock(&second).unwrap();
    }
}

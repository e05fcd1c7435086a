//! Carries a plan out, or undoes it.
//!
//! Undoing needs no record of how far the steps came: for each one the file system itself tells.
//! A replaced file lies under `old/NUMBER`, and a created one is no longer where it was staged.
//! That makes undoing correct after a crash at any point, and harmless when repeated.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, fsync, linkat, renameat};
use rustix::io::Errno;

use super::plan::{Plan, Step, parent_of};
use super::staging::{NEW, OLD, Staging};
use crate::error::InstallError;
use crate::tree::{Found, Tree, found, rename_new};

/// The three trees that a commit moves files between.
pub(super) struct Commit<'a> {
    root: &'a Tree,
    staging: &'a Staging,
    new: Tree,
    old: Tree,
}

impl<'a> Commit<'a> {
    /// Prepares to carry out or undo the plan in `staging`.
    pub(super) fn open(root: &'a Tree, staging: &'a Staging) -> Result<Self, InstallError> {
        let open = |name| {
            staging
                .tree()
                .subtree(name)
                .map_err(InstallError::target::<io::Error>("opening", format!("staged {name}")))
        };
        Ok(Self { root, staging, new: open(NEW)?, old: open(OLD)? })
    }

    /// Does every step; when one fails, undoes those before it and returns the reason.
    pub(super) fn run(&self, plan: &mut Plan) -> Result<(), InstallError> {
        for number in 0..plan.len() {
            let done = plan.step(number).and_then(|step| self.apply(number, &step));
            if let Err(error) = done {
                tracing::warn!(%error, step = number, "installation failed half-way, undoing it");
                self.undo_first(plan, number + 1)?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Does one step.
    pub(super) fn apply(&self, number: usize, step: &Step) -> Result<(), InstallError> {
        match step {
            Step::Create { staged, target, finish } => {
                let (from, from_name) = parent_of(&self.new, staged)?;
                let (to, to_name) = parent_of(self.root, target)?;
                rename_new(from.as_fd(), from_name, to.as_fd(), to_name)
                    .map_err(failed("creating", target))?;
                if let Some(attributes) = finish {
                    let directory = self.root.dir(target).map_err(failed("opening", target))?;
                    attributes
                        .apply(&directory)
                        .map_err(failed("setting the attributes of", target))?;
                }
                Ok(())
            }
            Step::Replace { staged, target } => {
                let (from, from_name) = parent_of(&self.new, staged)?;
                let (to, to_name) = parent_of(self.root, target)?;
                self.keep_old(number, target)?;
                renameat(&from, from_name, &to, to_name)
                    .map_err(InstallError::target("replacing", target.as_str()))
            }
        }
    }

    /// Keeps what stands at `target` under the step's number. A second name is enough, and leaves
    /// no moment in which a running program's file is gone; where the file system has no hard
    /// links, the file is moved aside.
    pub(super) fn keep_old(&self, number: usize, target: &str) -> Result<(), InstallError> {
        let (dir, name) = parent_of(self.root, target)?;
        let kept = number.to_string();
        match found(dir.as_fd(), name).map_err(failed("looking at", target))? {
            Some(Found::Symlink | Found::Other) => {}
            // It changed since the plan was made. A directory is never set aside.
            Some(Found::Directory) => {
                return Err(InstallError::target("replacing", target)(Errno::ISDIR));
            }
            None => return Err(InstallError::target("replacing", target)(Errno::NOENT)),
        }
        match linkat(&dir, name, &self.old, &kept, AtFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::PERM | Errno::NOTSUP | Errno::MLINK | Errno::NOSYS) => {
                rename_new(dir.as_fd(), name, self.old.as_fd(), &kept)
                    .map_err(failed("setting aside", target))
            }
            Err(error) => Err(InstallError::target("setting aside", target)(error)),
        }
    }

    /// Undoes the first `count` steps, last one first. Goes on after a failure, so that as much as
    /// possible is as it was.
    pub(super) fn undo_first(&self, plan: &mut Plan, count: usize) -> Result<(), InstallError> {
        let mut first_failure = None;
        for number in (0..count).rev() {
            let undone = plan.step(number).and_then(|step| self.undo(number, &step));
            if let Err(error) = undone {
                tracing::error!(%error, step = number, "a step of an installation stays undone");
                first_failure.get_or_insert(error);
            }
        }
        match first_failure {
            None => Ok(()),
            Some(error) => Err(InstallError::RollbackFailed {
                staging: self.staging.name().into(),
                source: Box::new(error),
            }),
        }
    }

    fn undo(&self, number: usize, step: &Step) -> Result<(), InstallError> {
        match step {
            Step::Create { staged, target, .. } => self.take_back(staged, target),
            Step::Replace { target, .. } => {
                let kept = number.to_string();
                let exists = found(self.old.as_fd(), &kept).map_err(failed("looking at", &kept))?;
                if exists.is_none() {
                    return Ok(());
                }
                let (to, name) = parent_of(self.root, target)?;
                // When only the second name was made, both are one file and this does nothing.
                renameat(&self.old, &kept, &to, name)
                    .map_err(InstallError::target("restoring", target.as_str()))
            }
        }
    }

    /// Moves what a step created back to where it was staged, if it ever left.
    fn take_back(&self, staged: &str, target: &str) -> Result<(), InstallError> {
        let (back, back_name) = parent_of(&self.new, staged)?;
        if found(back.as_fd(), back_name).map_err(failed("looking at", staged))?.is_some() {
            return Ok(());
        }
        let (from, name) = parent_of(self.root, target)?;
        match found(from.as_fd(), name).map_err(failed("looking at", target))? {
            // Somebody has removed it: nothing of it is left to undo.
            None => return Ok(()),
            Some(Found::Directory) => {
                self.root.open_up(target).map_err(failed("opening", target))?;
            }
            Some(_) => {}
        }
        renameat(&from, name, &back, back_name).map_err(InstallError::target("taking back", target))
    }
}

/// Waits until what was written to the target's file system is on its disk.
pub(super) fn sync(root: &Tree) -> Result<(), InstallError> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let synced = rustix::fs::syncfs(root);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let synced = {
        rustix::fs::sync();
        Ok(())
    };
    synced.and_then(|()| fsync(root)).map_err(InstallError::target("syncing", "."))
}

fn failed<'p>(doing: &'static str, path: &'p str) -> impl FnOnce(io::Error) -> InstallError + 'p {
    InstallError::target::<io::Error>(doing, path)
}

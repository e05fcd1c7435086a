//! The directories that a package brings, with the attributes they get in the end.
//!
//! While files are written and moved, staged directories are private and writable; a payload may
//! declare them read-only. Their attributes are therefore kept here until their content is final.

use std::collections::BTreeMap;

use crate::attributes::{Attributes, Ownership};
use crate::error::InstallError;
use crate::tree::split;

/// Most memory that the paths of a package's directories may take.
const MAX_PATH_TABLE_BYTES: usize = 64 * 1024 * 1024;

/// Permission bits of directories that a package needs but does not name.
const UNNAMED_MODE: u32 = 0o755;

/// Directories by path below the target root, and what becomes of each.
#[derive(Debug, Default)]
pub(super) struct Directories {
    by_path: BTreeMap<String, Directory>,
    path_bytes: usize,
}

#[derive(Debug)]
struct Directory {
    attributes: Attributes,
    /// The target has this directory already and keeps it as it is.
    exists: bool,
}

impl Directories {
    /// Notes a directory that a payload names; the last mention counts.
    pub(super) fn declare(
        &mut self,
        path: &str,
        attributes: Attributes,
    ) -> Result<(), InstallError> {
        self.insert(path, attributes, true)
    }

    /// Notes a directory that is needed for what it holds.
    pub(super) fn imply(&mut self, path: &str, ownership: Ownership) -> Result<(), InstallError> {
        self.insert(path, ownership.undescribed(UNNAMED_MODE), false)
    }

    fn insert(
        &mut self,
        path: &str,
        attributes: Attributes,
        replace: bool,
    ) -> Result<(), InstallError> {
        if let Some(known) = self.by_path.get_mut(path) {
            if replace {
                known.attributes = attributes;
            }
            return Ok(());
        }
        self.path_bytes = self.path_bytes.saturating_add(path.len());
        if self.path_bytes > MAX_PATH_TABLE_BYTES {
            return Err(InstallError::refused("it brings more directories than are accepted"));
        }
        self.by_path.insert(path.to_owned(), Directory { attributes, exists: false });
        Ok(())
    }

    /// Notes that the target has `path` already.
    pub(super) fn mark_existing(&mut self, path: &str) {
        if let Some(directory) = self.by_path.get_mut(path) {
            directory.exists = true;
        }
    }

    /// The attributes for `path`, if it is a directory of the package.
    pub(super) fn attributes(&self, path: &str) -> Option<Attributes> {
        self.by_path.get(path).map(|directory| directory.attributes)
    }

    /// The directories that come into the target inside another new one, each after everything
    /// below it. (The outermost new ones are finished once they are in place.)
    pub(super) fn inside_new_ones(&self) -> impl Iterator<Item = (&str, Attributes)> {
        self.by_path
            .iter()
            .rev()
            .filter(|(path, directory)| !directory.exists && self.is_new(split(path).0))
            .map(|(path, directory)| (path.as_str(), directory.attributes))
    }

    fn is_new(&self, path: &str) -> bool {
        self.by_path.get(path).is_some_and(|directory| !directory.exists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Ownership = Ownership::Installing { as_root: false };

    #[test]
    fn a_declared_directory_keeps_its_attributes_whatever_else_implies_it() {
        let mut directories = Directories::default();
        directories.imply("a", OURS).unwrap();
        directories.declare("a", OURS.undescribed(0o700)).unwrap();
        directories.imply("a", OURS).unwrap();
        assert_eq!(directories.attributes("a").unwrap().mode, 0o700);
    }

    #[test]
    fn directories_inside_new_ones_come_after_what_is_below_them() {
        let mut directories = Directories::default();
        for path in ["a", "a/b", "a/b/c", "a-b", "d", "d/e", "d/e/f"] {
            directories.imply(path, OURS).unwrap();
        }
        directories.mark_existing("d");
        let order: Vec<_> = directories.inside_new_ones().map(|(path, _)| path).collect();
        assert_eq!(order, ["d/e/f", "a/b/c", "a/b"]);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut directories = Directories::default();
        let long = "x".repeat(1000);
        let refused = (0..MAX_PATH_TABLE_BYTES / 1000 + 1)
            .any(|number| directories.imply(&format!("{number}{long}"), OURS).is_err());
        assert!(refused);
    }
}

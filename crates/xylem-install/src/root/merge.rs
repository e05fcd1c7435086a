//! Lays what one component brings over what earlier components bring, inside the staging
//! directory: as if they were installed one after the other.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::renameat;

use crate::error::InstallError;
use crate::tree::{Found, Tree, found, join, names};

/// Moves everything in `from` to the same place in `into`. Directories are merged and later files
/// replace earlier ones. A directory never replaces anything else, nor the other way round: that
/// would let one component write through a link of another.
pub(super) fn overlay(from: &Tree, into: &Tree) -> Result<(), InstallError> {
    let mut pending = vec![String::new()];
    while let Some(path) = pending.pop() {
        let failed = || InstallError::target::<io::Error>("merging", path.as_str());
        let source = from.dir(&path).map_err(failed())?;
        let destination = into.dir(&path).map_err(failed())?;
        // Renaming while listing may hide names on some systems: list until nothing moves.
        loop {
            let mut moved = false;
            let mut common = Vec::new();
            for name in names(source.as_fd()).map_err(failed())? {
                let name = name.map_err(failed())?;
                if move_or_keep(&source, &destination, &path, &name)? {
                    moved = true;
                } else {
                    common.push(join(&path, &name));
                }
            }
            if !moved {
                pending.extend(common);
                break;
            }
        }
    }
    Ok(())
}

/// Moves `name`; false when it is a directory on both sides, whose content has to be looked at.
fn move_or_keep(
    source: &OwnedFd,
    destination: &OwnedFd,
    path: &str,
    name: &str,
) -> Result<bool, InstallError> {
    let failed = || InstallError::target::<io::Error>("merging", join(path, name));
    let coming = found(source.as_fd(), name).map_err(failed())?;
    let standing = found(destination.as_fd(), name).map_err(failed())?;
    match (coming, standing) {
        (Some(Found::Directory), Some(Found::Directory)) => return Ok(false),
        (Some(Found::Directory), Some(_)) | (Some(_), Some(Found::Directory)) => {
            return Err(InstallError::refused(format!(
                "one of its components brings {:?} as a directory, another as something else",
                join(path, name)
            )));
        }
        _ => {}
    }
    renameat(source, name, destination, name)
        .map_err(InstallError::target("merging", join(path, name)))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn trees() -> (tempfile::TempDir, Tree, Tree) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["from", "into"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let from = Tree::open(&folder.path().join("from")).unwrap();
        let into = Tree::open(&folder.path().join("into")).unwrap();
        (folder, from, into)
    }

    #[test]
    fn directories_merge_and_later_files_win() {
        let (folder, from, into) = trees();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("into/a/b")).unwrap();
        fs::write(at("into/a/kept"), b"1").unwrap();
        fs::write(at("into/a/b/replaced"), b"1").unwrap();
        fs::create_dir_all(at("from/a/b")).unwrap();
        fs::create_dir_all(at("from/a/c/d")).unwrap();
        fs::write(at("from/a/b/replaced"), b"2").unwrap();
        fs::write(at("from/a/c/d/new"), b"2").unwrap();
        overlay(&from, &into).unwrap();
        assert_eq!(fs::read(at("into/a/kept")).unwrap(), b"1");
        assert_eq!(fs::read(at("into/a/b/replaced")).unwrap(), b"2");
        assert_eq!(fs::read(at("into/a/c/d/new")).unwrap(), b"2");
    }

    #[test]
    fn a_component_cannot_write_through_a_link_of_another() {
        let (folder, from, into) = trees();
        symlink("/etc", folder.path().join("into/a")).unwrap();
        fs::create_dir_all(folder.path().join("from/a")).unwrap();
        fs::write(folder.path().join("from/a/evil"), b"x").unwrap();
        assert_eq!(overlay(&from, &into).unwrap_err().result_word(), "refused");
    }
}

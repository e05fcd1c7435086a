//! Writes the payload of one component below a private staging directory.
//!
//! Everything here happens inside that directory: a payload that tries to leave it, or to write
//! through a link that it brought itself, is refused before the target has seen any of it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, linkat, mkdirat, openat, symlinkat};
use rustix::io::Errno;
use xylem_artifact::payload::{Member, MemberKind, MemberPath, PayloadError, PayloadReader};

use super::directories::Directories;
use super::space::Watch;
use super::staging::PREFIX;
use crate::attributes::{Attributes, Ownership};
use crate::error::InstallError;
use crate::report::ComponentReport;
use crate::tree::{Found, Tree, found, is_not_a_directory, join, split};

/// Bytes copied at a time.
const COPY_BUFFER_BYTES: usize = 128 * 1024;

/// Longest path below the target root, in bytes: install location and member together.
const MAX_TARGET_PATH_BYTES: usize = 2048;

/// Expands one component.
pub(super) struct Expansion<'a> {
    /// Where to; empty at first.
    tree: &'a Tree,
    location: MemberPath,
    ownership: Ownership,
    directories: &'a mut Directories,
    report: &'a mut ComponentReport,
    warnings: &'a mut Vec<String>,
    space: Watch,
    buffer: Vec<u8>,
    /// The directory of the previous member: the next one is usually beside it.
    parent: Option<(String, OwnedFd)>,
}

impl<'a> Expansion<'a> {
    /// Prepares to expand below `tree` what belongs to `location` of the target.
    pub(super) fn new(
        tree: &'a Tree,
        location: MemberPath,
        ownership: Ownership,
        directories: &'a mut Directories,
        report: &'a mut ComponentReport,
        warnings: &'a mut Vec<String>,
    ) -> Self {
        let buffer = vec![0; COPY_BUFFER_BYTES];
        let space = Watch::default();
        let parent = None;
        Self { tree, location, ownership, directories, report, warnings, space, buffer, parent }
    }

    /// Writes every member.
    pub(super) fn run(&mut self, payload: &mut PayloadReader<'_>) -> Result<(), InstallError> {
        while let Some(member) = payload.next_member().map_err(|error| self.bad_payload(error))? {
            self.write(&member, payload)?;
        }
        Ok(())
    }

    fn write(
        &mut self,
        member: &Member,
        payload: &mut PayloadReader<'_>,
    ) -> Result<(), InstallError> {
        let path = self.location.join(&member.path);
        check_target_path(path.as_str())?;
        let (attributes, set_id_dropped) = self.ownership.attributes_of(member);
        if set_id_dropped {
            self.warnings.push(format!(
                "{path}: the set-id bits were dropped, because the file's declared owner is not set"
            ));
        }
        match &member.kind {
            MemberKind::Directory => self.write_directory(path.as_str(), attributes),
            MemberKind::File => {
                let file = self.create_file(path.as_str())?;
                self.fill(file, path.as_str(), attributes, payload)?;
                self.report.files += 1;
                Ok(())
            }
            MemberKind::Symlink { target } => self.write_symlink(path.as_str(), target, attributes),
            MemberKind::HardLink { target } => {
                let first = self.location.join(target);
                self.write_hard_link(path.as_str(), first.as_str())?;
                if member.size > 0 {
                    let file = self.reopen_file(first.as_str())?;
                    self.fill(file, first.as_str(), attributes, payload)?;
                }
                Ok(())
            }
        }
    }

    fn write_directory(&mut self, path: &str, attributes: Attributes) -> Result<(), InstallError> {
        self.report.directories += 1;
        // The target root itself always exists and keeps its attributes.
        if path.is_empty() {
            return Ok(());
        }
        let (parent, name) = split(path);
        let parent = self.parent_dir(parent)?;
        match mkdirat(parent, name, Mode::RWXU) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let standing = found(parent.as_fd(), name);
                if standing.map_err(InstallError::target("looking at", path))?
                    != Some(Found::Directory)
                {
                    return Err(twice(path));
                }
            }
            Err(error) => return Err(InstallError::target("creating", path)(error)),
        }
        self.directories.declare(path, attributes)
    }

    fn write_symlink(
        &mut self,
        path: &str,
        target: &str,
        attributes: Attributes,
    ) -> Result<(), InstallError> {
        let (parent, name) = split(path);
        let parent = self.parent_dir(parent)?;
        symlinkat(target, parent, name).map_err(|error| creation_error(error, path))?;
        attributes
            .apply_to_symlink(parent.as_fd(), name)
            .map_err(InstallError::target("setting the attributes of", path))?;
        self.report.symlinks += 1;
        Ok(())
    }

    fn write_hard_link(&mut self, path: &str, first: &str) -> Result<(), InstallError> {
        let (first_parent, first_name) = split(first);
        let from = self
            .tree
            .dir(first_parent)
            .map_err(InstallError::target::<io::Error>("opening", first_parent))?;
        let (parent, name) = split(path);
        let parent = self.parent_dir(parent)?;
        linkat(from, first_name, parent, name, AtFlags::empty())
            .map_err(|error| creation_error(error, path))?;
        self.report.hard_links += 1;
        Ok(())
    }

    fn create_file(&mut self, path: &str) -> Result<File, InstallError> {
        let (parent, name) = split(path);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let parent = self.parent_dir(parent)?;
        let mode = Mode::RUSR | Mode::WUSR;
        openat(parent, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, mode)
            .map(File::from)
            .map_err(|error| creation_error(error, path))
    }

    /// Opens a file that an earlier member made, to write its content anew.
    fn reopen_file(&mut self, path: &str) -> Result<File, InstallError> {
        let (parent, name) = split(path);
        let parent = self.parent_dir(parent)?;
        // The earlier member may have made it read-only.
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let failed = || InstallError::target::<Errno>("opening", path);
        let readable = openat(parent, name, OFlags::RDONLY | flags, Mode::empty());
        if let Ok(file) = readable {
            rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR).map_err(failed())?;
        }
        openat(parent, name, OFlags::WRONLY | OFlags::TRUNC | flags, Mode::empty())
            .map(File::from)
            .map_err(failed())
    }

    fn fill(
        &mut self,
        mut file: File,
        path: &str,
        attributes: Attributes,
        payload: &mut PayloadReader<'_>,
    ) -> Result<(), InstallError> {
        let mut body = payload.body();
        loop {
            let count = match body.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Err(self.bad_payload(PayloadError::from_io(error))),
            };
            let (piece, _) = self.buffer.split_at(count);
            file.write_all(piece).map_err(InstallError::target::<io::Error>("writing", path))?;
            self.report.bytes += count as u64;
            self.space.wrote(self.tree, count as u64)?;
        }
        attributes.apply(&file).map_err(InstallError::target("setting the attributes of", path))
    }

    /// Opens the directory at `path`, making it where the payload left it out.
    fn parent_dir(&mut self, path: &str) -> Result<&OwnedFd, InstallError> {
        let cached = self.parent.as_ref().is_some_and(|(known, _)| known == path);
        if !cached {
            let fd = match self.tree.dir(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_dirs(path),
                answered => answered.map_err(|error| walk_error(error, path)),
            }?;
            self.parent = Some((path.to_owned(), fd));
        }
        match &self.parent {
            Some((_, fd)) => Ok(fd),
            None => Err(InstallError::target("opening", path)(Errno::NOENT)),
        }
    }

    fn make_dirs(&mut self, path: &str) -> Result<OwnedFd, InstallError> {
        let mut reached = String::new();
        for component in path.split('/') {
            let parent = self.tree.dir(&reached).map_err(|error| walk_error(error, &reached))?;
            reached = join(&reached, component);
            match mkdirat(parent, component, Mode::RWXU) {
                Ok(()) => self.directories.imply(&reached, self.ownership)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(InstallError::target("creating", reached)(error)),
            }
        }
        self.tree.dir(path).map_err(|error| walk_error(error, path))
    }

    fn bad_payload(&self, source: PayloadError) -> InstallError {
        InstallError::Payload { component: self.report.identifier.clone(), source }
    }
}

fn check_target_path(path: &str) -> Result<(), InstallError> {
    if path.len() > MAX_TARGET_PATH_BYTES {
        return Err(InstallError::refused(format!(
            "a path in it is longer than {MAX_TARGET_PATH_BYTES} bytes"
        )));
    }
    if path.starts_with(PREFIX) {
        return Err(InstallError::refused(format!("{path:?} is a name reserved for installing")));
    }
    Ok(())
}

fn walk_error(error: io::Error, path: &str) -> InstallError {
    if is_not_a_directory(&error) {
        InstallError::refused(format!(
            "it writes below {path:?}, where it brings a symbolic link or a file itself"
        ))
    } else {
        InstallError::target("opening", path)(error)
    }
}

fn creation_error(error: Errno, path: &str) -> InstallError {
    match error {
        Errno::EXIST => twice(path),
        other => InstallError::target("creating", path)(other),
    }
}

fn twice(path: &str) -> InstallError {
    InstallError::refused(format!("{path:?} occurs twice in one payload"))
}

//! Which renames put the staged files into the target: decided, checked and written down before
//! the first of them.
//!
//! A directory that the target lacks is moved in whole, in one step; where it exists, the walk goes
//! on inside. Everything that can be foreseen to fail is refused here, while the target is still
//! untouched: a directory where a file must go, a file where a directory must go, a link that
//! leads out of the target, another file system below the target.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{fstat, readlinkat};
use serde::{Deserialize, Serialize};

use super::directories::Directories;
use super::staging::{NEW, Staging};
use crate::attributes::Attributes;
use crate::error::InstallError;
use crate::tree::{Found, Tree, found, is_not_a_directory, join, names};

/// Most symbolic links followed for one directory of the target, as systems do (`SYMLOOP_MAX`).
const MAX_LINKS_FOLLOWED: u32 = 40;

/// Longest line of a plan: two paths, escaped, and a few numbers.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// One rename into the target. Its number in the plan names the place of what it replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    /// Moves something to where nothing is.
    Create {
        /// Where it is staged, below `new`.
        staged: String,
        /// Where it goes, below the target root; no component is a link.
        target: String,
        /// What to give it once it is there. Only for directories: moving one takes the right to
        /// write to it, which its final mode may deny.
        finish: Option<Attributes>,
    },
    /// Moves a file or link to where a file or link is.
    Replace {
        /// As above.
        staged: String,
        /// As above.
        target: String,
    },
}

/// Walks the staged tree beside the target and writes the plan down.
pub(super) fn write(
    root: &Tree,
    staging: &Staging,
    directories: &mut Directories,
) -> Result<(), InstallError> {
    let staged = staging.tree().subtree(NEW).map_err(failed("opening", NEW))?;
    let out = BufWriter::new(staging.create_plan()?);
    let device = device_of(&staged)?;
    let mut planner = Planner { root, staged, directories, out, device, pending: Vec::new() };
    planner.pending.push((String::new(), String::new()));
    while let Some((staged, target)) = planner.pending.pop() {
        planner.plan_directory(&staged, &target)?;
    }
    let written = planner.out.into_inner().map_err(|error| error.into_error());
    written.and_then(|file| file.sync_all()).map_err(failed("writing", "the plan"))?;
    staging.publish_plan()
}

struct Planner<'a> {
    root: &'a Tree,
    staged: Tree,
    directories: &'a mut Directories,
    out: BufWriter<File>,
    /// The file system of the staging directory; renames cannot leave it.
    device: u64,
    /// Directories to look into: staged path and real path in the target.
    pending: Vec<(String, String)>,
}

impl Planner<'_> {
    fn plan_directory(&mut self, staged: &str, target: &str) -> Result<(), InstallError> {
        let source = self.staged.dir(staged).map_err(failed("opening", staged))?;
        let destination = self.root.dir(target).map_err(failed("opening", target))?;
        if device_of(&destination)? != self.device {
            return Err(InstallError::refused(format!(
                "{target:?} of the target is another mounted volume; install to that volume itself"
            )));
        }
        for name in names(source.as_fd()).map_err(failed("listing", staged))? {
            let name = name.map_err(failed("listing", staged))?;
            let from = join(staged, &name);
            let to = join(target, &name);
            let coming = found(source.as_fd(), &name).map_err(failed("looking at", &*from))?;
            let standing = found(destination.as_fd(), &name).map_err(failed("looking at", &*to))?;
            self.plan_entry(from, to, coming == Some(Found::Directory), standing)?;
        }
        Ok(())
    }

    fn plan_entry(
        &mut self,
        staged: String,
        target: String,
        is_directory: bool,
        standing: Option<Found>,
    ) -> Result<(), InstallError> {
        match (is_directory, standing) {
            (true, None) => {
                let finish = self.directories.attributes(&staged);
                self.record(&Step::Create { staged, target, finish })
            }
            (false, None) => self.record(&Step::Create { staged, target, finish: None }),
            (true, Some(Found::Directory)) => {
                self.descend(staged, target);
                Ok(())
            }
            (true, Some(Found::Symlink)) => {
                let real = resolve(self.root, &target)?;
                self.descend(staged, real);
                Ok(())
            }
            (true, Some(Found::Other)) => Err(InstallError::refused(format!(
                "it needs a directory at {target:?}, where the target has a file; move that away"
            ))),
            (false, Some(Found::Directory)) => Err(InstallError::refused(format!(
                "it brings a file or link {target:?}, where the target has a directory; move that \
                 away"
            ))),
            (false, Some(_)) => self.record(&Step::Replace { staged, target }),
        }
    }

    fn descend(&mut self, staged: String, target: String) {
        self.directories.mark_existing(&staged);
        self.pending.push((staged, target));
    }

    fn record(&mut self, step: &Step) -> Result<(), InstallError> {
        serde_json::to_writer(&mut self.out, step)
            .map_err(io::Error::from)
            .and_then(|()| self.out.write_all(b"\n"))
            .map_err(failed("writing", "the plan"))
    }
}

/// The real path of the directory that `path` stands for, following the target's own links as the
/// installed system would: an absolute link counts from the target root. A link that leads out of
/// the root, to nothing or to anything but a directory is refused.
pub(super) fn resolve(root: &Tree, path: &str) -> Result<String, InstallError> {
    let refuse = |why: &str| {
        Err(InstallError::refused(format!(
            "it installs below {path:?}, which is a symbolic link of the target {why}"
        )))
    };
    let mut links_left = MAX_LINKS_FOLLOWED;
    let mut real: Vec<String> = Vec::new();
    let mut ahead: VecDeque<String> = path.split('/').map(str::to_owned).collect();
    while let Some(component) = ahead.pop_front() {
        match component.as_str() {
            "" | "." => continue,
            ".." if real.pop().is_none() => return refuse("that leads out of the target root"),
            ".." => continue,
            _ => {}
        }
        let parent = match root.dir(&real.join("/")) {
            Ok(parent) => parent,
            Err(error) if is_not_a_directory(&error) => return refuse("that was just changed"),
            Err(error) => return Err(failed("opening", real.join("/"))(error)),
        };
        match found(parent.as_fd(), &component).map_err(failed("looking at", &*component))? {
            Some(Found::Directory) => real.push(component),
            Some(Found::Symlink) if links_left == 0 => return refuse("in a chain without end"),
            Some(Found::Symlink) => {
                links_left -= 1;
                let Some(link) = read_link(parent.as_fd(), &component)? else {
                    return refuse("whose text is not UTF-8");
                };
                if link.starts_with('/') {
                    real.clear();
                }
                for piece in link.split('/').rev() {
                    ahead.push_front(piece.to_owned());
                }
            }
            Some(Found::Other) => return refuse("to something that is no directory"),
            None => return refuse("to nothing"),
        }
    }
    Ok(real.join("/"))
}

fn read_link(dir: BorrowedFd<'_>, name: &str) -> Result<Option<String>, InstallError> {
    let raw = readlinkat(dir, name, Vec::new()).map_err(InstallError::target("reading", name))?;
    Ok(raw.into_string().ok())
}

#[allow(clippy::unnecessary_cast, reason = "device numbers are 32 bits and signed on macOS")]
fn device_of(dir: impl AsFd) -> Result<u64, InstallError> {
    Ok(fstat(dir).map_err(InstallError::target("looking at", "."))?.st_dev as u64)
}

fn failed(doing: &'static str, path: impl Into<String>) -> impl FnOnce(io::Error) -> InstallError {
    InstallError::target::<io::Error>(doing, path)
}

/// A plan on disk. Of its steps only their places in the file are held in memory.
#[derive(Debug)]
pub(super) struct Plan {
    file: BufReader<File>,
    offsets: Vec<u64>,
}

impl Plan {
    /// Finds the steps in a plan's file.
    pub(super) fn load(file: File) -> Result<Self, InstallError> {
        let mut file = BufReader::new(file);
        let mut offsets = Vec::new();
        let mut position = 0;
        loop {
            let length = skip_line(&mut file).map_err(failed("reading", "the plan"))?;
            if length == 0 {
                return Ok(Self { file, offsets });
            }
            offsets.push(position);
            position += length;
        }
    }

    /// How many steps there are.
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// One step.
    pub(super) fn step(&mut self, number: usize) -> Result<Step, InstallError> {
        self.read(number).map_err(failed("reading", "the plan"))
    }

    fn read(&mut self, number: usize) -> io::Result<Step> {
        let offset = self.offsets.get(number).copied().ok_or(io::ErrorKind::NotFound)?;
        // Steps are mostly read in order: a relative seek keeps what is buffered.
        let here = self.file.stream_position()?;
        match i64::try_from(offset).ok().zip(i64::try_from(here).ok()) {
            Some((offset, here)) => self.file.seek_relative(offset - here)?,
            None => {
                self.file.seek(SeekFrom::Start(offset))?;
            }
        }
        let mut line = Vec::new();
        io::Read::take(&mut self.file, MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        Ok(serde_json::from_slice(&line)?)
    }
}

fn skip_line(file: &mut impl BufRead) -> io::Result<u64> {
    let mut line = Vec::new();
    let length = io::Read::take(file, MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
    Ok(length as u64)
}

/// Opens the directory part of `path` strictly and yields it with the last component.
pub(super) fn parent_of<'p>(
    tree: &Tree,
    path: &'p str,
) -> Result<(OwnedFd, &'p str), InstallError> {
    let (parent, name) = crate::tree::split(path);
    Ok((tree.dir(parent).map_err(failed("opening", parent))?, name))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_of_the_target_are_followed_only_inside_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("private/tmp/deep")).unwrap();
        // Here too, so that a step above the root is not mistaken for a step into it.
        fs::create_dir(at("elsewhere")).unwrap();
        fs::write(at("file"), b"").unwrap();
        let links = [
            ("tmp", "private/tmp"),
            ("absolute", "/private/tmp"),
            ("chain", "tmp/deep"),
            ("private/up", "../private"),
            ("out", "../elsewhere"),
            ("far-out", "private/../../elsewhere"),
            ("dangling", "none"),
            ("to-file", "file"),
            ("loop", "loop"),
        ];
        for (name, target) in links {
            symlink(target, at(name)).unwrap();
        }
        let root = Tree::open(folder.path()).unwrap();
        assert_eq!(resolve(&root, "tmp").unwrap(), "private/tmp");
        assert_eq!(resolve(&root, "absolute/deep").unwrap(), "private/tmp/deep");
        assert_eq!(resolve(&root, "chain").unwrap(), "private/tmp/deep");
        assert_eq!(resolve(&root, "private/up").unwrap(), "private");
        for bad in ["out", "far-out", "dangling", "to-file", "loop"] {
            assert_eq!(resolve(&root, bad).unwrap_err().result_word(), "refused", "{bad}");
        }
    }
}

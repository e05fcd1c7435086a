//! The folder on the disk: blocking, one thing at a time.
//!
//! Nothing is followed and nothing of others is touched: each step of a path has to be a folder and
//! no link, and what is read, replaced or deleted an ordinary file. A step is looked at before it is
//! taken, so nobody else may write there: only of the last one that is opened the system itself sees
//! that it is no link. An object appears whole, by a
//! link that fails where something is; what it was written as is removed after. A power cut leaves
//! at most a staged file, which is listed and removed.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use xylem_cloud::folder::{FolderObject, FolderUpload};
use xylem_cloud::{MAX_ANSWER_BYTES, MAX_MARKER_BYTES};

use super::refused::{Refused, if_there, io_refusal};

/// What took a file's place since it was looked at is not followed where it is a link, and holds nobody
/// up where it is a pipe.
pub(super) const NOT_FOLLOWED: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// The folder that the root's own configuration names.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    #[cfg(test)]
    pub(super) life: super::tests::Life,
}

/// Bytes of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) bytes: Vec<u8>,
    /// Where they begin.
    pub(super) from: u64,
    /// How many the object has.
    pub(super) size: u64,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            #[cfg(test)]
            life: super::tests::Life::default(),
        }
    }

    /// An object's size in bytes.
    pub(super) fn size(&self, object: &FolderObject) -> Result<u64, Refused> {
        Ok(self.of_object(object, self.file(object.path()))?.1.len())
    }

    /// Bytes of an object: a range of it, or all of a small one.
    pub(super) fn read(
        &self,
        object: &FolderObject,
        range: Option<Range<u64>>,
    ) -> Result<Read, Refused> {
        let opened = self.open(object.path(), OpenOptions::new().read(true));
        let (path, file) = self.of_object(object, opened)?;
        let failed = |error: io::Error| io_refusal("reading", &path, &error);
        let size = file.metadata().map_err(failed)?.len();
        let limit = MAX_ANSWER_BYTES as u64;
        let wanted = match range {
            Some(range) if range.start >= size => {
                return Err(Refused::new(416, format!("it has {size} bytes")));
            }
            Some(range) => range.start..range.end.min(size).min(range.start.saturating_add(limit)),
            None if size > limit => {
                return Err(Refused::new(413, format!("it has {size} bytes: ask for a range")));
            }
            None => 0..size,
        };
        let length = usize::try_from(wanted.end - wanted.start).unwrap_or(MAX_ANSWER_BYTES);
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, wanted.start).map_err(failed)?;
        Ok(Read { bytes, from: wanted.start, size })
    }

    /// Makes an empty staged file for an object.
    pub(super) fn stage(
        &self,
        object: &FolderObject,
        upload: &FolderUpload,
    ) -> Result<File, Refused> {
        if object.is_content() {
            self.marked(object)?;
        }
        self.make_parents(upload.path())?;
        let path = self.path(upload.path())?;
        self.step()?;
        let created = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = created.map_err(|error| io_refusal("making", &path, &error))?;
        self.sync_parent(&path)?;
        Ok(file)
    }

    /// A staged file that was made before, to write a part of it.
    pub(super) fn staged(&self, upload: &FolderUpload) -> Result<File, Refused> {
        let opened = self.open(upload.path(), OpenOptions::new().read(true).write(true));
        opened.map(|(_, file)| file)
    }

    /// Writes bytes of a staged file.
    pub(super) fn write(&self, file: &File, bytes: &[u8], offset: u64) -> Result<(), Refused> {
        self.step()?;
        file.write_all_at(bytes, offset)
            .map_err(|error| io_refusal("writing below", &self.root, &error))
    }

    /// Has what was written survive a power cut.
    pub(super) fn sync(&self, file: &File) -> Result<(), Refused> {
        self.step()?;
        file.sync_all().map_err(|error| io_refusal("syncing below", &self.root, &error))
    }

    /// Makes an object of a staged file that was synced. What is there stays, or is replaced where
    /// `replaces`.
    pub(super) fn place(
        &self,
        object: &FolderObject,
        upload: &FolderUpload,
        replaces: bool,
    ) -> Result<(), Refused> {
        self.make_parents(object.path())?;
        let (staged, to) = (self.path(upload.path())?, self.path(object.path())?);
        if replaces {
            if_there(self.file(object.path()))?;
            self.step()?;
            fs::rename(&staged, &to).map_err(|error| io_refusal("replacing", &to, &error))?;
            return self.sync_parent(&to);
        }
        self.step()?;
        fs::hard_link(&staged, &to).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::Unsupported => Refused::new(
                403,
                format!(
                    "linking {}: {error}; a file system without hard links (FAT, exFAT) cannot be \
                     used",
                    to.display()
                ),
            ),
            _ => io_refusal("linking", &to, &error),
        })?;
        self.sync_parent(&to)?;
        self.discard(upload)
    }

    /// Makes an object of a staged file that has all its parts.
    pub(super) fn end(
        &self,
        object: &FolderObject,
        upload: &FolderUpload,
        size: u64,
    ) -> Result<(), Refused> {
        self.marked(object)?;
        let (path, metadata) = self.file(upload.path())?;
        if metadata.len() != size {
            let why = format!("{} has {} bytes, not {size}", path.display(), metadata.len());
            // As one whose parts are lacking: begun anew.
            return Err(Refused::new(404, why));
        }
        self.place(object, upload, false)
    }

    /// Deletes an object.
    pub(super) fn remove(&self, object: &FolderObject) -> Result<(), Refused> {
        self.of_object(object, self.delete(object.path()))
    }

    /// Deletes a staged file.
    pub(super) fn discard(&self, upload: &FolderUpload) -> Result<(), Refused> {
        self.delete(upload.path())
    }

    /// What came of looking for an object. That a content is not there counts only where the marker is:
    /// what lies on a disk that is not mounted is not lost.
    fn of_object<T>(
        &self,
        object: &FolderObject,
        outcome: Result<T, Refused>,
    ) -> Result<T, Refused> {
        match outcome {
            Err(refused) if refused.status == 404 && object.is_content() => {
                self.marked(object)?;
                Err(refused)
            }
            other => other,
        }
    }

    /// Refuses where no marker says that contents belong here: another disk may be mounted, or none.
    fn marked(&self, object: &FolderObject) -> Result<(), Refused> {
        let marker = object.marker();
        match self.file(&marker) {
            Ok((_, metadata)) if metadata.len() <= MAX_MARKER_BYTES as u64 => Ok(()),
            Ok((path, _)) => {
                Err(Refused::new(410, format!("{} is no marker of ours", path.display())))
            }
            Err(refused) if refused.status == 404 => {
                let path = self.root.join(&marker);
                let why = format!(
                    "{} is not there, so this is not the folder that was set: see that its disk is \
                     mounted",
                    path.display()
                );
                Err(Refused::new(410, why))
            }
            Err(refused) => Err(refused),
        }
    }

    /// A path below the folder, all of whose folders are folders. 404 where one is not there.
    pub(super) fn path(&self, relative: &str) -> Result<PathBuf, Refused> {
        self.enter()?;
        let mut path = self.root.clone();
        let mut steps = relative.split('/').peekable();
        while let Some(step) = steps.next() {
            path.push(step);
            if steps.peek().is_some() {
                is_folder(&path)?;
            }
        }
        Ok(path)
    }

    /// Refuses where the folder itself is not there: it is never made.
    fn enter(&self) -> Result<(), Refused> {
        let root = self.root.display();
        match fs::metadata(&self.root) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(Refused::new(410, format!("{root} (`cloud_folder`) is no folder"))),
            Err(error) => Err(Refused::new(
                410,
                format!(
                    "{root} (`cloud_folder` in the root's server.json) cannot be entered: {error}; \
                     see that its disk is mounted"
                ),
            )),
        }
    }

    /// An ordinary file. 404 where nothing is, 409 where something else is.
    fn file(&self, relative: &str) -> Result<(PathBuf, Metadata), Refused> {
        let path = self.path(relative)?;
        let metadata = fs::symlink_metadata(&path)
            .map_err(|error| io_refusal("asking after", &path, &error))?;
        match metadata.is_file() {
            true => Ok((path, metadata)),
            false => Err(not_ours(&path, "an ordinary file")),
        }
    }

    /// Opens an ordinary file.
    fn open(&self, relative: &str, options: &mut OpenOptions) -> Result<(PathBuf, File), Refused> {
        let (path, _) = self.file(relative)?;
        let failed = |error: io::Error| io_refusal("opening", &path, &error);
        let file = options.custom_flags(NOT_FOLLOWED).open(&path).map_err(failed)?;
        match file.metadata().map_err(failed)?.is_file() {
            true => Ok((path, file)),
            false => Err(not_ours(&path, "an ordinary file")),
        }
    }

    /// Makes the folders that lead to a name, but for the folder itself.
    fn make_parents(&self, relative: &str) -> Result<(), Refused> {
        self.enter()?;
        let mut path = self.root.clone();
        let Some((parents, _)) = relative.rsplit_once('/') else { return Ok(()) };
        for step in parents.split('/') {
            path.push(step);
            if if_there(is_folder(&path))?.is_some() {
                continue;
            }
            self.step()?;
            match fs::create_dir(&path) {
                Ok(()) => self.sync_parent(&path)?,
                // Somebody else was faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => is_folder(&path)?,
                Err(error) => return Err(io_refusal("making the folder", &path, &error)),
            }
        }
        Ok(())
    }

    fn delete(&self, relative: &str) -> Result<(), Refused> {
        let (path, _) = self.file(relative)?;
        self.step()?;
        fs::remove_file(&path).map_err(|error| io_refusal("deleting", &path, &error))?;
        self.sync_parent(&path)
    }

    fn sync_parent(&self, path: &Path) -> Result<(), Refused> {
        self.step()?;
        let parent = path.parent().unwrap_or(&self.root);
        let synced = File::open(parent).and_then(|folder| folder.sync_all());
        synced.map_err(|error| io_refusal("syncing", parent, &error))
    }

    /// Between two things that change the disk: where a test has the program die.
    #[cfg(test)]
    fn step(&self) -> Result<(), Refused> {
        self.life.step()
    }

    #[cfg(not(test))]
    const fn step(&self) -> Result<(), Refused> {
        Ok(())
    }
}

pub(super) fn is_folder(path: &Path) -> Result<(), Refused> {
    let metadata =
        fs::symlink_metadata(path).map_err(|error| io_refusal("entering", path, &error))?;
    match metadata.is_dir() {
        true => Ok(()),
        false => Err(not_ours(path, "a folder")),
    }
}

fn not_ours(path: &Path, wanted: &str) -> Refused {
    let path = path.display();
    let why = format!(
        "{path} is not {wanted}: links are not followed, and what is another's is not touched; \
         move it away"
    );
    Refused::new(409, why)
}

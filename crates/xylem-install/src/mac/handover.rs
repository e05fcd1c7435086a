//! Gives the verified package a name that nobody else can change, for a tool that wants a path.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::process::{geteuid, getpid};

use crate::error::InstallError;
use crate::request::InstallRequest;

/// Bytes copied at a time, where copying is needed.
const COPY_BUFFER_BYTES: usize = 1024 * 1024;

/// How many folder names are tried before giving up.
const MAX_NAME_ATTEMPTS: u32 = 100;

/// The package under a name in a folder of its own; both are removed when this is dropped.
#[derive(Debug)]
pub(super) struct HandedOver {
    folder: PathBuf,
    path: PathBuf,
    expected: Identity,
}

/// What tells one file, and one state of it, from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    dev: u64,
    ino: u64,
    size: u64,
    mtime: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl HandedOver {
    /// Puts the open package of `request` under its published name below the work folder: as a
    /// second name of the same file where that is possible, otherwise as a copy.
    pub(super) fn prepare(request: &InstallRequest) -> Result<Self, InstallError> {
        require_private(&request.work_dir)?;
        let folder = make_folder(request)?;
        let path = folder.join(request.package_name.as_str());
        // From here on the folder is removed whatever happens.
        let mut handed_over = Self { folder, path, expected: Identity::of(&metadata(request)?) };
        if handed_over.link(request) {
            return Ok(handed_over);
        }
        let copy = handed_over.copy(&request.package);
        let copied = copy.and_then(|copy| copy.metadata());
        handed_over.expected = Identity::of(&copied.map_err(failed("copying", &handed_over.path))?);
        Ok(handed_over)
    }

    /// Where the tool finds the package.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses unless the name still stands for the verified bytes.
    pub(super) fn check(&self, when: &'static str) -> Result<(), InstallError> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if found.is_file() && Identity::of(&found) == self.expected => Ok(()),
            Ok(_) => Err(InstallError::PackageChanged { path: self.path.clone(), when }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(InstallError::PackageChanged { path: self.path.clone(), when })
            }
            Err(error) => Err(failed("looking at", &self.path)(error)),
        }
    }

    /// Makes a second name of the file at the package's path; false when that is impossible or
    /// the path stands for another file by now (then a copy of the open file is what counts).
    fn link(&self, request: &InstallRequest) -> bool {
        let Some(known_path) = &request.package_path else { return false };
        if fs::hard_link(known_path, &self.path).is_err() {
            return false;
        }
        if self.check("before the installer ran").is_ok() {
            return true;
        }
        tracing::warn!(path = %known_path.display(), "another file lies where the verified one was");
        // If it stays, copying refuses to overwrite it.
        let _ = fs::remove_file(&self.path);
        false
    }

    fn copy(&self, package: &File) -> io::Result<File> {
        let mut copy =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?;
        let mut reader = FromStart { file: package, position: 0 };
        let mut buffer = vec![0; COPY_BUFFER_BYTES];
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            let (piece, _) = buffer.split_at(count);
            copy.write_all(piece)?;
        }
        copy.sync_all()?;
        Ok(copy)
    }
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "a work folder was left behind");
        }
    }
}

/// Reads a file from its start without moving the position that others share.
struct FromStart<'a> {
    file: &'a File,
    position: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(out, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// Whoever else could write to the work folder could exchange the package there.
fn require_private(work_dir: &Path) -> Result<(), InstallError> {
    let found = fs::symlink_metadata(work_dir).map_err(failed("looking at", work_dir))?;
    let private = found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o077 == 0;
    if private {
        return Ok(());
    }
    Err(InstallError::refused(format!(
        "the work folder {} is not private: it has to belong to the installing user, mode 0700",
        work_dir.display()
    )))
}

fn make_folder(request: &InstallRequest) -> Result<PathBuf, InstallError> {
    let (now, pid) = (request.now.unix_ms(), getpid().as_raw_nonzero());
    for attempt in 0..MAX_NAME_ATTEMPTS {
        let folder = request.work_dir.join(format!("install-{now}-{pid}-{attempt}"));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("creating", &folder)(error)),
        }
    }
    Err(failed("creating a folder in", &request.work_dir)(io::ErrorKind::AlreadyExists.into()))
}

fn metadata(request: &InstallRequest) -> Result<Metadata, InstallError> {
    request.package.metadata().map_err(failed("looking at", request.package_name.as_str().as_ref()))
}

fn failed<'p>(doing: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> InstallError + 'p {
    move |source| InstallError::Target { doing, path: path.display().to_string(), source }
}

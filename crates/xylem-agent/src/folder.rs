//! The data folder of an agent.
//!
//! | name | what it holds |
//! |---|---|
//! | `format` | the version of this layout, a number |
//! | `identity/` | key, certificate and pinned root certificates ([`xylem_pki::IdentityStore`]) |
//! | `agent.json` | the management server's address, this computer's name |
//! | `trust.json` | the pinned trust document, as it was signed |
//! | `state.json` | the newest orders seen, and what became of each order (`ledger`) |
//! | `reports/` | reports that the management server has not taken yet (`ledger`) |
//! | `cache/` | verified contents by id, and `ID.part` for what is still coming (`cache`) |
//! | `work/` | where an installer may put things while it works |
//! | `lock` | held by the process that works with the folder |
//!
//! Every folder has mode 0700: whoever could write here could put another file in the place of one
//! that was verified. Files are replaced in one step, so that a power cut leaves the old or the new
//! one.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use xylem_model::Timestamp;
use xylem_pki::IdentityStore;
use xylem_runtime::{Fs, read_bounded, replace_private_file};

/// The layout that this program reads and writes.
const FORMAT: u32 = 1;

/// Largest JSON file of the folder that is read, in bytes.
pub(crate) const MAX_FILE_BYTES: u64 = 16 << 20;

/// How long things of an installer that did not clean up after itself are left alone.
const WORK_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A newer program wrote it.
    #[error(
        "the data folder {} is of format {found}, and this program knows formats up to {FORMAT}: \
         a newer xylem-agent has used it; install that version again",
        path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Something else lies there.
    #[error(
        "the folder {} holds other things and was not made by xylem-agent: give an empty or new \
         folder with --data",
        path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// Nobody has enrolled there.
    #[error(
        "{} holds no enrolled agent: enrol first, or name the folder used at enrolment with --data",
        path.display()
    )]
    NotEnrolled {
        /// The folder.
        path: PathBuf,
    },
    /// Another process works with it.
    #[error("another xylem-agent is working with {}: try again when it is done", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A file of it is damaged.
    #[error(
        "{} is damaged: restore it from a backup, or enrol this computer again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The system refuses.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Adapts the error of one operation.
pub(crate) fn failed<'p>(
    doing: &'static str,
    path: &'p Path,
) -> impl FnOnce(io::Error) -> FolderError + 'p {
    move |source| FolderError::Io { doing, path: path.to_owned(), source }
}

/// Where an agent keeps everything.
#[derive(Debug, Clone)]
pub(crate) struct DataFolder(PathBuf);

impl DataFolder {
    /// The folder of this path. Made absolute, because installers run elsewhere.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self(std::path::absolute(&path).unwrap_or(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn identity(&self) -> IdentityStore {
        IdentityStore::new(self.0.join("identity"))
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.0.join("agent.json")
    }

    pub(crate) fn trust(&self) -> PathBuf {
        self.0.join("trust.json")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.0.join("state.json")
    }

    pub(crate) fn reports(&self) -> PathBuf {
        self.0.join("reports")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// Makes a new folder, or takes an empty one, and proves that it can be written to.
    pub(crate) fn create(&self, fs: &dyn Fs) -> Result<(), FolderError> {
        let known = self.check_format(fs)?;
        if !known && self.holds_anything(fs)? {
            return Err(FolderError::Foreign { path: self.0.clone() });
        }
        self.make_private()?;
        let path = self.0.join("format");
        replace_private_file(fs, &path, format!("{FORMAT}\n").as_bytes())
            .map_err(failed("write", &path))
    }

    /// Checks that an agent lives here and that nobody else can write to its folders.
    pub(crate) fn open(&self, fs: &dyn Fs) -> Result<(), FolderError> {
        if !self.check_format(fs)? {
            return Err(FolderError::NotEnrolled { path: self.0.clone() });
        }
        self.make_private()
    }

    /// Removes what installers that were killed left behind. Only what is old: Apple's installer
    /// goes on when the agent that started it was killed, and still needs its things.
    pub(crate) fn sweep_work(&self, now: Timestamp) -> Result<(), FolderError> {
        let work = self.work();
        let entries = std::fs::read_dir(&work).map_err(failed("look into", &work))?;
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let found = std::fs::symlink_metadata(&path).map_err(failed("look at", &path))?;
            let changed = Timestamp::from_unix_ms(found.mtime().saturating_mul(1000));
            if now.since(changed) < WORK_KEPT {
                continue;
            }
            let removed = match found.is_dir() {
                true => std::fs::remove_dir_all(&path),
                false => std::fs::remove_file(&path),
            };
            removed.map_err(failed("remove", &path))?;
        }
        Ok(())
    }

    fn make_private(&self) -> Result<(), FolderError> {
        for folder in [self.0.clone(), self.reports(), self.cache(), self.work()] {
            make_private(&folder).map_err(failed("make a private folder of", &folder))?;
        }
        Ok(())
    }

    /// Whether there is a format file; fails when it is of a newer program.
    fn check_format(&self, fs: &dyn Fs) -> Result<bool, FolderError> {
        let path = self.0.join("format");
        let bytes = match read_bounded(fs, &path, 64) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let text = String::from_utf8_lossy(&bytes);
        match text.trim().parse::<u32>() {
            Ok(found) if found <= FORMAT => Ok(true),
            Ok(found) => Err(FolderError::Newer { path: self.0.clone(), found }),
            Err(_) => Err(FolderError::Foreign { path: self.0.clone() }),
        }
    }

    fn holds_anything(&self, fs: &dyn Fs) -> Result<bool, FolderError> {
        match fs.list(&self.0) {
            Ok(entries) => Ok(!entries.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("look into", &self.0)(error)),
        }
    }
}

/// Makes a folder that only its owner may enter, or makes sure that an existing one is such.
///
/// This goes past the seam for files: modes mean something on a real disk only.
fn make_private(path: &Path) -> io::Result<()> {
    const PERMISSIONS: u32 = 0o777;
    const PRIVATE: u32 = 0o700;
    DirBuilder::new().recursive(true).mode(PRIVATE).create(path)?;
    let found = std::fs::symlink_metadata(path)?;
    if !found.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is no folder"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it belongs to another user; run this as that user, or give the folder to this one",
        ));
    }
    if found.mode() & PERMISSIONS != PRIVATE {
        std::fs::set_permissions(path, Permissions::from_mode(PRIVATE))?;
    }
    Ok(())
}

/// Reads a JSON file; none where there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(
    fs: &dyn Fs,
    path: &Path,
) -> Result<Option<T>, FolderError> {
    let bytes = match read_bounded(fs, path, MAX_FILE_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| FolderError::Damaged { path: path.to_owned(), source })
}

/// Reads a JSON file that every enrolled agent has.
pub(crate) fn require_json<T: DeserializeOwned>(
    fs: &dyn Fs,
    path: &Path,
) -> Result<T, FolderError> {
    read_json(fs, path)?.ok_or_else(|| failed("find", path)(io::ErrorKind::NotFound.into()))
}

/// Replaces a JSON file; it survives a power cut once this returns.
pub(crate) fn write_json(
    fs: &dyn Fs,
    path: &Path,
    value: &impl Serialize,
) -> Result<(), FolderError> {
    let bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| failed("write", path)(io::Error::other(error)))?;
    replace_private_file(fs, path, &bytes).map_err(failed("write", path))
}

#[cfg(test)]
mod tests {
    use xylem_runtime::RealFs;

    use super::*;

    #[test]
    fn a_new_folder_is_private_and_known_afterwards() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(parent.path().join("a/b"));
        assert!(matches!(folder.open(&RealFs), Err(FolderError::NotEnrolled { .. })));
        folder.create(&RealFs).unwrap();
        folder.open(&RealFs).unwrap();
        for path in [folder.path().to_owned(), folder.cache(), folder.work(), folder.reports()] {
            assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700, "{path:?}");
        }
    }

    #[test]
    fn folders_opened_to_others_are_closed_again() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(parent.path().join("data"));
        folder.create(&RealFs).unwrap();
        std::fs::set_permissions(folder.cache(), Permissions::from_mode(0o777)).unwrap();
        folder.open(&RealFs).unwrap();
        assert_eq!(std::fs::metadata(folder.cache()).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_killed_installers_left_is_swept_once_it_is_old() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(parent.path().join("data"));
        folder.create(&RealFs).unwrap();
        let left = folder.work().join("install-1");
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join("A.pkg"), "x").unwrap();
        let made = std::fs::metadata(&left).unwrap().mtime();
        let now = Timestamp::from_unix_ms(made * 1000);
        folder.sweep_work(now.plus(WORK_KEPT / 2)).unwrap();
        assert!(left.exists());
        folder.sweep_work(now.plus(WORK_KEPT)).unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn folders_of_others_and_of_the_future_are_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("thesis.txt"), "x").unwrap();
        let mode = std::fs::metadata(parent.path()).unwrap().mode();
        let folder = DataFolder::new(parent.path());
        let error = folder.create(&RealFs).unwrap_err();
        assert!(matches!(error, FolderError::Foreign { .. }), "{error}");
        assert_eq!(std::fs::metadata(parent.path()).unwrap().mode(), mode);

        std::fs::write(parent.path().join("format"), "2\n").unwrap();
        for result in [folder.create(&RealFs), folder.open(&RealFs)] {
            let error = result.unwrap_err();
            assert!(matches!(error, FolderError::Newer { found: 2, .. }), "{error}");
        }
    }
}

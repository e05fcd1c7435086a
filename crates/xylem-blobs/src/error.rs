//! What can go wrong in a repository, told apart where the answer to it differs.

use std::io;
use std::path::{Path, PathBuf};

use xylem_model::ContentId;
use xylem_runtime::Fs;

use crate::layout::StageKey;

/// An operation on the repository that failed.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The folder was written by a later release.
    #[error(
        "{} says `{found}`, but this release reads `{expected}`: \
         start the newer release that wrote it, or choose another folder",
        path.display()
    )]
    NewerFormat {
        /// The `format` file.
        path: PathBuf,
        /// Its first line, cut to a sensible length.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// The folder is not a repository, or its `format` file is damaged.
    #[error(
        "{} says `{found}` where `{expected}` was expected: choose another folder, or, if this is \
         a repository whose format file was damaged, remove that file",
        path.display()
    )]
    UnknownFormat {
        /// The `format` file.
        path: PathBuf,
        /// Its first line, cut to a sensible length.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// The disk is too full.
    #[error(
        "not enough room in {}: {needed} bytes are needed, {free} are free; \
         remove files or give the repository a larger disk",
        folder.display()
    )]
    NoSpace {
        /// The repository's folder.
        folder: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free, less those promised to other uploads.
        free: u64,
    },
    /// The repository does not hold this content.
    #[error("content {id} is not in the repository")]
    NotFound {
        /// The content asked for.
        id: ContentId,
    },
    /// Stored content no longer has its digest. If it was published it has been withdrawn to
    /// `quarantine/`; if it was still arriving its staged file must be discarded.
    #[error("content {id} is damaged on the disk near byte {offset}; it must be fetched again")]
    Corrupt {
        /// The content.
        id: ContentId,
        /// Where in the file (or, for the outboard, in the bytes it covers) the damage is.
        offset: u64,
    },
    /// What arrived is not what was declared. The staged bytes have been removed.
    #[error("staged file {key} has {what} {computed}, but {expected} was declared; send it again")]
    Mismatch {
        /// The staged file.
        key: StageKey,
        /// What differs: size, BLAKE3 or SHA-256.
        what: &'static str,
        /// The declared value.
        expected: String,
        /// The value of what arrived.
        computed: String,
    },
    /// A peer sent bytes that do not belong to the content. They have been dropped.
    #[error(
        "bytes received for content {id} at {offset} do not match its tree; \
         fetch them again, from another peer"
    )]
    ForeignBytes {
        /// The content being fetched.
        id: ContentId,
        /// The first byte to fetch again (of the file, or of the outboard while that arrives).
        offset: u64,
    },
    /// Bytes were offered that do not follow on those already here.
    #[error("staged file {key} goes on at byte {expected}, but bytes from {offset} were sent")]
    Gap {
        /// The staged file.
        key: StageKey,
        /// Where it goes on.
        expected: u64,
        /// Where the bytes would begin.
        offset: u64,
    },
    /// More bytes were offered than were declared.
    #[error("staged file {key} was declared with {size} bytes, but more were sent")]
    Overrun {
        /// The staged file.
        key: StageKey,
        /// Its declared size.
        size: u64,
    },
    /// A staged file was finished before all its bytes had arrived.
    #[error("staged file {key} holds {have} of {size} bytes; send the rest first")]
    Incomplete {
        /// The staged file.
        key: StageKey,
        /// Bytes here.
        have: u64,
        /// Its declared size.
        size: u64,
    },
    /// Two uploads use the same staged file.
    #[error("staged file {key} is being written by another request; wait for that one to end")]
    Busy {
        /// The staged file.
        key: StageKey,
    },
    /// A reader was given a buffer that holds not even one group.
    #[error("a read buffer of {len} bytes is too small to check a group in; give at least {least}")]
    SmallBuffer {
        /// The buffer's length.
        len: usize,
        /// The least length.
        least: u64,
    },
    /// The file system refused.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl BlobError {
    /// Whether a read stopped where it would have had to wait for the disk: see
    /// [`Reach::Memory`](crate::Reach::Memory).
    pub fn would_block(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether the disk does not give back what was written to it (`EIO`): the bytes are lost.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_lost(source))
    }

    /// Wraps a failure to write, telling a full disk apart.
    pub(crate) fn writing(
        fs: &dyn Fs,
        doing: &'static str,
        path: &Path,
        needed: u64,
        source: io::Error,
    ) -> Self {
        if !matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Self::Io { doing, path: path.to_owned(), source };
        }
        let folder = path.parent().unwrap_or(path).to_owned();
        let free = fs.free_space(&folder).unwrap_or(0);
        Self::NoSpace { folder, needed, free }
    }
}

/// Whether an error says that the medium has lost what it held.
pub(crate) fn is_lost(error: &io::Error) -> bool {
    /// Of POSIX; the same number on Linux and macOS. The standard library has no kind for it.
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO)
}

/// Names the operation and the file in a failure that is not about room.
pub(crate) trait Doing<T> {
    /// `could not DOING PATH`.
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, BlobError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, BlobError> {
        self.map_err(|source| BlobError::Io { doing, path: path.to_owned(), source })
    }
}

//! Why a payload could not be read.

use std::io;

/// Longest stretch of a hostile name that an error message repeats, in characters.
const MAX_EXCERPT_CHARS: usize = 200;

/// Why a payload was refused or could not be read.
///
/// Body reads speak [`io::Error`]; turn one back into this type with
/// [`PayloadError::from_io`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The bytes below the payload could not be read or decompressed.
    #[error("could not read or decompress the payload")]
    Read(#[source] io::Error),
    /// The payload is packed in a way that this reader does not know.
    #[error(
        "the payload is packed as {format}; only cpio (odc or newc), plain, in gzip or in pbzx, \
         can be expanded: rebuild the package with pkgbuild and `--compression legacy`"
    )]
    UnsupportedFormat {
        /// What it was recognised as, or its first bytes.
        format: String,
    },
    /// The payload stops where more bytes are due.
    #[error("the payload ends early, in {at}: upload or fetch the package again")]
    Truncated {
        /// What was being read.
        at: &'static str,
    },
    /// The payload contradicts its own format.
    #[error("the payload is damaged: {what}")]
    Damaged {
        /// The contradiction.
        what: String,
    },
    /// A member's name or link target could lead out of the place it is expanded to.
    #[error("payload member {path:?} is refused: {reason}")]
    UnsafePath {
        /// The name as found, shortened.
        path: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// A member is a device, a pipe or a socket.
    #[error(
        "payload member {path:?} is refused: it is a {kind}, and packages carry only files, directories and links"
    )]
    SpecialFile {
        /// The name as found, shortened.
        path: String,
        /// Which kind of special file.
        kind: &'static str,
    },
    /// The payload expands to more than the caller allowed.
    #[error(
        "the payload expands to more than the {limit_bytes} bytes that its declared size allows"
    )]
    Bomb {
        /// The limit that was passed, in bytes.
        limit_bytes: u64,
    },
    /// A count in the payload passes a limit of this reader.
    #[error("the payload holds more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl PayloadError {
    /// Recovers the error behind an [`io::Error`] that a body read returned.
    pub fn from_io(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(foreign) => Self::Read(foreign),
        }
    }

    /// A [`PayloadError::Damaged`].
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }

    /// A [`PayloadError::UnsafePath`] about `path`.
    pub(super) fn unsafe_path(path: &[u8], reason: &'static str) -> Self {
        Self::UnsafePath { path: excerpt(path), reason }
    }
}

impl From<PayloadError> for io::Error {
    fn from(error: PayloadError) -> Self {
        io::Error::other(error)
    }
}

/// The beginning of a hostile name, fit for a message.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(MAX_EXCERPT_CHARS).collect()
}

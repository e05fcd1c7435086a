//! Why a fetch failed, and why one try of it did.

use std::time::Duration;

use xylem_api::agent::WRONG_BYTES;
use xylem_client::ClientError;
use xylem_model::ByteSize;
use xylem_pki::{PublicRootsError, TlsSetupError};

use crate::folder::FolderError;

/// Why a content could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The disk lacks room.
    #[error(
        "not enough space: {} are needed, {} are free; free some space and give the order again",
        ByteSize(*needed_bytes), ByteSize(*available_bytes)
    )]
    NoSpace {
        /// For what is missing of the file, its installation and the reserve.
        needed_bytes: u64,
        /// What can be written.
        available_bytes: u64,
    },
    /// The management server named no place.
    #[error(
        "neither a distribution server nor the cloud offers it yet: wait until one shows it as present, then give the \
         order again"
    )]
    NoSource,
    /// What came was not what was published.
    #[error(
        "what was received is not what was published (from: {}); nothing of it was used. Scrub \
         the distribution servers among these; what lies in the cloud is read back by itself",
        sources.join(", ")
    )]
    WrongBytes {
        /// Names of the servers, or the cloud, that had a hand in it.
        sources: Vec<String>,
    },
    /// Every place failed.
    #[error("nobody gave the whole file in {tries} tries; the last one: {last}")]
    AllFailed {
        /// How many tries there were.
        tries: usize,
        /// What the last one said.
        last: String,
    },
    /// The disk gave back other bytes than were written.
    #[error("this computer's disk does not keep what is written to it: have it checked")]
    FaultyDisk,
    /// The cache cannot be used.
    #[error("the cache cannot be used")]
    Folder(#[from] FolderError),
}

impl FetchError {
    /// The result word of an agent report.
    pub const fn result_word(&self) -> &'static str {
        match self {
            Self::NoSpace { .. } => "no-space",
            Self::WrongBytes { .. } | Self::FaultyDisk => "hash-mismatch",
            Self::NoSource | Self::AllFailed { .. } | Self::Folder(_) => "download-failed",
        }
    }
}

/// Why one try ended before the end of the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("its provider is not believed")]
    Roots(#[from] PublicRootsError),
    #[error("setting up TLS to its provider failed")]
    Tls(#[from] TlsSetupError),
    #[error("{wrong}: it is offered with {0} bytes", wrong = WRONG_BYTES)]
    OtherSize(u64),
    #[error("{wrong}: more bytes came than that has", wrong = WRONG_BYTES)]
    Excess,
    #[error("it sent almost nothing for {} s", .0.as_secs())]
    TooSlow(Duration),
}

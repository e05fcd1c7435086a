//! Telling whoever watches what is going on.

use xylem_model::FileName;

/// A moment in the life of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Bytes are coming in.
    Fetching {
        /// The package.
        package: FileName,
        /// The distribution server's name, or [`CLOUD_SOURCE`](xylem_api::agent::CLOUD_SOURCE).
        source: String,
        /// Bytes there are, those of earlier runs included.
        bytes: u64,
        /// Bytes there will be.
        total: u64,
    },
    /// All bytes are there and verified; the installer has its turn.
    Installing {
        /// The package.
        package: FileName,
    },
}

/// Takes note of progress. Called often and must not block.
pub type ProgressSink = dyn Fn(Progress) + Send + Sync;

/// Takes no note.
pub fn silent(_: Progress) {}

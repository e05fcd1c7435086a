//! What is written down of an upload.

use serde::{Deserialize, Serialize};
use xylem_api::error::ErrorCode;
use xylem_api::ingest::Ingested;
use xylem_blobs::Expected;
use xylem_http::ApiError;
use xylem_model::{ContentId, FileKind, FileName, Sha256, Timestamp, UploadId};
use xylem_runtime::Fs;
use xylem_trust::{Envelope, Operation, Ticket};

use crate::data::{DataError, DataFolder, read_json, remove_file, write_json};

/// What the management server signed about an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) upload: UploadId,
    pub(crate) size: u64,
    pub(crate) content: Option<ContentId>,
    pub(crate) sha256: Option<Sha256>,
    pub(crate) name: FileName,
    pub(crate) kind: FileKind,
}

impl Facts {
    /// The facts in a ticket to send an upload; none in any other ticket.
    pub(crate) fn in_ticket(ticket: Ticket) -> Option<Self> {
        match ticket.operation {
            Operation::Ingest { upload, size, content, sha256, name, kind } => {
                Some(Self { upload, size, content, sha256, name, kind })
            }
            Operation::Device { .. } | Operation::Manifest { .. } | Operation::Read { .. } => None,
        }
    }

    /// What the bytes must turn out to be.
    pub(crate) const fn expected(&self) -> Expected {
        Expected { size: self.size, blake3: self.content, sha256: self.sha256 }
    }
}

/// How far an upload is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// Bytes are awaited.
    Receiving,
    /// All bytes are here; they are being verified, inspected and committed.
    Completing,
    /// The cloud is the principal, and is to have it before it is committed. It is published here
    /// without a name, so that it can be sent; nobody is given it.
    Storing {
        /// What was found in it.
        found: Box<Ingested>,
    },
    /// The catalogue names it; it is about to be published.
    Committed {
        /// Under which descriptor.
        descriptor: Envelope,
    },
    /// It is there for everybody, and the management server knows.
    Published {
        /// Under which descriptor.
        descriptor: Envelope,
    },
    /// Nothing was kept.
    Refused {
        /// The word for programs.
        code: ErrorCode,
        /// The sentence for the uploader.
        reason: String,
        /// Whether the management server knows.
        told: bool,
    },
}

/// An upload on the disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) facts: Facts,
    pub(crate) stage: Stage,
    /// When its sender was last heard.
    pub(crate) touched: Timestamp,
}

impl Record {
    /// The record of an upload, where there is one.
    pub(crate) fn read(
        fs: &dyn Fs,
        folder: &DataFolder,
        id: UploadId,
    ) -> Result<Option<Self>, DataError> {
        read_json(fs, &folder.upload(id))
    }

    /// Writes it down.
    pub(crate) fn write(&self, fs: &dyn Fs, folder: &DataFolder) -> Result<(), DataError> {
        write_json(fs, &folder.upload(self.facts.upload), self)
    }

    /// Forgets it.
    pub(crate) fn remove(&self, fs: &dyn Fs, folder: &DataFolder) -> Result<(), DataError> {
        remove_file(fs, &folder.upload(self.facts.upload))
    }

    /// Whether its staged bytes are still needed.
    pub(crate) const fn needs_bytes(&self) -> bool {
        matches!(
            self.stage,
            Stage::Receiving | Stage::Completing | Stage::Storing { .. } | Stage::Committed { .. }
        )
    }

    /// All uploads on the disk. A record that cannot be read is reported and passed over: one
    /// damaged file must not stop the others.
    pub(crate) fn all(fs: &dyn Fs, folder: &DataFolder) -> Result<Vec<Self>, DataError> {
        let path = folder.uploads();
        let entries =
            fs.list(&path).map_err(|source| xylem_pki::FileError::reading(&path, source))?;
        let mut records = Vec::new();
        for entry in entries {
            let id = entry.name.strip_suffix(".json").and_then(|stem| stem.parse().ok());
            let Some(id) = id else { continue };
            match Self::read(fs, folder, id) {
                Ok(record) => records.extend(record),
                Err(error) => tracing::error!(%error, "the record of an upload is passed over"),
            }
        }
        Ok(records)
    }
}

/// The refusal of an upload, as its sender hears it.
pub(crate) fn refusal(code: ErrorCode, reason: &str) -> ApiError {
    ApiError::new(code, format!("the upload was refused: {reason}"))
}

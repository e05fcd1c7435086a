//! Sending bytes to an ingest server, and what it says about them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{ContentId, Sha256};
use xylem_trust::Envelope;

/// The scheme of the `Authorization` header that carries a ticket.
pub const TICKET_SCHEME: &str = "Xylem-Ticket";

/// Begins the path of a file that one distribution server hands on to the principal:
/// `PUT /v1/handed-on/{kind}/{name}`. The answer is a [`FileChanged`](crate::control::FileChanged).
pub const HANDED_ON_PATH: &str = "/v1/handed-on";

/// The header that names the WebDAV account by which that file was written.
pub const ACCOUNT_HEADER: &str = "xylem-account";

/// Answer of `GET` and `PUT /v1/ingest/{upload}`: how much has arrived.
#[derive(Debug, Default, Clone, Serialize, Deserialize, ToSchema)]
pub struct IngestProgress {
    /// Bytes staged so far; the next part starts here.
    pub offset: u64,
    /// Bytes expected in all.
    pub size: u64,
    /// Whether it is published already.
    pub published: bool,
    /// Bytes that are here beyond that, each from its first to before its end: they need not be
    /// sent again as long as this is said of them. A restart loses them, and so does ten minutes'
    /// silence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Vec<u64>>)]
    pub ahead: Vec<(u64, u64)>,
    /// How far beyond `offset` a part may end that is sent with `ahead=true`; 0: none may begin
    /// there.
    #[serde(default)]
    pub max_ahead: u64,
}

impl IngestProgress {
    /// A file of `size` bytes that is published.
    pub const fn published(size: u64) -> Self {
        Self { offset: size, size, published: true, ahead: Vec::new(), max_ahead: 0 }
    }
}

/// `POST /v1/control/uploads/{id}/ingested`: what the ingest server found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ingested {
    /// Size in bytes.
    pub size: u64,
    /// BLAKE3 of what arrived.
    #[schema(value_type = String)]
    pub blake3: ContentId,
    /// SHA-256 of what arrived.
    #[schema(value_type = String)]
    pub sha256: Sha256,
    /// What the inspection found.
    #[schema(value_type = Object)]
    pub inspection: serde_json::Value,
    /// The root epoch that the ingest server knows of. Where it is not the one in force, the
    /// answer is 503: the server asks for its state, and comes again if new files still enter there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_epoch: Option<u64>,
    /// Whether the ingest server knows of marks on versions. One that does not is given none for
    /// testing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub knows_marks: bool,
}

/// `POST /v1/control/uploads/{id}/refused`: the ingest server will not have it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefusedUpload {
    /// The reason, for the uploader.
    pub reason: String,
}

/// The management server's answer to [`Ingested`]: the upload is committed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Committed {
    /// The signed descriptor under which to publish.
    #[schema(value_type = Object)]
    pub descriptor: Envelope,
}

//! The management server itself: state, tokens, audit, restore.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{FileKind, FileName, Stamp, Timestamp, TokenId};

/// `GET /v1/status`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Who runs this system.
    pub organization: String,
    /// Version of the program.
    pub program_version: String,
    /// The state of the catalogue.
    #[schema(value_type = Object)]
    pub stamp: Stamp,
    /// The server's clock.
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// Whether a restore waits for `xylem confirm-restore`; until then nothing is removed.
    pub restore_unconfirmed: bool,
    /// What will go wrong unless somebody does something: certificates that run out.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// One server-sent event of `GET /v1/events`; the event's name is the value of `event`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum ServerEvent {
    /// Copies of files have moved on: look at their placement again. At most four a second.
    Placements {
        /// Which files; the newest versions only.
        files: Vec<ChangedFile>,
        /// Whether others may have changed too: look again at everything that matters to you.
        all: bool,
    },
    /// The catalogue, the servers or their tree changed.
    State {
        /// The newest state.
        #[schema(value_type = Object)]
        stamp: Stamp,
    },
}

/// A file that a [`ServerEvent`] speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangedFile {
    /// Its kind.
    #[schema(value_type = String)]
    pub kind: FileKind,
    /// Its name.
    #[schema(value_type = String)]
    pub name: FileName,
}

/// What a token may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Everything, tokens and invitations included.
    Admin,
    /// See everything.
    Read,
    /// Upload, replace, delete and restore files.
    Files,
    /// Order installations.
    Install,
    /// Read `/metrics`.
    Metrics,
    /// Add, change, delete and restore scripts, and read them.
    Scripts,
}

impl Scope {
    /// Every scope.
    pub const ALL: &[Self] =
        &[Self::Admin, Self::Read, Self::Files, Self::Install, Self::Metrics, Self::Scripts];
}

/// `POST /v1/tokens`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// How long it is good for, in seconds; for ever where left out.
    pub expires_in_seconds: Option<u64>,
}

/// The only time the secret is shown.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    /// The secret to present: `Authorization: Bearer SECRET`.
    pub secret: String,
    /// The token.
    pub token: Token,
}

/// A token without its secret, of which only a hash is kept.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// One line of the audit log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditRecord {
    /// Its place in the log.
    pub number: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Did what.
    pub action: String,
    /// To what.
    pub object: String,
    /// More about it.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}

/// `GET /v1/audit`: a page, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The records.
    pub items: Vec<AuditRecord>,
    /// Pass as `before` to get the next page.
    pub next: Option<u64>,
    /// Whether the log is whole: its hash chain agrees.
    pub intact: bool,
}

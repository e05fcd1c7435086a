//! The control link: distribution server to management server, outbound only.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{
    AccountName, ContentId, DistributionServerId, FileId, FileKind, FileName, ScrubReport,
    SetCount, Stamp, Timestamp, UploadId,
};
use xylem_sync::ServerSettings;
use xylem_trust::Envelope;

use crate::authorities::{Authorities, Believing};
use crate::catalogue::PlacementState;
use crate::certificates::ShownCertificate;
use crate::inventory::Inventory;

/// `GET /v1/control/state`: everything a distribution server must know, but the descriptors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ControlState {
    /// The signed trust document in force.
    #[schema(value_type = Object)]
    pub trust: Envelope,
    /// The signed head of this server's set.
    #[schema(value_type = Object)]
    pub head: Envelope,
    /// Which peers may fetch from this server, signed.
    #[schema(value_type = Object)]
    pub grants: Envelope,
    /// Who is not to be believed any more, signed.
    #[schema(value_type = Object)]
    pub revocations: Envelope,
    /// Where to fetch from, best first; empty for the root.
    pub parents: Vec<PeerAddress>,
    /// Where new files enter, for any other server: it hands on what is written to it.
    #[serde(default)]
    pub principal: Option<PeerAddress>,
    /// Whether this server is the root.
    pub is_root: bool,
    /// Whether new files enter here.
    pub is_principal: bool,
    /// Whether the cloud is the principal: what enters here is committed once it is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cloud_is_principal: bool,
    /// How often the root or the principal was moved: what a server says of uploads counts only
    /// where it knows the number in force.
    #[serde(default)]
    pub root_epoch: Option<u64>,
    /// Whether something unwanted may be removed: not while a restore is unconfirmed.
    pub may_remove: bool,
    /// What an administrator decided of this server.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub settings: ServerSettings,
    /// When an administrator last asked that everything held be looked through.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub scrub_asked: Option<Timestamp>,
    /// Which certificate authorities count.
    #[serde(default)]
    pub authorities: Option<Authorities>,
    /// SHA-256 over what an administrator brought for it to show, in hexadecimal: `GET
    /// /v1/control/public-chain` gives it.
    #[serde(default)]
    pub public_chain: Option<String>,
    /// Where clients reach it.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Whether the head counts versions with a mark: so for whoever asks with `marks=true`, where
    /// the management server knows of them. The descriptors are then to be asked for in the same way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marks: bool,
}

/// Where a peer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerAddress {
    /// Who it is; its certificate must say so.
    #[schema(value_type = String, format = Uuid)]
    pub id: DistributionServerId,
    /// Its name, for reports.
    pub name: String,
    /// Its base URL.
    pub url: String,
    /// Whether it is to be asked only when none of the others gives something.
    #[serde(default)]
    pub fallback: bool,
}

/// `GET /v1/control/descriptors?epoch=…&since=…`: what changed after a stamp.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DescriptorPage {
    /// Whether this is the whole set from its beginning and not a change to an earlier one: so
    /// after another epoch began, or when `since` was 0.
    pub full: bool,
    /// New descriptors, signed, in the order of their generations.
    #[schema(value_type = Vec<Object>)]
    pub descriptors: Vec<Envelope>,
    /// Versions to forget.
    pub removed: Vec<RemovedVersion>,
    /// Pass as `since` for the next page; none at the end.
    pub next: Option<u64>,
    /// The state this page brings the reader to, once `next` is none.
    #[schema(value_type = Object)]
    pub stamp: Stamp,
}

/// A version that is no longer wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedVersion {
    /// The file.
    #[schema(value_type = String, format = Uuid)]
    pub file: FileId,
    /// The version; every lower one too.
    pub version: u64,
}

/// `POST /v1/control/report`: batched.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerReport {
    /// Version of the program.
    pub program_version: String,
    /// The state of the catalogue this server has applied in full.
    #[schema(value_type = Object)]
    pub applied: Stamp,
    /// Bytes still free for content.
    pub free_bytes: u64,
    /// Bytes of content held.
    pub used_bytes: u64,
    /// Whether it begins anew: what `copies`, here and in the reports that follow, does not name is
    /// not there. Else `copies` names what changed.
    pub full: bool,
    /// Copies.
    pub copies: Vec<CopyReport>,
    /// Contents that have gone: removed, or given up.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub gone: Vec<ContentId>,
    /// Descriptors of content this server holds that its set does not name: what a management
    /// server restored from an old backup may have forgotten.
    #[schema(value_type = Vec<Object>)]
    pub unlisted: Vec<Envelope>,
    /// How far the looking through of everything held is.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub scrub: Option<ScrubReport>,
    /// How much of what it is to hold is there.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub set: Option<SetCount>,
    /// Which certificate authorities it believes.
    #[serde(default)]
    pub believing: Option<Believing>,
    /// Which certificate it shows to others than our own programs.
    #[serde(default)]
    pub shown: Option<ShownCertificate>,
    /// A random text that is new with each start of its program: by it a key that is on two machines
    /// is found.
    #[serde(default)]
    pub life: Option<String>,
    /// What its machine is; not in each report.
    #[serde(default)]
    pub inventory: Option<Inventory>,
}

/// What a server says of one content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyReport {
    /// The content.
    #[schema(value_type = String)]
    pub content: ContentId,
    /// Where it stands.
    pub state: PlacementState,
    /// Bytes it has.
    pub bytes: u64,
    /// Bytes per second at which it is arriving, while it is.
    #[serde(default)]
    pub rate: Option<u64>,
    /// When it was verified.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verified_at: Option<Timestamp>,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_try: Option<Timestamp>,
    /// How long fetching and verifying took, in milliseconds.
    pub took_ms: Option<u64>,
    /// The server it came from.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub source: Option<DistributionServerId>,
}

/// One server-sent event of `GET /v1/control/events`, event name `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StateChanged {
    /// The newest state of the catalogue.
    #[schema(value_type = Object)]
    pub stamp: Stamp,
}

/// Who had a change made through a distribution server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Author {
    /// A WebDAV account; it must be one that may write.
    #[schema(value_type = String)]
    pub account: AccountName,
    /// The distribution server whose account it is.
    #[schema(value_type = String, format = Uuid)]
    pub server: DistributionServerId,
}

/// `POST /v1/control/uploads`: the ingest server announces what an account has sent it. What is
/// already published under the name is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclareReceived {
    /// The id under which the ingest server has staged it. Announcing it again changes nothing.
    #[schema(value_type = String, format = Uuid)]
    pub upload: UploadId,
    /// What it is.
    #[schema(value_type = String, example = "package")]
    pub kind: FileKind,
    /// The name to publish it under.
    #[schema(value_type = String)]
    pub name: FileName,
    /// How many bytes it has.
    pub size: u64,
    /// Who sent it.
    pub author: Author,
}

/// `POST /v1/control/files`: an account renames, copies or deletes a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeFile {
    /// What the file is.
    #[schema(value_type = String, example = "package")]
    pub kind: FileKind,
    /// Its name.
    #[schema(value_type = String)]
    pub name: FileName,
    /// What becomes of it.
    pub change: FileChange,
    /// Who wants it.
    pub author: Author,
}

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FileChange {
    /// It has another name from now on.
    Rename {
        /// The name.
        #[schema(value_type = String)]
        to: FileName,
        /// Whether what has that name now is replaced: it gets the content as its next version.
        replace: bool,
    },
    /// Its content has one more name from now on.
    Copy {
        /// The name.
        #[schema(value_type = String)]
        to: FileName,
        /// As for renaming.
        replace: bool,
    },
    /// It is deleted; it can be restored for 30 days.
    Delete,
}

impl FileChange {
    /// The name that the content gets, where it gets one.
    pub const fn new_name(&self) -> Option<&FileName> {
        match self {
            Self::Rename { to, .. } | Self::Copy { to, .. } => Some(to),
            Self::Delete => None,
        }
    }
}

/// The answer to [`ChangeFile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileChanged {
    /// The state of the catalogue that has the change.
    #[schema(value_type = Object)]
    pub stamp: Stamp,
}

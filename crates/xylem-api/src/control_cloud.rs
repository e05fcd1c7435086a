//! How the root fills the cloud distribution point: `/v1/control/cloud/…` (`docs/design/cloud.md`,
//! "One upload").
//!
//! The root has the bytes and understands no provider: it sends what was signed for it, one piece
//! with each request, and hands the answers back as they are. Only the root is answered.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{CloudPointId, ContentId, Md5, Sha256, UploadId};
use xylem_sync::Class;

/// Most parts that are told, or asked for, with one request.
pub const MAX_PARTS_TOLD: usize = 64;
/// Most bytes of a provider's answer that are handed on: what tells of a fault is shorter.
pub const MAX_ANSWER_HANDED_ON: usize = 16 * 1024;
/// Most contents that a server sends at once.
pub const MAX_BUSY: usize = 64;
/// How many bytes of each end of an object are read back: one group of the content's tree.
pub const SAMPLE_BYTES: u64 = 16 * 1024;

/// `POST /v1/control/cloud/next`: asks what is to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskCloudNext {
    /// The contents that this server is sending already, at most [`MAX_BUSY`]: they are kept for it,
    /// and none of them is given.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub busy: Vec<ContentId>,
    /// How many contents may be given beside the first one.
    #[serde(default)]
    pub more: u32,
}

/// The answer to [`AskCloudNext`]: what is to be sent. Asking takes the contents for two
/// minutes, and every later request for one of them takes it anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudNext {
    /// What to send; nothing where nothing lacks, or where the point stands still.
    #[serde(default)]
    pub job: Option<CloudJob>,
    /// What to send beside it: no more than was asked for.
    #[serde(default)]
    pub more: Vec<CloudJob>,
    /// When to ask again where there is nothing, or where something could not be begun beside what is
    /// given: at none there may be more. A change of the catalogue is a reason to ask at once.
    pub again_after_ms: u64,
}

/// One content on its way into the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudJob {
    /// Into which point.
    #[schema(value_type = String, format = Uuid)]
    pub point: CloudPointId,
    /// Which content.
    #[schema(value_type = String)]
    pub content: ContentId,
    /// Its size, bytes.
    pub size: u64,
    /// How much of a hurry it is in.
    #[schema(value_type = String)]
    pub class: Class,
    /// How long each part is but the last, bytes; none where one request sends it all, as part 1.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub part_bytes: Option<NonZeroU64>,
    /// The parts that did not arrive yet, in order. None: it can be finished.
    pub lacking: Vec<PartRange>,
    /// How many parts may be under way at once.
    pub at_once: u32,
    /// By which authority the provider is believed, in PEM; none: by those that the machine believes.
    #[serde(default)]
    pub ca_pem: Option<String>,
    /// Whether it goes into this server's own folder (`cloud_folder` in its `server.json`).
    #[serde(default)]
    pub in_folder: bool,
}

/// Parts with successive numbers, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartRange {
    /// The first.
    pub first: u32,
    /// The last, which is one of them.
    pub last: u32,
}

/// `POST /v1/control/cloud/parts`: tells what was answered, and asks for requests that send further
/// parts. At most [`MAX_PARTS_TOLD`] of each. Neither being there keeps the content for this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TellCloudParts {
    /// Which point.
    #[schema(value_type = String, format = Uuid)]
    pub point: CloudPointId,
    /// Which content.
    #[schema(value_type = String)]
    pub content: ContentId,
    /// What the provider answered to parts that were sent.
    #[serde(default)]
    pub answered: Vec<AnsweredPart>,
    /// The parts that are to be sent next.
    #[serde(default)]
    pub next: Vec<PartDigests>,
}

/// A part, and the digests of its bytes as they are in this server's copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartDigests {
    /// Its number, from 1.
    pub number: u32,
    /// MD5 of its bytes.
    #[schema(value_type = String)]
    pub md5: Md5,
    /// SHA-256 of its bytes.
    #[schema(value_type = String)]
    pub sha256: Sha256,
}

/// What a provider answered to a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnsweredPart {
    /// The part that was sent.
    pub part: PartDigests,
    /// The answer.
    pub answer: HandedOn,
}

/// A provider's answer, handed on by whoever sent the request.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandedOn {
    /// The status.
    pub status: u16,
    /// Its headers: names in lower case, values that are visible ASCII.
    pub headers: Vec<(String, String)>,
    /// The beginning of its body, at most [`MAX_ANSWER_HANDED_ON`] bytes, what is not UTF-8 replaced.
    pub body: String,
}

/// The answer to [`TellCloudParts`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedPieces {
    /// One request for each part that was asked for and is lacking still.
    pub pieces: Vec<SignedPiece>,
    /// Parts whose answer was no success: to be asked for once more, after a wait.
    pub again: Vec<PartAgain>,
    /// How many parts may be under way at once from now on.
    pub at_once: u32,
    /// How many parts are lacking, those under way among them: at none it can be finished.
    pub lacking: u32,
}

/// A request for one part, signed: good for minutes, for this part alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedPiece {
    /// The part.
    pub number: u32,
    /// How to send it.
    pub request: PieceRequest,
}

/// A request that is complete but for its bytes and their length. It is a secret while it lives.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PieceRequest {
    /// The method.
    pub method: String,
    /// `https://HOST[:PORT]`.
    pub origin: String,
    /// The path, encoded.
    pub path: String,
    /// The query, encoded, without `?`; empty where there is none.
    pub query: String,
    /// The headers but `host` and `content-length`; names in lower case.
    pub headers: Vec<(String, String)>,
}

/// A part that is to be sent once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartAgain {
    /// Which.
    pub number: u32,
    /// After which wait.
    pub after_ms: u64,
}

/// A content that is spoken of: the body of `POST /v1/control/cloud/finish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudContent {
    /// Which point.
    #[schema(value_type = String, format = Uuid)]
    pub point: CloudPointId,
    /// Which content.
    #[schema(value_type = String)]
    pub content: ContentId,
}

/// The answer to `POST /v1/control/cloud/finish`: the object is there, and is to be looked at as a
/// client would: the first and the last [`SAMPLE_BYTES`] of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudProof {
    /// Where: a secret while it lives. None where addresses are bound to a client's own.
    #[serde(default)]
    pub url: Option<String>,
}

/// `POST /v1/control/cloud/sampled`: what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudSampled {
    /// Which point.
    #[schema(value_type = String, format = Uuid)]
    pub point: CloudPointId,
    /// Which content.
    #[schema(value_type = String)]
    pub content: ContentId,
    /// What was found.
    pub found: SampleFound,
}

/// What was found where an object was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum SampleFound {
    /// The bytes are those of this server's copy.
    Same,
    /// They are others, or fewer, or more.
    Other,
    /// They could not be read.
    Unread {
        /// Why, for whoever reads `xylem cloud files`. No address is in it.
        why: String,
    },
}

/// `POST /v1/control/cloud/given-up`: this server does not go on with a content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudGivenUp {
    /// Which point.
    #[schema(value_type = String, format = Uuid)]
    pub point: CloudPointId,
    /// Which content.
    #[schema(value_type = String)]
    pub content: ContentId,
    /// Why.
    pub cause: GivenUp,
}

/// Why a server does not go on with a content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum GivenUp {
    /// Its own copy is not there, or is damaged and being fetched anew.
    NoCopy,
    /// It stops, goes into maintenance, or is the root no longer: another one may go on at once.
    Leaving,
    /// The provider was not reached, again and again.
    Line {
        /// What happened last. No address with a query is in it.
        why: String,
    },
}

/// `POST /v1/control/cloud/upload`: the ingest server has all of an upload, and asks whether it may be
/// committed. Where the cloud is the principal it is wanted there from then on, for an hour after each
/// such word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskCloudUpload {
    /// Which upload.
    #[schema(value_type = String, format = Uuid)]
    pub upload: UploadId,
    /// Its content.
    #[schema(value_type = String)]
    pub content: ContentId,
    /// Its size, bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    #[schema(value_type = String)]
    pub sha256: Sha256,
}

/// The answer to [`AskCloudUpload`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum CloudUpload {
    /// It may be committed: it is there, or the cloud is not the principal.
    There,
    /// It is on its way.
    OnItsWay {
        /// How far it is, and why it does not go on where it does not: a sentence for the uploader.
        told: String,
    },
    /// It will never be there.
    Refused {
        /// Why not.
        why: String,
    },
}

/// `POST /v1/control/cloud/address`: asks for an address by which a content is read that this server
/// lacks and is to have from the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskCloudAddress {
    /// Which.
    #[schema(value_type = String)]
    pub content: ContentId,
}

/// The answer to [`AskCloudAddress`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudAddress {
    /// The address: a secret for as long as it lives.
    pub url: String,
    /// At which point it is.
    #[schema(value_type = String, format = Uuid)]
    pub point: CloudPointId,
    /// By which authority the provider is believed, in PEM; none: what the machine believes.
    #[serde(default)]
    pub ca_pem: Option<String>,
}

impl fmt::Debug for CloudAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CloudAddress(…)")
    }
}

impl fmt::Debug for HandedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and body may hold a token.
        f.debug_struct("HandedOn").field("status", &self.status).finish_non_exhaustive()
    }
}

impl fmt::Debug for PieceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PieceRequest({} {}{}?…)", self.method, self.origin, self.path)
    }
}

impl fmt::Debug for CloudProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CloudProof(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_lets_in_is_printed() {
        let request = PieceRequest {
            method: "PUT".into(),
            origin: "https://s3.example.org".into(),
            path: "/b/k".into(),
            query: "X-Amz-Signature=planted".into(),
            headers: vec![("authorization".into(), "planted".into())],
        };
        let proof = CloudProof { url: Some("https://s3.example.org/b/k?sig=planted".into()) };
        let answer = HandedOn {
            status: 403,
            headers: vec![("x-auth-token".into(), "planted".into())],
            body: "planted".into(),
        };
        let printed = format!("{request:?} {proof:?} {answer:?}");
        assert!(!printed.contains("planted") && printed.contains("/b/k"), "{printed}");
    }
}

//! How the root reads back what lies in the cloud: `/v1/control/cloud/read-back` and
//! `/v1/control/cloud/read-back-ended` (`docs/design/cloud.md`, "Read back whole").
//!
//! One content at a time, by an address as a client gets one. Only the root is answered.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{CloudPointId, ContentId, Sha256};

use crate::control_cloud::CloudContent;

/// `POST /v1/control/cloud/read-back`: asks what is to be read back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskCloudReadBack {
    /// What this server is reading already, and goes on with: it is kept for it, with a fresh address.
    #[serde(default)]
    pub going_on: Option<CloudContent>,
}

/// The answer to [`AskCloudReadBack`]. Asking takes the content for two minutes, and going on with it
/// takes it anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudReadBack {
    /// What to read; nothing where there is nothing, or where that is not to be gone on with.
    #[serde(default)]
    pub job: Option<ReadBackJob>,
    /// When to ask again where there is nothing.
    pub again_after_ms: u64,
}

/// One content that is to be read back whole.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadBackJob {
    /// At which point.
    #[schema(value_type = String, format = Uuid)]
    pub point: CloudPointId,
    /// Which content: BLAKE3 of its bytes.
    #[schema(value_type = String)]
    pub content: ContentId,
    /// SHA-256 of its bytes.
    #[schema(value_type = String)]
    pub sha256: Sha256,
    /// Its size, bytes.
    pub size: u64,
    /// Where: a secret while it lives, which is for ten minutes. A request that began goes on.
    pub url: String,
    /// By which authority the provider is believed, in PEM; none: by those that the machine believes.
    #[serde(default)]
    pub ca_pem: Option<String>,
    /// Whether it lies in this server's own folder (`cloud_folder` in its `server.json`).
    #[serde(default)]
    pub in_folder: bool,
}

/// `POST /v1/control/cloud/read-back-ended`: what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TellCloudReadBack {
    /// At which point.
    #[schema(value_type = String, format = Uuid)]
    pub point: CloudPointId,
    /// Which content.
    #[schema(value_type = String)]
    pub content: ContentId,
    /// Bytes that were read, those that were read twice among them.
    pub bytes: u64,
    /// What was found.
    pub found: ReadBackFound,
}

/// What was found where a content was read back whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum ReadBackFound {
    /// Size and both digests are those of the content.
    Same,
    /// They are others, twice.
    Other,
    /// It could not be read to its end.
    Unread {
        /// Why, for whoever reads `xylem cloud files`. No address is in it.
        why: String,
    },
    /// This server stops, goes into maintenance, or is the root no longer: another one may read it.
    Leaving,
}

impl fmt::Debug for ReadBackJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadBackJob({} at {}, {} B)", self.content, self.point, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_not_printed() {
        let job = ReadBackJob {
            point: CloudPointId::from_parts(1, &[1; 10]),
            content: ContentId::of(b"a"),
            sha256: Sha256::from_bytes([1; 32]),
            size: 1,
            url: "https://s3.example.org/b/k?sig=planted".to_owned(),
            ca_pem: None,
            in_folder: false,
        };
        let told = CloudReadBack { job: Some(job), again_after_ms: 0 };
        assert!(!format!("{told:?}").contains("planted"));
    }
}

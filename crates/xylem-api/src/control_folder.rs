//! What the root does in its own folder for the management server: `POST /v1/control/cloud/folder`
//! (`docs/design/cloud-providers.md`, "Folder").
//!
//! The management server cannot reach the root, so the root asks, and is answered as soon as there is
//! something to do. Requests are those that any provider of a cloud gets; only the root is answered.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control_cloud::PieceRequest;

/// How long it is waited for something to do before the answer is that there is nothing: below the
/// idle limit of common proxies.
pub const FOLDER_WAIT: Duration = Duration::from_secs(25);
/// Most errands that are told, or told of, with one request.
pub const MAX_FOLDER_ERRANDS: usize = 32;
/// Most bytes of an errand's body: those of a marker, or of a test's object.
pub const MAX_ERRAND_BYTES: usize = 16 * 1024;

/// `POST /v1/control/cloud/folder`: tells what was done, and asks what is to be done next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TellFolder {
    /// What was done, at most [`MAX_FOLDER_ERRANDS`].
    #[serde(default)]
    pub done: Vec<FolderDone>,
}

/// The answer to [`TellFolder`], after at most [`FOLDER_WAIT`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FolderErrands {
    /// What is to be done, at most [`MAX_FOLDER_ERRANDS`]; in no order.
    pub errands: Vec<FolderErrand>,
}

/// One thing to be done in the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FolderErrand {
    /// Which: a number at random that never comes again.
    pub id: u64,
    /// The request.
    pub request: PieceRequest,
    /// Its bytes.
    pub body: FolderBytes,
}

/// What came of an errand.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderDone {
    /// Which.
    pub id: u64,
    /// The status.
    pub status: u16,
    /// Headers: names in lower case, values that are visible ASCII.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: FolderBytes,
}

/// Bytes, in base64.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct FolderBytes(String);

impl FolderBytes {
    /// These bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(STANDARD.encode(bytes))
    }

    /// The bytes; none where it is no base64.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.0).ok()
    }
}

impl fmt::Debug for FolderDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderDone").field("status", &self.status).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_survive() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(FolderBytes::new(&bytes).bytes(), Some(bytes));
        let odd: FolderBytes = serde_json::from_str("\"*\"").unwrap();
        assert_eq!(odd.bytes(), None);
        assert_eq!(FolderBytes::default().bytes(), Some(Vec::new()));
    }
}

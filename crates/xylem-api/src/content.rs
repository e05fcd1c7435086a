//! The content link: many small files in one answer.
//!
//! The answer to `POST /v1/blobs` is a sequence of frames, one for each content that was asked for,
//! in the order in which they become available: 32 bytes of content id, 8 bytes of length
//! (little-endian), and so many bytes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::ContentId;

/// Where it is asked.
pub const MANY_PATH: &str = "/v1/blobs";

/// Most contents of one request.
pub const MAX_CONTENTS: usize = 1024;

/// Largest file that travels this way, in bytes: both sides hold it in memory.
pub const MAX_FRAME_BYTES: u64 = 1 << 20;

/// Bytes of a frame before those of the content.
pub const FRAME_HEAD_BYTES: usize = 40;

/// The length that stands for "not here".
pub const NOT_HERE: u64 = u64::MAX;

/// The media type of the answer.
pub const MEDIA_TYPE: &str = "application/vnd.xylem.blobs";

/// Names the servers through which bytes came, nearest first, as ids with commas between them;
/// empty where the content is published.
pub const PATH_HEADER: &str = "xylem-path";

/// What the header `Prefer` (RFC 7240) says where an answer is not to be held back until something
/// has arrived: the caller asks a server that, as a rule, fetches from it.
pub const AT_ONCE: &str = "wait=0";

/// `POST /v1/blobs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ManyRequest {
    /// What is asked for.
    #[schema(value_type = Vec<String>)]
    pub contents: Vec<ContentId>,
}

/// The head of a frame.
pub fn frame_head(content: &ContentId, length: u64) -> [u8; FRAME_HEAD_BYTES] {
    let mut head = [0; FRAME_HEAD_BYTES];
    let (id, len) = head.split_at_mut(32);
    id.copy_from_slice(content.as_bytes());
    len.copy_from_slice(&length.to_le_bytes());
    head
}

/// Reads the head of a frame.
pub fn parse_frame_head(head: &[u8; FRAME_HEAD_BYTES]) -> (ContentId, u64) {
    let (mut id, mut length) = ([0; 32], [0; 8]);
    let (first, last) = head.split_at(32);
    id.copy_from_slice(first);
    length.copy_from_slice(last);
    (ContentId::from_bytes(id), u64::from_le_bytes(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_frames_are_read_back() {
        for length in [0, 1, MAX_FRAME_BYTES, NOT_HERE] {
            let content = ContentId::of(&length.to_le_bytes());
            assert_eq!(parse_frame_head(&frame_head(&content, length)), (content, length));
        }
    }
}

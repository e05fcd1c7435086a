//! Digests that are computed once an upload is acknowledged: `docs/design/digests.md`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{
    ChunkDigests, ContentId, FurtherDigests, Generation, Md5, Sha3_512, Sha256, Sha512, Timestamp,
    WrongChunks,
};

/// `GET /v1/control/digests`: what the server that asks is to compute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DigestsWanted {
    /// Contents that lack further digests, newest first; some of them, where there are many.
    #[schema(value_type = Vec<String>)]
    pub contents: Vec<ContentId>,
    /// Where the question goes on for those behind them; none at the end.
    #[serde(default)]
    pub next: Option<DigestsAfter>,
}

/// A place in the list of contents that lack further digests: behind this one.
// Part of an answer: what a newer management server says besides is read over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DigestsAfter {
    /// The last change of its file.
    #[schema(value_type = u64)]
    pub generation: Generation,
    /// The content.
    #[schema(value_type = String)]
    pub content: ContentId,
}

/// `POST /v1/control/digests/{content}`: what a distribution server computed from its copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedDigests {
    /// Bytes that were read.
    pub size: u64,
    /// SHA-256 of them; it must be the one that was signed.
    #[schema(value_type = String)]
    pub sha256: Sha256,
    /// MD5.
    #[schema(value_type = String)]
    pub md5: Md5,
    /// SHA-512.
    #[schema(value_type = String)]
    pub sha512: Sha512,
    /// SHA3-512.
    #[schema(value_type = String)]
    pub sha3_512: Sha3_512,
    /// SHA-256 of each part of 10 MiB, 32 bytes one after another, in base64 (RFC 4648 section 4).
    pub chunk_sha256: String,
    /// MD5 of each, 16 bytes one after another, in base64.
    pub chunk_md5: String,
}

/// Why reported digests cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportedDigestsError {
    /// They are no base64, or no whole number of digests.
    #[error("the {what} digests of parts are not base64 of {bytes} bytes for each part")]
    Packed {
        /// Which digests.
        what: &'static str,
        /// How many bytes each has.
        bytes: usize,
    },
    /// There are more or fewer than the size says.
    #[error(transparent)]
    Chunks(#[from] WrongChunks),
}

impl From<&FurtherDigests> for ReportedDigests {
    fn from(found: &FurtherDigests) -> Self {
        let sha256: Vec<u8> = found.chunks.sha256.iter().flat_map(|it| *it.as_bytes()).collect();
        let md5: Vec<u8> = found.chunks.md5.iter().flat_map(|it| *it.as_bytes()).collect();
        Self {
            size: found.size,
            sha256: found.sha256,
            md5: found.md5,
            sha512: found.sha512,
            sha3_512: found.sha3_512,
            chunk_sha256: STANDARD.encode(sha256),
            chunk_md5: STANDARD.encode(md5),
        }
    }
}

impl TryFrom<&ReportedDigests> for FurtherDigests {
    type Error = ReportedDigestsError;

    fn try_from(told: &ReportedDigests) -> Result<Self, ReportedDigestsError> {
        let sha256 = unpack("SHA-256", &told.chunk_sha256, Sha256::from_bytes)?;
        let md5 = unpack("MD5", &told.chunk_md5, Md5::from_bytes)?;
        let found = Self {
            size: told.size,
            sha256: told.sha256,
            md5: told.md5,
            sha512: told.sha512,
            sha3_512: told.sha3_512,
            chunks: ChunkDigests { sha256, md5 },
        };
        found.check_chunks()?;
        Ok(found)
    }
}

fn unpack<const BYTES: usize, D>(
    what: &'static str,
    text: &str,
    wrap: fn([u8; BYTES]) -> D,
) -> Result<Vec<D>, ReportedDigestsError> {
    let wrong = ReportedDigestsError::Packed { what, bytes: BYTES };
    let bytes = STANDARD.decode(text).map_err(|_| wrong.clone())?;
    let (whole, rest) = bytes.as_chunks::<BYTES>();
    if rest.is_empty() { Ok(whole.iter().map(|it| wrap(*it)).collect()) } else { Err(wrong) }
}

/// Further digests of the whole of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WholeDigests {
    /// MD5.
    #[schema(value_type = String)]
    pub md5: Md5,
    /// SHA-512.
    #[schema(value_type = String)]
    pub sha512: Sha512,
    /// SHA3-512.
    #[schema(value_type = String)]
    pub sha3_512: Sha3_512,
    /// When they came.
    #[schema(value_type = String, format = DateTime)]
    pub computed_at: Timestamp,
}

/// `GET /v1/files/{kind}/{name}/digests`: all digests of the version that is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileDigests {
    /// The version.
    pub version: u64,
    /// Its size in bytes.
    pub size: u64,
    /// BLAKE3.
    #[schema(value_type = String)]
    pub content: ContentId,
    /// SHA-256.
    #[schema(value_type = String)]
    pub sha256: Sha256,
    /// The others of the whole file.
    #[serde(flatten)]
    pub whole: WholeDigests,
    /// Bytes of each part but the last, which is what is left.
    pub chunk_bytes: u64,
    /// SHA-256 of each part, in order.
    #[schema(value_type = Vec<String>)]
    pub chunk_sha256: Vec<Sha256>,
    /// MD5 of each part, in order.
    #[schema(value_type = Vec<String>)]
    pub chunk_md5: Vec<Md5>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> FurtherDigests {
        FurtherDigests {
            size: (10 << 20) + 1,
            sha256: Sha256::from_bytes([1; 32]),
            md5: Md5::from_bytes([2; 16]),
            sha512: Sha512::from_bytes([3; 64]),
            sha3_512: Sha3_512::from_bytes([4; 64]),
            chunks: ChunkDigests {
                sha256: vec![Sha256::from_bytes([5; 32]), Sha256::from_bytes([6; 32])],
                md5: vec![Md5::from_bytes([7; 16]), Md5::from_bytes([8; 16])],
            },
        }
    }

    #[test]
    fn digests_survive_the_wire() {
        let told = ReportedDigests::from(&found());
        let text = serde_json::to_string(&told).unwrap();
        let heard: ReportedDigests = serde_json::from_str(&text).unwrap();
        assert_eq!(FurtherDigests::try_from(&heard), Ok(found()));
    }

    #[test]
    fn what_a_newer_management_server_says_besides_is_read_over() {
        let after = DigestsAfter { generation: Generation(7), content: ContentId::of(b"a") };
        let answer = DigestsWanted { contents: Vec::new(), next: Some(after) };
        let mut newer = serde_json::to_value(&answer).unwrap();
        newer["newer"] = true.into();
        newer["next"]["newer"] = true.into();
        assert_eq!(serde_json::from_value::<DigestsWanted>(newer).unwrap(), answer);
    }

    #[test]
    fn digests_of_parts_that_do_not_fit_are_refused() {
        let told = ReportedDigests::from(&found());
        let refused = |change: fn(&mut ReportedDigests)| {
            let mut told = told.clone();
            change(&mut told);
            FurtherDigests::try_from(&told).unwrap_err().to_string()
        };
        let packed = refused(|told| told.chunk_md5 = "!".into());
        assert!(packed.contains("MD5") && packed.contains("16 bytes"), "{packed}");
        let cut = refused(|told| told.chunk_sha256 = STANDARD.encode([0; 63]));
        assert!(cut.contains("SHA-256") && cut.contains("32 bytes"), "{cut}");
        assert!(refused(|told| told.chunk_md5 = STANDARD.encode([0; 16])).contains("2 parts"));
        assert!(refused(|told| told.size = 1).contains("1 parts"));
    }
}

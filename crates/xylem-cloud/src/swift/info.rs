//! What a Swift can do (`GET /info`, "Discoverability" in its API guide).

use http::Method;
use serde::{Deserialize, Serialize};

use super::session::StorageEndpoint;
use super::temp_url::TempUrlDigest;
use crate::answer::{Attempt, CloudAnswer};
use crate::fault::{Fault, FaultKind};
use crate::parts::{MIB, PartRules};
use crate::request::CloudRequest;

/// Largest object by Swift's own first setting, bytes.
const FIRST_MAX_FILE_SIZE: u64 = 5 * 1024 * MIB + 2;
/// Most segments by Swift's own first setting.
const FIRST_MAX_SEGMENTS: u64 = 1_000;
/// Longest manifest by the first setting of Swifts that do not say it, bytes.
const FIRST_MAX_MANIFEST_BYTES: u64 = 2 * MIB;
/// Longest entry of a segment in a manifest, bytes: the container's name (256, each twice where
/// JSON escapes it), the segment's (380 with the longest prefix), MD5, size and signs.
const MAX_SEGMENT_ENTRY_BYTES: u64 = 1024;
/// Largest file that we send, bytes.
const LARGEST_FILE: u64 = 5 * 1024 * 1024 * MIB;
/// Smallest segment that we make, bytes.
const SMALLEST_SEGMENT: u64 = 64 * MIB;
/// Of ten segments that are allowed, how many we aim at.
const AIMED_TENTHS: u64 = 9;

/// What of it matters to us. Kept in memory with the token, so that it is asked for once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwiftInfo {
    /// Largest object that is one request, bytes.
    pub max_file_size: u64,
    /// Static large objects; none: files above `max_file_size` cannot be sent.
    pub segments: Option<SegmentRules>,
    /// How addresses are signed.
    pub digest: TempUrlDigest,
}

/// Rules of static large objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRules {
    /// Most segments of one object.
    pub most: u64,
    /// Smallest segment but for the last, bytes.
    pub smallest: u64,
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    swift: ToldSwift,
    slo: Option<ToldSlo>,
    tempurl: Option<ToldTempUrl>,
}

#[derive(Default, Deserialize)]
struct ToldSwift {
    max_file_size: Option<u64>,
}

#[derive(Deserialize)]
struct ToldSlo {
    max_manifest_segments: Option<u64>,
    max_manifest_size: Option<u64>,
    min_segment_size: Option<u64>,
}

#[derive(Deserialize)]
struct ToldTempUrl {
    methods: Option<Vec<String>>,
    allowed_digests: Option<Vec<String>>,
}

impl ToldSlo {
    fn rules(&self) -> SegmentRules {
        let most = self.max_manifest_segments.unwrap_or(FIRST_MAX_SEGMENTS);
        let bytes = self.max_manifest_size.unwrap_or(FIRST_MAX_MANIFEST_BYTES);
        SegmentRules {
            most: most.min(bytes / MAX_SEGMENT_ENTRY_BYTES),
            smallest: self.min_segment_size.unwrap_or(1),
        }
    }
}

impl SwiftInfo {
    /// Asks what this Swift can do.
    pub fn request(storage: &StorageEndpoint) -> CloudRequest {
        CloudRequest::new(Method::GET, storage.0.clone(), "/info")
            .with_header("accept", "application/json")
    }

    /// What it said. A Swift that does not answer is taken for an old one.
    ///
    /// # Errors
    /// When it has no TempURL for GET and PUT, or none whose digest we know: then there is no way
    /// to give out, nor to let the root write.
    pub fn read(answer: &CloudAnswer) -> Result<Self, Fault> {
        let attempt = Attempt { doing: "asking what can be done at", on: "/info" };
        if matches!(answer.status, 403..=405) {
            return Ok(Self::old());
        }
        if !answer.is_success() {
            return Err(answer.fault_by_status(attempt));
        }
        let told: Told = serde_json::from_slice(&answer.body)
            .map_err(|error| answer.fault(FaultKind::Unexpected, attempt, error.to_string()))?;
        let unsupported = |why| answer.fault(FaultKind::Place, attempt, why);
        let temp_url = told.tempurl.ok_or_else(|| unsupported("TempURL is off there"))?;
        let has = |method: &str| {
            temp_url.methods.as_ref().is_none_or(|methods| methods.iter().any(|m| m == method))
        };
        if !has("GET") || !has("PUT") {
            return Err(unsupported("TempURL does not allow GET and PUT there"));
        }
        let digest = TempUrlDigest::choose(temp_url.allowed_digests.as_deref());
        Ok(Self {
            max_file_size: told.swift.max_file_size.unwrap_or(FIRST_MAX_FILE_SIZE),
            segments: told.slo.map(|slo| slo.rules()),
            digest: digest.ok_or_else(|| unsupported("TempURL allows no digest that we know"))?,
        })
    }

    /// What a Swift that does not tell is taken for.
    pub const fn old() -> Self {
        Self {
            max_file_size: FIRST_MAX_FILE_SIZE,
            segments: Some(SegmentRules { most: FIRST_MAX_SEGMENTS, smallest: MIB }),
            digest: TempUrlDigest::Sha1,
        }
    }

    /// How files are cut for it.
    pub fn part_rules(&self) -> PartRules {
        let Some(segments) = self.segments else {
            return PartRules {
                whole_up_to: self.max_file_size,
                smallest_part: self.max_file_size,
                largest_part: self.max_file_size,
                aim_parts: 1,
                most_parts: 1,
                largest_file: self.max_file_size,
            };
        };
        PartRules {
            whole_up_to: SMALLEST_SEGMENT.min(self.max_file_size),
            smallest_part: SMALLEST_SEGMENT.max(segments.smallest),
            largest_part: self.max_file_size,
            aim_parts: (segments.most.saturating_mul(AIMED_TENTHS) / 10).max(1),
            most_parts: segments.most,
            largest_file: LARGEST_FILE,
        }
    }
}

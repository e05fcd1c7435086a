//! The digest over a set of descriptors.

use std::fmt;

use serde::{Deserialize, Serialize};
use xylem_model::ContentId;

use crate::Envelope;

/// Names one signed descriptor: BLAKE3 of its exact signed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DescriptorId(ContentId);

impl DescriptorId {
    /// The id of the descriptor in an envelope.
    pub fn of(envelope: &Envelope) -> Self {
        Self(ContentId::of(&envelope.payload))
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for DescriptorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One digest over a set of descriptors, whatever order they come in: BLAKE3 in key derivation
/// mode over the sorted ids. Two sets have one root only if they are equal.
pub fn set_root(ids: impl IntoIterator<Item = DescriptorId>) -> ContentId {
    let mut ids: Vec<DescriptorId> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    let mut hasher = blake3::Hasher::new_derive_key("xylem 2026 descriptor set root v1");
    for id in &ids {
        hasher.update(id.as_bytes());
    }
    ContentId::from_bytes(*hasher.finalize().as_bytes())
}

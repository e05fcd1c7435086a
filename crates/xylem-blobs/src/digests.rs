//! The digests of a staged file: computed while it arrives, compared when it is here.

use std::fmt;

use aws_lc_rs::digest;
use xylem_model::{ContentId, Sha256};
use xylem_runtime::FsFile;

use crate::builder::TreeBuilder;
use crate::error::BlobError;
use crate::layout::StageKey;

/// Which digests are computed while a file arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestSet {
    /// BLAKE3 alone: enough for a copy of content whose id is known.
    Blake3,
    /// BLAKE3 and SHA-256: for the first server that takes a file in.
    Blake3AndSha256,
}

/// What a staged file must turn out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its size in bytes.
    pub size: u64,
    /// Its content id, where it was declared.
    pub blake3: Option<ContentId>,
    /// Its SHA-256, where it was declared.
    pub sha256: Option<Sha256>,
}

/// The digests of a file while it arrives, and its outboard.
pub(crate) struct Computation {
    pub(crate) tree: TreeBuilder,
    /// Where the outboard is written, once there is something to write.
    pub(crate) outboard: Option<Box<dyn FsFile>>,
    pub(crate) sha256: Option<digest::Context>,
}

impl Computation {
    pub(crate) fn new(size: u64, digests: DigestSet) -> Self {
        let sha256 =
            (digests == DigestSet::Blake3AndSha256).then(|| digest::Context::new(&digest::SHA256));
        Self { tree: TreeBuilder::new(size), outboard: None, sha256 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.tree.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }
}

pub(crate) fn finish_sha256(context: digest::Context) -> Sha256 {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Sha256::from_bytes(bytes)
}

/// Compares what arrived with what was declared.
pub(crate) fn compare(
    key: StageKey,
    size: u64,
    id: ContentId,
    sha256: Option<Sha256>,
    expected: &Expected,
) -> Result<(), BlobError> {
    let differs = |what, expected: &dyn fmt::Display, computed: &dyn fmt::Display| {
        let (expected, computed) = (expected.to_string(), computed.to_string());
        Err(BlobError::Mismatch { key, what, expected, computed })
    };
    if expected.size != size {
        return differs("size", &expected.size, &size);
    }
    match (expected.blake3, expected.sha256, sha256) {
        (Some(blake3), _, _) if blake3 != id => differs("BLAKE3", &blake3, &id),
        (_, Some(expected), Some(computed)) if expected != computed => {
            differs("SHA-256", &expected, &computed)
        }
        _ => Ok(()),
    }
}

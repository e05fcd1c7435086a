//! Digests that are computed after an upload is acknowledged, for old clients and mobile device
//! management: `docs/design/digests.md`. They never decide whether something is installed.

use crate::{Md5, Sha3_512, Sha256, Sha512};

/// Bytes of each part of a file that has digests of its own, as is customary in the manifests of
/// mobile device management: 10 MiB. The last part is what is left.
pub const CHUNK_BYTES: u64 = 10 << 20;

/// How many parts a file of `size` bytes has.
pub const fn chunks_of(size: u64) -> u64 {
    size.div_ceil(CHUNK_BYTES)
}

/// What else is known of a content, all from one reading of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FurtherDigests {
    /// How many bytes were read.
    pub size: u64,
    /// SHA-256 of them: shows that they are the ones that were signed.
    pub sha256: Sha256,
    /// MD5 of the whole file.
    pub md5: Md5,
    /// SHA-512 of the whole file.
    pub sha512: Sha512,
    /// SHA3-512 of the whole file.
    pub sha3_512: Sha3_512,
    /// Those of its parts.
    pub chunks: ChunkDigests,
}

/// Digests of the parts of a file, in order: one for each [`CHUNK_BYTES`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChunkDigests {
    /// SHA-256 of each.
    pub sha256: Vec<Sha256>,
    /// MD5 of each.
    pub md5: Vec<Md5>,
}

/// Digests of more or fewer parts than the file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a file of {size} bytes has {expected} parts of 10 MiB, but there are {sha256} SHA-256 and {md5} \
     MD5 digests of parts"
)]
pub struct WrongChunks {
    size: u64,
    expected: u64,
    sha256: usize,
    md5: usize,
}

impl FurtherDigests {
    /// Checks that there are digests of as many parts as the file has.
    ///
    /// # Errors
    /// [`WrongChunks`] says how many there are and should be.
    pub const fn check_chunks(&self) -> Result<(), WrongChunks> {
        let (size, expected) = (self.size, chunks_of(self.size));
        let (sha256, md5) = (self.chunks.sha256.len(), self.chunks.md5.len());
        if sha256 as u64 == expected && md5 as u64 == expected {
            return Ok(());
        }
        Err(WrongChunks { size, expected, sha256, md5 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(size: u64, sha256: usize, md5: usize) -> FurtherDigests {
        FurtherDigests {
            size,
            sha256: Sha256::from_bytes([0; 32]),
            md5: Md5::from_bytes([0; 16]),
            sha512: Sha512::from_bytes([0; 64]),
            sha3_512: Sha3_512::from_bytes([0; 64]),
            chunks: ChunkDigests {
                sha256: vec![Sha256::from_bytes([1; 32]); sha256],
                md5: vec![Md5::from_bytes([1; 16]); md5],
            },
        }
    }

    #[test]
    fn each_part_has_its_digests_and_nothing_else_does() {
        for (size, chunks) in [
            (1, 1),
            (CHUNK_BYTES - 1, 1),
            (CHUNK_BYTES, 1),
            (CHUNK_BYTES + 1, 2),
            (1 << 40, 104_858),
        ] {
            assert_eq!(of(size, chunks, chunks).check_chunks(), Ok(()), "{size}");
            for (sha256, md5) in [(chunks - 1, chunks), (chunks, chunks + 1), (0, 0)] {
                let error = of(size, sha256, md5).check_chunks().unwrap_err().to_string();
                assert!(error.contains(&format!("{chunks} parts")), "{error}");
            }
        }
    }
}

//! The checksums of xar archives: SHA-1, MD5, SHA-256 and SHA-512.
//!
//! They are verified because archives use them, never chosen for anything of ours (a file's
//! identity is its BLAKE3 root, computed elsewhere).

use aws_lc_rs::digest as sha;
use md5::{Digest as _, Md5};

/// A checksum algorithm of xar.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ChecksumStyle {
    /// MD5, in packages of third-party builders.
    Md5,
    /// SHA-1, what Apple's tools wrote until macOS 10.14 and often still do.
    Sha1,
    /// SHA-256, what current tools write.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl ChecksumStyle {
    /// The `style` attribute's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Reads a `style` attribute; letter case varies between builders.
    #[must_use]
    pub fn parse(style: &str) -> Option<Self> {
        match style.to_ascii_lowercase().as_str() {
            "md5" => Some(Self::Md5),
            "sha1" | "sha-1" => Some(Self::Sha1),
            "sha256" | "sha-256" => Some(Self::Sha256),
            "sha512" | "sha-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Length of a digest in bytes.
    #[must_use]
    pub fn digest_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// aws-lc-rs's name for the algorithm; it has no MD5.
    pub(crate) fn aws_algorithm(self) -> Option<&'static sha::Algorithm> {
        match self {
            Self::Md5 => None,
            Self::Sha1 => Some(&sha::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha256 => Some(&sha::SHA256),
            Self::Sha512 => Some(&sha::SHA512),
        }
    }
}

/// A digest together with the algorithm that made it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Checksum {
    style: ChecksumStyle,
    digest: Box<[u8]>,
}

impl Checksum {
    /// Reads a hexadecimal digest; `None` when it is not one of the style's length.
    #[must_use]
    pub fn parse(style: ChecksumStyle, hexadecimal: &str) -> Option<Self> {
        let digest = hex::decode(hexadecimal.trim()).ok()?;
        (digest.len() == style.digest_len()).then(|| Self { style, digest: digest.into() })
    }

    /// The algorithm.
    #[must_use]
    pub fn style(&self) -> ChecksumStyle {
        self.style
    }

    /// The raw digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.digest
    }

    /// The digest in lower-case hexadecimal.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(&self.digest)
    }
}

/// Hashes a stream of bytes.
pub(crate) enum Hasher {
    Md5(Md5),
    Sha { style: ChecksumStyle, context: sha::Context },
}

impl Hasher {
    pub(crate) fn new(style: ChecksumStyle) -> Self {
        match style.aws_algorithm() {
            Some(algorithm) => Self::Sha { style, context: sha::Context::new(algorithm) },
            None => Self::Md5(Md5::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(context) => context.update(bytes),
            Self::Sha { context, .. } => context.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Checksum {
        match self {
            Self::Md5(context) => {
                Checksum { style: ChecksumStyle::Md5, digest: context.finalize().as_slice().into() }
            }
            Self::Sha { style, context } => {
                Checksum { style, digest: context.finish().as_ref().into() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_hashes_to_its_published_test_vector() {
        let vectors = [
            (ChecksumStyle::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (ChecksumStyle::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                ChecksumStyle::Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                ChecksumStyle::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ];
        for (style, expected) in vectors {
            let mut hasher = Hasher::new(style);
            hasher.update(b"a");
            hasher.update(b"bc");
            let checksum = hasher.finish();
            assert_eq!(checksum.to_hex(), expected, "{style:?}");
            assert_eq!(Checksum::parse(style, expected), Some(checksum));
            assert_eq!(ChecksumStyle::parse(style.as_str()), Some(style));
        }
    }

    #[test]
    fn digest_of_the_wrong_length_is_no_checksum() {
        assert_eq!(Checksum::parse(ChecksumStyle::Sha1, "00"), None);
        assert_eq!(Checksum::parse(ChecksumStyle::Sha1, &"zz".repeat(20)), None);
    }
}

//! What a content must be, and whether it is.

use std::io;

use xylem_client::RunningDigests;
use xylem_model::{ContentId, Digests, Sha256};
use xylem_runtime::FsFile;
use xylem_trust::Descriptor;

/// Bytes read or written at a time.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// What the signed descriptor says of the bytes. All three must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) content: ContentId,
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
}

impl From<&Descriptor> for Expected {
    fn from(descriptor: &Descriptor) -> Self {
        Self { content: descriptor.content, sha256: descriptor.sha256, size: descriptor.size }
    }
}

impl Expected {
    /// Whether these are the expected bytes.
    pub(crate) fn is(&self, found: &RunningDigests) -> bool {
        let expected = Digests { blake3: self.content, sha256: self.sha256 };
        found.size() == self.size && found.digests() == expected
    }
}

/// Digests the first `size` bytes of an open file.
pub(crate) fn digest_of(file: &dyn FsFile, size: u64) -> io::Result<RunningDigests> {
    let mut digest = RunningDigests::new();
    let mut piece = vec![0; PIECE_BYTES];
    while digest.size() < size {
        let left = usize::try_from(size - digest.size()).unwrap_or(PIECE_BYTES);
        let (buffer, _) = piece.split_at_mut(left.min(PIECE_BYTES));
        let read = file.read_at(buffer, digest.size())?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        digest.update(buffer.get(..read).unwrap_or_default());
    }
    Ok(digest)
}

/// Whether an open file holds the expected bytes and no others.
pub(crate) fn holds(file: &dyn FsFile, expected: &Expected) -> io::Result<bool> {
    Ok(file.len()? == expected.size && expected.is(&digest_of(file, expected.size)?))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    fn expected(bytes: &[u8]) -> Expected {
        let mut digests = RunningDigests::new();
        digests.update(bytes);
        let Digests { blake3, sha256 } = digests.digests();
        Expected { content: blake3, sha256, size: digests.size() }
    }

    #[test]
    fn a_file_holds_what_is_expected_only_when_size_and_both_digests_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("content");
        let bytes: Vec<u8> = (0..PIECE_BYTES + 5).map(|i| i as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let good = expected(&bytes);
        assert!(holds(&file, &good).unwrap());
        let other = expected(b"other");
        for bad in [
            Expected { content: other.content, ..good },
            Expected { sha256: other.sha256, ..good },
            Expected { size: good.size - 1, ..good },
            Expected { size: good.size + 1, ..good },
        ] {
            assert!(!holds(&file, &bad).unwrap(), "{bad:?}");
        }
        FsFile::write_all_at(&file, &[bytes[PIECE_BYTES] ^ 1], PIECE_BYTES as u64).unwrap();
        assert!(!holds(&file, &good).unwrap());
    }
}

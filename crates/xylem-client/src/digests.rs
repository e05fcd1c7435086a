//! The digests of bytes on their way.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use xylem_model::{ContentId, Digests, Sha256};

/// Both digests of bytes that come or go piece by piece, and how many there were.
#[derive(Clone)]
pub struct RunningDigests {
    /// Boxed: its state is almost 2 KiB.
    blake3: Box<blake3::Hasher>,
    sha256: Context,
    size: u64,
}

impl RunningDigests {
    /// Of no bytes yet.
    pub fn new() -> Self {
        Self { blake3: Box::default(), sha256: Context::new(&SHA256), size: 0 }
    }

    /// Takes in the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.sha256.update(bytes);
        self.size = self.size.saturating_add(bytes.len() as u64);
    }

    /// Bytes so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The digests of the bytes so far.
    pub fn digests(&self) -> Digests {
        let mut sha256 = [0; 32];
        for (to, from) in sha256.iter_mut().zip(self.sha256.clone().finish().as_ref()) {
            *to = *from;
        }
        Digests {
            blake3: ContentId::from_bytes(*self.blake3.finalize().as_bytes()),
            sha256: Sha256::from_bytes(sha256),
        }
    }
}

impl Default for RunningDigests {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RunningDigests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningDigests").field("size", &self.size).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_the_digests_of_the_whole() {
        let mut running = RunningDigests::new();
        running.update(b"ab");
        let before = running.clone();
        running.update(b"c");
        let digests = running.digests();
        assert_eq!((running.size(), before.size()), (3, 2));
        assert_eq!(digests.blake3, ContentId::of(b"abc"));
        // FIPS 180-2, appendix B.1.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digests.sha256.to_string(), known);
        assert_ne!(before.digests(), digests);
    }
}

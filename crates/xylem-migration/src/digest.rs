//! Both digests of bytes, in one pass.

use std::fmt;
use std::io::{self, Read, Write};

use aws_lc_rs::digest::{Context, SHA256};
use xylem_model::{ContentId, Digests, Sha256};

/// Bytes read at once.
pub(crate) const PIECE_BYTES: usize = 256 << 10;

/// What a file holds, as an upload declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Content {
    /// Its length in bytes.
    pub size: u64,
    /// Its digests.
    #[serde(flatten)]
    pub digests: Digests,
}

impl Content {
    /// Of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digesting = Digesting::new();
        digesting.update(bytes);
        digesting.content()
    }
}

/// Digests what is written to it, and passes nothing on.
pub(crate) struct Digesting {
    blake3: Box<blake3::Hasher>,
    sha256: Context,
    size: u64,
}

impl Digesting {
    pub(crate) fn new() -> Self {
        Self { blake3: Box::default(), sha256: Context::new(&SHA256), size: 0 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.sha256.update(bytes);
        self.size = self.size.saturating_add(bytes.len() as u64);
    }

    pub(crate) fn content(&self) -> Content {
        let mut sha256 = [0; 32];
        for (to, from) in sha256.iter_mut().zip(self.sha256.clone().finish().as_ref()) {
            *to = *from;
        }
        let blake3 = ContentId::from_bytes(*self.blake3.finalize().as_bytes());
        let digests = Digests { blake3, sha256: Sha256::from_bytes(sha256) };
        Content { size: self.size, digests }
    }
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Digesting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digesting").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Reads to the end; `told` hears how many bytes each piece had.
///
/// # Errors
/// When it cannot be read.
pub fn digest(mut from: impl Read, mut told: impl FnMut(u64)) -> io::Result<Content> {
    let mut digesting = Digesting::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = match from.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok(digesting.content());
        };
        digesting.update(bytes);
        told(read as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        let content = digest(&b"abc"[..], |_| {}).unwrap();
        assert_eq!(content, Content::of(b"abc"));
        assert_eq!((content.size, content.digests.blake3), (3, ContentId::of(b"abc")));
        // FIPS 180-2, appendix B.1.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(content.digests.sha256.to_string(), known);
    }
}

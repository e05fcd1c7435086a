//! Files that macOS has compressed, with the result in an extended attribute.
//!
//! Larger ones have it in their resource fork, which is not read here: what is looked for is small.

use std::io::{self, Read};

use flate2::bufread::ZlibDecoder;
use lzfse_rust::LzfseRingDecoder;

use super::super::fields::{Fields, broken};
use super::bounded;

/// The attribute's name.
pub(super) const ATTRIBUTE: &str = "com.apple.decmpfs";

const HEADER_BYTES: usize = 16;

/// Expands a file whose attribute this is.
pub(super) fn expand(attribute: &[u8], max_bytes: usize) -> io::Result<Vec<u8>> {
    let header = Fields(attribute);
    if header.bytes(0, 4)? != b"fpmc" {
        return Err(broken("it is compressed in an unknown way"));
    }
    let len = bounded(header.le64(8)?, max_bytes)?;
    let stored = header.from(HEADER_BYTES)?.0;
    match (header.le32(4)?, stored) {
        (1, _) => exactly(stored, len),
        (3, [first, plain @ ..]) if first & 0x0f == 0x0f => exactly(plain, len),
        (3, _) => exactly(ZlibDecoder::new(stored), len),
        (7, [0x06, plain @ ..]) | (9, [0xcc, plain @ ..]) | (11, [0xff, plain @ ..]) => {
            exactly(plain, len)
        }
        (7, _) => exactly(LzfseRingDecoder::default().reader_bytes(&lzvn(stored, len)), len),
        (11, _) => exactly(LzfseRingDecoder::default().reader_bytes(stored), len),
        (kind, _) => Err(broken(format!("it is compressed in a way not read here ({kind})"))),
    }
}

/// Wraps bare LZVN into the container that its decoder wants.
fn lzvn(stored: &[u8], len: usize) -> Vec<u8> {
    let size = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    [b"bvxn", &size(len)[..], &size(stored.len()), stored, b"bvx$"].concat()
}

fn exactly(mut decoder: impl Read, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    decoder.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn attribute(kind: u32, len: u64, stored: &[u8]) -> Vec<u8> {
        [b"fpmc", &kind.to_le_bytes()[..], &len.to_le_bytes(), stored].concat()
    }

    #[test]
    fn what_macos_writes_is_expanded() {
        let content = b"content content content".repeat(9);
        let len = content.len() as u64;
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        zlib.write_all(&content).unwrap();
        let zlib = zlib.finish().unwrap();
        let mut lzfse = Vec::new();
        lzfse_rust::encode_bytes(&content, &mut lzfse).unwrap();
        // The same encoder wraps LZVN for so short a content; what is inside is what macOS stores.
        assert!(lzfse.starts_with(b"bvxn"));
        let lzvn = &lzfse[12..lzfse.len() - 4];
        let marked = |marker: u8| [&[marker], content.as_slice()].concat();
        for (kind, stored) in [
            (1, content.clone()),
            (3, zlib),
            (3, marked(0xff)),
            (7, lzvn.to_vec()),
            (7, marked(0x06)),
            (9, marked(0xcc)),
            (11, lzfse.clone()),
        ] {
            let expanded = expand(&attribute(kind, len, &stored), 4096).unwrap();
            assert_eq!(expanded, content, "kind {kind}");
        }
    }

    #[test]
    fn what_is_too_long_or_unknown_is_not() {
        for (name, attribute) in [
            ("too long", attribute(1, 4097, &[0; 5000])),
            ("in the resource fork", attribute(4, 10, b"")),
            ("shorter than it says", attribute(1, 10, b"short")),
            ("no header", b"fpmc".to_vec()),
            ("another header", [b"xxxx", &[0; 40][..]].concat()),
        ] {
            assert!(expand(&attribute, 4096).is_err(), "{name}");
        }
    }
}

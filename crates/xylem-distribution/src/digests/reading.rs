//! One reading of a published copy, and all that is computed from it.

use aws_lc_rs::digest::{Algorithm, Context, SHA3_512, SHA256, SHA512};
use md5::{Digest as _, Md5 as Md5Hasher};
use xylem_blobs::{BlobError, BlobReader, FRAME_BYTES, Reach, Repository};
use xylem_model::{
    CHUNK_BYTES, ChunkDigests, ContentId, FurtherDigests, Md5, Sha3_512, Sha256, Sha512,
};

/// Bytes that one step reads: a tenth of a second of computing.
const STEP_BYTES: u64 = 8 << 20;

/// A reading under way.
pub(super) struct Reading {
    reader: BlobReader,
    digesting: Digesting,
    buffer: Vec<u8>,
}

impl Reading {
    /// Opens a published copy. While it is open it is not removed.
    pub(super) fn open(repository: &Repository, content: &ContentId) -> Result<Self, BlobError> {
        let reader = repository.open_blob(content)?;
        let buffer = vec![0; usize::try_from(FRAME_BYTES.min(reader.size())).unwrap_or(0)];
        Ok(Self { reader, digesting: Digesting::new(), buffer })
    }

    /// Reads on, and says whether that was all.
    ///
    /// # Errors
    /// As [`BlobReader::read_frame`]: a copy that is damaged has been withdrawn.
    pub(super) fn step(&mut self) -> Result<bool, BlobError> {
        let size = self.reader.size();
        let end = size.min(self.digesting.size.saturating_add(STEP_BYTES));
        while self.digesting.size < end {
            let range = self.digesting.size..end;
            let filled = self.reader.read_frame(range, &mut self.buffer, Reach::Disk)?;
            match self.buffer.get(filled) {
                Some(bytes) if !bytes.is_empty() => self.digesting.update(bytes),
                // Of published content all is there.
                _ => return Err(BlobError::Corrupt { id: self.reader.id(), offset: end }),
            }
        }
        Ok(end == size)
    }

    /// What came of it, once all is read.
    pub(super) fn finish(self) -> FurtherDigests {
        self.digesting.finish()
    }
}

/// All digests of the bytes that were read so far.
struct Digesting {
    size: u64,
    sha256: Context,
    sha512: Context,
    sha3_512: Context,
    md5: Md5Hasher,
    chunk: Chunk,
    chunks: ChunkDigests,
}

/// The part that is being read.
struct Chunk {
    left: u64,
    sha256: Context,
    md5: Md5Hasher,
}

impl Chunk {
    fn new() -> Self {
        Self { left: CHUNK_BYTES, sha256: Context::new(&SHA256), md5: Md5Hasher::new() }
    }
}

impl Digesting {
    fn new() -> Self {
        let context = |algorithm: &'static Algorithm| Context::new(algorithm);
        Self {
            size: 0,
            sha256: context(&SHA256),
            sha512: context(&SHA512),
            sha3_512: context(&SHA3_512),
            md5: Md5Hasher::new(),
            chunk: Chunk::new(),
            chunks: ChunkDigests::default(),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.sha256.update(bytes);
        self.sha512.update(bytes);
        self.sha3_512.update(bytes);
        self.md5.update(bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            let fits = usize::try_from(self.chunk.left).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at(fits);
            self.chunk.sha256.update(now);
            self.chunk.md5.update(now);
            self.chunk.left -= fits as u64;
            if self.chunk.left == 0 {
                self.end_chunk();
            }
            rest = later;
        }
    }

    fn end_chunk(&mut self) {
        let Chunk { sha256, md5, .. } = std::mem::replace(&mut self.chunk, Chunk::new());
        self.chunks.sha256.push(Sha256::from_bytes(bytes_of(sha256)));
        self.chunks.md5.push(Md5::from_bytes(md5.finalize().into()));
    }

    fn finish(mut self) -> FurtherDigests {
        if self.chunk.left < CHUNK_BYTES {
            self.end_chunk();
        }
        FurtherDigests {
            size: self.size,
            sha256: Sha256::from_bytes(bytes_of(self.sha256)),
            md5: Md5::from_bytes(self.md5.finalize().into()),
            sha512: Sha512::from_bytes(bytes_of(self.sha512)),
            sha3_512: Sha3_512::from_bytes(bytes_of(self.sha3_512)),
            chunks: self.chunks,
        }
    }
}

/// The digest, whose length the algorithm says.
pub(crate) fn bytes_of<const BYTES: usize>(context: Context) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::digest;

    use super::*;

    fn of(pieces: impl Iterator<Item = Vec<u8>>) -> FurtherDigests {
        let mut digesting = Digesting::new();
        pieces.for_each(|piece| digesting.update(&piece));
        digesting.finish()
    }

    #[test]
    fn known_bytes_have_the_published_digests() {
        let found = of([b"a".to_vec(), b"bc".to_vec()].into_iter());
        // RFC 1321, appendix A.5; FIPS 180-2, appendices B.1 and C.1; NIST's example for SHA3-512.
        assert_eq!(found.md5.to_hex(), "900150983cd24fb0d6963f7d28e17f72");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(found.sha256.to_hex(), sha256);
        assert_eq!(
            found.sha512.to_hex(),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
        assert_eq!(
            found.sha3_512.to_hex(),
            "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e\
             10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0"
        );
        assert_eq!((found.chunks.sha256, found.chunks.md5), (vec![found.sha256], vec![found.md5]));
    }

    #[test]
    fn parts_end_where_they_should_whatever_the_pieces() {
        let chunk = CHUNK_BYTES as usize;
        for len in [1, chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + 7] {
            let bytes: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let expected: Vec<Sha256> = bytes
                .chunks(chunk)
                .map(|part| digest(&SHA256, part).as_ref().try_into().map(Sha256::from_bytes))
                .collect::<Result<_, _>>()
                .unwrap();
            let md5: Vec<Md5> = bytes
                .chunks(chunk)
                .map(|part| Md5::from_bytes(Md5Hasher::digest(part).into()))
                .collect();
            for piece in [chunk - 1, 3_000_001] {
                let found = of(bytes.chunks(piece).map(<[u8]>::to_vec));
                assert_eq!(found.size, len as u64);
                assert_eq!((&found.chunks.sha256, &found.chunks.md5), (&expected, &md5), "{len}");
                assert_eq!(found.check_chunks(), Ok(()));
            }
        }
    }
}

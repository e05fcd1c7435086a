//! Entries of an index, a piece at a time: what is in memory does not depend on how much comes out.

use flate2::{Decompress, FlushDecompress, Status};

use super::{
    Entries, IndexError, IndexedKind, IndexedPath, MAX_INDEXED_PATH_BYTES, MAX_UNPACKED_INDEX_BYTES,
};

/// Bytes that are unpacked at a time.
const PIECE_BYTES: usize = 32 << 10;

/// Entries of an index in the order of their paths. After the first error there are no more.
#[derive(Debug)]
pub struct UnpackedIndex {
    bytes: Inflated,
    entries: Entries,
    is_over: bool,
}

impl UnpackedIndex {
    pub(super) fn new(packed: Vec<u8>) -> Self {
        Self { bytes: Inflated::new(packed), entries: Entries::default(), is_over: false }
    }

    /// How many entries have come, and the packed bytes.
    pub(super) fn into_parts(self) -> (u32, Vec<u8>) {
        (self.entries.count, self.bytes.packed)
    }

    fn entry(&mut self) -> Result<Option<IndexedPath>, IndexError> {
        let Some(kind) = self.bytes.piece()?.first().copied() else {
            return self.entries.finish().map(|_| None);
        };
        self.bytes.consume(1);
        let Some(kind) = IndexedKind::of_byte(kind) else {
            return Err(IndexError::Damaged(format!("0x{kind:02x} is no kind of an entry")));
        };
        let path = String::from_utf8(self.path()?)
            .map_err(|_| IndexError::Damaged("a path is no UTF-8".to_owned()))?;
        self.entries.take(&path)?;
        Ok(Some(IndexedPath { kind, path }))
    }

    /// The bytes up to the next zero byte.
    fn path(&mut self) -> Result<Vec<u8>, IndexError> {
        let mut path = Vec::new();
        loop {
            let piece = self.bytes.piece()?;
            if piece.is_empty() {
                return Err(IndexError::Damaged("it ends within an entry".to_owned()));
            }
            let (part, is_whole) = match piece.iter().position(|byte| *byte == 0) {
                Some(end) => (piece.get(..end).unwrap_or_default(), true),
                None => (piece, false),
            };
            if path.len() + part.len() > MAX_INDEXED_PATH_BYTES {
                let beginning = String::from_utf8_lossy(&path);
                return Err(IndexError::path(&beginning, "which is longer than 4,096 bytes"));
            }
            path.extend_from_slice(part);
            let used = part.len() + usize::from(is_whole);
            self.bytes.consume(used);
            if is_whole {
                return Ok(path);
            }
        }
    }
}

impl Iterator for UnpackedIndex {
    type Item = Result<IndexedPath, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.entry().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// A zlib stream that is unpacked piece by piece, up to its checksum.
#[derive(Debug)]
struct Inflated {
    packed: Vec<u8>,
    /// Bytes of `packed` that were read.
    read: usize,
    state: Decompress,
    piece: Vec<u8>,
    /// Bytes of `piece` that were used.
    used: usize,
    is_over: bool,
}

impl Inflated {
    fn new(packed: Vec<u8>) -> Self {
        let (state, piece) = (Decompress::new(true), Vec::with_capacity(PIECE_BYTES));
        Self { packed, read: 0, state, piece, used: 0, is_over: false }
    }

    /// What was unpacked and not used yet; more of it, where that is nothing; nothing at the end.
    fn piece(&mut self) -> Result<&[u8], IndexError> {
        while self.used >= self.piece.len() && !self.is_over {
            self.more()?;
        }
        Ok(self.piece.get(self.used..).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.used += bytes;
    }

    fn more(&mut self) -> Result<(), IndexError> {
        self.piece.clear();
        self.used = 0;
        let input = self.packed.get(self.read..).unwrap_or_default();
        let before = self.state.total_in();
        let status = self
            .state
            .decompress_vec(input, &mut self.piece, FlushDecompress::None)
            .map_err(|error| IndexError::Damaged(error.to_string()))?;
        let read = usize::try_from(self.state.total_in() - before).unwrap_or(usize::MAX);
        self.read = self.read.saturating_add(read);
        if self.state.total_out() > MAX_UNPACKED_INDEX_BYTES as u64 {
            return Err(IndexError::UNPACKED);
        }
        match status {
            Status::StreamEnd if self.read < self.packed.len() => {
                Err(IndexError::Damaged("something follows its end".to_owned()))
            }
            Status::StreamEnd => {
                self.is_over = true;
                Ok(())
            }
            Status::Ok | Status::BufError if read == 0 && self.piece.is_empty() => {
                Err(IndexError::Damaged("its end is missing".to_owned()))
            }
            Status::Ok | Status::BufError => Ok(()),
        }
    }
}

//! The disk inside an image: any byte of it, decoded when it is asked for.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::chunk;
use super::table::{Chunk, Encoding, Table};
use super::trailer::ByteRange;

/// Decoded chunks that are kept, in bytes, until it is said otherwise: file systems jump between their
/// tables and their files.
const CACHE_BYTES: usize = 8 << 20;

/// A disk that can be read by position.
pub(super) struct Disk {
    file: Arc<File>,
    /// In the disk's order; what no chunk describes is zero.
    chunks: Vec<Chunk>,
    bytes: u64,
    /// The chunks used last, the most recent at the end, by their first byte on the disk.
    cache: VecDeque<(u64, Vec<u8>)>,
    /// How much of them is kept.
    cache_bytes: usize,
    /// What may still be decoded and read.
    budget_bytes: u64,
}

impl Disk {
    /// The disk that these tables describe.
    pub(super) fn of_tables(file: Arc<File>, tables: Vec<Table>, bytes: u64) -> Self {
        let chunks = tables.into_iter().flat_map(|table| table.chunks).collect();
        Self::of_chunks(file, chunks, bytes)
    }

    /// A file that is the disk.
    pub(super) fn raw(file: Arc<File>, bytes: u64) -> Self {
        let stored = ByteRange { offset: 0, length: bytes };
        let chunks = vec![Chunk { start: 0, bytes, stored, encoding: Encoding::Stored }];
        Self::of_chunks(file, chunks, bytes)
    }

    fn of_chunks(file: Arc<File>, chunks: Vec<Chunk>, bytes: u64) -> Self {
        let (cache, cache_bytes) = (VecDeque::new(), CACHE_BYTES);
        Self { file, chunks, bytes, cache, cache_bytes, budget_bytes: 0 }
    }

    /// Length of the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Allows this many bytes to be decoded or read, until it is said again.
    pub(super) fn allow(&mut self, budget_bytes: u64) {
        self.budget_bytes = budget_bytes;
    }

    /// Keeps this many bytes of decoded chunks from now on.
    pub(super) fn keep(&mut self, cache_bytes: usize) {
        self.cache_bytes = cache_bytes;
    }

    /// Reads `len` bytes at a position.
    pub(super) fn read(&mut self, position: u64, len: usize) -> io::Result<Vec<u8>> {
        let inside = position.checked_add(len as u64).is_some_and(|end| end <= self.bytes);
        if !inside {
            let reason = format!("byte {position} and {len} more are not on the disk");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
        }
        self.charge(len as u64)?;
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            filled += self.read_piece(position + filled as u64, rest)?;
        }
        Ok(bytes)
    }

    /// Fills as much of a zeroed buffer as one chunk, or the gap before the next, has.
    fn read_piece(&mut self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let next = self.chunks.partition_point(|chunk| chunk.end() <= position);
        let Some(chunk) = self.chunks.get(next).copied() else { return Ok(buffer.len()) };
        let Some(within) = position.checked_sub(chunk.start) else {
            return Ok(fitting(chunk.start - position, buffer.len()));
        };
        let len = fitting(chunk.bytes - within, buffer.len());
        let buffer = buffer.get_mut(..len).unwrap_or_default();
        match chunk.encoding {
            Encoding::Zero | Encoding::Ignored => {}
            Encoding::Stored => self.file.read_exact_at(buffer, chunk.stored.offset + within)?,
            _ => {
                let decoded = self.decoded(&chunk)?;
                let from = usize::try_from(within).unwrap_or(usize::MAX);
                let piece = decoded.get(from..).and_then(|rest| rest.get(..len));
                buffer.copy_from_slice(piece.unwrap_or_default());
            }
        }
        Ok(len)
    }

    fn decoded(&mut self, chunk: &Chunk) -> io::Result<&[u8]> {
        let found = self.cache.iter().position(|(start, _)| *start == chunk.start);
        let entry = match found.and_then(|index| self.cache.remove(index)) {
            Some(entry) => entry,
            None => {
                self.charge(chunk.cost_bytes())?;
                (chunk.start, chunk::decode(&self.file, chunk)?)
            }
        };
        self.cache.push_back(entry);
        while self.cache.len() > 1
            && self.cache.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > self.cache_bytes
        {
            self.cache.pop_front();
        }
        Ok(self.cache.back().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default())
    }

    fn charge(&mut self, bytes: u64) -> io::Result<()> {
        self.budget_bytes = self
            .budget_bytes
            .checked_sub(bytes)
            .ok_or_else(|| io::Error::other("it takes more reading than is allowed for"))?;
        Ok(())
    }
}

fn fitting(available: u64, wanted: usize) -> usize {
    usize::try_from(available).unwrap_or(usize::MAX).min(wanted)
}

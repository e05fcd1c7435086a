//! A writer of pbzx streams: blocks of xz, each after its expanded and its stored length.

use std::io::{self, Write};

use liblzma::stream::{Check, Stream};
use liblzma::write::XzEncoder;

/// Size of a block before compression, as Apple's tools write it: 16 MiB.
pub const DEFAULT_BLOCK_BYTES: usize = 16 << 20;
/// xz preset: a fair size in bearable time.
const PRESET: u32 = 6;

/// Compresses what is written to it. Holds one block in memory.
pub struct PbzxWriter<W: Write> {
    inner: W,
    block: Vec<u8>,
    block_bytes: usize,
}

impl<W: Write> PbzxWriter<W> {
    /// Writes the stream's header.
    ///
    /// # Errors
    /// When writing fails or a block would have no bytes.
    pub fn new(mut inner: W, block_bytes: usize) -> io::Result<Self> {
        if block_bytes == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a block cannot be empty"));
        }
        inner.write_all(b"pbzx")?;
        inner.write_all(&(block_bytes as u64).to_be_bytes())?;
        Ok(Self { inner, block: Vec::new(), block_bytes })
    }

    /// Writes the last block and returns what the stream was written to.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.block.is_empty() {
            self.write_block()?;
        }
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn write_block(&mut self) -> io::Result<()> {
        let encoder = Stream::new_easy_encoder(PRESET, Check::Crc32).map_err(io::Error::other)?;
        let mut encoder = XzEncoder::new_stream(Vec::new(), encoder);
        encoder.write_all(&self.block)?;
        let compressed = encoder.finish()?;
        // Equal lengths mark a block that is stored as it is.
        let stored = if compressed.len() < self.block.len() { &compressed } else { &self.block };
        self.inner.write_all(&(self.block.len() as u64).to_be_bytes())?;
        self.inner.write_all(&(stored.len() as u64).to_be_bytes())?;
        self.inner.write_all(stored)?;
        self.block.clear();
        Ok(())
    }
}

impl<W: Write> Write for PbzxWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.block_bytes - self.block.len();
        let piece = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.block.extend_from_slice(piece);
        if self.block.len() == self.block_bytes {
            self.write_block()?;
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_compressed_only_where_that_helps() {
        let mut writer = PbzxWriter::new(Vec::new(), 1024).unwrap();
        writer.write_all(&[0; 1024]).unwrap();
        writer.write_all(b"xy").unwrap();
        let stream = writer.finish().unwrap();
        assert_eq!(&stream[..12], b"pbzx\0\0\0\0\0\0\x04\0");
        assert_eq!(&stream[12..20], 1024_u64.to_be_bytes());
        let stored = u64::from_be_bytes(stream[20..28].try_into().unwrap()) as usize;
        assert!(stored < 1024);
        assert_eq!(&stream[28..33], b"\xfd7zXZ");
        assert_eq!(&stream[28 + stored..], b"\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x02xy");
    }
}

//! pbzx: a sequence of separately compressed blocks, as `pkgbuild --compression latest` writes.
//!
//! Layout, all numbers big-endian: `pbzx`, block size (u64), then blocks of expanded length (u64),
//! stored length (u64) and data. Equal lengths mean the data is raw, otherwise it is one xz stream.
//! The format is not documented by Apple; the layout is the one that its packages show.

use std::io::{self, BufRead, Read};

use liblzma::stream::{Action, Status, Stream};

use super::error::PayloadError;

/// The four bytes that begin a pbzx stream.
pub(super) const MAGIC: &[u8; 4] = b"pbzx";

/// Largest accepted block, expanded: 64 MiB. Apple's tools write 16 MiB.
pub const MAX_BLOCK_BYTES: u64 = 64 * 1024 * 1024;

/// By how much a stored xz block may be larger than what it expands to: xz headers and padding.
const STORED_SLACK_BYTES: u64 = 64 * 1024;

/// Most memory that decoding one xz block may take: enough for a 64 MiB dictionary (`xz -9`).
const MAX_XZ_MEMORY_BYTES: u64 = 96 * 1024 * 1024;

/// Streams the expanded bytes of a pbzx. Holds one decoder, never a whole block.
pub(super) struct PbzxReader<R> {
    source: R,
    block_bytes: u64,
    block: Option<Block>,
}

struct Block {
    stored_left: u64,
    expanded_left: u64,
    /// `None` when the block is raw.
    xz: Option<Stream>,
}

impl<R: BufRead> PbzxReader<R> {
    /// Reads the header; `source` stands at the magic.
    pub(super) fn open(mut source: R) -> Result<Self, PayloadError> {
        let mut magic = [0; 4];
        source.read_exact(&mut magic).map_err(|error| truncated(error, "the pbzx header"))?;
        if &magic != MAGIC {
            return Err(PayloadError::damaged("a pbzx stream does not begin with its magic"));
        }
        let block_bytes = read_u64(&mut source, "the pbzx header")?;
        if block_bytes == 0 || block_bytes > MAX_BLOCK_BYTES {
            return Err(PayloadError::damaged(format!(
                "its pbzx block size is {block_bytes} bytes (1 to {MAX_BLOCK_BYTES} are accepted)"
            )));
        }
        Ok(Self { source, block_bytes, block: None })
    }

    /// Reads the header of the next block; false at the end of the stream.
    fn begin_block(&mut self) -> Result<bool, PayloadError> {
        if self.source.fill_buf().map_err(PayloadError::from_io)?.is_empty() {
            return Ok(false);
        }
        let expanded = read_u64(&mut self.source, "a pbzx block header")?;
        let stored = read_u64(&mut self.source, "a pbzx block header")?;
        if expanded > self.block_bytes {
            return Err(PayloadError::damaged(format!(
                "a pbzx block claims {expanded} bytes, more than the block size of {}",
                self.block_bytes
            )));
        }
        if stored > expanded.saturating_add(STORED_SLACK_BYTES) {
            return Err(PayloadError::damaged(format!(
                "a pbzx block of {expanded} bytes claims to be stored in {stored} bytes"
            )));
        }
        let xz = (stored != expanded).then(new_decoder).transpose()?;
        self.block = Some(Block { stored_left: stored, expanded_left: expanded, xz });
        Ok(true)
    }
}

impl<R: BufRead> Read for PbzxReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(block) = &mut self.block else {
                if !self.begin_block()? {
                    return Ok(0);
                }
                continue;
            };
            let count = match &mut block.xz {
                None => read_raw(&mut self.source, &mut block.stored_left, out)?,
                Some(_) if block.expanded_left > 0 => block.read_xz(&mut self.source, out)?,
                Some(_) => block.finish_xz(&mut self.source)?,
            };
            block.expanded_left -= count as u64;
            let ended = block.expanded_left == 0 && block.stored_left == 0;
            if ended {
                self.block = None;
            }
            if count > 0 {
                return Ok(count);
            }
        }
    }
}

impl Block {
    /// Decodes into `out`, at most what the block still claims to hold.
    fn read_xz(&mut self, source: &mut impl BufRead, out: &mut [u8]) -> io::Result<usize> {
        let wanted = out.len().min(usize::try_from(self.expanded_left).unwrap_or(usize::MAX));
        let (window, _) = out.split_at_mut(wanted);
        let (produced, status) = self.pump(source, window)?;
        let ends_early = status == Status::StreamEnd && produced as u64 != self.expanded_left;
        if ends_early {
            return Err(PayloadError::damaged("a pbzx block expands to less than it claims").into());
        }
        if status == Status::StreamEnd && self.stored_left > 0 {
            return Err(after_stream_end().into());
        }
        Ok(produced)
    }

    /// Everything expected has been produced: lets the decoder check its index and footer.
    /// Returns 0, the number of bytes produced.
    fn finish_xz(&mut self, source: &mut impl BufRead) -> io::Result<usize> {
        let mut overrun = [0];
        loop {
            let (produced, status) = self.pump(source, &mut overrun)?;
            if produced > 0 {
                return Err(
                    PayloadError::damaged("a pbzx block expands to more than it claims").into()
                );
            }
            if status == Status::StreamEnd {
                return if self.stored_left == 0 { Ok(0) } else { Err(after_stream_end().into()) };
            }
        }
    }

    /// One step of the decoder over what the source has buffered.
    fn pump(&mut self, source: &mut impl BufRead, out: &mut [u8]) -> io::Result<(usize, Status)> {
        let Some(stream) = &mut self.xz else { return Ok((0, Status::StreamEnd)) };
        let available = source.fill_buf()?;
        if available.is_empty() && self.stored_left > 0 {
            return Err(PayloadError::Truncated { at: "a pbzx block" }.into());
        }
        let usable = available.len().min(usize::try_from(self.stored_left).unwrap_or(usize::MAX));
        let (input, _) = available.split_at(usable);
        let (before_in, before_out) = (stream.total_in(), stream.total_out());
        let status = stream.process(input, out, Action::Run).map_err(|error| {
            PayloadError::damaged(format!("the xz data of a pbzx block: {error}"))
        })?;
        let consumed = stream.total_in() - before_in;
        // Not more than `out`, therefore a usize.
        let produced = (stream.total_out() - before_out) as usize;
        if consumed == 0 && produced == 0 && status != Status::StreamEnd {
            return Err(PayloadError::damaged("the xz data of a pbzx block stops early").into());
        }
        // Not more than `input`, therefore a usize.
        source.consume(consumed as usize);
        self.stored_left -= consumed;
        Ok((produced, status))
    }
}

fn new_decoder() -> Result<Stream, PayloadError> {
    Stream::new_stream_decoder(MAX_XZ_MEMORY_BYTES, 0)
        .map_err(|error| PayloadError::damaged(format!("no xz decoder could be made: {error}")))
}

fn read_raw(source: &mut impl BufRead, left: &mut u64, out: &mut [u8]) -> io::Result<usize> {
    if *left == 0 {
        return Ok(0);
    }
    let wanted = out.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    let (window, _) = out.split_at_mut(wanted);
    let count = source.read(window)?;
    if count == 0 {
        return Err(PayloadError::Truncated { at: "a pbzx block" }.into());
    }
    *left -= count as u64;
    Ok(count)
}

fn read_u64(source: &mut impl Read, at: &'static str) -> Result<u64, PayloadError> {
    let mut bytes = [0; 8];
    source.read_exact(&mut bytes).map_err(|error| truncated(error, at))?;
    Ok(u64::from_be_bytes(bytes))
}

/// Tells an early end from a failing source.
pub(super) fn truncated(error: io::Error, at: &'static str) -> PayloadError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        PayloadError::Truncated { at }
    } else {
        PayloadError::from_io(error)
    }
}

fn after_stream_end() -> PayloadError {
    PayloadError::damaged("a pbzx block holds bytes after its xz stream")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn block(expanded: u64, data: &[u8]) -> Vec<u8> {
        let mut bytes = expanded.to_be_bytes().to_vec();
        bytes.extend((data.len() as u64).to_be_bytes());
        bytes.extend(data);
        bytes
    }

    fn stream(block_size: u64, blocks: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(block_size.to_be_bytes());
        bytes.extend(blocks.concat());
        bytes
    }

    fn xz(data: &[u8], preset: u32) -> Vec<u8> {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), preset);
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn expand(bytes: &[u8]) -> Result<Vec<u8>, PayloadError> {
        let mut out = Vec::new();
        PbzxReader::open(bytes)?.read_to_end(&mut out).map_err(PayloadError::from_io)?;
        Ok(out)
    }

    #[test]
    fn xz_and_raw_blocks_are_joined() {
        let text = b"carried from the root to every leaf ".repeat(3000);
        let bytes = stream(
            1 << 20,
            &[block(text.len() as u64, &xz(&text, 6)), block(5, b"leafy"), block(0, b"")],
        );
        let mut expected = text;
        expected.extend(b"leafy");
        assert_eq!(expand(&bytes).unwrap(), expected);
    }

    #[test]
    fn no_blocks_expand_to_nothing() {
        assert_eq!(expand(&stream(1 << 24, &[])).unwrap(), b"");
    }

    #[test]
    fn lengths_that_lie_are_refused_before_anything_is_read_for_them() {
        let small = xz(b"abc", 6);
        let huge_stored = [16_u64.to_be_bytes(), (1_u64 << 60).to_be_bytes()].concat();
        let huge_expanded = [(1_u64 << 60).to_be_bytes(), 9_u64.to_be_bytes()].concat();
        let too_long = block(2, &small);
        let too_short = block(4, &small);
        let mut trailing = small.clone();
        trailing.extend(b"more");
        for bad in [huge_stored, huge_expanded, too_long, too_short, block(3, &trailing)] {
            let error = expand(&stream(1 << 24, &[bad])).unwrap_err();
            assert!(matches!(error, PayloadError::Damaged { .. }), "{error}");
        }
        for size in [0, MAX_BLOCK_BYTES + 1, u64::MAX] {
            assert!(expand(&stream(size, &[])).is_err());
        }
    }

    #[test]
    fn every_truncation_is_noticed() {
        let text = b"0123456789".repeat(500);
        let whole = stream(1 << 20, &[block(5000, &xz(&text, 1)), block(3, b"end")]);
        let clean_ends = [12, 12 + 16 + xz(&text, 1).len(), whole.len()];
        for length in 0..whole.len() {
            let result = expand(&whole[..length]);
            assert_eq!(result.is_ok(), clean_ends.contains(&length), "cut at {length}");
        }
    }

    #[test]
    fn a_dictionary_over_the_memory_limit_is_refused() {
        // Written by hand: encoding with such a dictionary would itself take gigabytes.
        let mut data = xz(b"abc", 1);
        // Byte 12 is the block header's size, 14 the filter id, 16 the dictionary size code.
        assert_eq!(data[14], 0x21);
        data[16] = 40; // 4 GiB - 1
        let header = data[12..12 + 8].to_vec();
        let crc = crc32(&header);
        data[20..24].copy_from_slice(&crc.to_le_bytes());
        let error = expand(&stream(1 << 20, &[block(3, &data)])).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }
}

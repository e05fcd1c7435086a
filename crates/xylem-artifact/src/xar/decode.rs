//! Readers of heap ranges: raw, and decoded within a bound.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use flate2::bufread::ZlibDecoder;
use liblzma::bufread::XzDecoder;

use super::entry::{Encoding, HeapData};

/// Bytes read from the file at once for a decoder.
const BUFFER_BYTES: usize = 64 << 10;
/// Memory that an xz decoder may take. `xz -9` needs 65 MiB.
const XZ_MEMORY_BYTES: u64 = 80 << 20;

/// A range of the file as a stream, read by position so that several can be open at once.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    file: Arc<File>,
    position: u64,
    left_bytes: u64,
}

impl Section {
    pub(crate) fn new(file: Arc<File>, position: u64, length: u64) -> Self {
        Self { file, position, left_bytes: length }
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left_bytes).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..wanted).filter(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        let read = self.file.read_at(buffer, self.position)?;
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            ));
        }
        self.position += read as u64;
        self.left_bytes -= read as u64;
        Ok(read)
    }
}

/// An entry's decoded bytes: exactly as many as declared, or an error.
///
/// More than declared is an error of kind `FileTooLarge`, fewer one of kind `UnexpectedEof`.
pub struct EntryReader {
    decoder: Decoder,
    left_bytes: u64,
}

enum Decoder {
    Stored(Section),
    Zlib(Box<ZlibDecoder<BufReader<Section>>>),
    Bzip2(Box<Bzip2Decoder<BufReader<Section>>>),
    Xz(Box<XzDecoder<BufReader<Section>>>),
    /// The end was reached and checked.
    Finished,
}

impl EntryReader {
    pub(super) fn new(section: Section, data: &HeapData) -> io::Result<Self> {
        let buffered = |section| BufReader::with_capacity(BUFFER_BYTES, section);
        let decoder = match data.encoding {
            Encoding::Stored => Decoder::Stored(section),
            Encoding::Zlib => Decoder::Zlib(Box::new(ZlibDecoder::new(buffered(section)))),
            Encoding::Bzip2 => Decoder::Bzip2(Box::new(Bzip2Decoder::new(buffered(section)))),
            Encoding::Xz => {
                let stream = liblzma::stream::Stream::new_auto_decoder(XZ_MEMORY_BYTES, 0)
                    .map_err(io::Error::other)?;
                Decoder::Xz(Box::new(XzDecoder::new_stream(buffered(section), stream)))
            }
        };
        Ok(Self { decoder, left_bytes: data.size })
    }

    /// Asks the decoder for a byte more than declared; there must be none.
    fn expect_end(&mut self) -> io::Result<()> {
        if self.decoder.read(&mut [0])? != 0 {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "there is more data than the table of contents declares",
            ));
        }
        self.decoder = Decoder::Finished;
        Ok(())
    }
}

impl Read for EntryReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left_bytes == 0 {
            return self.expect_end().map(|()| 0);
        }
        let wanted = usize::try_from(self.left_bytes).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.decoder.read(buffer.get_mut(..wanted).unwrap_or_default())?;
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{} bytes fewer than the table of contents declares", self.left_bytes),
            ));
        }
        self.left_bytes -= read as u64;
        Ok(read)
    }
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stored(section) => section.read(buffer),
            Self::Zlib(decoder) => decoder.read(buffer),
            Self::Bzip2(decoder) => decoder.read(buffer),
            Self::Xz(decoder) => decoder.read(buffer),
            Self::Finished => Ok(0),
        }
    }
}

/// A bzip2 decoder that gives up as soon as a step neither takes nor gives a byte.
///
/// Damaged input has driven streaming bzip2 decoders into endless loops; here every turn of the
/// loop makes progress on a bounded input or a bounded output.
pub(crate) struct Bzip2Decoder<R> {
    input: R,
    state: bzip2::Decompress,
    finished: bool,
}

impl<R: BufRead> Bzip2Decoder<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, state: bzip2::Decompress::new(false), finished: false }
    }
}

impl<R: BufRead> Read for Bzip2Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.finished && !buffer.is_empty() {
            let input = self.input.fill_buf()?;
            let (taken_before, given_before) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(input, buffer).map_err(io::Error::other)?;
            let taken = usize::try_from(self.state.total_in() - taken_before).unwrap_or(usize::MAX);
            let given =
                usize::try_from(self.state.total_out() - given_before).unwrap_or(usize::MAX);
            self.input.consume(taken);
            self.finished = status == bzip2::Status::StreamEnd;
            if given > 0 {
                return Ok(given);
            }
            if taken == 0 && !self.finished {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the bzip2 stream stops in the middle",
                ));
            }
        }
        Ok(0)
    }
}

//! Decodes one chunk of the disk: exactly as many bytes as its table says, or an error.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use flate2::bufread::ZlibDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;
use lzfse_rust::LzfseRingDecoder;

use super::adc;
use super::table::{Chunk, Encoding};
use crate::xar::{Bzip2Decoder, Section};

/// Bytes read from the file at once for a decoder.
const BUFFER_BYTES: usize = 64 << 10;
/// Memory that an xz decoder may take. `xz -9` asks for 65 MiB, and uses as much as the chunk has.
const XZ_MEMORY_BYTES: u64 = 80 << 20;

/// The chunk's bytes. Its table has been checked, so they are not more than a few MiB.
pub(super) fn decode(file: &Arc<File>, chunk: &Chunk) -> io::Result<Vec<u8>> {
    let len = usize::try_from(chunk.bytes).unwrap_or(usize::MAX);
    let stored = || Section::new(Arc::clone(file), chunk.stored.offset, chunk.stored.length);
    let buffered = || BufReader::with_capacity(BUFFER_BYTES, stored());
    match chunk.encoding {
        Encoding::Zero | Encoding::Ignored => Ok(vec![0; len]),
        Encoding::Stored => exactly(stored(), len),
        Encoding::Adc => {
            let mut input = Vec::new();
            stored().read_to_end(&mut input)?;
            adc::decode(&input, len)
        }
        Encoding::Zlib => exactly(ZlibDecoder::new(buffered()), len),
        Encoding::Bzip2 => exactly(Bzip2Decoder::new(buffered()), len),
        Encoding::Lzfse => exactly(LzfseRingDecoder::default().reader(stored()), len),
        Encoding::Lzma => {
            let stream = Stream::new_auto_decoder(XZ_MEMORY_BYTES, 0).map_err(io::Error::other)?;
            exactly(XzDecoder::new_stream(buffered(), stream), len)
        }
    }
}

/// Reads `len` bytes; the decoder must have no more and no fewer.
fn exactly(mut decoder: impl Read, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    decoder.read_exact(&mut bytes)?;
    if decoder.read(&mut [0])? != 0 {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "there is more data than the block table declares",
        ));
    }
    Ok(bytes)
}

//! The block map: which sectors are stored where, and how.
//!
//! An image has one table for each partition. Genuine tables name their sectors in order and
//! without a gap; what does not, and what lies outside the disk or the file, is refused.

use super::facts::ImageKind;
use super::fields::Fields;
use super::resources;
use super::trailer::{ByteRange, SECTOR_BYTES, StoredChecksum, Trailer};
use crate::error::ArtifactError;

/// Largest chunk when expanded. Apple's tools write 1 MiB, others up to 4 MiB; more would only be
/// memory in which to expand a bomb.
pub(super) const MAX_CHUNK_BYTES: u64 = 16 << 20;

/// What an encoding may add to a chunk that does not become smaller, besides an eighth. Without a
/// bound, a few bytes of the disk could cost any number of bytes to be read.
const ENCODING_BYTES: u64 = 4096;

const ZERO_DISCOUNT: u64 = 16;
const SET_UP_BYTES: u64 = 16 << 10;
const BZIP2_SLOWNESS: u64 = 6;

const MAGIC: &[u8] = b"mish";
const VERSION: u32 = 1;
/// Where the number of chunks stands, and where they begin.
const COUNT_AT: usize = 64 + StoredChecksum::BYTES;
const CHUNKS_AT: usize = COUNT_AT + 4;
/// Length of one chunk's entry.
const ENTRY_BYTES: usize = 40;
/// Entries that store nothing.
const COMMENT: u32 = 0x7fff_fffe;
const TERMINATOR: u32 = 0xffff_ffff;

/// How a chunk is stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    /// Nothing is stored: all zero.
    Zero,
    /// Nothing is stored: nobody cares. Reads as zero, but checksums leave it out.
    Ignored,
    Stored,
    Adc,
    Zlib,
    Bzip2,
    Lzfse,
    Lzma,
}

impl Encoding {
    fn of_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Zero,
            1 => Self::Stored,
            2 => Self::Ignored,
            0x8000_0004 => Self::Adc,
            0x8000_0005 => Self::Zlib,
            0x8000_0006 => Self::Bzip2,
            0x8000_0007 => Self::Lzfse,
            0x8000_0008 => Self::Lzma,
            _ => return None,
        })
    }

    /// The format that an image with such a chunk has.
    pub(super) fn image_kind(self) -> ImageKind {
        match self {
            Self::Zero | Self::Ignored | Self::Stored => ImageKind::Udro,
            Self::Adc => ImageKind::Udco,
            Self::Zlib => ImageKind::Udzo,
            Self::Bzip2 => ImageKind::Udbz,
            Self::Lzfse => ImageKind::Ulfo,
            Self::Lzma => ImageKind::Ulmo,
        }
    }

    /// Whether the file holds anything for it.
    pub(super) fn is_empty(self) -> bool {
        matches!(self, Self::Zero | Self::Ignored)
    }
}

/// A run of sectors that is stored in one piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    /// The first byte on the disk, and how many.
    pub(super) start: u64,
    pub(super) bytes: u64,
    /// Where it is in the file.
    pub(super) stored: ByteRange,
    pub(super) encoding: Encoding,
}

impl Chunk {
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes
    }

    /// What decoding it costs, measured in bytes of lzma: for many small chunks it is the setting up
    /// of a decoder, bzip2 takes many times as long, and zeros take next to nothing.
    pub(super) fn cost_bytes(&self) -> u64 {
        match self.encoding {
            Encoding::Zero | Encoding::Ignored => self.bytes / ZERO_DISCOUNT,
            Encoding::Stored => self.bytes,
            Encoding::Bzip2 => self.bytes.max(SET_UP_BYTES) * BZIP2_SLOWNESS,
            _ => self.bytes.max(SET_UP_BYTES),
        }
    }
}

/// The chunks of one partition.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) checksum: StoredChecksum,
    pub(super) chunks: Vec<Chunk>,
    /// The part of the disk that it describes.
    pub(super) start: u64,
    pub(super) bytes: u64,
}

impl Table {
    /// Reads the table with this number, counted from 1.
    pub(super) fn parse(
        bytes: &[u8],
        number: usize,
        trailer: &Trailer,
    ) -> Result<Self, ArtifactError> {
        let what = what(number);
        let error = |source| ArtifactError::from_read(&what, source);
        let fields = Fields(bytes);
        if fields.bytes(0, 4).map_err(error)? != MAGIC || fields.be32(4).map_err(error)? != VERSION
        {
            return Err(ArtifactError::malformed(what, "it does not start as block tables do"));
        }
        let (first, sectors) = (fields.be64(8).map_err(error)?, fields.be64(16).map_err(error)?);
        if first.checked_add(sectors).is_none_or(|end| end > trailer.sectors) {
            let reason = format!("it describes sectors after the disk's {}", trailer.sectors);
            return Err(ArtifactError::malformed(what, reason));
        }
        let reader = Reader {
            what: &what,
            fields,
            first,
            sectors,
            data_offset: fields.be64(24).map_err(error)?,
            data: trailer.data,
        };
        Ok(Self {
            checksum: StoredChecksum::read(fields, 64).map_err(error)?,
            chunks: reader.chunks()?,
            start: first * SECTOR_BYTES,
            bytes: sectors * SECTOR_BYTES,
        })
    }

    /// What errors call the table with this number.
    pub(super) fn what(number: usize) -> String {
        what(number)
    }
}

fn what(number: usize) -> String {
    format!("block table {number} in {}", resources::WHAT)
}

/// What the entries of a table are read with.
struct Reader<'a> {
    what: &'a str,
    fields: Fields<'a>,
    first: u64,
    sectors: u64,
    /// Counted from the start of the image's data; what entries say counts from here.
    data_offset: u64,
    data: ByteRange,
}

impl Reader<'_> {
    fn chunks(&self) -> Result<Vec<Chunk>, ArtifactError> {
        let error = |source| ArtifactError::from_read(self.what, source);
        let claimed = self.fields.be32(COUNT_AT).map_err(error)? as usize;
        let entries = self.fields.from(CHUNKS_AT).map_err(error)?.0;
        if claimed.checked_mul(ENTRY_BYTES) != Some(entries.len()) {
            let reason =
                format!("it claims {claimed} chunks, but holds {} bytes for them", entries.len());
            return Err(self.malformed(reason));
        }
        let mut chunks = Vec::with_capacity(claimed);
        let mut next = 0;
        for entry in entries.chunks_exact(ENTRY_BYTES).map(Fields) {
            let number = entry.be32(0).map_err(error)?;
            if number == COMMENT {
                continue;
            }
            if number == TERMINATOR {
                break;
            }
            let Some(encoding) = Encoding::of_number(number) else {
                return Err(self.malformed(format!("chunks of the kind {number:#x} are unknown")));
            };
            let (start, sectors) = (entry.be64(8).map_err(error)?, entry.be64(16).map_err(error)?);
            if start != next || sectors > self.sectors - next {
                let reason = format!("the chunk of sector {start} is not where it has to be");
                return Err(self.malformed(reason));
            }
            next += sectors;
            let stored = (entry.be64(24).map_err(error)?, entry.be64(32).map_err(error)?);
            chunks.push(self.chunk(encoding, start, sectors, stored)?);
        }
        if next != self.sectors {
            let reason = format!("it has chunks for {next} of its {} sectors", self.sectors);
            return Err(self.malformed(reason));
        }
        // Chunks without sectors would only be in the way of those that look for one.
        chunks.retain(|chunk| chunk.bytes > 0);
        Ok(chunks)
    }

    fn chunk(
        &self,
        encoding: Encoding,
        start: u64,
        sectors: u64,
        (offset, length): (u64, u64),
    ) -> Result<Chunk, ArtifactError> {
        let bytes = sectors * SECTOR_BYTES;
        let start = (self.first + start) * SECTOR_BYTES;
        if encoding.is_empty() {
            let stored = ByteRange { offset: 0, length: 0 };
            return Ok(Chunk { start, bytes, stored, encoding });
        }
        if encoding == Encoding::Stored && length != bytes {
            let reason = format!("{length} bytes are stored for {bytes} bytes of the disk");
            return Err(self.malformed(reason));
        }
        if encoding != Encoding::Stored && bytes > MAX_CHUNK_BYTES {
            return Err(ArtifactError::TooLarge {
                what: format!("a chunk of {}, in bytes,", self.what),
                found: bytes,
                limit: MAX_CHUNK_BYTES,
            });
        }
        if length > bytes + bytes / 8 + ENCODING_BYTES {
            let reason = format!("{length} bytes are stored for {bytes} bytes of the disk");
            return Err(self.malformed(reason));
        }
        let offset = self
            .data
            .offset
            .checked_add(self.data_offset)
            .and_then(|base| base.checked_add(offset))
            .filter(|offset| offset.checked_add(length).is_some_and(|end| end <= self.data.end()));
        let Some(offset) = offset else {
            return Err(self.malformed("a chunk lies after the end of the stored data"));
        };
        Ok(Chunk { start, bytes, stored: ByteRange { offset, length }, encoding })
    }

    fn malformed(&self, reason: impl Into<String>) -> ArtifactError {
        ArtifactError::malformed(self.what, reason)
    }
}

/// Puts the tables in the disk's order; no two may describe the same sector.
pub(super) fn in_order(tables: &mut Vec<Table>) -> Result<(), ArtifactError> {
    tables.retain(|table| table.bytes > 0);
    tables.sort_by_key(|table| table.start);
    for pair in tables.windows(2) {
        if let [one, next] = pair
            && one.start + one.bytes > next.start
        {
            let reason = format!("two tables describe the sector {}", next.start / SECTOR_BYTES);
            return Err(ArtifactError::malformed(resources::WHAT, reason));
        }
    }
    Ok(())
}

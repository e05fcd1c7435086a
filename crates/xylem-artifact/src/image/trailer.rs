//! The last 512 bytes of an image, which say where everything else is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::fields::{Fields, broken};
use super::resources::MAX_PLIST_BYTES;
use crate::error::ArtifactError;

/// Length of the trailer.
pub(super) const TRAILER_BYTES: u64 = 512;
/// The trailer's first bytes.
pub(super) const MAGIC: &[u8; 4] = b"koly";
/// Bytes of a sector, the unit of all block tables.
pub(super) const SECTOR_BYTES: u64 = 512;
/// Largest disk that an image may describe, in sectors: 16 TiB, more than any Mac's disk, and small
/// enough that sums cannot overflow.
pub(super) const MAX_SECTORS: u64 = (16 << 40) / SECTOR_BYTES;

/// The only version there has been.
const VERSION: u32 = 4;
const WHAT: &str = "the disk image's trailer";

/// Where the parts of an image are; every range has been compared with the file's length.
#[derive(Debug)]
pub(super) struct Trailer {
    pub(super) data: ByteRange,
    pub(super) plist: ByteRange,
    pub(super) signature: ByteRange,
    pub(super) data_checksum: StoredChecksum,
    pub(super) master_checksum: StoredChecksum,
    pub(super) sectors: u64,
}

/// A part of the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ByteRange {
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl ByteRange {
    /// Where it ends. Cannot overflow: a range is made only inside a file.
    pub(super) fn end(self) -> u64 {
        self.offset + self.length
    }

    /// The range, if the file holds it before its trailer.
    fn before_trailer(self, what: &str, body_bytes: u64) -> Result<Self, ArtifactError> {
        let end = self.offset.checked_add(self.length);
        match end {
            Some(end) if end <= body_bytes => Ok(self),
            _ => Err(ArtifactError::Truncated {
                what: format!("{what} and the trailer behind it"),
                needed_bytes: end.unwrap_or(u64::MAX).saturating_add(TRAILER_BYTES),
                file_bytes: body_bytes.saturating_add(TRAILER_BYTES),
            }),
        }
    }
}

/// A checksum as images store it: one of three algorithms known to occur, of which only CRC-32 is
/// written by Apple's tools.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StoredChecksum {
    Absent,
    Crc32(u32),
    /// An algorithm that is not known here.
    Unknown,
}

impl StoredChecksum {
    /// Bytes of the algorithm's number, the digest's length and the digest.
    pub(super) const BYTES: usize = 136;

    /// Reads the structure that starts at an offset.
    pub(super) fn read(fields: Fields<'_>, at: usize) -> io::Result<Self> {
        let (kind, bits) = (fields.be32(at)?, fields.be32(at + 4)?);
        match (kind, bits) {
            (0, 0) => Ok(Self::Absent),
            (2, 32) => Ok(Self::Crc32(fields.be32(at + 8)?)),
            (0 | 2, _) => Err(broken(format!("a checksum of the kind {kind} has {bits} bits"))),
            _ => Ok(Self::Unknown),
        }
    }
}

impl Trailer {
    /// Reads the last 512 bytes of a file that ends with a trailer.
    pub(super) fn read(file: &File, file_bytes: u64) -> Result<Self, ArtifactError> {
        let mut bytes = [0; TRAILER_BYTES as usize];
        let position = file_bytes.saturating_sub(TRAILER_BYTES);
        file.read_exact_at(&mut bytes, position)
            .map_err(|source| ArtifactError::from_read(WHAT, source))?;
        Self::parse(Fields(&bytes), position)
    }

    fn parse(fields: Fields<'_>, body_bytes: u64) -> Result<Self, ArtifactError> {
        let error = |source| ArtifactError::from_read(WHAT, source);
        let (version, size) = (fields.be32(4).map_err(error)?, fields.be32(8).map_err(error)?);
        if version != VERSION || u64::from(size) != TRAILER_BYTES {
            let reason = format!("its version is {version} and its length {size} bytes");
            return Err(ArtifactError::malformed(WHAT, reason));
        }
        let segments = fields.be32(0x3c).map_err(error)?;
        if segments > 1 {
            return Err(ArtifactError::SegmentedImage { segments });
        }
        let range = |what: &str, at| {
            let (offset, length) =
                (fields.be64(at).map_err(error)?, fields.be64(at + 8).map_err(error)?);
            ByteRange { offset, length }.before_trailer(what, body_bytes)
        };
        let trailer = Self {
            data: range("the compressed disk", 0x18)?,
            plist: range("the property list", 0xd8)?,
            signature: range("the code signature", 0x128)?,
            data_checksum: StoredChecksum::read(fields, 0x50).map_err(error)?,
            master_checksum: StoredChecksum::read(fields, 0x160).map_err(error)?,
            sectors: fields.be64(0x1ec).map_err(error)?,
        };
        trailer.within_limits()
    }

    fn within_limits(self) -> Result<Self, ArtifactError> {
        for (what, found, limit) in [
            ("the property list in bytes", self.plist.length, MAX_PLIST_BYTES),
            ("the disk in sectors", self.sectors, MAX_SECTORS),
        ] {
            if found > limit {
                return Err(ArtifactError::TooLarge { what: what.to_owned(), found, limit });
            }
        }
        if self.plist.length == 0 {
            let reason = "it names no property list, as images before Mac OS X 10.2 do";
            return Err(ArtifactError::malformed(WHAT, reason));
        }
        if self.sectors == 0 {
            return Err(ArtifactError::malformed(WHAT, "it describes a disk without sectors"));
        }
        Ok(self)
    }
}

//! The fixed header at the start of a xar archive.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::MAX_TABLE_BYTES;
use crate::digest::ChecksumStyle;
use crate::error::ArtifactError;

/// The first four bytes.
pub const MAGIC: &[u8; 4] = b"xar!";
/// The header's fixed part, in bytes; also the size of every header that Apple's tools write.
pub const HEADER_BYTES: u16 = 28;
/// The largest header accepted; the excess holds at most the name of a checksum algorithm.
const MAX_HEADER_BYTES: u16 = 256;
/// The only format version there is.
const VERSION: u16 = 1;

/// Which checksum the header announces for the table of contents.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeaderChecksum {
    /// The table of contents carries none.
    None,
    /// One of the four known ones.
    Style(ChecksumStyle),
}

/// The header, checked against the file's length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) header_bytes: u64,
    pub(super) table_compressed_bytes: u64,
    pub(super) table_bytes: u64,
    pub(super) checksum: HeaderChecksum,
}

impl Header {
    pub(super) fn read(file: &File, file_bytes: u64) -> Result<Self, ArtifactError> {
        let mut bytes = [0; HEADER_BYTES as usize];
        if file_bytes < bytes.len() as u64 {
            return Err(ArtifactError::Truncated {
                what: "the xar header".to_owned(),
                needed_bytes: bytes.len() as u64,
                file_bytes,
            });
        }
        file.read_exact_at(&mut bytes, 0)
            .map_err(|source| ArtifactError::from_read("the xar header", source))?;
        let mut fields = Fields(&bytes);
        let (_magic, size, version) = (fields.u32(), fields.u16(), fields.u16());
        let (table_compressed_bytes, table_bytes) = (fields.u64(), fields.u64());
        let algorithm = fields.u32();

        check_size_and_version(size, version)?;
        check_table_bytes(table_compressed_bytes, table_bytes)?;
        let header = Self {
            header_bytes: u64::from(size),
            table_compressed_bytes,
            table_bytes,
            checksum: checksum(algorithm, &algorithm_name(file, size, file_bytes)?)?,
        };
        if header.heap_start() > file_bytes {
            return Err(ArtifactError::Truncated {
                what: "the table of contents".to_owned(),
                needed_bytes: header.heap_start(),
                file_bytes,
            });
        }
        Ok(header)
    }

    /// Where the heap begins. Cannot overflow: both summands are bounded.
    pub(super) fn heap_start(&self) -> u64 {
        self.header_bytes + self.table_compressed_bytes
    }
}

fn check_size_and_version(size: u16, version: u16) -> Result<(), ArtifactError> {
    if !(HEADER_BYTES..=MAX_HEADER_BYTES).contains(&size) {
        return Err(ArtifactError::malformed(
            "the xar header",
            format!("it claims to be {size} bytes long instead of {HEADER_BYTES}"),
        ));
    }
    if version != VERSION {
        return Err(ArtifactError::malformed(
            "the xar header",
            format!("its version is {version}; only {VERSION} exists"),
        ));
    }
    Ok(())
}

fn check_table_bytes(compressed: u64, expanded: u64) -> Result<(), ArtifactError> {
    for (what, found) in [
        ("the compressed table of contents in bytes", compressed),
        ("the expanded table of contents in bytes", expanded),
    ] {
        if found > MAX_TABLE_BYTES {
            let what = what.to_owned();
            return Err(ArtifactError::TooLarge { what, found, limit: MAX_TABLE_BYTES });
        }
    }
    if compressed == 0 || expanded == 0 {
        return Err(ArtifactError::malformed("the table of contents", "it has no content"));
    }
    Ok(())
}

/// The algorithm's name that follows the fixed part of a larger header, ended by a zero byte.
fn algorithm_name(file: &File, size: u16, file_bytes: u64) -> Result<String, ArtifactError> {
    if file_bytes < u64::from(size) {
        return Err(ArtifactError::Truncated {
            what: "the xar header".to_owned(),
            needed_bytes: u64::from(size),
            file_bytes,
        });
    }
    let mut name = vec![0; usize::from(size - HEADER_BYTES)];
    file.read_exact_at(&mut name, u64::from(HEADER_BYTES))
        .map_err(|source| ArtifactError::from_read("the xar header", source))?;
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// Apple's numbering; the other fork of xar uses 3 for "named after the header".
fn checksum(algorithm: u32, name: &str) -> Result<HeaderChecksum, ArtifactError> {
    let style = match algorithm {
        0 => return Ok(HeaderChecksum::None),
        1 => Some(ChecksumStyle::Sha1),
        2 => Some(ChecksumStyle::Md5),
        3 if name.is_empty() => Some(ChecksumStyle::Sha256),
        3 => ChecksumStyle::parse(name),
        4 => Some(ChecksumStyle::Sha512),
        _ => None,
    };
    style.map(HeaderChecksum::Style).ok_or_else(|| {
        ArtifactError::malformed(
            "the xar header",
            format!("its checksum algorithm ({algorithm} {name:?}) is unknown"),
        )
    })
}

/// Big-endian fields, read one after the other from an array that holds them all.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; N],
        }
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }
}

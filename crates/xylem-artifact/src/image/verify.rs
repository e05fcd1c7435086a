//! Compares an image with its checksums.
//!
//! Three kinds cover each other. One covers the stored bytes, one for each block table covers what
//! its chunks expand to, and the master checksum covers those of the tables. Apple's tools leave the
//! first out when an image is made to be written to once.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use crc32fast::Hasher;

use super::chunk;
use super::facts::ImageVerified;
use super::table::{Chunk, Encoding, Table};
use super::trailer::{ByteRange, StoredChecksum, Trailer};
use crate::error::ArtifactError;
use crate::xar::Section;

/// Most bytes expanded to compare tables with their checksums, where bzip2 counts more and zeros
/// count less: five seconds on a slow machine. What is beyond has been compared in its stored form, where the image has a checksum of
/// that.
pub const MAX_EXPANDED_BYTES: u64 = 256 << 20;
/// Bytes hashed at once.
const BUFFER_BYTES: usize = 256 << 10;
/// How errors call the algorithm.
const STYLE: &str = "CRC-32";

/// Compares everything that there is a checksum for, as far as the budget goes. The tables are in
/// the order of the property list, which is what the master checksum goes by.
pub(super) fn verify(
    file: &Arc<File>,
    trailer: &Trailer,
    tables: &[Table],
) -> Result<ImageVerified, ArtifactError> {
    let mut buffer = vec![0; BUFFER_BYTES];
    verify_master(trailer, tables)?;
    let mut verified = ImageVerified {
        stored: verify_stored(file, trailer, &mut buffer)?,
        ..ImageVerified::default()
    };
    let mut budget_bytes = MAX_EXPANDED_BYTES;
    for (index, table) in tables.iter().enumerate() {
        let StoredChecksum::Crc32(expected) = table.checksum else {
            verified.tables_without_checksum += 1;
            continue;
        };
        match budget_bytes.checked_sub(table.chunks.iter().map(Chunk::cost_bytes).sum()) {
            None => verified.tables_not_expanded += 1,
            Some(left) => {
                budget_bytes = left;
                verify_table(file, table, index + 1, expected, &mut buffer)?;
                verified.tables += 1;
            }
        }
    }
    Ok(verified)
}

/// The CRC-32 of all tables' checksums, one after the other.
fn verify_master(trailer: &Trailer, tables: &[Table]) -> Result<(), ArtifactError> {
    let StoredChecksum::Crc32(expected) = trailer.master_checksum else { return Ok(()) };
    let mut hasher = Hasher::new();
    for table in tables {
        if let StoredChecksum::Crc32(checksum) = table.checksum {
            hasher.update(&checksum.to_be_bytes());
        }
    }
    compare("the list of block tables", expected, &[hasher])
}

fn verify_stored(
    file: &Arc<File>,
    trailer: &Trailer,
    buffer: &mut [u8],
) -> Result<bool, ArtifactError> {
    let StoredChecksum::Crc32(expected) = trailer.data_checksum else { return Ok(false) };
    let what = "the compressed disk";
    let mut hasher = Hasher::new();
    pump(file, trailer.data, buffer, |bytes| hasher.update(bytes))
        .map_err(|source| ArtifactError::from_read(what, source))?;
    compare(what, expected, &[hasher])?;
    Ok(true)
}

/// Apple's tools leave ignored sectors out of the checksum, others take them for zeros.
fn verify_table(
    file: &Arc<File>,
    table: &Table,
    number: usize,
    expected: u32,
    buffer: &mut [u8],
) -> Result<(), ArtifactError> {
    let what = format!("what {} expands to", Table::what(number));
    let error = |source| ArtifactError::from_read(&what, source);
    let (mut without, mut with) = (Hasher::new(), Hasher::new());
    for chunk in &table.chunks {
        match chunk.encoding {
            Encoding::Ignored => update_zeros(&mut with, chunk.bytes, buffer),
            Encoding::Zero => {
                update_zeros(&mut with, chunk.bytes, buffer);
                update_zeros(&mut without, chunk.bytes, buffer);
            }
            Encoding::Stored => pump(file, chunk.stored, buffer, |bytes| {
                with.update(bytes);
                without.update(bytes);
            })
            .map_err(error)?,
            _ => {
                let bytes = chunk::decode(file, chunk).map_err(error)?;
                with.update(&bytes);
                without.update(&bytes);
            }
        }
    }
    compare(&what, expected, &[without, with])
}

fn update_zeros(hasher: &mut Hasher, bytes: u64, buffer: &mut [u8]) {
    buffer.fill(0);
    let mut left = bytes;
    while left > 0 {
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        hasher.update(buffer.get(..len).unwrap_or_default());
        left -= len as u64;
    }
}

fn compare(what: &str, expected: u32, hashers: &[Hasher]) -> Result<(), ArtifactError> {
    if hashers.iter().any(|hasher| hasher.clone().finalize() == expected) {
        return Ok(());
    }
    Err(ArtifactError::ChecksumMismatch { what: what.to_owned(), style: STYLE })
}

/// Reads a part of the file to its end and hands on every piece.
fn pump(
    file: &Arc<File>,
    range: ByteRange,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut section = Section::new(Arc::clone(file), range.offset, range.length);
    loop {
        match section.read(buffer)? {
            0 => return Ok(()),
            read => take(buffer.get(..read).unwrap_or_default()),
        }
    }
}

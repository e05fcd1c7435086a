//! Compares every byte that the table of contents speaks of with its checksums.
//!
//! The heap is read once, in order. Entries may share a range (xar can store equal files once), but
//! ranges may not overlap in part: that has no honest use, and it would let a small file demand
//! unbounded work.

use std::io::Read;

use super::XarArchive;
use super::entry::{Encoding, Entry, HeapData};
use super::table::Table;
use crate::digest::{Checksum, Hasher};
use crate::error::ArtifactError;

/// Most bytes decoded to compare `extracted` checksums, summed over the archive: half a second of
/// zlib, and fewer of what is slower to decode. Packages compress only their small documents this
/// way; what is beyond has been verified in its encoded form.
pub const MAX_DECODED_BYTES: u64 = 64 << 20;
/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// What [`XarArchive::verify_all`] has verified.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Verified {
    /// Encoded bytes that match an archived checksum.
    pub archived_bytes: u64,
    /// Decoded bytes that match an extracted checksum.
    pub decoded_bytes: u64,
    /// Entries without any checksum, whose bytes therefore nothing vouches for.
    pub unprotected_entries: usize,
    /// Compressed entries verified in their encoded form alone, as decoding them would have
    /// exceeded [`MAX_DECODED_BYTES`].
    pub not_decoded_entries: usize,
    /// What decoding has taken of [`MAX_DECODED_BYTES`].
    decoding_cost: u64,
}

/// A range of the heap and whose it is; an extended attribute's has no entry.
#[derive(Clone, Copy)]
struct Claim<'a> {
    table: &'a Table,
    entry: Option<&'a Entry>,
    data: &'a HeapData,
}

impl Claim<'_> {
    /// What errors call it. Built only then: the paths of a whole table can be far larger than the
    /// table.
    fn what(&self) -> String {
        match self.entry {
            Some(entry) => format!("{:?} in the package", self.table.path(entry)),
            None => "an extended attribute in the package".to_owned(),
        }
    }

    fn mismatch(&self, checksum: &Checksum) -> ArtifactError {
        ArtifactError::ChecksumMismatch { what: self.what(), style: checksum.style().as_str() }
    }
}

pub(super) fn verify_all(archive: &XarArchive) -> Result<Verified, ArtifactError> {
    let claims = claims(archive)?;
    let mut verified = Verified::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    for sharing in claims.chunk_by(|a, b| range(a.data) == range(b.data)) {
        verify_archived(archive, sharing, &mut buffer, &mut verified)?;
        for claim in sharing {
            verify_extracted(archive, claim, &mut buffer, &mut verified)?;
        }
    }
    Ok(verified)
}

/// Compares one entry with its checksums.
pub(super) fn verify_entry(archive: &XarArchive, entry: &Entry) -> Result<(), ArtifactError> {
    let Some(data) = entry.data() else { return Ok(()) };
    let claim = Claim { table: archive.table(), entry: Some(entry), data };
    let (mut buffer, mut verified) = (vec![0; BUFFER_BYTES], Verified::default());
    verify_archived(archive, &[claim], &mut buffer, &mut verified)?;
    verify_extracted(archive, &claim, &mut buffer, &mut verified)
}

fn range(data: &HeapData) -> (u64, u64) {
    (data.offset, data.length)
}

/// All ranges in heap order, none overlapping another in part, nor a signature or the checksum.
fn claims(archive: &XarArchive) -> Result<Vec<Claim<'_>>, ArtifactError> {
    let table = archive.table();
    let files = table.entries.iter().filter_map(|entry| {
        entry.data.as_ref().map(|data| Claim { table, entry: Some(entry), data })
    });
    let attributes = table.attributes.iter().map(|data| Claim { table, entry: None, data });
    let mut claims: Vec<Claim<'_>> = files.chain(attributes).collect();
    claims.sort_by_key(|claim| range(claim.data));

    let mut taken: Vec<(u64, u64)> = claims.iter().map(|claim| range(claim.data)).collect();
    taken.dedup();
    taken.extend(table.signatures.iter().map(|signature| (signature.offset, signature.size)));
    taken.extend(table.checksum.iter().map(|checksum| (checksum.offset, checksum.size)));
    taken.retain(|(_, length)| *length > 0);
    taken.sort_unstable();
    for pair in taken.windows(2) {
        if let [(offset, length), (next, _)] = pair
            && offset.saturating_add(*length) > *next
        {
            let reason = format!("two of its files overlap at byte {next} of the heap");
            return Err(ArtifactError::malformed("the table of contents", reason));
        }
    }
    Ok(claims)
}

/// One pass over a range computes every checksum that its encoded bytes are to match.
fn verify_archived(
    archive: &XarArchive,
    sharing: &[Claim<'_>],
    buffer: &mut [u8],
    verified: &mut Verified,
) -> Result<(), ArtifactError> {
    let Some(first) = sharing.first() else { return Ok(()) };
    let mut expected: Vec<(&Checksum, Claim<'_>)> = Vec::new();
    for claim in sharing {
        // The decoded bytes of a stored file are its encoded ones.
        let stored = claim.data.encoding == Encoding::Stored;
        let extracted = claim.data.extracted.as_ref().filter(|_| stored);
        for checksum in claim.data.archived.iter().chain(extracted) {
            match expected.iter().find(|(known, _)| known.style() == checksum.style()) {
                None => expected.push((checksum, *claim)),
                Some((known, _)) if *known != checksum => return Err(claim.mismatch(checksum)),
                Some(_) => {}
            }
        }
    }
    if expected.is_empty() {
        return Ok(());
    }
    let mut hashers: Vec<Hasher> =
        expected.iter().map(|(checksum, _)| Hasher::new(checksum.style())).collect();
    let section = archive.section(first.data);
    pump(section, first, buffer, |bytes| {
        hashers.iter_mut().for_each(|hasher| hasher.update(bytes));
    })?;
    for (hasher, (checksum, claim)) in hashers.into_iter().zip(expected) {
        if hasher.finish() != *checksum {
            return Err(claim.mismatch(checksum));
        }
    }
    verified.archived_bytes += first.data.length;
    Ok(())
}

/// Decodes an entry that is compressed, as far as the budget goes.
fn verify_extracted(
    archive: &XarArchive,
    claim: &Claim<'_>,
    buffer: &mut [u8],
    verified: &mut Verified,
) -> Result<(), ArtifactError> {
    let data = claim.data;
    if data.archived.is_none() && data.extracted.is_none() {
        verified.unprotected_entries += 1;
    }
    if data.encoding == Encoding::Stored {
        return Ok(());
    }
    let cost = data.size.saturating_mul(cost_factor(data.encoding));
    if cost > MAX_DECODED_BYTES.saturating_sub(verified.decoding_cost) {
        if data.archived.is_none() {
            return Err(ArtifactError::TooLarge {
                what: format!("the size of {}, which has no archived checksum,", claim.what()),
                found: data.size,
                limit: MAX_DECODED_BYTES,
            });
        }
        verified.not_decoded_entries += 1;
        return Ok(());
    }
    let reader = super::EntryReader::new(archive.section(data), data)
        .map_err(|source| ArtifactError::from_read(claim.what(), source))?;
    let mut hasher = data.extracted.as_ref().map(|checksum| Hasher::new(checksum.style()));
    pump(reader, claim, buffer, |bytes| {
        if let Some(hasher) = hasher.as_mut() {
            hasher.update(bytes);
        }
    })?;
    if let (Some(hasher), Some(checksum)) = (hasher, &data.extracted)
        && hasher.finish() != *checksum
    {
        return Err(claim.mismatch(checksum));
    }
    verified.decoded_bytes += data.size;
    verified.decoding_cost += cost;
    Ok(())
}

/// How many times longer than zlib an encoding takes, as measured.
fn cost_factor(encoding: Encoding) -> u64 {
    match encoding {
        Encoding::Stored | Encoding::Zlib => 1,
        Encoding::Xz => 3,
        Encoding::Bzip2 => 12,
    }
}

/// Reads to the end and hands on every piece.
fn pump(
    mut source: impl Read,
    claim: &Claim<'_>,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8]),
) -> Result<(), ArtifactError> {
    loop {
        match source.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => take(buffer.get(..read).unwrap_or_default()),
            Err(source) => return Err(ArtifactError::from_read(claim.what(), source)),
        }
    }
}

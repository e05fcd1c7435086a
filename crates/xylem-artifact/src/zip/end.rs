//! The end of a zip archive, which says where its directory is.

use std::cmp::Ordering;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::fields::Fields;
use crate::error::ArtifactError;

const WHAT: &str = "the end of the zip archive";
const SIGNATURE: &[u8] = b"PK\x05\x06";
const SIGNATURE_64: &[u8] = b"PK\x06\x06";
const LOCATOR_SIGNATURE: &[u8] = b"PK\x06\x07";
/// Length of the record without its comment.
const RECORD_BYTES: u64 = 22;
/// Longest comment behind it, by its 16-bit length.
const MAX_COMMENT_BYTES: u64 = 65_535;
const LOCATOR_BYTES: u64 = 20;
/// Length of the fixed part of the 64-bit record.
const RECORD_64_BYTES: u64 = 56;

/// Where the directory is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct End {
    /// Number of members, or its low 16 bits.
    pub(super) members: u64,
    /// Whether the numbers have 64 bits. macOS writes archives beyond 4 GiB, and those of more
    /// than 65,535 files, with numbers that are simply cut off.
    pub(super) wide: bool,
    pub(super) directory_start: u64,
    pub(super) directory_bytes: u64,
}

/// The numbers of one of the two records.
struct Claim {
    members: u64,
    directory_bytes: u64,
    directory_start: u64,
}

impl End {
    pub(super) fn read(file: &File, file_bytes: u64) -> Result<Self, ArtifactError> {
        let tail_bytes = file_bytes.min(RECORD_BYTES + MAX_COMMENT_BYTES);
        let tail_start = file_bytes - tail_bytes;
        let tail = bytes_at(file, tail_start, tail_bytes)?;
        let position = tail_start + find(&tail)?;
        let record = bytes_at(file, position, RECORD_BYTES)?;
        let narrow = narrow(&record).ok_or_else(|| several_volumes(WHAT))?;
        let locator_at = position.checked_sub(LOCATOR_BYTES);
        let (claim, wide, directory_end) = match locator_at {
            Some(at) => match read_wide(file, at)? {
                Some((claim, start)) => {
                    agree(&narrow, &claim)?;
                    (claim, true, start)
                }
                None => (narrow, false, position),
            },
            None => (narrow, false, position),
        };
        place(&claim, wide, directory_end)
    }
}

/// The record's position in the tail: the one whose comment reaches the end of the file.
fn find(tail: &[u8]) -> Result<u64, ArtifactError> {
    let missing = ArtifactError::EndMissing { what: "the directory of the zip archive" };
    let mut ends = Vec::new();
    let mut behind = false;
    let starts = tail.windows(SIGNATURE.len()).enumerate();
    for (at, _) in starts.filter(|(_, bytes)| *bytes == SIGNATURE) {
        let mut fields = Fields::new(tail.get(at..).unwrap_or_default());
        let comment_bytes = fields.take(20).and_then(|_| fields.u16()).map(usize::from);
        match comment_bytes.map(|bytes| bytes.cmp(&fields.left())) {
            Some(Ordering::Equal) => ends.push(at),
            Some(Ordering::Less) => behind = true,
            // What is announced is not there: the file is cut short.
            Some(Ordering::Greater) | None => {}
        }
    }
    match ends.as_slice() {
        [at] => Ok(*at as u64),
        [] if behind => Err(ArtifactError::malformed(WHAT, "it is not where the file ends")),
        [] => Err(missing),
        _ => Err(ArtifactError::malformed(WHAT, "it is there twice")),
    }
}

/// Reads the record; `None` when it speaks of several volumes.
fn narrow(record: &[u8]) -> Option<Claim> {
    let mut fields = Fields::new(record);
    fields.take(4)?;
    let (volume, directory_volume) = (fields.u16()?, fields.u16()?);
    let (members_here, members) = (fields.u16()?, fields.u16()?);
    let one_volume = volume == directory_volume && matches!(volume, 0 | u16::MAX);
    (one_volume && members_here == members).then_some(Claim {
        members: members.into(),
        directory_bytes: fields.u32()?.into(),
        directory_start: fields.u32()?.into(),
    })
}

/// The 64-bit record and where it starts, if the locator before the end leads to one.
fn read_wide(file: &File, locator_at: u64) -> Result<Option<(Claim, u64)>, ArtifactError> {
    let locator = bytes_at(file, locator_at, LOCATOR_BYTES)?;
    let mut fields = Fields::new(&locator);
    if fields.take(4) != Some(LOCATOR_SIGNATURE) {
        return Ok(None);
    }
    let (volume, start, volumes) = (fields.u32(), fields.u64(), fields.u32());
    if volume != Some(0) || volumes != Some(1) {
        return Err(several_volumes(WHAT));
    }
    let start = start.filter(|start| {
        start.checked_add(RECORD_64_BYTES).is_some_and(|record_end| record_end <= locator_at)
    });
    let start = start.ok_or_else(|| misplaced("the 64-bit record"))?;
    let record = bytes_at(file, start, RECORD_64_BYTES)?;
    let mut fields = Fields::new(&record);
    if fields.take(4) != Some(SIGNATURE_64) {
        return Err(misplaced("the 64-bit record"));
    }
    let record_end = fields.u64().and_then(|length| start.checked_add(12)?.checked_add(length));
    if record_end != Some(locator_at) {
        return Err(misplaced("the 64-bit record"));
    }
    let claim = wide(&mut fields).ok_or_else(|| several_volumes(WHAT))?;
    Ok(Some((claim, start)))
}

fn wide(fields: &mut Fields<'_>) -> Option<Claim> {
    fields.take(4)?;
    let (volume, directory_volume) = (fields.u32()?, fields.u32()?);
    let (members_here, members) = (fields.u64()?, fields.u64()?);
    (volume == 0 && directory_volume == 0 && members_here == members).then_some(Claim {
        members,
        directory_bytes: fields.u64()?,
        directory_start: fields.u64()?,
    })
}

/// Each number of the short record is that of the long one, or says to look there.
fn agree(narrow: &Claim, wide: &Claim) -> Result<(), ArtifactError> {
    for (short, long, elsewhere) in [
        (narrow.members, wide.members, u64::from(u16::MAX)),
        (narrow.directory_bytes, wide.directory_bytes, u64::from(u32::MAX)),
        (narrow.directory_start, wide.directory_start, u64::from(u32::MAX)),
    ] {
        if short != long && short != elsewhere {
            return Err(ArtifactError::malformed(WHAT, "its two records contradict each other"));
        }
    }
    Ok(())
}

/// The directory ends where its end begins; the claim has to say the same.
fn place(claim: &Claim, wide: bool, directory_end: u64) -> Result<End, ArtifactError> {
    let directory_start = directory_end
        .checked_sub(claim.directory_bytes)
        .ok_or_else(|| misplaced("the directory"))?;
    let same = claim.directory_start == directory_start
        || (!wide && claim.directory_start == directory_start & u64::from(u32::MAX));
    if !same {
        return Err(misplaced("the directory"));
    }
    Ok(End {
        members: claim.members,
        wide,
        directory_start,
        directory_bytes: claim.directory_bytes,
    })
}

pub(super) fn several_volumes(what: &str) -> ArtifactError {
    ArtifactError::malformed(what, "it belongs to an archive in several volumes")
}

fn misplaced(part: &str) -> ArtifactError {
    let reason =
        format!("{part} is not where it says; bytes may have been put before or into the archive");
    ArtifactError::malformed(WHAT, reason)
}

pub(super) fn bytes_at(file: &File, position: u64, length: u64) -> Result<Vec<u8>, ArtifactError> {
    // Whoever calls has bounded the length by a constant and by the file.
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut bytes, position)
        .map_err(|source| ArtifactError::from_read("the zip archive", source))?;
    Ok(bytes)
}

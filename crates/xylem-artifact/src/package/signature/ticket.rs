//! The ticket of a notarised package, stapled to the end of the file.
//!
//! What it says can be read by Apple alone, so only its presence is a fact.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::ArtifactError;

/// Length of the trailer that ends a file with a stapled ticket.
const TICKET_TRAILER_BYTES: usize = 16;
/// First bytes of that trailer.
const TICKET_MAGIC: &[u8; 4] = b"t8lr";
/// The trailer's type for "a ticket lies before me".
const TICKET_TYPE: u16 = 2;

/// Whether the file ends in a ticket: a little-endian trailer of magic, version, type and length,
/// and a ticket of that length before it.
pub(in crate::package) fn ticket_present(
    file: &File,
    file_bytes: u64,
) -> Result<bool, ArtifactError> {
    let Some(position) = file_bytes.checked_sub(TICKET_TRAILER_BYTES as u64) else {
        return Ok(false);
    };
    let mut trailer = [0; TICKET_TRAILER_BYTES];
    file.read_exact_at(&mut trailer, position)
        .map_err(|source| ArtifactError::from_read("the end of the file", source))?;
    let [a, b, c, d, _, _, type_low, type_high, l0, l1, l2, l3, ..] = trailer;
    let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
    Ok(&[a, b, c, d] == TICKET_MAGIC
        && u16::from_le_bytes([type_low, type_high]) == TICKET_TYPE
        && length > 0
        && length <= position)
}

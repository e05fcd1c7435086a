//! The header before each member's data, and the descriptor behind it: both have to say what the
//! directory says, since some readers believe the one and some the other.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::directory::{Entry, wide_extra};
use super::end::bytes_at;
use super::fields::Fields;
use crate::error::ArtifactError;

const SIGNATURE: &[u8] = b"PK\x03\x04";
const DESCRIPTOR_SIGNATURE: &[u8] = b"PK\x07\x08";
const HEADER_BYTES: u64 = 30;
/// Length of the longest descriptor: signature, CRC, two lengths of 64 bits.
const MAX_DESCRIPTOR_BYTES: u64 = 24;
/// CRC and lengths follow behind the data.
const DESCRIPTOR_FLAG: u16 = 1 << 3;
/// Flags that change how a member is read: encrypted, descriptor, patch, strongly encrypted, UTF-8,
/// masked header. The others tell how hard the compressor tried, and tools set them in one place.
const FLAGS: u16 = 1 | DESCRIPTOR_FLAG | 1 << 5 | 1 << 6 | 1 << 11 | 1 << 13;

/// Where a member lies.
pub(super) struct Place {
    pub(super) data_start: u64,
    pub(super) end: u64,
}

/// Compares a member's own header, and its descriptor, with its entry in the directory.
pub(super) fn check(
    file: &File,
    directory_start: u64,
    entry: &Entry<'_>,
    what: &dyn Fn() -> String,
) -> Result<Place, ArtifactError> {
    let outside = || ArtifactError::malformed(what(), "it is not where the directory says");
    let names_start = entry.header_start.checked_add(HEADER_BYTES).ok_or_else(outside)?;
    if names_start > directory_start {
        return Err(outside());
    }
    let header = bytes_at(file, entry.header_start, HEADER_BYTES)?;
    let (name_bytes, extra_bytes) = lengths(&header).ok_or_else(outside)?;
    let data_start = names_start + name_bytes + extra_bytes;
    let data_end = data_start.checked_add(entry.packed_bytes).ok_or_else(outside)?;
    if data_end > directory_start {
        return Err(outside());
    }
    let names = bytes_at(file, names_start, name_bytes + extra_bytes)?;
    let agreement = compare(&header, &names, entry).unwrap_or(Agreement::None);
    if agreement == Agreement::None {
        let reason = "its header and the directory contradict each other";
        return Err(ArtifactError::malformed(what(), reason));
    }
    let descriptor_bytes = if entry.flags & DESCRIPTOR_FLAG == 0 {
        0
    } else {
        match descriptor_bytes(file, data_end, directory_start, entry)? {
            Some(length) => length,
            // macOS has announced descriptors, left them out and told everything in the header.
            None if agreement == Agreement::Full => 0,
            None => {
                let reason = "the record behind it contradicts the directory";
                return Err(ArtifactError::malformed(what(), reason));
            }
        }
    };
    Ok(Place { data_start, end: data_end + descriptor_bytes })
}

/// How far a header says what the directory says.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Agreement {
    Full,
    /// CRC or lengths are left to the descriptor.
    Partial,
    None,
}

/// The lengths of name and extra fields.
fn lengths(header: &[u8]) -> Option<(u64, u64)> {
    let mut fields = Fields::new(header);
    fields.take(4).filter(|signature| *signature == SIGNATURE)?;
    fields.take(22)?;
    Some((fields.u16()?.into(), fields.u16()?.into()))
}

fn compare(header: &[u8], names: &[u8], entry: &Entry<'_>) -> Option<Agreement> {
    let (name, extra) = names.split_at_checked(entry.name.len())?;
    let mut fields = Fields::new(header);
    fields.take(6)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.take(4)?;
    let crc = fields.u32()?;
    let (packed_bytes, size) = (fields.u32()?, fields.u32()?);
    let exact_name = usize::from(fields.u16()?) == entry.name.len() && name == entry.name;
    if !exact_name || (flags ^ entry.flags) & FLAGS != 0 || method != entry.method {
        return Some(Agreement::None);
    }
    let mut wide = Fields::new(wide_extra(extra));
    let mut widen = |short: u32| match short {
        u32::MAX if wide.left() > 0 => wide.u64(),
        short => Some(short.into()),
    };
    let (size, packed_bytes) = (widen(size)?, widen(packed_bytes)?);
    let numbers = [
        (u64::from(crc), u64::from(entry.crc)),
        (packed_bytes, entry.packed_bytes),
        (size, entry.size),
    ];
    let later = flags & DESCRIPTOR_FLAG != 0;
    Some(if numbers.iter().all(|(here, there)| here == there) {
        Agreement::Full
    } else if later && numbers.iter().all(|(here, there)| here == there || *here == 0) {
        Agreement::Partial
    } else {
        Agreement::None
    })
}

/// The length of the descriptor at `position`; `None` when it says something else than the entry.
/// Its lengths have 32 or 64 bits, and its signature may be absent: nothing says which.
fn descriptor_bytes(
    file: &File,
    position: u64,
    directory_start: u64,
    entry: &Entry<'_>,
) -> Result<Option<u64>, ArtifactError> {
    let available = (directory_start - position).min(MAX_DESCRIPTOR_BYTES);
    let mut bytes = [0; MAX_DESCRIPTOR_BYTES as usize];
    let bytes = bytes.get_mut(..usize::try_from(available).unwrap_or_default());
    let bytes = bytes.unwrap_or_default();
    file.read_exact_at(bytes, position)
        .map_err(|source| ArtifactError::from_read("the zip archive", source))?;
    let narrow = u32::try_from(entry.packed_bytes).ok().zip(u32::try_from(entry.size).ok());
    let crc = entry.crc.to_le_bytes();
    let mut forms = Vec::new();
    for signature in [DESCRIPTOR_SIGNATURE, &[]] {
        let lengths = [entry.packed_bytes.to_le_bytes(), entry.size.to_le_bytes()].concat();
        forms.push([signature, &crc, &lengths].concat());
        if let Some((packed, size)) = narrow {
            let lengths = [packed.to_le_bytes(), size.to_le_bytes()].concat();
            forms.push([signature, &crc, &lengths].concat());
        }
    }
    let fitting = forms.iter().find(|form| bytes.starts_with(form));
    Ok(fitting.map(|form| form.len() as u64))
}

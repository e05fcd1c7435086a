//! The directory of a zip archive: what each member is, and where.

use std::fs::File;

use super::end::{End, bytes_at, several_volumes};
use super::fields::Fields;
use super::local;
use super::member::{Member, MemberKind, Method};
use super::name;
use super::{MAX_EXPANDED_BYTES, MAX_MEMBERS};
use crate::error::ArtifactError;

const WHAT: &str = "the directory of the zip archive";
const SIGNATURE: &[u8] = b"PK\x01\x02";
/// Largest directory, in bytes: a generous third of a kilobyte for each member.
const MAX_DIRECTORY_BYTES: u64 = 32 << 20;
/// Flags that say that a member, or its name, is encrypted.
const ENCRYPTED_FLAGS: u16 = 1 | 1 << 6 | 1 << 13;
/// Systems whose attributes hold the mode of a Unix file: Unix and macOS.
const UNIX_SYSTEMS: [u8; 2] = [3, 19];

/// An entry of the directory, as far as the member's own header has to agree with it.
pub(super) struct Entry<'a> {
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed_bytes: u64,
    pub(super) size: u64,
    pub(super) name: &'a [u8],
    pub(super) header_start: u64,
    system: u8,
    volume: u32,
    attributes: u32,
}

/// Reads the directory and the header of every member that it lists.
pub(super) fn read(file: &File, end: &End) -> Result<Vec<Member>, ArtifactError> {
    if end.directory_bytes > MAX_DIRECTORY_BYTES {
        return Err(too_large("the directory of the zip archive, in bytes,", end.directory_bytes));
    }
    let bytes = bytes_at(file, end.directory_start, end.directory_bytes)?;
    let mut fields = Fields::new(&bytes);
    let mut members: Vec<Member> = Vec::new();
    while fields.left() > 0 {
        if members.len() == MAX_MEMBERS {
            return Err(ArtifactError::TooLarge {
                what: "the number of files in the zip archive".to_owned(),
                found: members.len() as u64 + 1,
                limit: MAX_MEMBERS as u64,
            });
        }
        let mut entry = Entry::read(&mut fields)
            .ok_or_else(|| ArtifactError::malformed(WHAT, "it is not a list of entries"))?;
        if !end.wide {
            let after = members.last().map_or(0, |member| member.end);
            entry.header_start = widened(entry.header_start, after);
        }
        members.push(member(file, end, &entry)?);
    }
    let listed = members.len() as u64;
    let agrees =
        if end.wide { listed == end.members } else { listed & u64::from(u16::MAX) == end.members };
    if agrees {
        Ok(members)
    } else {
        let reason = format!("it lists {listed} files, but ought to list {}", end.members);
        Err(ArtifactError::malformed(WHAT, reason))
    }
}

/// A position of which only the low 32 bits are known, in an archive beyond 4 GiB. Whoever writes
/// such archives writes the members in order.
fn widened(low: u64, after: u64) -> u64 {
    let high = after & !u64::from(u32::MAX);
    if high > 0 && (high | low) < after { (high | low) + (1 << 32) } else { high | low }
}

impl<'a> Entry<'a> {
    fn read(fields: &mut Fields<'a>) -> Option<Self> {
        fields.take(4).filter(|signature| *signature == SIGNATURE)?;
        let [_, system] = fields.take(2)? else { return None };
        fields.take(2)?;
        let (flags, method) = (fields.u16()?, fields.u16()?);
        fields.take(4)?;
        let crc = fields.u32()?;
        let (packed_bytes, size) = (fields.u32()?, fields.u32()?);
        let lengths = (fields.u16()?, fields.u16()?, fields.u16()?);
        let volume = fields.u16()?;
        fields.take(2)?;
        let (attributes, header_start) = (fields.u32()?, fields.u32()?);
        let name = fields.take(lengths.0.into())?;
        let extra = fields.take(lengths.1.into())?;
        fields.take(lengths.2.into())?;
        let mut wide = Fields::new(wide_extra(extra));
        let mut widen = |short: u32| match short {
            u32::MAX if wide.left() > 0 => wide.u64(),
            short => Some(short.into()),
        };
        let (size, packed_bytes, header_start) =
            (widen(size)?, widen(packed_bytes)?, widen(header_start)?);
        let volume = match volume {
            u16::MAX if wide.left() > 0 => wide.u32()?,
            short => short.into(),
        };
        Some(Self {
            flags,
            method,
            crc,
            packed_bytes,
            size,
            name,
            header_start,
            system: *system,
            volume,
            attributes,
        })
    }

    fn kind(&self) -> Option<MemberKind> {
        if self.name.ends_with(b"/") {
            return Some(MemberKind::Folder);
        }
        let mode = if UNIX_SYSTEMS.contains(&self.system) { self.attributes >> 16 } else { 0 };
        match mode & 0o170_000 {
            0 | 0o100_000 => Some(MemberKind::File),
            0o040_000 => Some(MemberKind::Folder),
            0o120_000 => Some(MemberKind::Link),
            _ => None,
        }
    }
}

/// The content of the extra field that holds numbers of 64 bits; nothing when there is none.
pub(super) fn wide_extra(extra: &[u8]) -> &[u8] {
    let mut fields = Fields::new(extra);
    while let (Some(id), Some(length)) = (fields.u16(), fields.u16()) {
        match fields.take(length.into()) {
            Some(content) if id == 1 => return content,
            Some(_) => {}
            None => break,
        }
    }
    &[]
}

fn member(file: &File, end: &End, entry: &Entry<'_>) -> Result<Member, ArtifactError> {
    let name = name::parse(entry.name)?;
    let what = || super::called(&name);
    if entry.flags & ENCRYPTED_FLAGS != 0 {
        return Err(ArtifactError::Encrypted { what: what() });
    }
    if entry.volume != 0 {
        return Err(several_volumes(&what()));
    }
    let Some(kind) = entry.kind() else {
        return Err(ArtifactError::malformed(what(), "it is no file, folder or link"));
    };
    if kind == MemberKind::Folder && entry.size > 0 {
        return Err(ArtifactError::malformed(what(), "a folder has content"));
    }
    if entry.size > MAX_EXPANDED_BYTES {
        return Err(ArtifactError::TooLarge {
            what: format!("the size of {}, in bytes,", what()),
            found: entry.size,
            limit: MAX_EXPANDED_BYTES,
        });
    }
    let method = Method::of_number(entry.method);
    if method == Method::Stored && entry.packed_bytes != entry.size {
        return Err(ArtifactError::malformed(what(), "it is stored, but its two lengths differ"));
    }
    let place = local::check(file, end.directory_start, entry, &what)?;
    Ok(Member {
        name: name.into(),
        kind,
        method,
        size: entry.size,
        packed_bytes: entry.packed_bytes,
        crc: entry.crc,
        header_start: entry.header_start,
        data_start: place.data_start,
        end: place.end,
    })
}

fn too_large(what: &str, found: u64) -> ArtifactError {
    ArtifactError::TooLarge { what: what.to_owned(), found, limit: MAX_DIRECTORY_BYTES }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_that_were_cut_off_are_found_again() {
        let four_gib = 1_u64 << 32;
        assert_eq!(widened(7, 5), 7);
        assert_eq!(widened(3, 5), 3, "below 4 GiB nothing was cut off");
        assert_eq!(widened(5, four_gib + 5), four_gib + 5);
        assert_eq!(widened(9, four_gib + 5), four_gib + 9);
        assert_eq!(widened(3, four_gib + 5), 2 * four_gib + 3);
    }
}

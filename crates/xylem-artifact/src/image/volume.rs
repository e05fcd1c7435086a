//! What a partition is formatted with, judged by its first sectors.

use super::disk::Disk;
use super::facts::FileSystem;
use super::fields::Fields;

/// Enough for the headers of all but ISO 9660.
const HEAD_BYTES: u64 = 1536;
/// Where ISO 9660 starts, and how much of it is looked at.
const ISO_AT: u64 = 32768;
const ISO_BYTES: usize = 84;

/// A file system with what its first sectors say of it.
pub(super) struct Probe {
    pub(super) file_system: FileSystem,
    pub(super) name: Option<String>,
    /// How long the file system is by its own account, in bytes.
    pub(super) bytes: Option<u64>,
}

impl Probe {
    /// Looks at the partition that starts at a byte of the disk. What cannot be read is unknown.
    pub(super) fn of(disk: &mut Disk, start: u64, bytes: u64) -> Self {
        let available = disk.bytes().saturating_sub(start).min(bytes);
        let len = usize::try_from(available.min(HEAD_BYTES)).unwrap_or_default();
        let head = disk.read(start, len).unwrap_or_default();
        let head = Fields(&head);
        apfs(head)
            .or_else(|| hfs(head))
            .or_else(|| fat(head))
            .or_else(|| iso(disk, start, available))
            .unwrap_or(Self { file_system: FileSystem::Unknown, name: None, bytes: None })
    }
}

fn apfs(head: Fields<'_>) -> Option<Probe> {
    if head.bytes(32, 4).ok()? != b"NXSB" {
        return None;
    }
    let bytes = u64::from(head.le32(36).ok()?).checked_mul(head.le64(40).ok()?);
    Some(Probe { file_system: FileSystem::Apfs, name: None, bytes })
}

fn hfs(head: Fields<'_>) -> Option<Probe> {
    let file_system = match head.bytes(1024, 2).ok()? {
        b"H+" => FileSystem::HfsPlus,
        b"HX" => FileSystem::Hfsx,
        b"BD" => {
            let len = usize::from(head.u8(1024 + 36).ok()?.min(27));
            let name = head.bytes(1024 + 37, len).ok()?;
            let (count, size) = (head.be16(1024 + 18).ok()?, head.be32(1024 + 20).ok()?);
            return Some(Probe {
                file_system: FileSystem::Hfs,
                name: Some(String::from_utf8_lossy(name).into_owned()),
                bytes: Some(u64::from(count) * u64::from(size)),
            });
        }
        _ => return None,
    };
    let bytes = u64::from(head.be32(1024 + 40).ok()?) * u64::from(head.be32(1024 + 44).ok()?);
    Some(Probe { file_system, name: None, bytes: Some(bytes) })
}

fn fat(head: Fields<'_>) -> Option<Probe> {
    let label_at = match (head.bytes(54, 3).ok()?, head.bytes(82, 5).ok()?) {
        (b"FAT", _) => 43,
        (_, b"FAT32") => 71,
        _ => return None,
    };
    let sectors = match head.le16(19).ok()? {
        0 => head.le32(32).ok()?,
        sectors => sectors.into(),
    };
    Some(Probe {
        file_system: FileSystem::Fat,
        name: padded(head.bytes(label_at, 11).ok()?).filter(|name| name != "NO NAME"),
        bytes: Some(u64::from(sectors) * u64::from(head.le16(11).ok()?)),
    })
}

fn iso(disk: &mut Disk, start: u64, available: u64) -> Option<Probe> {
    if available < ISO_AT + ISO_BYTES as u64 {
        return None;
    }
    let descriptor = disk.read(start + ISO_AT, ISO_BYTES).ok()?;
    let descriptor = Fields(&descriptor);
    if descriptor.bytes(1, 5).ok()? != b"CD001" {
        return None;
    }
    Some(Probe {
        file_system: FileSystem::Iso9660,
        name: padded(descriptor.bytes(40, 32).ok()?),
        bytes: Some(u64::from(descriptor.le32(80).ok()?) * 2048),
    })
}

/// Text filled up with blanks.
fn padded(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text).trim_end_matches([' ', '\0']).to_owned();
    (!text.is_empty()).then_some(text)
}

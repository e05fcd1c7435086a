//! How a disk is divided: a GUID partition table, an Apple partition map, a master boot record, or
//! not at all.

use std::io;

use super::disk::Disk;
use super::facts::{PartitionScheme, shown};
use super::fields::Fields;
use super::trailer::SECTOR_BYTES;

/// Most partitions that are listed; images have one or two.
const MAX_PARTITIONS: usize = 64;
/// Most entries of a table that are looked at. A GUID partition table has 128.
const MAX_ENTRIES: u32 = 256;

/// Where the master boot record's four entries are, and how long each is.
const MBR_ENTRIES_AT: usize = 446;
const MBR_ENTRY_BYTES: usize = 16;
/// Stands in the place of everything that a GUID partition table describes.
const MBR_PROTECTIVE: u8 = 0xee;
const GPT_ENTRY_BYTES: u32 = 128;
/// Parts of an Apple partition map that hold nothing for a user.
const APPLE_UNUSED: [&str; 3] = ["Apple_partition_map", "Apple_Free", "Apple_Void"];

/// Types of a GUID partition table, as they are stored, in Apple's words.
const GPT_KINDS: [(&str, &str); 5] = [
    ("005346480000aa11aa1100306543ecac", "Apple_HFS"),
    ("ef57347c0000aa11aa1100306543ecac", "Apple_APFS"),
    ("746f6f420000aa11aa1100306543ecac", "Apple_Boot"),
    ("28732ac11ff8d211ba4b00a0c93ec93b", "EFI"),
    ("a2a0d0ebe5b9334487c068b6b72699c7", "Microsoft Basic Data"),
];

/// How a disk is divided.
pub(super) struct Layout {
    pub(super) scheme: PartitionScheme,
    pub(super) partitions: Vec<Partition>,
}

/// A part of the disk. Tables of unprotected images can say anything: whoever reads compares it with
/// the disk.
pub(super) struct Partition {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) start: u64,
    pub(super) bytes: u64,
}

impl Partition {
    fn new(name: &str, kind: String, first: u64, count: u64, unit: u64) -> Self {
        let (start, bytes) = (first.saturating_mul(unit), count.saturating_mul(unit));
        Self { name: shown(name), kind: shown(&kind), start, bytes }
    }
}

impl Layout {
    /// Reads the tables at the beginning of a disk.
    pub(super) fn read(disk: &mut Disk) -> io::Result<Self> {
        let sector = SECTOR_BYTES as usize;
        let head = disk.read(0, sector.min(usize::try_from(disk.bytes()).unwrap_or(sector)))?;
        if disk.bytes() >= 2 * SECTOR_BYTES {
            let second = disk.read(SECTOR_BYTES, sector)?;
            if second.starts_with(b"EFI PART") {
                return Self::gpt(disk, Fields(&second));
            }
            if head.starts_with(b"ER") || second.starts_with(b"PM") {
                return Self::apple(disk, Fields(&head));
            }
        }
        let partitions = mbr(Fields(&head)).unwrap_or_default();
        let scheme =
            if partitions.is_empty() { PartitionScheme::None } else { PartitionScheme::Mbr };
        Ok(Self { scheme, partitions })
    }

    fn gpt(disk: &mut Disk, header: Fields<'_>) -> io::Result<Self> {
        let mut position = header.le64(72)?.saturating_mul(SECTOR_BYTES);
        let (count, size) = (header.le32(80)?, header.le32(84)?.max(GPT_ENTRY_BYTES));
        let mut partitions = Vec::new();
        for _ in 0..count.min(MAX_ENTRIES) {
            let entry = disk.read(position, GPT_ENTRY_BYTES as usize)?;
            position = position.saturating_add(u64::from(size));
            let entry = Fields(&entry);
            let kind = hex::encode(entry.bytes(0, 16)?);
            if kind.bytes().all(|digit| digit == b'0') || partitions.len() == MAX_PARTITIONS {
                continue;
            }
            let known = GPT_KINDS.iter().find(|(stored, _)| *stored == kind);
            let kind = known.map_or(kind, |(_, word)| (*word).to_owned());
            let (first, last) = (entry.le64(32)?, entry.le64(40)?);
            let count = last.saturating_sub(first).saturating_add(1);
            let units = entry.bytes(56, 72)?.as_chunks::<2>().0.iter();
            let name: Vec<u16> =
                units.map(|unit| u16::from_le_bytes(*unit)).take_while(|unit| *unit != 0).collect();
            let name = String::from_utf16_lossy(&name);
            partitions.push(Partition::new(&name, kind, first, count, SECTOR_BYTES));
        }
        Ok(Self { scheme: PartitionScheme::Gpt, partitions })
    }

    /// Entries are one block apart, and discs have blocks of 2,048 bytes.
    fn apple(disk: &mut Disk, head: Fields<'_>) -> io::Result<Self> {
        let mut unit = SECTOR_BYTES;
        let declared = u64::from(head.be16(2)?);
        if head.bytes(0, 2)? == b"ER" && matches!(declared, 1024 | 2048 | 4096) {
            let first = disk.read(declared, 2).unwrap_or_default();
            unit = if first == b"PM" { declared } else { unit };
        }
        let mut partitions = Vec::new();
        for index in 1..=u64::from(MAX_ENTRIES) {
            let Ok(entry) = disk.read(index * unit, 80) else { break };
            let entry = Fields(&entry);
            if entry.bytes(0, 2)? != b"PM" || partitions.len() == MAX_PARTITIONS {
                break;
            }
            let (name, kind) = (c_text(entry.bytes(16, 32)?), c_text(entry.bytes(48, 32)?));
            let (first, count) = (entry.be32(8)?, entry.be32(12)?);
            if !APPLE_UNUSED.contains(&kind.as_str()) {
                partitions.push(Partition::new(&name, kind, first.into(), count.into(), unit));
            }
            if index >= u64::from(entry.be32(4)?) {
                break;
            }
        }
        Ok(Self { scheme: PartitionScheme::Apple, partitions })
    }
}

/// A boot sector that holds a sound table. That of a FAT volume has the same signature.
fn mbr(head: Fields<'_>) -> io::Result<Vec<Partition>> {
    let mut partitions = Vec::new();
    if head.le16(510)? != 0xaa55 {
        return Ok(partitions);
    }
    for index in 0..4 {
        let entry = head.from(MBR_ENTRIES_AT + index * MBR_ENTRY_BYTES)?;
        let (status, kind) = (entry.u8(0)?, entry.u8(4)?);
        let (first, count) = (entry.le32(8)?, entry.le32(12)?);
        if status & 0x7f != 0 {
            return Ok(Vec::new());
        }
        if kind != 0 && kind != MBR_PROTECTIVE && first > 0 && count > 0 {
            let kind = format!("{kind:#04x}");
            partitions.push(Partition::new("", kind, first.into(), count.into(), SECTOR_BYTES));
        }
    }
    Ok(partitions)
}

/// Text up to a zero byte.
pub(super) fn c_text(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

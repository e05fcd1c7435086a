//! Disks with partitions, and the headers of file systems that are only recognised.

use super::put;

/// A disk of zeros.
pub(crate) fn blank(sectors: usize) -> Vec<u8> {
    vec![0; sectors * 512]
}

/// A disk with a GUID partition table, and this in a partition of Apple's HFS type at sector 40.
pub(crate) fn gpt(content: &[u8]) -> Vec<u8> {
    let sectors = content.len() / 512;
    let mut disk = blank(40 + sectors);
    put(&mut disk, 510, [0x55, 0xaa]);
    put(&mut disk, 446, [0, 0, 0, 0, 0xee, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    put(&mut disk, 512, b"EFI PART");
    put(&mut disk, 512 + 72, 2_u64.to_le_bytes());
    put(&mut disk, 512 + 80, [128, 0, 0, 0, 128, 0, 0, 0]);
    put(&mut disk, 1024, hex::decode("005346480000aa11aa1100306543ecac").unwrap());
    put(&mut disk, 1024 + 32, 40_u64.to_le_bytes());
    put(&mut disk, 1024 + 40, (40 + sectors as u64 - 1).to_le_bytes());
    let name: Vec<u8> = "größe".encode_utf16().flat_map(u16::to_le_bytes).collect();
    put(&mut disk, 1024 + 56, name);
    put(&mut disk, 40 * 512, content);
    disk
}

/// A disk with a GUID partition table, and this in each of two partitions of Apple's HFS type.
pub(crate) fn gpt_of_two(content: &[u8]) -> Vec<u8> {
    let (mut disk, sectors) = (gpt(content), content.len() as u64 / 512);
    let second = disk[1024..1024 + 128].to_vec();
    put(&mut disk, 1024 + 128, second);
    put(&mut disk, 1024 + 128 + 32, (40 + sectors).to_le_bytes());
    put(&mut disk, 1024 + 128 + 40, (40 + 2 * sectors - 1).to_le_bytes());
    disk.extend_from_slice(content);
    disk
}

/// A disk with an Apple partition map of two entries, and this at sector 8.
pub(crate) fn apple(content: &[u8]) -> Vec<u8> {
    let mut disk = blank(8 + content.len() / 512);
    put(&mut disk, 0, b"ER\x02\0");
    let entries = [("Apple", "Apple_partition_map", 1, 2), ("disk", "Apple_HFS", 8, content.len())];
    for (index, (name, kind, first, count)) in entries.into_iter().enumerate() {
        let at = 512 * (index + 1);
        put(&mut disk, at, b"PM\0\0\0\0\0\x02");
        put(&mut disk, at + 8, u32::to_be_bytes(first));
        put(&mut disk, at + 12, (count as u32 / 512).to_be_bytes());
        put(&mut disk, at + 16, name);
        put(&mut disk, at + 48, kind);
    }
    put(&mut disk, 8 * 512, content);
    disk
}

/// A disk with a master boot record, and this at sector 1.
pub(crate) fn mbr(content: &[u8]) -> Vec<u8> {
    let mut disk = blank(1 + content.len() / 512);
    put(&mut disk, 510, [0x55, 0xaa]);
    put(&mut disk, 446 + 4, [0x0b]);
    put(&mut disk, 446 + 8, 1_u32.to_le_bytes());
    put(&mut disk, 446 + 12, (content.len() as u32 / 512).to_le_bytes());
    put(&mut disk, 512, content);
    disk
}

/// The start of a FAT volume.
pub(crate) fn fat() -> Vec<u8> {
    let mut disk = blank(16);
    put(&mut disk, 11, 512_u16.to_le_bytes());
    put(&mut disk, 19, 16_u16.to_le_bytes());
    put(&mut disk, 43, b"MY STICK   FAT16   ");
    put(&mut disk, 510, [0x55, 0xaa]);
    disk
}

/// The start of an ISO 9660 volume.
pub(crate) fn iso() -> Vec<u8> {
    let mut disk = blank(80);
    put(&mut disk, 32768, b"\x01CD001\x01");
    put(&mut disk, 32768 + 40, [b' '; 32]);
    put(&mut disk, 32768 + 40, b"DISC");
    put(&mut disk, 32768 + 80, 20_u32.to_le_bytes());
    disk
}

/// The start of a classic HFS volume.
pub(crate) fn classic_hfs() -> Vec<u8> {
    let mut disk = blank(16);
    put(&mut disk, 1024, b"BD");
    put(&mut disk, 1024 + 18, [0, 8, 0, 0, 2, 0]);
    put(&mut disk, 1024 + 36, b"\x03Old");
    disk
}

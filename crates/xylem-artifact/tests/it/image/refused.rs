//! One broken rule per case, each refused with the word that names it.

use xylem_artifact::RefusalCode::{
    self, ChecksumMismatch, Damaged, EmptyFile, Encrypted, ForbiddenXml, OtherForm, SegmentedImage,
    TooLarge, Truncated,
};

use super::udif::{
    ADC, BZIP2, DATA_CHECKSUM_AT, ENTRY_AT, LZFSE, LZMA, MASTER_CHECKSUM_AT, STORED, Udif, ZERO,
    ZLIB, checksum,
};
use super::{disks, inspect, put};

fn assert_refused<N: AsRef<str>>(cases: impl IntoIterator<Item = (N, Vec<u8>, RefusalCode)>) {
    for (name, bytes, code) in cases {
        let name = name.as_ref();
        let refusal = inspect(&bytes).expect_err(name);
        assert_eq!(refusal.code, code, "{name}: {}", refusal.message);
        assert!(refusal.message.contains(';'), "{name} says how to mend it: {}", refusal.message);
    }
}

/// A disk in two chunks.
fn sound() -> Udif {
    Udif::of_disk(&disks::fat(), 8, &[ZLIB])
}

/// The sound image with its block table changed, and its checksums left as they were.
fn with_table(at: usize, new: impl AsRef<[u8]>) -> Vec<u8> {
    sound().patched_table(|table| put(table, at, new)).bytes()
}

#[test]
fn the_image_that_the_cases_start_from_is_accepted() {
    assert_eq!(super::facts(&sound().bytes()).verified.tables, 1);
}

#[test]
fn files_that_are_something_else_are_refused() {
    let html = b"<!DOCTYPE html><title>404 Not Found</title>".to_vec();
    let mut old = vec![0; 2048];
    put(&mut old, 0, b"koly");
    assert_refused([
        ("nothing", Vec::new(), EmptyFile),
        ("a web page", html, OtherForm),
        ("a xar archive", b"xar!\0\x1c\0\x01".to_vec(), OtherForm),
        ("zeros", disks::blank(100), OtherForm),
        ("a single byte", b"x".to_vec(), OtherForm),
        ("a trailer at the beginning", old, Damaged),
        ("an encrypted image", [&b"encrcdsa"[..], &[0; 2000]].concat(), Encrypted),
        ("an old encrypted image", [&[0; 2000], &b"cdsaencr"[..]].concat(), Encrypted),
        ("a segment", sound().patched(0x3c, [0, 0, 0, 2]), SegmentedImage),
    ]);
}

#[test]
fn broken_trailers_are_refused() {
    let far = u64::MAX.to_be_bytes();
    let whole = sound().bytes();
    assert_refused([
        ("version 5", sound().patched(7, [5]), Damaged),
        ("length 511", sound().patched(10, [1, 0xff]), Damaged),
        ("data from far away", sound().patched(0x18, far), Truncated),
        ("data of any length", sound().patched(0x20, far), Truncated),
        ("data that includes the trailer", sound().patched(0x20, number(whole.len())), Truncated),
        ("less data than chunks need", sound().patched(0x20, number(10)), Damaged),
        ("a property list far away", sound().patched(0xd8, far), Truncated),
        ("a property list of any length", sound().patched(0xe0, far), Truncated),
        ("no property list", sound().patched(0xe0, [0; 8]), Damaged),
        ("another part as property list", sound().patched(0xd8, [0; 8]), Damaged),
        ("a signature far away", sound().patched(0x128, far), Truncated),
        (
            "a signature that is none",
            sound().patched(0x128, [number(0), number(64)].concat()),
            Damaged,
        ),
        ("a disk without sectors", sound().patched(0x1ec, [0; 8]), Damaged),
        ("a disk of any length", sound().patched(0x1ec, far), TooLarge),
        ("fewer sectors than tables", sound().patched(0x1ec, number(15)), Damaged),
        ("a checksum of no bits", sound().patched(DATA_CHECKSUM_AT + 4, [0; 4]), Damaged),
        ("one byte missing", whole[..whole.len() - 1].to_vec(), Truncated),
        ("half the trailer missing", whole[..whole.len() - 256].to_vec(), Truncated),
        ("the whole trailer missing", whole[..whole.len() - 512].to_vec(), OtherForm),
        ("only a trailer", whole[whole.len() - 512..].to_vec(), Truncated),
    ]);
}

#[test]
fn broken_property_lists_are_refused() {
    let plist = |plist: &str| {
        let plist = Some(plist.to_owned());
        Udif { plist, ..sound() }.bytes()
    };
    let tables = |data: &str| {
        plist(&format!(
            "<plist><dict><key>resource-fork</key><dict><key>blkx</key><array>{data}</array>\
             </dict></dict></plist>"
        ))
    };
    let mut resources = sound();
    resources.resources = format!("<key>x</key><data>{}</data>", " ".repeat(9 << 20));
    let mut large = sound();
    large.resources = format!("<key>x</key><array>{}</array>", "<true/>".repeat(3 << 20));
    let data = "<dict><key>Data</key><data>AAAA</data></dict>";
    assert_refused([
        ("no XML", plist("blkx"), Damaged),
        ("no tables", tables(""), Damaged),
        ("tables elsewhere", plist(&format!("<plist><array>{data}</array></plist>")), Damaged),
        ("no base64", tables("<dict><key>Data</key><data>=!</data></dict>"), Damaged),
        ("an empty table", tables("<dict><key>Data</key><data></data></dict>"), Damaged),
        ("an open element", plist("<plist><dict>"), Damaged),
        ("deep nesting", plist(&"<array>".repeat(50_000)), TooLarge),
        ("an entity", plist("<!DOCTYPE p [<!ENTITY a 'b'>]><plist>&a;</plist>"), ForbiddenXml),
        ("an endless value", resources.bytes(), TooLarge),
        ("more than 16 MiB", large.bytes(), TooLarge),
    ]);
}

#[test]
fn block_tables_that_no_tool_writes_are_refused() {
    let entry = |number: usize, field: usize| ENTRY_AT + number * 40 + field;
    let sector = |number: u64| number.to_be_bytes();
    let disk = disks::fat();
    let twice = Udif { sectors: 16, ..sound() };
    let twice = Udif { tables: [twice.tables.clone(), twice.tables.clone()].concat(), ..twice };
    let many = Udif { tables: vec![sound().tables[0].clone(); 1025], ..sound() };
    let mut short = sound();
    short.tables[0].truncate(ENTRY_AT + 80);
    assert_refused([
        ("another magic", with_table(0, b"mash"), Damaged),
        ("another version", with_table(7, [2]), Damaged),
        ("a first sector after the end", with_table(8, sector(1)), Damaged),
        ("a sum that overflows", with_table(8, sector(u64::MAX)), Damaged),
        (
            "more sectors than chunks",
            Udif { sectors: 17, ..sound() }
                .patched_table(|table| put(table, 16, sector(17)))
                .bytes(),
            Damaged,
        ),
        ("fewer sectors than chunks", with_table(16, sector(15)), Damaged),
        ("a data offset after the end", with_table(24, sector(1 << 40)), Damaged),
        ("a data offset that overflows", with_table(24, sector(u64::MAX)), Damaged),
        ("more chunks than it holds", with_table(200, [0, 0, 0, 4]), Damaged),
        ("any number of chunks", with_table(200, [0xff; 4]), Damaged),
        ("a table cut short", short.bytes(), Damaged),
        ("an unknown kind of chunk", with_table(entry(0, 0), [0x80, 0, 0, 9]), Damaged),
        ("an overlap", with_table(entry(1, 8), sector(7)), Damaged),
        ("a gap", with_table(entry(1, 8), sector(9)), Damaged),
        ("chunks in another order", with_table(entry(0, 8), sector(8)), Damaged),
        ("a chunk longer than its table", with_table(entry(1, 16), sector(9)), Damaged),
        ("a chunk of any length", with_table(entry(1, 16), sector(u64::MAX)), Damaged),
        ("data after the end", with_table(entry(0, 24), sector(1 << 40)), Damaged),
        ("data that overflows", with_table(entry(0, 32), sector(u64::MAX)), Damaged),
        (
            "a stored chunk of another length",
            Udif::of_disk(&disk, 8, &[STORED])
                .patched_table(|table| put(table, entry(0, 32), sector(512)))
                .bytes(),
            Damaged,
        ),
        ("two tables for the same sectors", twice.patched(MASTER_CHECKSUM_AT, [0; 12]), Damaged),
        ("a thousand tables", many.bytes(), TooLarge),
    ]);
}

#[test]
fn chunks_that_expand_too_far_are_refused_before_they_do() {
    let image = |sectors: u64, stored: &[u8]| {
        let image =
            Udif { sectors, data: stored.to_vec(), ..Udif::of_disk(&disks::fat(), 16, &[ZLIB]) };
        image.patched_table(|table| {
            put(table, 16, sectors.to_be_bytes());
            put(table, ENTRY_AT + 16, sectors.to_be_bytes());
            put(table, ENTRY_AT + 32, (stored.len() as u64).to_be_bytes());
        })
    };
    let one_mib = crate::raw::zlib(&vec![0; 1 << 20]);
    assert_refused([
        ("a chunk of 32 MiB", image(1 << 16, &one_mib).bytes(), TooLarge),
        ("a disk of 16 TiB in one chunk", image(1 << 35, &one_mib).bytes(), TooLarge),
        ("more than declared", image(1 << 10, &one_mib).bytes(), TooLarge),
        ("less than declared", image(1 << 12, &one_mib).bytes(), Damaged),
        ("a long way to a few bytes", image(1, &vec![0; 1 << 20]).bytes(), Damaged),
    ]);
}

#[test]
fn chunks_that_cannot_be_decoded_are_refused() {
    let disk = disks::iso();
    for (name, kind) in
        [("adc", ADC), ("zlib", ZLIB), ("bzip2", BZIP2), ("lzfse", LZFSE), ("lzma", LZMA)]
    {
        let image = Udif::of_disk(&disk, 80, &[kind]);
        let absent = [0; 12];
        let broken = |stored: Vec<u8>| {
            let image = Udif { data: stored, ..image.clone() };
            let len = (image.data.len() as u64).to_be_bytes();
            image.patched_table(|table| put(table, ENTRY_AT + 32, len))
        };
        let half = broken(image.data[..image.data.len() / 2].to_vec());
        let garbage = broken(vec![0x17; 300]);
        assert_refused([
            (format!("{name} cut in the middle"), half.patched(DATA_CHECKSUM_AT, absent), Damaged),
            (format!("{name} that is none"), garbage.patched(DATA_CHECKSUM_AT, absent), Damaged),
        ]);
    }
}

#[test]
fn what_differs_from_a_checksum_is_refused() {
    let stored = Udif::of_disk(&disks::fat(), 8, &[STORED]);
    let mut changed = stored.clone();
    changed.data[5000] ^= 1;
    let zero = stored.clone().patched_table(|table| put(table, ENTRY_AT, ZERO.to_be_bytes()));
    assert_refused([
        ("the data's", stored.patched(DATA_CHECKSUM_AT, checksum(1)), ChecksumMismatch),
        ("the master", stored.patched(MASTER_CHECKSUM_AT, checksum(1)), ChecksumMismatch),
        ("changed data", changed.bytes(), ChecksumMismatch),
        ("a chunk taken for zeros", zero.bytes(), ChecksumMismatch),
    ]);
    // Where the stored bytes have no checksum, that of what they expand to has to do.
    let stale = changed.patched(DATA_CHECKSUM_AT, [0; 12]);
    assert_refused([("a table's", stale, ChecksumMismatch)]);
}

#[test]
fn plain_disks_that_are_cut_short_are_refused() {
    let volume = super::hfs::Hfs::named("Volume").bytes();
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 512].to_vec();
    let mut container = super::apfs::Apfs::default();
    container.folder(super::apfs::ROOT, "folder");
    assert_refused([
        ("HFS+", cut(volume.clone()), Truncated),
        ("APFS", cut(container.bytes()), Truncated),
        ("a GUID partition table", cut(disks::gpt(&volume)), Truncated),
        ("an Apple partition map", cut(disks::apple(&volume)), Truncated),
        ("a master boot record", cut(disks::mbr(&volume)), Truncated),
        ("FAT", cut(disks::fat()), Truncated),
        ("half a sector more", [volume, vec![0; 100]].concat(), Truncated),
    ]);
}

fn number(number: usize) -> [u8; 8] {
    (number as u64).to_be_bytes()
}

//! What images put on a Mac: all that is on their volume, or the reason why that cannot be told.

use super::apfs::{self, Apfs};
use super::hfs::{self, Hfs};
use super::udif::{Udif, ZLIB};
use super::{disks, facts, inspect, put, warnings};
use crate::index::listed;

fn index(disk: &[u8]) -> Result<Vec<String>, String> {
    listed(&inspect(&image(disk)).unwrap())
}

fn image(disk: &[u8]) -> Vec<u8> {
    Udif::of_disk(disk, 64, &[ZLIB]).bytes()
}

const EXPECTED: [&str; 7] = [
    "file /.DS_Store",
    "folder /Library",
    "folder /Library/a",
    "folder /Library/a/.Trashes",
    "file /Library/a/b: c",
    "file /Library/ä",
    "link /etc",
];

#[test]
fn everything_on_an_hfs_volume_is_listed_but_its_own_things() {
    let mut volume = Hfs::named("Volume");
    volume.link(hfs::ROOT, "etc");
    volume.file(hfs::ROOT, ".DS_Store", b"x");
    let library = volume.folder(hfs::ROOT, "Library");
    volume.file(library, "ä", b"x");
    let folder = volume.folder(library, "a");
    // A slash is stored where paths have a colon.
    volume.file(folder, "b/ c", b"");
    volume.folder(folder, ".Trashes");
    for name in ["\0\0\0\0HFS+ Private Data", ".HFS+ Private Directory Data\r", ".Trashes"] {
        let own = volume.folder(hfs::ROOT, name);
        volume.file(own, "iNode1", b"x");
        volume.folder(own, "\n");
    }
    for name in [".journal", ".journal_info_block"] {
        volume.file(hfs::ROOT, name, b"x");
    }
    for name in [".fseventsd", ".Spotlight-V100", ".DocumentRevisions-V100", ".TemporaryItems"] {
        volume.folder(hfs::ROOT, name);
    }
    let volume = volume.bytes();
    assert_eq!(index(&volume).unwrap(), EXPECTED);
    assert_eq!(index(&disks::gpt(&volume)).unwrap(), EXPECTED);
    // A plain disk is listed like an image.
    assert_eq!(listed(&inspect(&volume).unwrap()).unwrap(), EXPECTED);
}

#[test]
fn everything_on_an_apfs_volume_is_listed_but_its_own_things() {
    let mut volume = Apfs::default();
    volume.link(apfs::ROOT, "etc");
    volume.file(apfs::ROOT, ".DS_Store", b"x");
    let library = volume.folder(apfs::ROOT, "Library");
    volume.file(library, "ä", b"x");
    let folder = volume.folder(library, "a");
    volume.file(folder, "b: c", b"x");
    volume.folder(folder, ".Trashes");
    // Beside the root lies a private folder, which has the number 3.
    volume.folder(1, "private-dir");
    volume.file(3, "private", b"x");
    for name in [".fseventsd", ".Spotlight-V100", ".Trashes", ".DocumentRevisions-V100"] {
        let own = volume.folder(apfs::ROOT, name);
        volume.file(own, "0001", b"x");
    }
    assert_eq!(index(&volume.bytes()).unwrap(), EXPECTED);
}

#[test]
fn a_volume_of_many_leaves_is_listed_to_its_end() {
    let (mut hfs, mut apfs) = (Hfs::named("Volume"), Apfs::default());
    for number in 0..150 {
        hfs.file(hfs::ROOT, &format!("{number:03}"), b"");
        apfs.folder(apfs::ROOT, &format!("{number:03}"));
    }
    for (disk, last) in [(hfs.bytes(), "file /149"), (apfs.bytes(), "folder /149")] {
        let found = index(&disk).unwrap();
        assert_eq!((found.len(), found[149].as_str()), (150, last));
    }
}

#[test]
fn a_volume_that_cannot_be_listed_has_a_reason_and_is_looked_into_all_the_same() {
    let volume = |extra: &dyn Fn(&mut Hfs)| {
        let mut volume = Hfs::named("Volume");
        let folder = volume.folder(hfs::ROOT, "folder");
        for name in ["a", "b", "c", "d", "e", "f", "g"] {
            volume.file(folder, name, b"");
        }
        extra(&mut volume);
        volume.bytes()
    };
    // The next folder has the number 25.
    let mut looped = volume(&|_| ());
    let catalog_at = 16 * 512;
    // The index above the leaves comes after the last of them.
    let root = u32::from_be_bytes(looped[catalog_at + 16..][..4].try_into().unwrap());
    put(&mut looped, catalog_at + (root as usize - 1) * 4096, 2_u32.to_be_bytes());
    for (name, disk, expected) in [
        ("leaves that lead back", looped, "lead back"),
        (
            "a folder in itself",
            volume(&|volume| {
                volume.folder(25, "x");
            }),
            "without an end",
        ),
        ("a folder that is missing", volume(&|it| it.file(999, "x", b"")), "999 is missing"),
        ("a name that steers a terminal", volume(&|it| it.file(17, "\u{1b}", b"")), "control"),
        ("another name of a folder", volume(&|it| it.folder_link(17, "x")), "hard link"),
        ("nothing at all", Hfs::named("Volume").bytes(), "it installs no files"),
    ] {
        let bytes = image(&disk);
        assert_eq!(warnings(&bytes), [], "{name}");
        assert!(facts(&bytes).root.is_some(), "{name}");
        let reason = index(&disk).expect_err(name);
        assert!(reason.contains(expected), "{name}: {reason}");
    }
}

#[test]
fn an_image_of_several_volumes_has_no_list_of_one_of_them() {
    let mut hfs = Hfs::named("Volume");
    hfs.file(hfs::ROOT, "a", b"x");
    let mut apfs = Apfs::default();
    apfs.folder(apfs::ROOT, "a");
    assert_eq!(index(&apfs.bytes()).unwrap(), ["folder /a"]);
    apfs.has_another_volume = true;
    for disk in [disks::gpt_of_two(&hfs.bytes()), apfs.bytes()] {
        assert!(facts(&image(&disk)).root.is_some());
        let reason = index(&disk).unwrap_err();
        assert!(reason.contains("several volumes"), "{reason}");
    }
}

#[test]
fn a_damaged_tree_of_an_apfs_volume_gives_a_reason() {
    let mut volume = Apfs::default();
    let folder = volume.folder(apfs::ROOT, "folder");
    volume.folder(folder, "below");
    volume.folder(99, "nowhere");
    let reason = index(&volume.bytes()).unwrap_err();
    assert!(reason.contains("99 is missing"), "{reason}");

    let mut volume = Apfs::default();
    volume.folder(17, "in itself");
    assert!(index(&volume.bytes()).unwrap_err().contains("without an end"));
}

#[test]
fn what_cannot_be_looked_into_has_a_reason() {
    let mut encrypted = Apfs::default();
    encrypted.encrypted = true;
    encrypted.folder(apfs::ROOT, "folder");
    for (disk, expected) in [
        (encrypted.bytes(), "encrypted"),
        (disks::fat(), "the volume (FAT) could not be looked into"),
        (disks::blank(64), "no file system"),
    ] {
        let reason = index(&disk).unwrap_err();
        assert!(reason.contains(expected), "{reason}");
    }
}

//! What is read of genuine images.

use xylem_artifact::WarningCode::{
    self, EncryptedVolume, FileSystemUnread, HomeFolders, InstalledByHand, LicenseAgreement,
    Unprotected,
};
use xylem_artifact::image::{
    ApplicationFacts, FileSystem, ImageKind, ImageVerified, PartitionScheme, RootFacts,
};

use super::apfs::{self, Apfs};
use super::hfs::{self, Hfs};
use super::udif::{
    ADC, BZIP2, COMMENT, DATA_CHECKSUM_AT, ENTRY_AT, IGNORED, LZFSE, LZMA, MASTER_CHECKSUM_AT,
    STORED, TERMINATOR, Udif, ZERO, ZLIB,
};
use super::{disks, facts, inspect, put, warnings};

const INFO: &str = "<?xml version=\"1.0\"?><plist><dict><key>CFBundleIdentifier</key>\
    <string>org.example.tool</string><key>CFBundleShortVersionString</key><string>1.2</string>\
    <key>CFBundleVersion</key><string>34</string><key>LSMinimumSystemVersion</key>\
    <string>12.0</string></dict></plist>";

fn tool() -> ApplicationFacts {
    ApplicationFacts {
        file_name: "Tool.app".to_owned(),
        identifier: Some("org.example.tool".to_owned()),
        short_version: Some("1.2".to_owned()),
        version: Some("34".to_owned()),
        minimum_os: Some("12.0".to_owned()),
    }
}

/// A volume as vendors make them: an application beside a link to where it belongs.
fn vendor() -> Hfs {
    let mut volume = Hfs::named("Tool");
    volume.link(hfs::ROOT, "Applications");
    volume.file(hfs::ROOT, ".DS_Store", b"x");
    let app = volume.folder(hfs::ROOT, "Tool.app");
    let contents = volume.folder(app, "Contents");
    volume.file(contents, "Info.plist", INFO.as_bytes());
    volume
}

fn root(disk: &[u8]) -> RootFacts {
    facts(disk).root.expect("the volume can be read")
}

#[test]
fn every_way_to_store_a_disk_is_read() {
    let disk = disks::gpt(&vendor().bytes());
    for (kinds, kind) in [
        (&[STORED][..], ImageKind::Udro),
        (&[ADC], ImageKind::Udco),
        (&[ZLIB], ImageKind::Udzo),
        (&[BZIP2], ImageKind::Udbz),
        (&[LZFSE], ImageKind::Ulfo),
        (&[LZMA], ImageKind::Ulmo),
        (&[STORED, ZLIB, LZFSE, BZIP2], ImageKind::Ulfo),
    ] {
        let bytes = Udif::of_disk(&disk, 16, kinds).bytes();
        let inspection = inspect(&bytes).unwrap();
        assert_eq!(inspection.display_name.as_deref(), Some("Tool"), "{kind}");
        assert_eq!(inspection.version.as_deref(), Some("1.2"), "{kind}");
        let facts = facts(&bytes);
        assert_eq!(facts.kind, kind);
        assert_eq!(facts.expanded_bytes, disk.len() as u64);
        let verified = ImageVerified { stored: true, tables: 1, ..ImageVerified::default() };
        assert_eq!(facts.verified, verified);
        assert_eq!(facts.root.unwrap().applications, [tool()]);
        assert_eq!(warnings(&bytes), [InstalledByHand]);
    }
}

#[test]
fn zeros_need_not_be_stored() {
    let mut disk = vendor().bytes();
    disk.resize(disk.len() + 64 * 512, 0);
    let (start, rest) = disk.split_at(disk.len() - 64 * 512);
    for (name, chunks) in [
        ("zero", vec![(ZLIB, start), (ZERO, rest)]),
        ("ignored", vec![(ZLIB, start), (IGNORED, rest)]),
        ("both, with a comment", vec![(ZLIB, start), (COMMENT, &[]), (ZERO, rest)]),
    ] {
        let bytes = Udif::default().table(0, &chunks).bytes();
        assert_eq!(root(&bytes).applications, [tool()], "{name}");
    }
    // Apple's tools leave ignored sectors out of the checksum, others take them for zeros.
    let zeros = Udif::default().table(0, &[(ZLIB, start), (ZERO, rest)]);
    let bytes = zeros.patched_table(|table| put(table, ENTRY_AT + 40, IGNORED.to_be_bytes()));
    assert_eq!(facts(&bytes.bytes()).verified.tables, 1);
}

#[test]
fn offsets_count_from_where_the_table_says() {
    let disk = vendor().bytes();
    let (start, end) = disk.split_at(16 * 512);
    let start = [(STORED, start)];
    let bytes = Udif::default().table(0, &start).table(4096, &[(ZLIB, end)]).bytes();
    let facts = facts(&bytes);
    assert_eq!((facts.verified.tables, facts.kind), (2, ImageKind::Udzo));
    assert_eq!(facts.root.unwrap().applications, [tool()]);
}

#[test]
fn only_what_a_user_sees_is_listed() {
    let mut volume = vendor();
    for index in 0..300 {
        volume.file(hfs::ROOT, &format!("file {index}: a/b"), b"");
    }
    let inspection = root(&Udif::of_disk(&volume.bytes(), 64, &[ZLIB]).bytes());
    assert_eq!(inspection.entries, 302);
    assert_eq!(inspection.names.len(), 256);
    assert!(inspection.names.contains(&"file 1: a:b".to_owned()));
    assert!(!inspection.names.contains(&".DS_Store".to_owned()));
}

#[test]
fn packages_are_named_and_folders_of_a_startup_disk_recognised() {
    let mut packages = Hfs::named("Suite");
    packages.file(hfs::ROOT, "Suite.pkg", b"xar!");
    packages.folder(hfs::ROOT, "Old Suite.mpkg");
    packages.link(hfs::ROOT, "link.pkg");
    let bytes = Udif::of_disk(&packages.bytes(), 64, &[ZLIB]).bytes();
    assert_eq!(root(&bytes).packages, ["Old Suite.mpkg", "Suite.pkg"]);
    assert_eq!(warnings(&bytes), [InstalledByHand]);
    assert_eq!(inspect(&bytes).unwrap().display_name.as_deref(), Some("Suite"));

    let composer = |homes: &[&str], warned: &[WarningCode]| {
        let mut volume = Hfs::named("Composer");
        volume.folder(hfs::ROOT, "Library");
        let users = volume.folder(hfs::ROOT, "Users");
        volume.folder(users, "Shared");
        for home in homes {
            volume.folder(users, home);
        }
        let bytes = Udif::of_disk(&volume.bytes(), 64, &[ZLIB]).bytes();
        let root = root(&bytes);
        assert!(root.startup_disk_folders);
        assert_eq!(root.homes, homes);
        assert_eq!(warnings(&bytes), warned);
    };
    composer(&[], &[]);
    composer(&["admin", "packager"], &[HomeFolders]);
}

#[test]
fn apfs_is_read_like_hfs() {
    let attribute = [b"fpmc\x01\0\0\0", &(INFO.len() as u64).to_le_bytes()[..], INFO.as_bytes()];
    let build = |encrypted, compressed| {
        let mut volume = Apfs::default();
        volume.encrypted = encrypted;
        volume.link(apfs::ROOT, "Applications");
        let app = volume.folder(apfs::ROOT, "Tool.app");
        let contents = volume.folder(app, "Contents");
        for index in 0..20 {
            volume.folder(contents, &format!("folder {index}"));
        }
        match compressed {
            true => volume.compressed(contents, "Info.plist", &attribute.concat()),
            false => volume.file(contents, "Info.plist", INFO.as_bytes()),
        }
        Udif::of_disk(&disks::gpt(&volume.bytes()), 64, &[LZFSE]).bytes()
    };
    for compressed in [false, true] {
        let bytes = build(false, compressed);
        let inspected = facts(&bytes);
        let root = inspected.root.unwrap();
        assert_eq!(root.names, ["Tool.app", "Applications"]);
        assert_eq!(root.applications, [tool()], "compressed: {compressed}");
        let volume = inspected.volume.unwrap();
        assert_eq!((volume.name.as_deref(), volume.encrypted), (Some("Größe"), false));
    }
    let bytes = build(true, false);
    assert_eq!(warnings(&bytes), [EncryptedVolume]);
    assert!(facts(&bytes).volume.unwrap().encrypted && facts(&bytes).root.is_none());
}

#[test]
fn files_that_macos_has_compressed_are_read() {
    let attribute = [b"fpmc\x01\0\0\0", &(INFO.len() as u64).to_le_bytes()[..], INFO.as_bytes()];
    let mut volume = Hfs::named("Tool");
    for app in ["Other.app", "Tool.app"] {
        let app = volume.folder(hfs::ROOT, app);
        let contents = volume.folder(app, "Contents");
        volume.compressed(contents, "Info.plist", &attribute.concat());
    }
    let bytes = Udif::of_disk(&volume.bytes(), 64, &[ZLIB]).bytes();
    assert_eq!(root(&bytes).applications[1], tool());
    let inspection = inspect(&bytes).unwrap();
    assert_eq!(inspection.display_name.as_deref(), Some("Tool"), "of two, the volume's name");
    assert_eq!(inspection.version, None);
}

#[test]
fn every_partition_scheme_is_read_in_images_and_plain_disks() {
    let volume = vendor().bytes();
    for (disk, scheme, partition, count) in [
        (disks::gpt(&volume), PartitionScheme::Gpt, ("größe", "Apple_HFS"), 1),
        (disks::apple(&volume), PartitionScheme::Apple, ("disk", "Apple_HFS"), 1),
        (disks::mbr(&volume), PartitionScheme::Mbr, ("", "0x0b"), 1),
        (volume.clone(), PartitionScheme::None, ("", ""), 0),
    ] {
        for (bytes, kind) in [
            (Udif::of_disk(&disk, 64, &[ZLIB]).bytes(), ImageKind::Udzo),
            (disk.clone(), ImageKind::Raw),
        ] {
            let facts = facts(&bytes);
            assert_eq!((facts.scheme, facts.kind), (scheme, kind));
            assert_eq!(facts.partitions.len(), count, "{scheme:?}");
            if let Some(found) = facts.partitions.first() {
                assert_eq!((found.name.as_str(), found.kind.as_str()), partition, "{scheme:?}");
                assert_eq!(found.bytes, volume.len() as u64, "{scheme:?}");
            }
            assert_eq!(facts.root.unwrap().applications, [tool()], "{scheme:?}");
        }
        assert_eq!(warnings(&disk), [Unprotected, InstalledByHand]);
    }
}

#[test]
fn other_file_systems_are_called_by_their_name() {
    for (disk, file_system, name) in [
        (disks::fat(), FileSystem::Fat, "MY STICK"),
        (disks::iso(), FileSystem::Iso9660, "DISC"),
        (disks::classic_hfs(), FileSystem::Hfs, "Old"),
    ] {
        for bytes in [disk.clone(), Udif::of_disk(&disk, 64, &[BZIP2]).bytes()] {
            let facts = facts(&bytes);
            let volume = facts.volume.unwrap();
            assert_eq!((volume.file_system, volume.name.as_deref()), (file_system, Some(name)));
            assert_eq!(facts.scheme, PartitionScheme::None);
            assert!(warnings(&bytes).contains(&FileSystemUnread));
        }
    }
    let unknown = Udif::of_disk(&disks::blank(64), 64, &[ZLIB]).bytes();
    assert_eq!(warnings(&unknown), [FileSystemUnread]);
    assert_eq!(facts(&unknown).volume, None);
}

#[test]
fn a_file_system_that_cannot_be_read_is_no_reason_to_refuse() {
    let catalog_at = 16 * 512;
    // Its second node is the first leaf.
    let leaf_at = catalog_at + 4096;
    for (name, at, new) in [
        ("blocks of 2 GiB", 1024 + 40, &[0x80, 0, 0, 0][..]),
        ("nodes of no bytes", catalog_at + 32, &[0, 0]),
        ("a root that is not there", catalog_at + 16, &[0, 1, 0, 0]),
        ("a leaf that is none", leaf_at + 8, &[7]),
        ("a record outside its node", leaf_at + 4094, &[0xff, 0xff]),
        ("leaves that lead back", leaf_at, &[0, 0, 0, 1]),
    ] {
        let mut disk = vendor().bytes();
        put(&mut disk, at, new);
        let bytes = Udif::of_disk(&disk, 64, &[ZLIB]).bytes();
        assert!(warnings(&bytes).contains(&FileSystemUnread), "{name}");
    }
    let mut container = Apfs::default();
    container.folder(apfs::ROOT, "folder");
    let container = container.bytes();
    for (name, at, new) in [
        ("blocks of 2 GiB", 36, &[0, 0, 0, 0x80][..]),
        ("a changed superblock", 4000, &[1]),
        ("a changed map", 2 * 4096 + 100, &[1]),
        ("a changed tree", 7 * 4096 + 100, &[1]),
    ] {
        let mut disk = container.clone();
        put(&mut disk, at, new);
        let bytes = Udif::of_disk(&disk, 64, &[ZLIB]).bytes();
        assert_eq!(warnings(&bytes), [FileSystemUnread], "{name}");
    }
    assert_eq!(warnings(&Udif::of_disk(&container, 64, &[ZLIB]).bytes()), []);
}

#[test]
fn what_no_checksum_covers_is_warned_of() {
    let image = Udif::of_disk(&vendor().bytes(), 64, &[ZLIB]);
    let absent = [0; 12];
    let table_absent = image.clone().patched_table(|table| put(table, 64, absent));
    let warned = |bytes: &[u8]| warnings(bytes).contains(&Unprotected);
    assert!(!warned(&image.bytes()));
    assert!(!warned(&image.patched(DATA_CHECKSUM_AT, absent)), "what it expands to is covered");
    let mut neither = table_absent.patched(DATA_CHECKSUM_AT, absent);
    let trailer = neither.len() - 512;
    put(&mut neither, trailer + MASTER_CHECKSUM_AT, absent);
    assert!(warned(&neither));
    assert_eq!(facts(&neither).verified.tables_without_checksum, 1);

    // A disk of 8 GiB of zeros is not hashed, whatever its checksum says.
    let mut huge = Udif::default().table(0, &[(ZERO, &[]), (STORED, &[])]);
    huge.sectors = 1 << 24;
    let sectors = huge.sectors.to_be_bytes();
    let huge = huge.patched_table(|table| {
        put(table, 16, sectors);
        put(table, ENTRY_AT + 16, sectors);
        put(table, ENTRY_AT + 40, TERMINATOR.to_be_bytes());
    });
    assert_eq!(facts(&huge.bytes()).verified.tables_not_expanded, 1);
    assert!(warned(&huge.patched(DATA_CHECKSUM_AT, absent)));
}

#[test]
fn licences_and_signatures_are_facts() {
    let mut image = Udif::of_disk(&vendor().bytes(), 64, &[ZLIB]);
    assert!(!facts(&image.bytes()).license_agreement);
    assert_eq!(facts(&image.bytes()).signature, None);
    image.resources = "<key>LPic</key><array/>".to_owned();
    image.signature = b"\xfa\xde\x0c\xc0\0\0\0\x0c\0\0\0\0".to_vec();
    let facts = facts(&image.bytes());
    assert!(facts.license_agreement);
    assert!(!facts.signature.unwrap().ticket_present);
    assert_eq!(warnings(&image.bytes()), [LicenseAgreement, InstalledByHand]);
}

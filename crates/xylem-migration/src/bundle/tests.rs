use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;

const FILES: [(&str, &[u8], u32); 5] = [
    ("Old.pkg/Contents/Info.plist", b"<plist/>", 0o600),
    ("Old.pkg/Contents/Archive.pax.gz", b"\x1f\x8b payload", 0o664),
    ("Old.pkg/Contents/Resources/postflight", b"#!/bin/sh", 0o775),
    ("Old.pkg/Contents/Resources/Cafe\u{301}.txt", b"x", 0o644),
    ("Old.pkg/Contents/Resources/zero", b"", 0o644),
];

/// Makes a bundle with its files created in another order, at another time.
fn made(folder: &Path, backwards: bool) -> Tree {
    let mut files = FILES;
    if backwards {
        files.reverse();
        fs::create_dir_all(folder.join("Old.pkg/empty")).unwrap();
    }
    for (path, bytes, mode) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if backwards {
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
    }
    fs::create_dir_all(folder.join("Old.pkg/empty")).unwrap();
    symlink("Resources/postflight", folder.join("Old.pkg/Contents/latest")).unwrap();
    fs::write(folder.join("Old.pkg/Contents/._Info.plist"), "x").unwrap();
    fs::write(folder.join("Old.pkg/.DS_Store"), "x").unwrap();
    Tree::open(folder).unwrap()
}

fn zipped(tree: &Tree) -> Vec<u8> {
    let bundle = list(tree, &"Old.pkg".into()).unwrap();
    assert_eq!((bundle.left_behind, bundle.has_info()), (2, true));
    bundle.zip(tree, Vec::new(), &mut |_| {}).unwrap()
}

#[test]
fn the_same_tree_gives_the_same_bytes_whenever_and_however_it_was_made() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = zipped(&made(one.path(), false));
    assert_eq!(bytes, zipped(&made(other.path(), true)));
    let mut archive = zip::ZipArchive::new(io::Cursor::new(bytes)).unwrap();
    let mut names = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let mut body = Vec::new();
        member.read_to_end(&mut body).unwrap();
        names.push((member.name().unwrap().into_owned(), member.unix_mode().unwrap()));
    }
    let expected = [
        ("Old.pkg/", 0o040_755),
        ("Old.pkg/Contents/", 0o040_755),
        ("Old.pkg/Contents/Archive.pax.gz", 0o100_644),
        ("Old.pkg/Contents/Info.plist", 0o100_644),
        ("Old.pkg/Contents/Resources/", 0o040_755),
        ("Old.pkg/Contents/Resources/Caf\u{e9}.txt", 0o100_644),
        ("Old.pkg/Contents/Resources/postflight", 0o100_755),
        ("Old.pkg/Contents/Resources/zero", 0o100_644),
        ("Old.pkg/Contents/latest", 0o120_777),
        ("Old.pkg/empty/", 0o040_755),
    ];
    assert_eq!(names, expected.map(|(name, mode)| (name.to_owned(), mode)));
}

#[test]
fn a_changed_member_is_noticed_by_the_stamp_and_while_zipping() {
    let folder = tempfile::tempdir().unwrap();
    let tree = made(folder.path(), false);
    let before = list(&tree, &"Old.pkg".into()).unwrap();
    assert_eq!(before.stamp(), list(&tree, &"Old.pkg".into()).unwrap().stamp());
    fs::write(folder.path().join("Old.pkg/Contents/Info.plist"), "<other/>").unwrap();
    assert_ne!(before.stamp(), list(&tree, &"Old.pkg".into()).unwrap().stamp());
    let error = before.zip(&tree, Vec::new(), &mut |_| {}).unwrap_err();
    assert_eq!(reason(&error).code, ReasonCode::Changing);
}

#[test]
fn what_cannot_be_one_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tree = Tree::open(folder.path()).unwrap();
    let make = |name: &str| fs::create_dir_all(folder.path().join(name).join("Contents")).unwrap();
    make("Empty.pkg");
    assert_eq!(list(&tree, &"Empty.pkg".into()).unwrap_err().code, ReasonCode::BundleRefused);
    make("Twins.pkg");
    for twin in ["Caf\u{e9}", "Cafe\u{301}"] {
        fs::write(folder.path().join("Twins.pkg").join(twin), "x").unwrap();
    }
    assert!(list(&tree, &"Twins.pkg".into()).unwrap_err().text.contains("two files"));
    make("Out.pkg");
    fs::write(folder.path().join("Out.pkg/file"), "x").unwrap();
    symlink("../../outside", folder.path().join("Out.pkg/Contents/link")).unwrap();
    let bundle = list(&tree, &"Out.pkg".into()).unwrap();
    let error = bundle.zip(&tree, Vec::new(), &mut |_| {}).unwrap_err();
    assert_eq!(reason(&error).code, ReasonCode::BundleRefused);
}

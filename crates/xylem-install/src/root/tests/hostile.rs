//! Packages that must not get anywhere: whatever they try, the target stays as it was.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use xylem_artifact::build::{ComponentBuilder, Source};
use xylem_artifact::payload::PayloadError;

use super::sample;
use crate::error::InstallError;
use crate::testing::{Raw, Scene, cpio, gzip, install, picture};

/// Installs into a target that holds something already, expects a failure, and compares.
fn refusal(payload: &[u8]) -> InstallError {
    let scene = Scene::new();
    scene.put("standing/file", "file");
    let request = scene.build_raw(1, payload);
    let before = picture(scene.folder.path());
    let error = install(&request).unwrap_err();
    // The picture takes in what is beside the target, too.
    assert_eq!(picture(scene.folder.path()), before, "{error}");
    error
}

#[test]
fn payloads_that_try_to_leave_or_mislead_are_refused_and_change_nothing() {
    let (file, link, directory) = (0o100_644, 0o120_755, 0o040_755);
    let outside = "../outside";
    let hard_link_through = [
        Raw { inode: 5, links: 2, ..Raw::new("a", file, b"x") },
        Raw::new("d", link, b".."),
        Raw { inode: 5, links: 2, ..Raw::new("d/b", file, b"") },
    ];
    let cases: Vec<(&str, Vec<Raw<'_>>)> = vec![
        ("a step upwards", vec![Raw::new("../evil", file, b"x")]),
        ("an absolute path", vec![Raw::new("/tmp/evil", file, b"x")]),
        (
            "through a link that it brings",
            vec![Raw::new("a", link, outside.as_bytes()), Raw::new("a/evil", file, b"x")],
        ),
        (
            "a directory through a link that it brings",
            vec![Raw::new("a", link, b"standing"), Raw::new("a/b", directory, b"")],
        ),
        ("a hard link through a link that it brings", hard_link_through.into()),
        ("a device", vec![Raw::new("null", 0o020_666, b"")]),
        ("a pipe", vec![Raw::new("pipe", 0o010_644, b"")]),
        ("a file twice", vec![Raw::new("a", file, b"1"), Raw::new("a", file, b"2")]),
        ("a link over a file", vec![Raw::new("a", file, b"1"), Raw::new("a", link, b"x")]),
        ("a file over a directory", vec![Raw::new("a", directory, b""), Raw::new("a", file, b"")]),
        ("a directory over a link", vec![Raw::new("a", link, b"x"), Raw::new("a", directory, b"")]),
        ("a file below a file", vec![Raw::new("a", file, b"1"), Raw::new("a/b", file, b"2")]),
        ("a directory where the target has a file", vec![Raw::new("standing/file/x", file, b"")]),
        ("a file where the target has a directory", vec![Raw::new("standing", file, b"")]),
        ("a link where the target has a directory", vec![Raw::new("standing", link, b"x")]),
        ("the name of a staging directory", vec![Raw::new(".xylem-staging-1/plan", file, b"")]),
    ];
    for (what, members) in cases {
        let plain = cpio(&members);
        for payload in [plain.clone(), gzip(&plain)] {
            let error = refusal(&payload);
            assert_eq!(error.result_word(), "refused", "{what}: {error}");
        }
    }
}

#[test]
fn identifiers_and_install_locations_are_names_not_paths_elsewhere() {
    let bad = [
        ComponentBuilder::new("../../evil", "1"),
        ComponentBuilder::new("org.example.tool", "1").install_location("/../outside"),
        ComponentBuilder::new("org.example.tool", "1").install_location("a/./b"),
    ];
    for component in bad {
        let scene = Scene::new();
        let request = scene.build(component.file("a", 0o644, Source::bytes("a")));
        let before = picture(scene.folder.path());
        let error = install(&request).unwrap_err();
        assert_eq!(error.result_word(), "refused", "{error}");
        assert_eq!(picture(scene.folder.path()), before);
    }
}

#[test]
fn a_bomb_is_stopped_at_its_budget() {
    let mut archive = cpio(&[Raw::new("zeros", 0o100_644, b"")]);
    archive.truncate(76 + 6);
    archive[65..76].copy_from_slice(format!("{:011o}", 1_u64 << 32).as_bytes());
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&archive).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..80 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let error = refusal(&bomb);
    let is_bomb = matches!(
        error,
        InstallError::Payload { source: PayloadError::Bomb { limit_bytes: 67_108_864 }, .. }
    );
    assert!(is_bomb, "{error:?}");
}

#[test]
fn packages_that_declare_more_than_fits_are_refused_before_they_are_read() {
    let scene = Scene::new();
    let error = install(&scene.build_raw(1 << 50, &cpio(&[]))).unwrap_err();
    assert_eq!(error.result_word(), "no-space");
    assert!(error.to_string().contains("1152921504711704576 bytes are needed"), "{error}");
    assert!(scene.picture().is_empty());
}

#[test]
fn a_payload_cut_anywhere_changes_nothing() {
    let plain = cpio(&[
        Raw::new("a", 0o100_644, &[7; 5000]),
        Raw::new("b", 0o120_755, b"a"),
        Raw::new("c", 0o100_644, &[8; 5000]),
    ]);
    for whole in [plain.clone(), gzip(&plain)] {
        for sixteenth in 1..16 {
            let error = refusal(&whole[..whole.len() * sixteenth / 16]);
            assert_eq!(error.result_word(), "refused", "{sixteenth}/16: {error}");
        }
    }
}

#[test]
fn a_package_file_cut_anywhere_changes_nothing() {
    let scene = Scene::new();
    scene.build(sample());
    let whole = fs::read(scene.package_path()).unwrap();
    for sixteenth in 0..16 {
        fs::write(scene.package_path(), &whole[..whole.len() * sixteenth / 16]).unwrap();
        let error = install(&scene.request()).unwrap_err();
        assert_eq!(error.result_word(), "refused", "{sixteenth}/16: {error}");
        assert!(scene.picture().is_empty());
    }
}

#[test]
fn flipped_bytes_are_caught_by_the_checksums() {
    let scene = Scene::new();
    let small = ComponentBuilder::new("org.example.small", "1")
        .file("a", 0o644, Source::bytes("content"))
        .symlink("b", "a");
    scene.build(small);
    let whole = fs::read(scene.package_path()).unwrap();
    for at in (0..whole.len()).step_by(1) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x21;
        fs::write(scene.package_path(), &flipped).unwrap();
        let error = install(&scene.request()).unwrap_err();
        assert!(matches!(error, InstallError::Package(_)), "byte {at}: {error}");
        assert!(scene.picture().is_empty());
    }
}

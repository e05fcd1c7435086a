use std::io::{Cursor, Read};

use super::record::{DEFLATED, end_of_archive};
use super::*;

/// Gives its bytes in pieces of an odd length.
struct Dripping<'a>(&'a [u8]);

impl Read for Dripping<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let room = to.len().min(7);
        self.0.read(&mut to[..room])
    }
}

fn archive(from: impl Fn(&'static [u8]) -> Box<dyn Read>) -> Vec<u8> {
    let body: &'static [u8] = Box::leak(vec![b'x'; 200_000].into_boxed_slice());
    let mut writer = BundleWriter::new(Vec::new());
    writer.folder("Caf\u{e9}.pkg").unwrap();
    writer.folder("Caf\u{e9}.pkg/Contents").unwrap();
    writer.file("Caf\u{e9}.pkg/Contents/Archive.pax.gz", false, 200_000, from(body)).unwrap();
    writer.file("Caf\u{e9}.pkg/Contents/postflight", true, 9, from(b"#!/bin/sh")).unwrap();
    writer.link("Caf\u{e9}.pkg/Contents/latest", "postflight").unwrap();
    writer.finish().unwrap()
}

#[test]
fn another_reader_finds_everything_as_it_was() {
    let bytes = archive(|bytes| Box::new(bytes));
    assert!(bytes.len() < 2000, "{}", bytes.len());
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let mut body = Vec::new();
        member.read_to_end(&mut body).unwrap();
        found.push((member.name().unwrap().into_owned(), member.unix_mode().unwrap(), body.len()));
    }
    let expected = [
        ("Caf\u{e9}.pkg/", 0o040_755, 0),
        ("Caf\u{e9}.pkg/Contents/", 0o040_755, 0),
        ("Caf\u{e9}.pkg/Contents/Archive.pax.gz", 0o100_644, 200_000),
        ("Caf\u{e9}.pkg/Contents/postflight", 0o100_755, 9),
        ("Caf\u{e9}.pkg/Contents/latest", 0o120_777, 10),
    ];
    assert_eq!(found, expected.map(|(name, mode, len)| (name.to_owned(), mode, len)));
}

#[test]
fn how_a_reader_cuts_its_bytes_makes_no_difference() {
    assert_eq!(archive(|bytes| Box::new(bytes)), archive(|bytes| Box::new(Dripping(bytes))));
}

/// The bytes are what a bundle is known by: a change of them is a change of [`BUNDLE_FORMAT`].
#[test]
fn the_bytes_are_these() {
    let id = xylem_model::ContentId::of(&archive(|bytes| Box::new(bytes)));
    assert_eq!((BUNDLE_FORMAT, id.to_string().as_str()), (1, KNOWN));
}

const KNOWN: &str = "cd811003dc4eb2b34e2e2a6067cba94a010d22e3b244895f5e4ffb3e807381b0";

#[test]
fn a_file_that_was_changed_meanwhile_is_noticed() {
    for len in [2, 4] {
        let mut writer = BundleWriter::new(Vec::new());
        let error = writer.file("a/b", false, len, &b"abc"[..]).unwrap_err();
        assert!(matches!(error, BundleError::Length { .. }), "{error}");
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let mut writer = BundleWriter::new(io::sink());
    for name in ["", "/a", "a//b", "../a", "a/..", "a/./b", "a\0"] {
        assert!(writer.folder(name).is_err(), "{name:?}");
    }
    writer.folder("a").unwrap();
    assert!(writer.folder("a").is_err());
}

#[test]
fn links_must_stay_inside() {
    for (name, target, inside) in [
        ("A.app/Contents/x", "y", true),
        ("A.app/Contents/x", "../Info", true),
        ("A.app/Contents/x", "..", true),
        ("A.app/Contents/x", "../..", false),
        ("A.app/Contents/x", "../../B", false),
        ("A.app/Contents/x", "/etc/passwd", false),
        ("A.app/Contents/x", "a/../../../..", false),
        ("A.app/Contents/MacOS/x", "y/../z", false),
        ("A.app/Contents/MacOS/x", "../../Resources/y", true),
        ("A.app/x", "Versions/./A", true),
        ("A.app", "B", false),
        ("A.app/x", "", false),
    ] {
        assert_eq!(stays_inside(name, target), inside, "{name} -> {target}");
    }
}

/// Sizes beyond four bytes, without writing four gigabytes: the fields alone.
#[test]
fn large_members_have_the_wide_fields() {
    let member = Member {
        name: "a/b".to_owned(),
        mode: 0o100_644,
        method: DEFLATED,
        crc: 7,
        stored: 5 << 30,
        len: 6 << 30,
        offset: 7 << 30,
        is_large: true,
    };
    let mut archive = member.listed();
    let size = archive.len() as u64;
    archive.extend(end_of_archive(1, 0, size));
    let listed = &archive[46 + 3..][..28];
    let wide: Vec<u64> =
        listed[4..].chunks(8).map(|it| u64::from_le_bytes(it.try_into().unwrap())).collect();
    assert_eq!(wide, [6 << 30, 5 << 30, 7 << 30]);
    assert_eq!(member.header().len(), 30 + 3 + 20);
    assert_eq!(member.trailer().len(), 24);
}

//! The rules of zip archives, broken one at a time in an app that is sound otherwise.

use std::io::{Cursor, Write};
use std::os::unix::fs::FileExt;

use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipWriter};
use xylem_artifact::Form;
use xylem_artifact::RefusalCode::{
    ChecksumMismatch, Damaged, EmptyFile, Encrypted, OtherForm, TooLarge, Truncated, UnsafeName,
};

use crate::zipped::{Member, Zip, assert_refused, inspect, inspect_file, plist, text, warnings};

const INFO_PATH: &str = "Payload/A.app/Info.plist";

fn info() -> String {
    plist(&text("CFBundleIdentifier", "org.example.a"))
}

fn app() -> Zip {
    Zip::of([Member::deflated(INFO_PATH, info())])
}

fn with(member: Member) -> Vec<u8> {
    app().with(member).bytes()
}

fn accepted(bytes: &[u8]) -> Vec<String> {
    let inspection = inspect(Form::MobileApp, bytes);
    let mut words = warnings(&inspection.unwrap_or_else(|refusal| panic!("{refusal}")));
    words.retain(|word| word != "without_profile");
    words
}

fn file() -> Member {
    Member::stored("f", b"content")
}

#[test]
fn what_tools_write_is_accepted() {
    let deflated = || Member::deflated("f", b"content, content, content");
    for (name, bytes) in [
        ("the app alone", app().bytes()),
        ("a stored file", with(file())),
        ("an empty file", with(Member::stored("f", b""))),
        ("a folder", with(Member::stored("d/", b"").mode(0o040_755))),
        ("a deflated folder", with(Member::deflated("d/", b""))),
        ("a comment", app().comment(*b"made by hand").bytes()),
        ("a descriptor", with(deflated().described(true, false))),
        ("a descriptor without signature", with(deflated().described(false, false))),
        ("a wide descriptor", with(deflated().described(true, true))),
        ("a wide descriptor without signature", with(deflated().described(false, true))),
        ("a descriptor that is announced but left out", with(deflated().flags(8))),
        ("a name in another encoding", with(Member::stored(b"B\x81ro", b""))),
        ("a link to a file beside it", app().with(file()).with(Member::link("l", "f")).bytes()),
        ("a link upwards", with(Member::link("a/b/l", "../../f"))),
        ("the compressor's options", with(deflated().flags(6).header(6, [0, 0]))),
    ] {
        assert_eq!(accepted(&bytes), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_another_writer_writes_is_accepted() {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let fill = |mut writer: ZipWriter<Cursor<Vec<u8>>>| {
        writer.start_file(INFO_PATH, deflated.large_file(true)).unwrap();
        writer.write_all(info().as_bytes()).unwrap();
        writer.add_directory("Payload/A.app/Base.lproj", stored).unwrap();
        writer.start_file("Payload/A.app/A", stored.large_file(true)).unwrap();
        writer.write_all(b"program").unwrap();
        writer.add_symlink("Payload/A.app/L", "A", stored).unwrap();
        writer.finish().unwrap().into_inner()
    };
    let bytes: Vec<u8> = fill(ZipWriter::new(Cursor::new(Vec::new())));
    assert_eq!(accepted(&bytes), Vec::<String>::new());
    let mut streamed = ZipWriter::new_stream(Vec::new());
    streamed.start_file(INFO_PATH, deflated).unwrap();
    streamed.write_all(info().as_bytes()).unwrap();
    let bytes = streamed.finish().unwrap().into_inner();
    assert_eq!(accepted(&bytes), Vec::<String>::new());
}

#[test]
fn archives_with_more_files_than_16_bits_count_are_read() {
    let many: Vec<Member> =
        (0..65_540).map(|number| Member::stored(number.to_string(), b"")).collect();
    let zip = Zip::of(many).with(Member::stored(INFO_PATH, info()));
    assert_eq!(accepted(&zip.bytes()), Vec::<String>::new());
    let too_many = (0..100_000).map(|number| Member::stored(number.to_string(), b""));
    let zip = Zip::of(too_many).with(Member::stored(INFO_PATH, info()));
    assert_refused(Form::MobileApp, [("too many", zip.bytes(), TooLarge)]);
}

/// macOS cuts positions beyond 4 GiB off; the two large members are holes, and of an unknown
/// method, so that nothing of this size is written or read.
#[test]
fn archives_beyond_4_gib_are_read_although_their_numbers_are_cut_off() {
    let hole = 3_u32 << 30;
    let lengths = [hole.to_le_bytes(), hole.to_le_bytes()].concat();
    let large = |name: &str| {
        let member = Member::stored(name, b"").method(12);
        (member.header(18, lengths.clone()).entry(20, lengths.clone()), u64::from(hole))
    };
    let info = Member::stored(INFO_PATH, info());
    let info_bytes = info.packed_len() as u64;
    let file = tempfile::tempfile().unwrap();
    let (mut position, mut directory) = (0, Vec::new());
    for (member, content_bytes) in [large("a"), large("b"), (info, info_bytes)] {
        directory.extend_from_slice(&member.entry_bytes(position as usize));
        let header = member.header_bytes();
        file.write_all_at(&header, position).unwrap();
        file.write_all_at(member.packed_bytes(), position + header.len() as u64).unwrap();
        position += header.len() as u64 + content_bytes;
    }
    let mut end = b"PK\x05\x06\0\0\0\0\x03\0\x03\0".to_vec();
    end.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    end.extend_from_slice(&(position as u32).to_le_bytes());
    end.extend_from_slice(&[0, 0]);
    file.write_all_at(&[directory, end].concat(), position).unwrap();
    let inspection = inspect_file(Form::MobileApp, file).unwrap();
    assert!(inspection.size_bytes > 6 << 30);
    assert_eq!(warnings(&inspection), ["unknown_compression", "without_profile"]);
}

#[test]
fn what_should_be_known_is_warned_of() {
    let zip = app().with(file()).with(Member::stored("F", b""));
    assert_eq!(accepted(&zip.bytes()), ["colliding_names"]);
    let zip = app().with(Member::stored("u\u{308}", b"")).with(Member::stored("ü", b""));
    assert_eq!(accepted(&zip.bytes()), ["colliding_names"]);
    assert_eq!(accepted(&with(file().behind(*b"loose"))), ["unprotected"]);
    assert_eq!(accepted(&with(file().method(12))), ["unknown_compression"]);
}

#[test]
fn files_that_are_something_else_or_cut_short_are_refused() {
    let sound = app().bytes();
    assert_refused(
        Form::MobileApp,
        [
            ("nothing", Vec::new(), EmptyFile),
            ("text", b"Not found\n".to_vec(), OtherForm),
            ("a xar archive", b"xar!....".to_vec(), OtherForm),
            ("an archive behind something else", app().before(b"#!/bin/sh\n").bytes(), OtherForm),
        ],
    );
    for cut in 4..sound.len() {
        let refusal = inspect(Form::MobileApp, &sound[..cut]).unwrap_err();
        assert_eq!(refusal.code, Truncated, "cut to {cut} bytes: {}", refusal.message);
    }
}

#[test]
fn ends_that_contradict_the_file_are_refused() {
    let end_of = |zip: Zip| zip.bytes()[zip.bytes().len() - 22..].to_vec();
    let locator = |start: u64, volumes: u8| {
        [b"PK\x06\x07\0\0\0\0".as_slice(), &start.to_le_bytes(), &[volumes, 0, 0, 0]].concat()
    };
    assert_refused(
        Form::MobileApp,
        [
            ("bytes behind the end", app().behind(b"x").bytes(), Damaged),
            ("two ends", app().comment(end_of(app())).bytes(), Damaged),
            ("another volume", app().end(4, [1, 0]).bytes(), Damaged),
            ("a directory in another volume", app().end(6, [1, 0]).bytes(), Damaged),
            ("fewer files in this volume", app().end(8, [0, 0]).bytes(), Damaged),
            ("more files than are listed", app().end(8, [2, 0, 2, 0]).bytes(), Damaged),
            ("no file though one is listed", app().end(8, [0, 0, 0, 0]).bytes(), Damaged),
            ("a shorter directory", app().end(12, [1, 0, 0, 0]).bytes(), Damaged),
            ("a directory of 4 GiB", app().end(12, [255; 4]).bytes(), Damaged),
            ("a directory elsewhere", app().end(16, [1, 0, 0, 0]).bytes(), Damaged),
            ("bytes behind the directory", app().between(*b"x").bytes(), Damaged),
            ("a locator to nothing", app().between(locator(0, 1)).bytes(), Damaged),
            ("a locator past the end", app().between(locator(u64::MAX, 1)).bytes(), Damaged),
            ("a locator to a second volume", app().between(locator(0, 2)).bytes(), Damaged),
            (
                "bytes before the archive",
                app().before(b"PK\x03\x04 but not an archive").bytes(),
                Damaged,
            ),
            (
                "an archive of nothing but its end behind bytes",
                { Zip::default().before(b"PK\x05\x06....").bytes() },
                Damaged,
            ),
        ],
    );
}

#[test]
fn wide_ends_that_contradict_the_short_one_are_refused() {
    // The fixed part of a wide end and its locator, put before the short end of a sound archive.
    let plain = app().bytes();
    let (body, end) = plain.split_at(plain.len() - 22);
    let wide = |members: u64, bytes: u32, start: u32, length: u64| {
        let mut record = b"PK\x06\x06".to_vec();
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(&[45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for number in [members, members, bytes.into(), start.into()] {
            record.extend_from_slice(&number.to_le_bytes());
        }
        record.extend_from_slice(b"PK\x06\x07\0\0\0\0");
        record.extend_from_slice(&(body.len() as u64).to_le_bytes());
        record.extend_from_slice(&[1, 0, 0, 0]);
        [body, &record, end].concat()
    };
    let number = |at: usize| u32::from_le_bytes(end[at..at + 4].try_into().unwrap());
    let (bytes, start) = (number(12), number(16));
    assert_eq!(accepted(&wide(1, bytes, start, 44)), Vec::<String>::new());
    assert_refused(
        Form::MobileApp,
        [
            ("another count", wide(2, bytes, start, 44), Damaged),
            ("another length", wide(1, bytes + 1, start, 44), Damaged),
            ("another place", wide(1, bytes, start + 1, 44), Damaged),
            ("a record that is longer", wide(1, bytes, start, 45), Damaged),
        ],
    );
}

#[test]
fn members_that_contradict_the_directory_are_refused() {
    let f = file;
    let described = || Member::deflated("f", b"content").described(true, false);
    let mut wrong_descriptor = described();
    wrong_descriptor = wrong_descriptor.behind([0; 16]);
    assert_refused(
        Form::MobileApp,
        [
            ("another name", with(f().header(30, *b"g")), Damaged),
            ("a longer name", with(f().header(26, [2, 0])), Damaged),
            ("another CRC", with(f().header(14, [1, 2, 3, 4])), Damaged),
            ("no CRC, and no descriptor", with(f().header(14, [0; 4])), Damaged),
            ("another length", with(f().header(18, [8, 0, 0, 0])), Damaged),
            ("another expanded length", with(f().header(22, [8, 0, 0, 0])), Damaged),
            ("another method", with(f().header(8, [8, 0])), Damaged),
            ("a descriptor on one side alone", with(f().header(6, [8, 0])), Damaged),
            ("no header there", with(f().header(0, *b"PK\x01\x02")), Damaged),
            ("a header past the end", with(f().entry(42, [255, 255, 255, 0])), Damaged),
            ("a header in the directory", with(f().entry(42, [200, 0, 0, 0])), Damaged),
            ("the header of another", with(f().entry(42, [0; 4])), Damaged),
            ("data past the directory", with(f().entry(20, [255, 255, 0, 0])), Damaged),
            ("no entry of a directory", with(f().entry(0, *b"PK\x03\x04")), Damaged),
            ("a wrong descriptor", with(wrong_descriptor), Damaged),
            ("no descriptor", with(described().behind(Vec::new())), Damaged),
            ("another volume", with(f().entry(34, [1, 0])), Damaged),
            ("a stored file with two lengths", with(f().size(8)), Damaged),
            ("a folder with content", with(Member::stored("d/", b"x")), Damaged),
            ("a device", with(f().mode(0o060_644)), Damaged),
            ("a pipe", with(f().mode(0o010_644)), Damaged),
        ],
    );
}

#[test]
fn encrypted_members_are_refused() {
    assert_refused(
        Form::MobileApp,
        [
            ("encrypted", with(file().flags(1)), Encrypted),
            ("strongly encrypted", with(file().flags(1 << 6)), Encrypted),
            ("with a masked header", with(file().flags(1 << 13)), Encrypted),
        ],
    );
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let named = |name: &str| with(Member::stored(name, b""));
    let link = |name: &str, target: &str| with(Member::link(name, target));
    let two = |first: Member, second: Member| app().with(first).with(second).bytes();
    let long = "n".repeat(1025);
    assert_refused(
        Form::MobileApp,
        [
            ("absolute", named("/tmp/x"), UnsafeName),
            ("upwards", named("../x"), UnsafeName),
            ("upwards inside", named("Payload/../../x"), UnsafeName),
            ("a backslash", named("..\\x"), UnsafeName),
            ("NUL", named("a\0b"), UnsafeName),
            ("empty", named(""), UnsafeName),
            ("an empty part", named("a//b"), UnsafeName),
            ("too long", named(&long), UnsafeName),
            ("too deep", named(&"d/".repeat(65)), UnsafeName),
            ("a link upwards", link("l", "../x"), UnsafeName),
            ("an absolute link", link("a/l", "/etc"), UnsafeName),
            ("a link down and up", link("a/l", "b/../../.."), UnsafeName),
            ("a link to nothing", link("l", ""), UnsafeName),
            ("a long link", link("l", &long), TooLarge),
            ("one name twice", two(file(), file()), Damaged),
            ("a folder twice", two(Member::stored("d/", b""), Member::stored("d/", b"")), Damaged),
            ("a file and a folder", two(file(), Member::stored("f/", b"")), Damaged),
            ("a file in a file", two(file(), Member::stored("f/g", b"")), Damaged),
            ("a file in a file of another case", two(file(), Member::stored("F/g", b"")), Damaged),
            (
                "a file behind a link",
                { two(Member::link("l", "Payload"), Member::stored("l/g", b"")) },
                Damaged,
            ),
        ],
    );
}

#[test]
fn archives_that_expand_without_bound_are_refused() {
    let zeros = vec![0; 65 << 20];
    let bomb = Member::deflated("f", &zeros);
    let overlapping = {
        // A second entry for the same data: the name in the header is that of the first.
        let sound = app().bytes();
        let directory_start = sound[sound.len() - 6..sound.len() - 2].to_vec();
        app().with(file()).with(file().entry(42, directory_start)).bytes()
    };
    assert_refused(
        Form::MobileApp,
        [
            ("a bomb", with(bomb), TooLarge),
            ("a bomb that lies", with(Member::deflated("f", vec![0; 1 << 20]).size(10)), TooLarge),
            ("a claim of 4 GiB", with(Member::deflated("f", b"x").size(u32::MAX)), TooLarge),
            ("two files in one place", overlapping, Damaged),
        ],
    );
    assert_eq!(accepted(&with(Member::deflated("f", vec![0; 60 << 20]))), Vec::<String>::new());
}

#[test]
fn content_that_is_damaged_is_refused() {
    let f = || Member::deflated("f", b"some content that is long enough to be compressed");
    let half = f().packed_len() / 2;
    assert_refused(
        Form::MobileApp,
        [
            ("another CRC, stored", with(file().crc(1)), ChecksumMismatch),
            ("another CRC, deflated", with(f().crc(1)), ChecksumMismatch),
            ("a changed byte, stored", with(file().packed(|data| data[3] ^= 1)), ChecksumMismatch),
            ("cut in the middle", with(f().packed(|data| data.truncate(half))), Damaged),
            ("more behind the end", with(f().packed(|data| data.push(0))), Damaged),
            ("no stream at all", with(f().packed(|data| data.fill(255))), Damaged),
            ("nothing at all", with(f().packed(Vec::clear)), Damaged),
            ("less than declared", with(f().size(1000)), Damaged),
            ("more than declared", with(f().size(3)), TooLarge),
            (
                "a document in an unknown compression",
                Zip::of([Member::stored(INFO_PATH, info()).method(12)]).bytes(),
                Damaged,
            ),
        ],
    );
}

/// Only what nobody's checksum covers, and what changes nothing that is read here, may change.
#[test]
fn every_other_changed_byte_is_noticed() {
    let zip = Zip::of([Member::stored(INFO_PATH, info())]);
    let bytes = zip.bytes();
    let sound = inspect(Form::MobileApp, &bytes).unwrap();
    let directory = bytes.len() - 22 - 46 - INFO_PATH.len();
    // Versions, the compressor's options, time and date; in the directory also attributes.
    let free = |at: usize| match at.checked_sub(directory) {
        None => matches!(at, 4..=7 | 10..=13),
        Some(at) => matches!(at, 4..=9 | 12..=15 | 36..=41),
    };
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            match inspect(Form::MobileApp, &changed) {
                Ok(inspection) => {
                    assert!(free(at), "byte {at} changed by {change:#x} passed");
                    assert_eq!(inspection, sound);
                }
                Err(refusal) => assert!(refusal.message.contains(';'), "{refusal}"),
            }
        }
    }
}

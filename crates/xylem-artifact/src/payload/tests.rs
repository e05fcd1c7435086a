//! Whole payloads, written here byte by byte.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const ROOMY: Budget = Budget::of_bytes(1 << 30);

struct Entry {
    name: &'static str,
    mode: u32,
    ino: u64,
    nlink: u32,
    data: Vec<u8>,
}

fn entry(name: &'static str, mode: u32, data: &[u8]) -> Entry {
    Entry { name, mode, ino: 0, nlink: 1, data: data.to_vec() }
}

fn name_of_inode(name: &'static str, ino: u64, data: &[u8]) -> Entry {
    Entry { ino, nlink: 3, ..entry(name, 0o100644, data) }
}

fn sample() -> Vec<Entry> {
    vec![
        entry(".", 0o040755, b""),
        entry("./bin", 0o040755, b""),
        entry("./bin/tool", 0o104755, b"#!/bin/sh\n"),
        entry("./bin/alias", 0o120755, b"tool"),
        entry("./odd", 0o100644, b"12345"),
    ]
}

fn odc(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    let trailer = [entry("TRAILER!!!", 0, b"")];
    for e in entries.iter().chain(&trailer) {
        let (mode, ino, nlink) = (e.mode, e.ino, e.nlink);
        let (name_bytes, size) = (e.name.len() + 1, e.data.len());
        write!(
            out,
            "070707{:06o}{ino:06o}{mode:06o}{:06o}{:06o}{nlink:06o}{:06o}{:011o}{name_bytes:06o}{size:011o}",
            1, 501, 20, 0, 1_700_000_000
        )
        .unwrap();
        out.extend(e.name.bytes());
        out.push(0);
        out.extend(&e.data);
    }
    out
}

fn newc(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    let trailer = [entry("TRAILER!!!", 0, b"")];
    let pad = |out: &mut Vec<u8>| out.resize(out.len().next_multiple_of(4), 0);
    for e in entries.iter().chain(&trailer) {
        let (name_bytes, size) = (e.name.len() as u32 + 1, e.data.len() as u32);
        out.extend(b"070701");
        let ino = e.ino as u32;
        for field in [ino, e.mode, 501, 20, e.nlink, 1_700_000_000, size, 0, 1, 0, 0, name_bytes, 0]
        {
            write!(out, "{field:08X}").unwrap();
        }
        out.extend(e.name.bytes());
        out.push(0);
        pad(&mut out);
        out.extend(&e.data);
        pad(&mut out);
    }
    out
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn pbzx_of(data: &[u8], block_bytes: usize) -> Vec<u8> {
    let mut out = b"pbzx".to_vec();
    out.extend((block_bytes as u64).to_be_bytes());
    for (number, piece) in data.chunks(block_bytes).enumerate() {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(piece).unwrap();
        let packed = encoder.finish().unwrap();
        // Every other block raw, as Apple's tools do where xz gains nothing.
        let stored = if number % 2 == 1 { piece } else { &packed };
        out.extend((piece.len() as u64).to_be_bytes());
        out.extend((stored.len() as u64).to_be_bytes());
        out.extend(stored);
    }
    out
}

fn read_all(packed: &[u8], budget: Budget) -> Result<Vec<(Member, Vec<u8>)>, PayloadError> {
    let mut payload = PayloadReader::open(packed, budget)?;
    let mut found = Vec::new();
    while let Some(member) = payload.next_member()? {
        let mut body = Vec::new();
        payload.body().read_to_end(&mut body).map_err(PayloadError::from_io)?;
        found.push((member, body));
    }
    Ok(found)
}

fn refusal(entries: &[Entry]) -> PayloadError {
    read_all(&odc(entries), ROOMY).unwrap_err()
}

#[test]
fn every_packing_yields_the_same_members() {
    let plain = odc(&sample());
    let two_gzip_members = [gzip(&plain[..100]), gzip(&plain[100..])].concat();
    let packings = [
        plain.clone(),
        gzip(&plain),
        two_gzip_members,
        pbzx_of(&plain, 64),
        newc(&sample()),
        gzip(&newc(&sample())),
    ];
    for packed in packings {
        let found = read_all(&packed, ROOMY).unwrap();
        let paths: Vec<_> = found.iter().map(|(member, _)| member.path.as_str()).collect();
        assert_eq!(paths, ["", "bin", "bin/tool", "bin/alias", "odd"]);
        let (tool, body) = &found[2];
        assert_eq!((tool.mode, tool.uid, tool.gid), (0o4755, 501, 20));
        assert_eq!((tool.mtime, tool.size), (1_700_000_000, 10));
        assert_eq!(body, b"#!/bin/sh\n");
        assert_eq!(found[3].0.kind, MemberKind::Symlink { target: "tool".into() });
        assert_eq!(found[4].1, b"12345");
    }
}

#[test]
fn bodies_need_not_be_read() {
    let packed = gzip(&newc(&sample()));
    let mut payload = PayloadReader::open(&packed[..], ROOMY).unwrap();
    let mut count = 0;
    while let Some(member) = payload.next_member().unwrap() {
        count += 1;
        let mut first = [0; 3];
        let wanted = usize::try_from(member.size.min(3)).unwrap();
        payload.body().read_exact(&mut first[..wanted]).unwrap();
    }
    assert_eq!(count, 5);
    assert_eq!(payload.next_member().unwrap(), None);
}

#[test]
fn an_empty_payload_has_no_members() {
    assert!(read_all(b"", ROOMY).unwrap().is_empty());
    assert!(read_all(&gzip(b""), ROOMY).unwrap().is_empty());
    assert!(read_all(&odc(&[]), ROOMY).unwrap().is_empty());
}

#[test]
fn names_of_one_file_are_recognised_wherever_its_data_stands() {
    type Case = [&'static [u8]; 3];
    let first: Case = [b"shared", b"", b""];
    let last: Case = [b"", b"", b"shared"];
    let every: Case = [b"shared", b"shared", b"shared"];
    for [a, b, c] in [first, last, every] {
        let entries = [
            name_of_inode("a", 7, a),
            name_of_inode("b", 7, b),
            entry("between", 0o100600, b"x"),
            name_of_inode("c", 7, c),
        ];
        for packed in [odc(&entries), newc(&entries)] {
            let found = read_all(&packed, ROOMY).unwrap();
            let target = MemberPath::parse(b"a").unwrap();
            assert_eq!(found[0].0.kind, MemberKind::File);
            assert_eq!(found[1].0.kind, MemberKind::HardLink { target: target.clone() });
            assert_eq!(found[2].0.kind, MemberKind::File);
            assert_eq!(found[3].0.kind, MemberKind::HardLink { target });
            let bodies: Vec<_> = [0, 1, 3].map(|at| found[at].1.as_slice()).to_vec();
            assert_eq!(bodies, [a, b, c]);
        }
    }
}

#[test]
fn unknown_packings_are_named_in_the_refusal() {
    let cases: [(&[u8], &str); 7] = [
        (b"AA01rest", "Apple Archive"),
        (b"YAA1rest", "Apple Archive"),
        (b"pbzerest", "pbze"),
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"070702000", "newc with checksums"),
        (b"hello, leaf", "68656c6c6f2c"),
    ];
    for (packed, expected) in cases {
        let error = read_all(packed, ROOMY).unwrap_err();
        assert!(matches!(error, PayloadError::UnsupportedFormat { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        let error = read_all(&gzip(packed), ROOMY).unwrap_err();
        assert!(matches!(error, PayloadError::UnsupportedFormat { .. }), "{error}");
    }
}

#[test]
fn special_files_are_refused() {
    for mode in [0o020666, 0o060660, 0o010644, 0o140755, 0o000644] {
        let error = refusal(&[entry("dev/null", mode, b"")]);
        assert!(matches!(error, PayloadError::SpecialFile { .. }), "{mode:o}: {error}");
    }
}

#[test]
fn hostile_names_and_link_targets_are_refused() {
    let long = vec![b'x'; 4097];
    let cases = [
        entry("../../etc/evil", 0o100644, b"x"),
        entry("/etc/evil", 0o100644, b"x"),
        entry(".", 0o100644, b"the root as a file"),
        entry("a", 0o120755, b""),
        entry("a", 0o120755, b"b\0c"),
        entry("a", 0o120755, b"\xff"),
        entry("a", 0o120755, &long),
    ];
    for case in cases {
        let name = case.name;
        let error = refusal(&[case]);
        assert!(matches!(error, PayloadError::UnsafePath { .. }), "{name}: {error}");
    }
    assert!(read_all(&odc(&[entry("a", 0o120755, &long[1..])]), ROOMY).is_ok());
}

#[test]
fn contradictions_are_refused() {
    let directory_with_data = odc(&[entry("d", 0o040755, b"data")]);
    let mixed = [&newc(&[entry("a", 0o100644, b"")])[..116], &odc(&[])].concat();
    let mut endless_name = odc(&[entry("a", 0o100644, b"")]);
    endless_name[59..65].copy_from_slice(b"777777");
    let mut endless_data = odc(&[entry("a", 0o100644, b"")]);
    endless_data[65..76].copy_from_slice(b"77777777777");
    for (packed, truncated) in
        [(directory_with_data, false), (mixed, false), (endless_name, false), (endless_data, true)]
    {
        let error = read_all(&packed, ROOMY).unwrap_err();
        assert_eq!(matches!(error, PayloadError::Truncated { .. }), truncated, "{error}");
        assert_eq!(matches!(error, PayloadError::Damaged { .. }), !truncated, "{error}");
    }
}

#[test]
fn every_truncation_is_an_error() {
    let plain = odc(&sample());
    for packed in [plain.clone(), newc(&sample()), gzip(&plain), pbzx_of(&plain, 100)] {
        for length in 1..packed.len() {
            let result = read_all(&packed[..length], ROOMY);
            assert!(result.is_err(), "cut at {length} of {}", packed.len());
        }
    }
}

#[test]
fn flipped_bits_in_compressed_payloads_never_pass_unnoticed_nor_panic() {
    let plain = odc(&sample());
    let reference = read_all(&plain, ROOMY).unwrap();
    for packed in [gzip(&plain), pbzx_of(&plain, 1 << 20)] {
        for at in 0..packed.len() {
            for bit in 0..8 {
                let mut flipped = packed.clone();
                flipped[at] ^= 1 << bit;
                // A flip in a header field that nothing depends on (gzip's time) changes nothing.
                if let Ok(found) = read_all(&flipped, ROOMY) {
                    assert_eq!(found, reference, "byte {at} bit {bit}");
                }
            }
        }
    }
    for at in 0..plain.len() {
        let mut flipped = plain.clone();
        flipped[at] ^= 0x55;
        let _ = read_all(&flipped, ROOMY);
    }
}

#[test]
fn a_gzip_bomb_stops_at_the_budget() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&odc(&[])[..0]).unwrap();
    let header = odc(&[entry("zeros", 0o100644, b"")]);
    let mut member = header[..header.len() - 87].to_vec();
    // The body really is there: 32 MiB of zeros, announced as such.
    member[65..76].copy_from_slice(format!("{:011o}", 32 << 20).as_bytes());
    encoder.write_all(&member).unwrap();
    for _ in 0..32 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 64 << 10, "{} bytes", bomb.len());

    let mut payload = PayloadReader::open(&bomb[..], Budget::of_bytes(1 << 20)).unwrap();
    let member = payload.next_member().unwrap().unwrap();
    assert_eq!(member.size, 32 << 20);
    let error = std::io::copy(&mut payload.body(), &mut std::io::sink()).unwrap_err();
    let error = PayloadError::from_io(error);
    assert!(matches!(error, PayloadError::Bomb { limit_bytes: 1_048_576 }), "{error}");
}

#[test]
fn what_follows_the_trailer_counts_against_the_budget_too() {
    let mut packed = odc(&sample());
    packed.extend(vec![0; 4 << 20]);
    assert!(read_all(&packed, ROOMY).is_ok());
    let error = read_all(&gzip(&packed), Budget::of_bytes(1 << 20)).unwrap_err();
    assert!(matches!(error, PayloadError::Bomb { .. }), "{error}");
}

//! What is uploaded, read by the readers that the inspecting process has.
//!
//! Checksums would keep the fuzzer out: hardly anything that it makes has the right ones. So it may
//! also give the parts of a file, from which one is put together whose checksums are right or
//! absent. Such parts are text for the most part, and can be read.

use std::fs::File;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use rustix::fs::{MemfdFlags, memfd_create};
use xylem_artifact::Form;
use xylem_artifact::inspect::{Inspection, inspect};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::planted::planted;

/// Begins each part of an archive: its name follows to the end of the line, then its content.
const PART: &[u8] = b"=== ";

/// A xar as it is, or its table of contents, a line `=== heap` and its heap.
pub(crate) fn package(input: &[u8]) {
    if input.starts_with(b"xar!") {
        let found = read(Form::FlatPackage, input);
        planted(|| found.is_some() && is_no_seed(input));
        return;
    }
    let parts = parts(input);
    let (table, heap) = match parts.as_slice() {
        [(_, table), (_, heap), ..] => (*table, *heap),
        [(_, table)] => (*table, &[][..]),
        [] => return,
    };
    let found = xar(table, heap).and_then(|file| read(Form::FlatPackage, &file));
    planted(|| found.is_some() && is_no_seed(input));
}

/// An image as it is. Those without checksums are let in.
pub(crate) fn disk_image(input: &[u8]) {
    let found = read(Form::DiskImage, input);
    planted(|| found.is_some() && is_no_seed(input));
}

/// A zip archive as it is, or its members.
pub(crate) fn zip_archive(input: &[u8]) {
    let Some(file) = zipped(input) else { return };
    let app = read(Form::MobileApp, &file);
    let archive = read(Form::Archive, &file);
    planted(|| app.or(archive).is_some() && is_no_seed(input));
}

/// A PDF, a zip archive as it is, or its members.
pub(crate) fn book(input: &[u8]) {
    if input.starts_with(b"%PDF") {
        let found = read(Form::Pdf, input);
        planted(|| found.is_some() && is_no_seed(input));
        return;
    }
    let Some(file) = zipped(input) else { return };
    read(Form::IBooks, &file);
    let found = read(Form::Epub, &file);
    planted(|| found.is_some() && is_no_seed(input));
}

/// Whether the fuzzer made an input. One that is read, too, was put together well: few are.
fn is_no_seed(input: &[u8]) -> bool {
    static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let folders = ["books", "disk_images", "packages", "zip_archives"];
        folders.iter().flat_map(|of| seeds(of)).collect()
    });
    assert!(!SEEDS.is_empty(), "the seeds are not where they were when this was built");
    !SEEDS.iter().any(|seed| seed == input)
}

/// What the target `of` begins with.
pub(crate) fn seeds(of: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(of);
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| std::fs::read(entry.path()).ok()).collect()
}

/// Inspects a file that is only in memory.
fn read(form: Form, bytes: &[u8]) -> Option<Inspection> {
    let mut file = File::from(memfd_create(c"upload", MemfdFlags::CLOEXEC).ok()?);
    file.write_all(bytes).ok()?;
    match inspect(form, file) {
        Ok(inspection) => {
            // It crosses a process border, and is to be the same on the other side.
            let text = serde_json::to_string(&inspection).unwrap_or_default();
            let back: Option<Inspection> = serde_json::from_str(&text).ok();
            assert!(back.as_ref() == Some(&inspection), "it changed on its way: {text}");
            assert!(text.len() < 1 << 20, "an answer of {} bytes", text.len());
            Some(inspection)
        }
        Err(refusal) => {
            assert!(!refusal.message.is_empty() && refusal.message.len() < 10_000);
            None
        }
    }
}

/// The parts that lines of [`PART`] begin.
fn parts(input: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut begins: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(found) = input.get(at..).and_then(|rest| find(rest, PART)) {
        let begin = at + found;
        if begin == 0 || input.get(begin - 1) == Some(&b'\n') {
            begins.push(begin);
        }
        at = begin + PART.len();
    }
    let ends = begins.iter().skip(1).copied().chain([input.len()]);
    begins.iter().zip(ends).map(|(begin, end)| part(input.get(*begin..end))).collect()
}

fn part(text: Option<&[u8]>) -> (&[u8], &[u8]) {
    let text = text.and_then(|text| text.get(PART.len()..)).unwrap_or_default();
    let line = find(text, b"\n").unwrap_or(text.len());
    let content = text.get(line + 1..).unwrap_or_default();
    (text.get(..line).unwrap_or_default(), content.strip_suffix(b"\n").unwrap_or(content))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// A xar without checksums.
fn xar(table: &[u8], heap: &[u8]) -> Option<Vec<u8>> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(table).ok()?;
    let packed = packed.finish().ok()?;
    let mut file = Vec::from(*b"xar!\0\x1c\0\x01");
    file.extend_from_slice(&(packed.len() as u64).to_be_bytes());
    file.extend_from_slice(&(table.len() as u64).to_be_bytes());
    file.extend_from_slice(&[0; 4]);
    file.extend_from_slice(&packed);
    file.extend_from_slice(heap);
    Some(file)
}

/// The input where it is a zip archive, else one of its parts. What begins with a blank is packed.
fn zipped(input: &[u8]) -> Option<Vec<u8>> {
    if input.starts_with(b"PK") {
        return Some(input.to_vec());
    }
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts(input) {
        let name = String::from_utf8_lossy(name);
        let (method, name) = match name.strip_prefix(' ') {
            Some(name) => (CompressionMethod::Deflated, name),
            None => (CompressionMethod::Stored, &*name),
        };
        let options = SimpleFileOptions::default().compression_method(method);
        if name.ends_with('/') {
            archive.add_directory(name, options).ok()?;
        } else {
            archive.start_file(name, options).ok()?;
            archive.write_all(content).ok()?;
        }
    }
    Some(archive.finish().ok()?.into_inner())
}

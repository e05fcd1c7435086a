//! Which bytes of a sound file its own checksums cover.
//!
//! Found without the readers that are under test: by the positions that the formats state, read as
//! simply as can be.

use std::io::{Cursor, Read as _};
use std::ops::Range;

use anyhow::Context as _;
use flate2::read::ZlibDecoder;
use xylem_artifact::Form;
use zip::ZipArchive;

/// The ranges, in no order.
pub(super) fn covered(form: Form, file: &[u8]) -> anyhow::Result<Vec<Range<u64>>> {
    match form {
        Form::FlatPackage => xar(file),
        Form::DiskImage => Ok(data_fork(file).into_iter().collect()),
        Form::Archive | Form::Epub | Form::IBooks | Form::MobileApp => members(file),
        // There are none.
        Form::Pdf => Ok(Vec::new()),
    }
}

/// Whether a file that was changed where a checksum covers it still holds the same, as an independent
/// reader unpacks it.
pub(super) fn holds_the_same(form: Form, file: &[u8], other: &[u8]) -> anyhow::Result<bool> {
    match form {
        Form::Archive | Form::Epub | Form::IBooks | Form::MobileApp => {
            Ok(unpacked(file)? == unpacked(other)?)
        }
        Form::DiskImage | Form::FlatPackage | Form::Pdf => Ok(false),
    }
}

/// The names and contents of all members.
fn unpacked(file: &[u8]) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut archive = ZipArchive::new(Cursor::new(file))?;
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index)?;
        let mut content = Vec::new();
        member.read_to_end(&mut content)?;
        members.push((member.name()?.into_owned(), content));
    }
    Ok(members)
}

/// The table of contents and what it has an archived checksum for.
fn xar(file: &[u8]) -> anyhow::Result<Vec<Range<u64>>> {
    let header = u64::from(u16::from_be_bytes(bytes(file, 4)?));
    let packed = u64::from_be_bytes(bytes(file, 8)?);
    let (start, heap) = (usize::try_from(header)?, usize::try_from(header + packed)?);
    let mut table = String::new();
    let packed_table = file.get(start..heap).context("the table lies in the file")?;
    ZlibDecoder::new(packed_table).read_to_string(&mut table)?;
    let mut ranges: Vec<Range<u64>> = std::iter::once(header..header + packed).collect();
    for data in table.split("<data>").skip(1).filter_map(|rest| rest.split("</data>").next()) {
        if !data.contains("<archived-checksum") {
            continue;
        }
        let number = |name: &str| -> anyhow::Result<u64> {
            let rest = data.split(&format!("<{name}>")).nth(1).context("it is stated")?;
            Ok(rest.split('<').next().unwrap_or_default().trim().parse()?)
        };
        let begin = header + packed + number("offset")?;
        ranges.push(begin..begin + number("length")?);
    }
    Ok(ranges)
}

/// The data fork, where its checksum is of a kind that is known.
fn data_fork(file: &[u8]) -> Option<Range<u64>> {
    let trailer = file.len().checked_sub(512)?;
    if file.get(trailer..trailer + 4)? != b"koly" {
        return None;
    }
    let kind = u32::from_be_bytes(bytes(file, trailer + 0x50).ok()?);
    let begin = u64::from_be_bytes(bytes(file, trailer + 0x18).ok()?);
    let length = u64::from_be_bytes(bytes(file, trailer + 0x20).ok()?);
    (kind == 2).then_some(begin..begin + length)
}

/// The packed bytes of each member.
fn members(file: &[u8]) -> anyhow::Result<Vec<Range<u64>>> {
    let mut archive = ZipArchive::new(Cursor::new(file))?;
    let mut ranges = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index)?;
        let begin = member.data_start().context("it has a place")?;
        ranges.push(begin..begin + member.compressed_size());
    }
    Ok(ranges)
}

fn bytes<const N: usize>(file: &[u8], at: usize) -> anyhow::Result<[u8; N]> {
    let range = file.get(at..at + N).context("the file is longer")?;
    Ok(range.try_into()?)
}

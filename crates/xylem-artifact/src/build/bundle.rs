//! A zip archive of a folder: bundle packages and applications, which travel as one file.
//!
//! The same members in the same order give the same bytes, on any machine and on any day: there is
//! one time, one deflate level and two modes, nothing is said of owners, and how a reader cuts its
//! bytes makes no difference. Everything is streamed; only the list of members is kept in memory.
//!
//! Written here and not by a general crate because the bytes are what a bundle is known by: they
//! must not change with somebody else's release.

mod record;

use std::collections::HashSet;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::Crc;
use flate2::write::DeflateEncoder;
use thiserror::Error;

use record::{DEFLATED, FOLDER_MODE, Member, STORED, end_of_archive};

/// Most members of one archive: what readers of uploads take.
pub const MAX_BUNDLE_MEMBERS: usize = 100_000;

/// Says which bytes this writer makes; raised when they change.
pub const BUNDLE_FORMAT: u32 = 1;

const DEFLATE_LEVEL: u32 = 6;
/// Always filled before it is given on, so that the encoder sees the same pieces.
const PIECE_BYTES: usize = 64 << 10;
/// From this length on sizes take eight bytes. Below 4 GiB, because what cannot be compressed grows.
const LARGE_BYTES: u64 = 0xfff0_0000;
const MAX_NAME_BYTES: usize = 4096;

const LINK_MODE: u32 = 0o120_777;

/// Why a folder could not be zipped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BundleError {
    /// A member that no archive of ours may hold.
    #[error("`{}` cannot be put into a zip archive: {reason}", name.escape_debug())]
    Invalid {
        /// The member.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// A file is longer or shorter than was said.
    #[error("`{}` was to be {expected} bytes long and is not: it was changed meanwhile", name.escape_debug())]
    Length {
        /// The member.
        name: String,
        /// What was said.
        expected: u64,
    },
    /// A file could not be read.
    #[error("reading `{}` failed", name.escape_debug())]
    Read {
        /// The member.
        name: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The archive could not be written.
    #[error("writing the zip archive failed")]
    Write(#[source] io::Error),
}

/// Writes one archive. Members come in the order in which they are to lie.
#[derive(Debug)]
pub struct BundleWriter<W: Write> {
    out: Counted<W>,
    members: Vec<Member>,
    names: HashSet<String>,
}

impl<W: Write> BundleWriter<W> {
    /// Begins an archive.
    pub fn new(out: W) -> Self {
        Self { out: Counted { out, at: 0 }, members: Vec::new(), names: HashSet::new() }
    }

    /// Adds a folder.
    ///
    /// # Errors
    /// When the name is not one of a member, or the archive cannot be written.
    pub fn folder(&mut self, name: &str) -> Result<(), BundleError> {
        let mut member = self.member(name, FOLDER_MODE, STORED)?;
        member.name.push('/');
        self.whole(member, &[])
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// When the name is not one of a member, the link leads out of the archive, or the archive
    /// cannot be written.
    pub fn link(&mut self, name: &str, target: &str) -> Result<(), BundleError> {
        if !stays_inside(name, target) {
            let reason = "it is a symbolic link that leads out of the folder";
            return Err(BundleError::Invalid { name: name.to_owned(), reason });
        }
        let member = self.member(name, LINK_MODE, STORED)?;
        self.whole(member, target.as_bytes())
    }

    /// Adds a file of `len` bytes.
    ///
    /// # Errors
    /// When the name is not one of a member, the file cannot be read or has another length, or the
    /// archive cannot be written. The archive is of no use then.
    pub fn file(
        &mut self,
        name: &str,
        executable: bool,
        len: u64,
        from: impl Read,
    ) -> Result<(), BundleError> {
        let mode = if executable { 0o100_755 } else { 0o100_644 };
        let mut member = self.member(name, mode, DEFLATED)?;
        member.len = len;
        member.is_large = len >= LARGE_BYTES;
        self.write(&member.header())?;
        let begin = self.out.at;
        member.crc = deflate(&mut self.out, name, len, from)?;
        member.stored = self.out.at.saturating_sub(begin);
        self.write(&member.trailer())?;
        self.members.push(member);
        Ok(())
    }

    /// Writes the list of members and gives the output back, flushed.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn finish(mut self) -> Result<W, BundleError> {
        let begin = self.out.at;
        for member in std::mem::take(&mut self.members) {
            self.write(&member.listed())?;
            self.members.push(member);
        }
        let size = self.out.at.saturating_sub(begin);
        let end = end_of_archive(self.members.len() as u64, begin, size);
        self.write(&end)?;
        self.out.flush().map_err(BundleError::Write)?;
        Ok(self.out.out)
    }

    /// A member that begins here, if there may be one of this name.
    fn member(&mut self, name: &str, mode: u32, method: u16) -> Result<Member, BundleError> {
        let invalid = |reason| Err(BundleError::Invalid { name: name.to_owned(), reason });
        if !is_member_name(name) {
            return invalid("it is no path below the folder");
        }
        if self.members.len() >= MAX_BUNDLE_MEMBERS {
            return invalid("the folder holds more than 100,000 files");
        }
        if !self.names.insert(name.to_owned()) {
            return invalid("there are two files of this name");
        }
        let offset = self.out.at;
        let name = name.to_owned();
        Ok(Member { name, mode, method, crc: 0, stored: 0, len: 0, offset, is_large: false })
    }

    /// A member whose bytes are at hand.
    fn whole(&mut self, mut member: Member, bytes: &[u8]) -> Result<(), BundleError> {
        let mut crc = Crc::new();
        crc.update(bytes);
        member.crc = crc.sum();
        member.len = bytes.len() as u64;
        member.stored = member.len;
        self.write(&member.header())?;
        self.write(bytes)?;
        self.members.push(member);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.out.write_all(bytes).map_err(BundleError::Write)
    }
}

/// Deflates a file's bytes and returns their checksum.
fn deflate(
    out: &mut impl Write,
    name: &str,
    len: u64,
    mut from: impl Read,
) -> Result<u32, BundleError> {
    let read = |source| BundleError::Read { name: name.to_owned(), source };
    let mut encoder = DeflateEncoder::new(out, Compression::new(DEFLATE_LEVEL));
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    let mut crc = Crc::new();
    let mut seen = 0;
    loop {
        piece.clear();
        (&mut from).take(PIECE_BYTES as u64).read_to_end(&mut piece).map_err(read)?;
        seen += piece.len() as u64;
        if seen > len || (piece.is_empty() && seen < len) {
            return Err(BundleError::Length { name: name.to_owned(), expected: len });
        }
        if piece.is_empty() {
            break;
        }
        crc.update(&piece);
        encoder.write_all(&piece).map_err(BundleError::Write)?;
    }
    encoder.finish().map_err(BundleError::Write)?;
    Ok(crc.sum())
}

/// A relative path without steps up, as it lies in an archive.
fn is_member_name(name: &str) -> bool {
    let is_step = |part: &str| part.is_empty() || part == "." || part == "..";
    name.len() <= MAX_NAME_BYTES && !name.contains('\0') && !name.split('/').any(is_step)
}

/// Whether a link's target lies in the archive's topmost folder. Steps up count only where they come
/// first: behind a name they start from wherever that leads, which may be another link.
fn stays_inside(name: &str, target: &str) -> bool {
    // The topmost folder is the bundle itself; beside it there is nothing.
    let mut folders = name.split('/').count().saturating_sub(1);
    if folders == 0 || target.is_empty() || target.starts_with('/') || target.contains('\0') {
        return false;
    }
    let mut went_down = false;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if went_down || folders <= 1 => return false,
            ".." => folders -= 1,
            _ => went_down = true,
        }
    }
    true
}

/// Knows how far the output is.
#[derive(Debug)]
struct Counted<W> {
    out: W,
    at: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;

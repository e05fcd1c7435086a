//! Folders and small files of the two file systems that Macs start from.
//!
//! Only what an inspection needs: listing a folder, and reading a file of a few kilobytes. Trees are
//! walked down to the keys that are asked for, with a bound on the nodes looked at; the crates for
//! these file systems follow whatever a damaged tree says, scan a whole volume to find one file, and
//! allocate what a header claims.

mod apfs;
mod compressed;
mod hfs;

use std::io;

pub(super) use apfs::Apfs;
pub(super) use hfs::Hfs;

use super::disk::Disk;
use super::fields::broken;

/// The folder at the top, in both file systems.
pub(super) const ROOT: u64 = 2;
/// Most entries that are listed of one folder.
pub(super) const MAX_LISTED: usize = 10_000;

/// Most nodes of a tree that are looked at for one answer.
const MAX_NODES: usize = 4096;
/// Deepest tree. Real ones have five levels at most.
const MAX_LEVELS: usize = 12;

/// What lies in a folder.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: EntryKind,
    pub(super) id: u64,
    /// Where an HFS+ file's bytes are; APFS says that elsewhere.
    fork: Option<hfs::Fork>,
}

/// The kinds of entry that are told apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum EntryKind {
    File,
    Folder,
    Link,
}

/// A file system that can be looked into.
pub(super) trait Files {
    /// What lies in a folder; not more than [`MAX_LISTED`] entries.
    fn list(&mut self, folder: u64) -> io::Result<Vec<Entry>>;

    /// A file's content, if it is not longer than allowed.
    fn read(&mut self, file: &Entry, max_bytes: usize) -> io::Result<Vec<u8>>;
}

/// The part of a disk that a file system fills.
pub(super) struct Window<'a> {
    pub(super) disk: &'a mut Disk,
    pub(super) start: u64,
}

impl Window<'_> {
    fn read(&mut self, position: u64, len: usize) -> io::Result<Vec<u8>> {
        self.disk.read(self.start.saturating_add(position), len)
    }
}

/// Counts the nodes looked at for one answer.
struct Nodes(usize);

impl Nodes {
    fn count(&mut self) -> io::Result<()> {
        self.0 += 1;
        if self.0 > MAX_NODES {
            return Err(broken(format!(
                "more than {MAX_NODES} nodes of a tree lead to one answer"
            )));
        }
        Ok(())
    }
}

/// A length that is small enough to be read.
fn bounded(bytes: u64, max_bytes: usize) -> io::Result<usize> {
    usize::try_from(bytes)
        .ok()
        .filter(|bytes| *bytes <= max_bytes)
        .ok_or_else(|| broken(format!("it is {bytes} bytes long where {max_bytes} are accepted")))
}

/// A size that a file system may divide its space into.
fn unit(bytes: u32, from: u32, to: u32) -> io::Result<u32> {
    if bytes.is_power_of_two() && (from..=to).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(broken(format!("its blocks or nodes claim to have {bytes} bytes")))
    }
}

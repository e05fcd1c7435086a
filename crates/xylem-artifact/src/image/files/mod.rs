//! Folders and small files of the two file systems that Macs start from.
//!
//! Only what an inspection needs: listing a folder, reading a file of a few kilobytes, and, once, the
//! names of all files. Trees are walked down to the keys that are asked for, or from one end to the
//! other, with a bound on the nodes looked at; the crates for these file systems follow whatever a
//! damaged tree says, scan a whole volume to find one file, and allocate what a header claims.

mod apfs;
mod compressed;
mod hfs;

use std::collections::BTreeSet;
use std::io;

pub(super) use apfs::Apfs;
pub(super) use hfs::Hfs;

use xylem_model::IndexedKind;

use super::disk::Disk;
use super::fields::broken;
use crate::index::Names;

/// The folder at the top, in both file systems.
pub(super) const ROOT: u64 = 2;
/// The first number of a user's file or folder, in both file systems; lower ones but [`ROOT`] are
/// the file system's own.
pub(super) const FIRST_NUMBER: u64 = 16;
/// Most entries that are listed of one folder.
pub(super) const MAX_LISTED: usize = 10_000;

/// Most nodes of a tree that are looked at for one answer.
const MAX_NODES: usize = 4096;
/// Most nodes of a tree that are looked at for the names of all files. Nodes of 4 KiB have room for a
/// dozen files, with all that is noted of them, so it is twice what an index can take.
const MAX_WALKED_NODES: usize = 1 << 17;
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

impl From<EntryKind> for IndexedKind {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::File => Self::File,
            EntryKind::Folder => Self::Folder,
            EntryKind::Link => Self::Link,
        }
    }
}

/// A file system that can be looked into.
pub(super) trait Files {
    /// What lies in a folder; not more than [`MAX_LISTED`] entries.
    fn list(&mut self, folder: u64) -> io::Result<Vec<Entry>>;

    /// The names of all files, folders and links, in the tree's order.
    fn walk(&mut self, names: &mut Names) -> io::Result<()>;

    /// What the file system, or macOS for it, keeps in the folder at the top: names that are no
    /// content of the volume.
    fn own_names(&self) -> &'static [&'static str];

    /// The disk that it is on.
    fn disk(&mut self) -> &mut Disk;

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

/// The nodes that a walk over a whole tree has been to; none may come twice.
#[derive(Default)]
struct Walked(BTreeSet<u64>);

impl Walked {
    fn enter(&mut self, node: u64) -> io::Result<()> {
        if self.0.len() >= MAX_WALKED_NODES {
            return Err(broken(format!("its tree has more than {MAX_WALKED_NODES} nodes")));
        }
        if !self.0.insert(node) {
            return Err(broken("the nodes of its tree lead back to one another"));
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

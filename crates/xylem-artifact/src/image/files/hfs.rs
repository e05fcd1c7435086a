//! HFS+ and HFSX, as far as Apple's Technical Note 1150 describes them.
//!
//! Everything but files' content is in B-trees, of which two matter: the catalog has an entry for
//! each name, ordered by the folder's number; the attributes file holds what macOS compresses.

use std::io;

use super::super::disk::Disk;
use super::super::fields::{Fields, broken};
use super::{
    Entry, EntryKind, Files, MAX_LEVELS, MAX_LISTED, Nodes, Walked, Window, bounded, compressed,
    unit,
};
use crate::index::Names;

const HEADER_AT: u64 = 1024;
const HEADER_BYTES: usize = 512;
const JOURNALED: u32 = 1 << 13;
/// Largest allocation block; real ones have 4 KiB.
const MAX_BLOCK_BYTES: u32 = 1 << 20;
const LEAF: u8 = 0xff;
const INDEX: u8 = 0;
const KIND_MASK: u16 = 0o170_000;
const LINK_KIND: u16 = 0o120_000;
/// Where the record of a file has its type and its creator, and those of another name of a folder, as
/// backups have them. Whoever wants to know what is in there would have to follow it.
const USER_INFO_AT: usize = 48;
const FOLDER_LINK: &[u8] = b"fdrpMACS";
/// The owner flag of a file that macOS has compressed.
const COMPRESSED: u8 = 0x20;
/// An attribute that is held in the tree itself.
const INLINE: u32 = 0x10;

/// The folders with what hard links stand for, the journal, and what macOS keeps on every volume.
const OWN_NAMES: [&str; 11] = [
    "\0\0\0\0HFS+ Private Data",
    ".HFS+ Private Directory Data\r",
    ".journal",
    ".journal_info_block",
    ".hotfiles.btree",
    ".DocumentRevisions-V100",
    ".Spotlight-V100",
    ".TemporaryItems",
    ".Trashes",
    ".vol",
    ".fseventsd",
];

/// A volume.
pub(in super::super) struct Hfs<'a> {
    window: Window<'a>,
    block_bytes: u64,
    catalog: Tree,
    attributes: Fork,
    /// Whether it keeps a journal.
    pub(in super::super) journaled: bool,
}

/// Where the bytes of a file are: its first eight extents, by position and length in bytes.
#[derive(Clone, Debug)]
pub(super) struct Fork {
    bytes: u64,
    extents: Vec<(u64, u64)>,
    compressed: bool,
}

/// A B-tree file.
struct Tree {
    fork: Fork,
    node_bytes: usize,
    root: u32,
    /// Where the number that keys are ordered by first stands in a key.
    number_at: usize,
}

/// One node, and how many records it has.
struct Node {
    bytes: Vec<u8>,
    records: usize,
}

impl<'a> Hfs<'a> {
    /// Reads the volume's header.
    pub(in super::super) fn open(mut window: Window<'a>) -> io::Result<Self> {
        let header = window.read(HEADER_AT, HEADER_BYTES)?;
        let header = Fields(&header);
        let block_bytes = unit(header.be32(40)?, 512, MAX_BLOCK_BYTES)?.into();
        let catalog = Fork::parse(header.from(272)?, block_bytes)?;
        let catalog = Tree::open(&mut window, catalog, 2)?;
        let attributes = Fork::parse(header.from(352)?, block_bytes)?;
        let journaled = header.be32(4)? & JOURNALED != 0;
        Ok(Self { window, block_bytes, catalog, attributes, journaled })
    }

    /// The volume's name, which the catalog notes as that of the folder at the top.
    pub(in super::super) fn name(&mut self) -> io::Result<Option<String>> {
        let mut name = None;
        self.catalog.walk(&mut self.window, super::ROOT, |_, record| {
            if record.be16(0)? == 3 {
                name = Some(text(record, 8)?);
            }
            Ok(false)
        })?;
        Ok(name)
    }

    fn compression(&mut self, file: u64) -> io::Result<Vec<u8>> {
        let tree = Tree::open(&mut self.window, self.attributes.clone(), 4)?;
        let mut found = None;
        tree.walk(&mut self.window, file, |key, record| {
            if text(key, 12)? == compressed::ATTRIBUTE && record.be32(0)? == INLINE {
                let len = record.be32(12)? as usize;
                found = Some(record.bytes(16, len)?.to_vec());
            }
            Ok(found.is_none())
        })?;
        found.ok_or_else(|| broken("it is compressed, but does not say how"))
    }
}

impl Files for Hfs<'_> {
    fn list(&mut self, folder: u64) -> io::Result<Vec<Entry>> {
        let (mut entries, block_bytes) = (Vec::new(), self.block_bytes);
        self.catalog.walk(&mut self.window, folder, |key, record| {
            let Some(kind) = kind_of(record)? else { return Ok(true) };
            let fork = match kind {
                EntryKind::Folder => None,
                _ => {
                    let compressed = record.u8(41)? & COMPRESSED != 0;
                    Some(Fork { compressed, ..Fork::parse(record.from(88)?, block_bytes)? })
                }
            };
            entries.push(Entry { name: text(key, 6)?, kind, id: record.be32(8)?.into(), fork });
            Ok(entries.len() < MAX_LISTED)
        })?;
        Ok(entries)
    }

    /// A file with several names is listed under each: every name is a record of its own, of a file
    /// that stands for the content in a private folder.
    fn walk(&mut self, names: &mut Names) -> io::Result<()> {
        self.catalog.walk_all(&mut self.window, |key, record| {
            let Some(kind) = kind_of(record)? else { return Ok(()) };
            if kind == EntryKind::File && record.bytes(USER_INFO_AT, 8)? == FOLDER_LINK {
                return Err(broken("a name in it is another one of a folder (a hard link)"));
            }
            let name = String::from_utf16(&units(key, 6)?)
                .map_err(|_| broken("a name in it is no Unicode"))?;
            let (number, parent) = (record.be32(8)?.into(), key.be32(2)?.into());
            Ok(names.add(number, parent, kind.into(), &with_colons(&name))?)
        })
    }

    fn own_names(&self) -> &'static [&'static str] {
        &OWN_NAMES
    }

    fn disk(&mut self) -> &mut Disk {
        self.window.disk
    }

    fn read(&mut self, file: &Entry, max_bytes: usize) -> io::Result<Vec<u8>> {
        match &file.fork {
            Some(fork) if fork.compressed => {
                compressed::expand(&self.compression(file.id)?, max_bytes)
            }
            Some(fork) => fork.read(&mut self.window, 0, bounded(fork.bytes, max_bytes)?),
            None => Err(broken("it is no file")),
        }
    }
}

impl Fork {
    fn parse(fields: Fields<'_>, block_bytes: u64) -> io::Result<Self> {
        let mut extents = Vec::new();
        for index in 0..8 {
            let (start, count) = (fields.be32(16 + index * 8)?, fields.be32(20 + index * 8)?);
            if count == 0 {
                break;
            }
            extents.push((u64::from(start) * block_bytes, u64::from(count) * block_bytes));
        }
        Ok(Self { bytes: fields.be64(0)?, extents, compressed: false })
    }

    fn read(&self, window: &mut Window<'_>, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let (mut bytes, mut skip) = (Vec::with_capacity(len), offset);
        for (start, extent_bytes) in &self.extents {
            let Some(available) = extent_bytes.checked_sub(skip).filter(|bytes| *bytes > 0) else {
                skip -= extent_bytes;
                continue;
            };
            let wanted = len - bytes.len();
            let piece = usize::try_from(available).unwrap_or(usize::MAX).min(wanted);
            bytes.extend(window.read(start + skip, piece)?);
            skip = 0;
            if bytes.len() == len {
                return Ok(bytes);
            }
        }
        if len == 0 {
            return Ok(bytes);
        }
        Err(broken("a file is in too many pieces, or shorter than it says"))
    }
}

impl Tree {
    fn open(window: &mut Window<'_>, fork: Fork, number_at: usize) -> io::Result<Self> {
        let header = fork.read(window, 0, HEADER_BYTES)?;
        let header = Fields(&header);
        let node_bytes = unit(header.be16(32)?.into(), 512, 1 << 15)? as usize;
        Ok(Self { fork, node_bytes, root: header.be32(16)?, number_at })
    }

    /// Hands on the records with this number, in order, until it is told to stop.
    fn walk(
        &self,
        window: &mut Window<'_>,
        number: u64,
        mut visit: impl FnMut(Fields<'_>, Fields<'_>) -> io::Result<bool>,
    ) -> io::Result<()> {
        let mut nodes = Nodes(0);
        let mut node = self.first_leaf(window, number)?;
        loop {
            nodes.count()?;
            for index in 0..node.records {
                let (key, record) = node.record(index)?;
                let found = u64::from(key.be32(self.number_at)?);
                if found > number || (found == number && !visit(key, record)?) {
                    return Ok(());
                }
            }
            match Fields(&node.bytes).be32(0)? {
                0 => return Ok(()),
                next => node = self.node(window, next, LEAF)?,
            }
        }
    }

    /// Hands on all records, in order.
    fn walk_all(
        &self,
        window: &mut Window<'_>,
        mut visit: impl FnMut(Fields<'_>, Fields<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut walked = Walked::default();
        let mut node = self.first_leaf(window, 0)?;
        loop {
            for index in 0..node.records {
                let (key, record) = node.record(index)?;
                visit(key, record)?;
            }
            match Fields(&node.bytes).be32(0)? {
                0 => return Ok(()),
                next => {
                    walked.enter(next.into())?;
                    node = self.node(window, next, LEAF)?;
                }
            }
        }
    }

    /// The leaf in which the first record with this number is, or would be.
    fn first_leaf(&self, window: &mut Window<'_>, number: u64) -> io::Result<Node> {
        let mut next = self.root;
        for _ in 0..MAX_LEVELS {
            let node = self.any_node(window, next)?;
            match Fields(&node.bytes).u8(8)? {
                LEAF => return Ok(node),
                INDEX => next = self.child(&node, number)?,
                _ => break,
            }
        }
        Err(broken("a tree does not lead to its leaves"))
    }

    /// The last child that starts before the number: records with it may begin in there.
    fn child(&self, node: &Node, number: u64) -> io::Result<u32> {
        let mut child = node.record(0)?.1.be32(0)?;
        for index in 1..node.records {
            let (key, record) = node.record(index)?;
            if u64::from(key.be32(self.number_at)?) >= number {
                break;
            }
            child = record.be32(0)?;
        }
        Ok(child)
    }

    fn node(&self, window: &mut Window<'_>, number: u32, kind: u8) -> io::Result<Node> {
        let node = self.any_node(window, number)?;
        if Fields(&node.bytes).u8(8)? != kind {
            return Err(broken("a tree's leaves lead to something else"));
        }
        Ok(node)
    }

    fn any_node(&self, window: &mut Window<'_>, number: u32) -> io::Result<Node> {
        let offset = u64::from(number) * self.node_bytes as u64;
        let bytes = self.fork.read(window, offset, self.node_bytes)?;
        let records = Fields(&bytes).be16(10)?.into();
        Ok(Node { bytes, records })
    }
}

impl Node {
    /// The key and the content of a record. Where it starts is noted at the node's end, backwards.
    fn record(&self, index: usize) -> io::Result<(Fields<'_>, Fields<'_>)> {
        let fields = Fields(&self.bytes);
        let offset = |index: usize| {
            let at = self.bytes.len().checked_sub(2 * (index + 1));
            at.map_or_else(|| Err(broken("a node has too many records")), |at| fields.be16(at))
        };
        let (start, end) = (usize::from(offset(index)?), usize::from(offset(index + 1)?));
        let len = end.checked_sub(start).ok_or_else(|| broken("a node's records overlap"))?;
        let record = Fields(fields.bytes(start, len)?);
        let key_bytes = 2 + usize::from(record.be16(0)?);
        Ok((record, record.from(key_bytes.next_multiple_of(2))?))
    }
}

/// What a record of the catalog is of; none for those that lead from a number to a name.
fn kind_of(record: Fields<'_>) -> io::Result<Option<EntryKind>> {
    Ok(match record.be16(0)? {
        1 => Some(EntryKind::Folder),
        2 if record.be16(42)? & KIND_MASK == LINK_KIND => Some(EntryKind::Link),
        2 => Some(EntryKind::File),
        _ => None,
    })
}

/// Text with its length before it.
fn text(fields: Fields<'_>, at: usize) -> io::Result<String> {
    Ok(with_colons(&String::from_utf16_lossy(&units(fields, at)?)))
}

/// The UTF-16 of a text with its length before it.
fn units(fields: Fields<'_>, at: usize) -> io::Result<Vec<u16>> {
    let units = fields.bytes(at + 2, usize::from(fields.be16(at)?) * 2)?.as_chunks::<2>().0;
    Ok(units.iter().map(|unit| u16::from_be_bytes(*unit)).collect())
}

/// What a Mac shows as a slash is stored as one, and is a colon in paths.
fn with_colons(name: &str) -> String {
    name.replace('/', ":")
}

//! APFS, as far as Apple's reference describes it: the first volume of a container.
//!
//! A container's newest superblock leads to a map of its objects, that to the volume, that to a map
//! and a tree of its own. The tree holds everything about files, ordered by number and kind.

mod object;
mod tree;

use std::io;

use super::super::disk::Disk;
use super::super::fields::{Fields, broken};
use super::super::partitions::c_text;
use super::{Entry, EntryKind, Files, MAX_LISTED, Window, bounded, compressed, unit};
use crate::index::Names;
use object::{Blocks, ObjectMap};
use tree::Catalog;

const CONTAINER_MAGIC: &[u8] = b"NXSB";
const CONTAINER_KIND: u32 = 1;
const VOLUME_MAGIC: &[u8] = b"APSB";
/// Most blocks of checkpoints that are looked at; real containers have a few hundred.
const MAX_CHECKPOINTS: u32 = 1024;
/// Most volumes of a container.
const MAX_VOLUMES: usize = 100;
/// Features with which names are looked for by a hash.
const HASHED_NAMES: u64 = 1 | 8;
const UNENCRYPTED: u64 = 1;
/// The flag of a file that macOS has compressed.
const COMPRESSED: u32 = 0x20;
/// An attribute that is held in the tree itself.
const EMBEDDED: u16 = 2;
/// The extended field of a file that says how long it is.
const STREAM_FIELD: u8 = 8;
const LENGTH_MASK: u64 = 0x00ff_ffff_ffff_ffff;

/// Kinds of record in the tree.
const INODE: u8 = 3;
const ATTRIBUTE: u8 = 4;
const EXTENT: u8 = 8;
const NAME: u8 = 9;

/// What macOS keeps on every volume.
const OWN_NAMES: [&str; 6] = [
    ".DocumentRevisions-V100",
    ".Spotlight-V100",
    ".TemporaryItems",
    ".Trashes",
    ".fseventsd",
    ".vol",
];

/// A volume.
pub(in super::super) struct Apfs<'a> {
    blocks: Blocks<'a>,
    catalog: Catalog,
    hashed_names: bool,
    /// Its name.
    pub(in super::super) name: String,
    /// Whether its files are encrypted; nothing can be listed or read then.
    pub(in super::super) encrypted: bool,
    /// How many volumes its container has; this is the first.
    pub(in super::super) volumes: usize,
}

impl<'a> Apfs<'a> {
    /// Finds the first volume of the container.
    pub(in super::super) fn open(mut window: Window<'a>) -> io::Result<Self> {
        let head = window.read(0, 4096)?;
        let bytes = unit(Fields(&head).le32(36)?, 4096, 1 << 16)?;
        let mut blocks = Blocks { window, bytes };
        let container = newest_superblock(&mut blocks)?;
        let container = Fields(&container);
        let map = ObjectMap::open(&mut blocks, container.le64(160)?)?;
        let volumes = (0..MAX_VOLUMES).filter_map(|index| container.le64(184 + index * 8).ok());
        let volumes: Vec<u64> = volumes.filter(|number| *number != 0).collect();
        let first = volumes.first().ok_or_else(|| broken("no volume"))?;
        let volume = map.find(&mut blocks, *first)?;
        let volume = blocks.object(volume)?;
        Self::of_volume(blocks, Fields(&volume), volumes.len())
    }

    fn of_volume(mut blocks: Blocks<'a>, volume: Fields<'_>, volumes: usize) -> io::Result<Self> {
        if volume.bytes(32, 4)? != VOLUME_MAGIC {
            return Err(broken("the container's first volume is none"));
        }
        let map = ObjectMap::open(&mut blocks, volume.le64(128)?)?;
        Ok(Self {
            blocks,
            catalog: Catalog { map, root: volume.le64(136)? },
            hashed_names: volume.le64(56)? & HASHED_NAMES != 0,
            name: c_text(volume.bytes(704, 256)?),
            volumes,
            encrypted: volume.le64(264)? & UNENCRYPTED == 0,
        })
    }

    /// What is known of a file apart from its name: the number of its extents, its flags, its size.
    fn inode(&mut self, file: u64) -> io::Result<(u64, u32, u64)> {
        let mut found = None;
        self.catalog.walk(&mut self.blocks, (file, INODE), |_, inode| {
            let size = stream_bytes(inode).or_else(|_| inode.le64(84))?;
            found = Some((inode.le64(8)?, inode.le32(68)?, size));
            Ok(false)
        })?;
        found.ok_or_else(|| broken("a file is missing"))
    }

    fn compression(&mut self, file: u64) -> io::Result<Vec<u8>> {
        let mut found = None;
        self.catalog.walk(&mut self.blocks, (file, ATTRIBUTE), |key, attribute| {
            let name = c_text(key.bytes(10, key.le16(8)?.into())?);
            if name == compressed::ATTRIBUTE && attribute.le16(0)? & EMBEDDED != 0 {
                found = Some(attribute.bytes(4, attribute.le16(2)?.into())?.to_vec());
            }
            Ok(found.is_none())
        })?;
        found.ok_or_else(|| broken("it is compressed, but does not say how"))
    }

    /// Where the parts of a file are: position in the file, length, first block.
    fn extents(&mut self, number: u64, bytes: u64) -> io::Result<Vec<(u64, u64, u64)>> {
        let mut extents = Vec::new();
        self.catalog.walk(&mut self.blocks, (number, EXTENT), |key, extent| {
            let (position, length) = (key.le64(8)?, extent.le64(0)? & LENGTH_MASK);
            extents.push((position, length, extent.le64(8)?));
            Ok(position < bytes)
        })?;
        Ok(extents)
    }
}

impl Files for Apfs<'_> {
    fn list(&mut self, folder: u64) -> io::Result<Vec<Entry>> {
        let (mut entries, hashed) = (Vec::new(), self.hashed_names);
        self.catalog.walk(&mut self.blocks, (folder, NAME), |key, record| {
            let name = c_text(name_of(key, hashed)?);
            entries.push(Entry { name, kind: kind_of(record)?, id: record.le64(0)?, fork: None });
            Ok(entries.len() < MAX_LISTED)
        })?;
        Ok(entries)
    }

    /// A file with several names is listed under each.
    fn walk(&mut self, names: &mut Names) -> io::Result<()> {
        let hashed = self.hashed_names;
        self.catalog.walk_all(&mut self.blocks, NAME, |folder, key, record| {
            let name = name_of(key, hashed)?;
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            let name = str::from_utf8(name.get(..end).unwrap_or_default())
                .map_err(|_| broken("a name in it is no Unicode"))?;
            Ok(names.add(record.le64(0)?, folder, kind_of(record)?.into(), name)?)
        })
    }

    fn own_names(&self) -> &'static [&'static str] {
        &OWN_NAMES
    }

    fn disk(&mut self) -> &mut Disk {
        self.blocks.window.disk
    }

    fn read(&mut self, file: &Entry, max_bytes: usize) -> io::Result<Vec<u8>> {
        let (number, flags, size) = self.inode(file.id)?;
        if flags & COMPRESSED != 0 {
            return compressed::expand(&self.compression(file.id)?, max_bytes);
        }
        // What no extent describes is zero.
        let mut content = vec![0; bounded(size, max_bytes)?];
        for (position, length, block) in self.extents(number, size)? {
            let from = usize::try_from(position).unwrap_or(usize::MAX);
            let Some(rest) = content.get_mut(from..) else { continue };
            let len = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
            let piece = self.blocks.content(block, len)?;
            rest.iter_mut().zip(piece).for_each(|(to, byte)| *to = byte);
        }
        Ok(content)
    }
}

/// What a record of a name leads to.
fn kind_of(record: Fields<'_>) -> io::Result<EntryKind> {
    Ok(match record.le16(16)? & 0x0f {
        4 => EntryKind::Folder,
        10 => EntryKind::Link,
        _ => EntryKind::File,
    })
}

/// The name in a record's key, with the zero byte that ends it.
fn name_of(key: Fields<'_>, hashed: bool) -> io::Result<&[u8]> {
    let (at, len) = match hashed {
        true => (12, key.le32(8)? as usize & 0x3ff),
        false => (10, key.le16(8)?.into()),
    };
    key.bytes(at, len)
}

/// The superblock with the highest transaction: the first block, or one of the checkpoints.
fn newest_superblock(blocks: &mut Blocks<'_>) -> io::Result<Vec<u8>> {
    let mut newest = blocks.object(0)?;
    let fields = Fields(&newest);
    if fields.bytes(32, 4)? != CONTAINER_MAGIC {
        return Err(broken("the container has no superblock"));
    }
    let (count, base) = (fields.le32(104)?, fields.le64(112)?);
    // A set top bit says that the checkpoints lie scattered, which no image's do.
    for index in 0..count.min(MAX_CHECKPOINTS) {
        let Ok(block) = blocks.object(base.saturating_add(index.into())) else { continue };
        let candidate = Fields(&block);
        if candidate.le32(24)? & 0xffff == CONTAINER_KIND
            && candidate.bytes(32, 4)? == CONTAINER_MAGIC
            && candidate.le64(16)? > Fields(&newest).le64(16)?
        {
            newest = block;
        }
    }
    Ok(newest)
}

/// The length of a file's content, from the fields that follow the fixed part of its inode.
fn stream_bytes(inode: Fields<'_>) -> io::Result<u64> {
    let fields = inode.from(92)?;
    let count = usize::from(fields.le16(0)?);
    let mut at = 4 + count * 4;
    for index in 0..count {
        let kind = fields.u8(4 + index * 4)?;
        if kind == STREAM_FIELD {
            return fields.le64(at);
        }
        at += usize::from(fields.le16(6 + index * 4)?).next_multiple_of(8);
    }
    Err(broken("a file has no content"))
}

//! Blocks with a checksum, nodes of trees, and maps from objects to blocks.

use std::collections::{BTreeMap, btree_map};
use std::io;

use super::super::super::fields::{Fields, broken};
use super::super::{MAX_LEVELS, Window};

const ROOT: u16 = 1;
const LEAF: u16 = 2;
/// Keys and values have a length that is known, so that it is left out.
const FIXED: u16 = 4;
/// Where a node's table of contents is counted from.
const NODE_HEADER_BYTES: usize = 56;
/// What a root node has at its end.
const ROOT_INFO_BYTES: usize = 40;
const MAP_KEY_BYTES: usize = 16;
const MAP_VALUE_BYTES: usize = 16;
const CHILD_BYTES: usize = 8;

/// The blocks of a container.
pub(super) struct Blocks<'a> {
    pub(super) window: Window<'a>,
    pub(super) bytes: u32,
}

impl Blocks<'_> {
    /// A block that holds an object, compared with its checksum.
    pub(super) fn object(&mut self, block: u64) -> io::Result<Vec<u8>> {
        let object = self.content(block, self.bytes as usize)?;
        if Fields(&object).le64(0)? != checksum(object.get(8..).unwrap_or_default()) {
            return Err(broken(format!("the block {block} does not match its checksum")));
        }
        Ok(object)
    }

    /// Bytes from the start of a block on.
    pub(super) fn content(&mut self, block: u64, len: usize) -> io::Result<Vec<u8>> {
        self.window.read(block.saturating_mul(self.bytes.into()), len)
    }
}

/// Fletcher's checksum with 64 bits, so that the whole block with it sums up to zero.
fn checksum(bytes: &[u8]) -> u64 {
    const MODULUS: u64 = 0xffff_ffff;
    let (mut low, mut high) = (0_u64, 0_u64);
    for word in bytes.as_chunks::<4>().0 {
        low = (low + u64::from(u32::from_le_bytes(*word))) % MODULUS;
        high = (high + low) % MODULUS;
    }
    let first = MODULUS - (low + high) % MODULUS;
    let second = MODULUS - (low + first) % MODULUS;
    second << 32 | first
}

/// A node of a tree.
pub(super) struct Node {
    bytes: Vec<u8>,
    flags: u16,
    /// How many keys it has.
    pub(super) keys: usize,
    contents_at: usize,
    keys_at: usize,
    values_end: usize,
}

impl Node {
    pub(super) fn parse(bytes: Vec<u8>) -> io::Result<Self> {
        let header = Fields(&bytes);
        let flags = header.le16(32)?;
        let keys = header.le32(36)? as usize;
        let contents_at = NODE_HEADER_BYTES + usize::from(header.le16(40)?);
        let keys_at = contents_at + usize::from(header.le16(42)?);
        let info = if flags & ROOT != 0 { ROOT_INFO_BYTES } else { 0 };
        let values_end = bytes.len().saturating_sub(info);
        Ok(Self { bytes, flags, keys, contents_at, keys_at, values_end })
    }

    pub(super) fn is_leaf(&self) -> bool {
        self.flags & LEAF != 0
    }

    pub(super) fn key(&self, index: usize) -> io::Result<Fields<'_>> {
        let fields = Fields(&self.bytes);
        let (at, len) = if self.flags & FIXED != 0 {
            (fields.le16(self.contents_at + index * 4)?, MAP_KEY_BYTES)
        } else {
            let entry = self.contents_at + index * 8;
            (fields.le16(entry)?, fields.le16(entry + 2)?.into())
        };
        fields.bytes(self.keys_at + usize::from(at), len).map(Fields)
    }

    /// The last of a map's keys with this number or a lower one. Keys are in order, so it takes a
    /// dozen steps.
    fn last_up_to(&self, number: u64) -> io::Result<Option<usize>> {
        let (mut from, mut to) = (0, self.keys);
        while from < to {
            let middle = from + (to - from) / 2;
            if self.key(middle)?.le64(0)? <= number {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        Ok(from.checked_sub(1))
    }

    /// Values are counted from the node's end.
    pub(super) fn value(&self, index: usize) -> io::Result<Fields<'_>> {
        let fields = Fields(&self.bytes);
        let (back, len) = if self.flags & FIXED != 0 {
            (fields.le16(self.contents_at + index * 4 + 2)?, MAP_VALUE_BYTES)
        } else {
            let entry = self.contents_at + index * 8 + 4;
            (fields.le16(entry)?, fields.le16(entry + 2)?.into())
        };
        let len = if self.is_leaf() { len } else { CHILD_BYTES };
        let at = self.values_end.checked_sub(back.into());
        let at = at.ok_or_else(|| broken("a node's value lies before the node"))?;
        fields.bytes(at, len).map(Fields)
    }
}

/// Where the objects of a container or volume are at present.
pub(super) struct ObjectMap {
    root: u64,
}

impl ObjectMap {
    /// Reads the map in a block.
    pub(super) fn open(blocks: &mut Blocks<'_>, block: u64) -> io::Result<Self> {
        let map = blocks.object(block)?;
        Ok(Self { root: Fields(&map).le64(48)? })
    }

    /// The block of an object's newest version.
    pub(super) fn find(&self, blocks: &mut Blocks<'_>, object: u64) -> io::Result<u64> {
        self.find_cached(blocks, object, &mut NodeCache::of_bytes(0))
    }

    /// The same, for who looks for one object after the other.
    pub(super) fn find_cached(
        &self,
        blocks: &mut Blocks<'_>,
        object: u64,
        cache: &mut NodeCache,
    ) -> io::Result<u64> {
        let mut block = self.root;
        for _ in 0..MAX_LEVELS {
            let node = cache.node(blocks, block)?;
            let last = node.last_up_to(object)?.ok_or_else(|| missing(object))?;
            if !node.is_leaf() {
                block = node.value(last)?.le64(0)?;
            } else if node.key(last)?.le64(0)? == object {
                return node.value(last)?.le64(8);
            } else {
                return Err(missing(object));
            }
        }
        Err(broken("a map of objects does not lead to its leaves"))
    }
}

/// The first nodes of a map that were read, up to a limit; the root is among them, and what is looked
/// for often. Looking into them costs no reading, so it must not cost much time either.
pub(super) struct NodeCache {
    nodes: BTreeMap<u64, Node>,
    left_bytes: usize,
    /// The last node that found no room.
    other: Option<Node>,
}

impl NodeCache {
    pub(super) fn of_bytes(left_bytes: usize) -> Self {
        Self { nodes: BTreeMap::new(), left_bytes, other: None }
    }

    fn node(&mut self, blocks: &mut Blocks<'_>, block: u64) -> io::Result<&Node> {
        match self.nodes.entry(block) {
            btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            btree_map::Entry::Vacant(entry) => {
                let node = Node::parse(blocks.object(block)?)?;
                match self.left_bytes.checked_sub(node.bytes.len()) {
                    Some(left_bytes) => {
                        self.left_bytes = left_bytes;
                        Ok(entry.insert(node))
                    }
                    None => Ok(self.other.insert(node)),
                }
            }
        }
    }
}

fn missing(object: u64) -> io::Error {
    broken(format!("the object {object} is missing"))
}

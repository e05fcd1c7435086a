//! The tree of a volume: names, files, attributes and extents, by number and kind.

use std::io;

use super::super::super::fields::{Fields, broken};
use super::super::{MAX_LEVELS, Nodes, Walked};
use super::object::{Blocks, Node, NodeCache, ObjectMap};

/// Nodes of the map that are kept while all of a tree is walked, in bytes: enough to find a hundred
/// thousand nodes of the tree.
const MAX_CACHED_BYTES: usize = 4 << 20;

/// A record's number and kind, which share eight bytes.
pub(super) type Key = (u64, u8);

/// A volume's tree. Its nodes are found through the volume's map.
pub(super) struct Catalog {
    pub(super) map: ObjectMap,
    pub(super) root: u64,
}

impl Catalog {
    /// Hands on the records of one number and kind, in order, until it is told to stop.
    pub(super) fn walk(
        &self,
        blocks: &mut Blocks<'_>,
        wanted: Key,
        mut visit: impl FnMut(Fields<'_>, Fields<'_>) -> io::Result<bool>,
    ) -> io::Result<()> {
        let mut nodes = Nodes(0);
        // Each node on the way with the next of its keys; leaves do not lead to one another.
        let mut path = vec![(self.node(blocks, self.root)?, 0)];
        while let Some((node, next)) = path.last_mut() {
            let index = *next;
            *next += 1;
            if index >= node.keys {
                path.pop();
                continue;
            }
            let key = node.key(index)?;
            let found = parse(key)?;
            if found > wanted {
                return Ok(());
            }
            if node.is_leaf() {
                if found == wanted && !visit(key, node.value(index)?)? {
                    return Ok(());
                }
            } else if index + 1 == node.keys || parse(node.key(index + 1)?)? >= wanted {
                // All keys of a child are below the one that follows it here.
                nodes.count()?;
                let child = node.value(index)?.le64(0)?;
                if path.len() == MAX_LEVELS {
                    return Err(broken("a tree does not lead to its leaves"));
                }
                path.push((self.node(blocks, child)?, 0));
            }
        }
        Ok(())
    }

    /// Hands on all records of a kind with their number, in order.
    pub(super) fn walk_all(
        &self,
        blocks: &mut Blocks<'_>,
        kind: u8,
        mut visit: impl FnMut(u64, Fields<'_>, Fields<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut walked = Walked::default();
        let mut cache = NodeCache::of_bytes(MAX_CACHED_BYTES);
        let mut path = vec![(self.node(blocks, self.root)?, 0)];
        while let Some((node, next)) = path.last_mut() {
            let index = *next;
            *next += 1;
            if index >= node.keys {
                path.pop();
                continue;
            }
            if node.is_leaf() {
                let key = node.key(index)?;
                let (number, found) = parse(key)?;
                if found == kind {
                    visit(number, key, node.value(index)?)?;
                }
                continue;
            }
            let child = node.value(index)?.le64(0)?;
            walked.enter(child)?;
            if path.len() == MAX_LEVELS {
                return Err(broken("a tree does not lead to its leaves"));
            }
            let block = self.map.find_cached(blocks, child, &mut cache)?;
            path.push((Node::parse(blocks.object(block)?)?, 0));
        }
        Ok(())
    }

    fn node(&self, blocks: &mut Blocks<'_>, object: u64) -> io::Result<Node> {
        let block = self.map.find(blocks, object)?;
        Node::parse(blocks.object(block)?)
    }
}

fn parse(key: Fields<'_>) -> io::Result<Key> {
    let both = key.le64(0)?;
    Ok((both & 0x0fff_ffff_ffff_ffff, u8::try_from(both >> 60).unwrap_or_default()))
}

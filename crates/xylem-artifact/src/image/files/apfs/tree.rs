//! The tree of a volume: names, files, attributes and extents, by number and kind.

use std::io;

use super::super::super::fields::{Fields, broken};
use super::super::{MAX_LEVELS, Nodes};
use super::object::{Blocks, Node, ObjectMap};

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

    fn node(&self, blocks: &mut Blocks<'_>, object: u64) -> io::Result<Node> {
        let block = self.map.find(blocks, object)?;
        Node::parse(blocks.object(block)?)
    }
}

fn parse(key: Fields<'_>) -> io::Result<Key> {
    let both = key.le64(0)?;
    Ok((both & 0x0fff_ffff_ffff_ffff, u8::try_from(both >> 60).unwrap_or_default()))
}

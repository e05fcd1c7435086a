//! Checks parts of a file against its outboard, up to the content id.

use std::io;
use std::ops::Range;

use xylem_model::ContentId;
use xylem_runtime::FsFile;

use crate::reach::Reach;
use crate::reader::FRAME_GROUPS;
use crate::tree::{GROUP_BYTES, Hash, Node, PARENT_BYTES, PREFIX_BYTES, Parent};

/// Why a part of a file was not proved.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The file or its outboard is wrong, at or after this byte of the file.
    Wrong { offset: u64 },
    /// It could not be read.
    Io(io::Error),
}

/// Where the nodes of a tree lie, and how far to go for them.
#[derive(Clone, Copy)]
pub(crate) struct Outboard<'a> {
    pub(crate) file: Option<&'a dyn FsFile>,
    pub(crate) reach: Reach,
}

impl Fault {
    fn at(node: Node) -> Self {
        Self::Wrong { offset: node.first * GROUP_BYTES }
    }
}

/// The nodes from the root to where the last check was, each proved by the one above it.
///
/// A reader that goes through a file front to back reads every node once.
pub(crate) struct ProvedPath {
    root: Node,
    id: Hash,
    path: Vec<(Node, Parent)>,
}

impl ProvedPath {
    pub(crate) fn new(id: &ContentId, size: u64) -> Self {
        Self { root: Node::root(size), id: *id.as_bytes(), path: Vec::new() }
    }

    /// Forgets what was proved, so that it is read again.
    pub(crate) fn clear(&mut self) {
        self.path.clear();
    }

    /// Checks the bytes of some groups. Nodes of at most [`FRAME_GROUPS`] groups are hashed in one
    /// go, from their bytes alone; only the nodes above them are read from the outboard.
    pub(crate) fn check(
        &mut self,
        groups: Range<u64>,
        bytes: &[u8],
        outboard: Outboard<'_>,
    ) -> Result<(), Fault> {
        let part = Part { groups, bytes, outboard };
        self.check_below(0, self.root, self.id, &part)
    }

    fn check_below(
        &mut self,
        depth: usize,
        node: Node,
        expected: Hash,
        part: &Part<'_>,
    ) -> Result<(), Fault> {
        if node.end() <= part.groups.start || part.groups.end <= node.first {
            return Ok(());
        }
        let whole = part.groups.start <= node.first && node.end() <= part.groups.end;
        match node.children() {
            Some((left, right)) if !whole || node.groups > FRAME_GROUPS => {
                let parent = self.parent(depth, node, expected, part.outboard)?;
                self.check_below(depth + 1, left, parent.left, part)?;
                self.check_below(depth + 1, right, parent.right, part)
            }
            _ => {
                let own = part.bytes_of(node).ok_or(Fault::at(node))?;
                if node.hash_of_bytes(own) == expected { Ok(()) } else { Err(Fault::at(node)) }
            }
        }
    }

    /// The hash that one group must have.
    pub(crate) fn expected(&mut self, group: u64, outboard: Outboard<'_>) -> Result<Hash, Fault> {
        let (mut node, mut hash) = (self.root, self.id);
        let mut depth = 0;
        while let Some((left, right)) = node.children() {
            let parent = self.parent(depth, node, hash, outboard)?;
            (node, hash) =
                if group < right.first { (left, parent.left) } else { (right, parent.right) };
            depth += 1;
        }
        Ok(hash)
    }

    /// The proved children of a node that is `depth` steps below the root.
    fn parent(
        &mut self,
        depth: usize,
        node: Node,
        expected: Hash,
        outboard: Outboard<'_>,
    ) -> Result<Parent, Fault> {
        if let Some((_, parent)) = self.path.get(depth).filter(|(proved, _)| *proved == node) {
            return Ok(*parent);
        }
        let mut bytes = [0; PARENT_BYTES];
        let file = outboard.file.ok_or(Fault::at(node))?;
        let read = outboard.reach.read_full(file, &mut bytes, node.offset_in_outboard());
        let read = read.map_err(Fault::Io)?;
        let parent = Parent::from_bytes(&bytes);
        if read < PARENT_BYTES || node.hash_of_parent(&parent) != expected {
            return Err(Fault::at(node));
        }
        self.path.truncate(depth);
        self.path.push((node, parent));
        Ok(parent)
    }
}

/// The part of a file that is to be proved.
struct Part<'a> {
    groups: Range<u64>,
    bytes: &'a [u8],
    outboard: Outboard<'a>,
}

impl<'a> Part<'a> {
    /// The bytes of a node that lies wholly in this part; the last group may be short.
    fn bytes_of(&self, node: Node) -> Option<&'a [u8]> {
        let from = ((node.first - self.groups.start) * GROUP_BYTES) as usize;
        let to = ((node.end() - self.groups.start) * GROUP_BYTES) as usize;
        self.bytes.get(from..to.min(self.bytes.len()))
    }
}

/// Checks an outboard that arrives front to back, every node as soon as it is there.
#[derive(Clone)]
pub(crate) struct OutboardCheck {
    size: u64,
    /// Nodes still to come, the next one last, with the hash each must have.
    stack: Vec<(Node, Hash)>,
    part: Vec<u8>,
    taken: u64,
}

impl OutboardCheck {
    pub(crate) fn new(id: &ContentId, size: u64) -> Self {
        let root = Node::root(size);
        let mut check = Self { size, stack: Vec::new(), part: Vec::new(), taken: 0 };
        check.push(root, *id.as_bytes());
        check
    }

    /// Bytes proved so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether all of it was here and right.
    pub(crate) fn is_complete(&self) -> bool {
        self.stack.is_empty() && self.taken >= PREFIX_BYTES
    }

    /// Takes the next bytes; refuses the first wrong one's node, and whatever follows the end.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let unit = if self.taken < PREFIX_BYTES { PREFIX_BYTES as usize } else { PARENT_BYTES };
            let (now, later) = bytes.split_at(bytes.len().min(unit - self.part.len()));
            self.part.extend_from_slice(now);
            bytes = later;
            if self.part.len() < unit {
                continue;
            }
            let part = std::mem::take(&mut self.part);
            self.check(&part)?;
            self.taken += part.len() as u64;
        }
        Ok(())
    }

    fn check(&mut self, part: &[u8]) -> Result<(), Fault> {
        let Ok(bytes) = <&[u8; PARENT_BYTES]>::try_from(part) else {
            let right = part == self.size.to_le_bytes();
            return if right { Ok(()) } else { Err(Fault::Wrong { offset: 0 }) };
        };
        let (node, expected) = self.stack.pop().ok_or(Fault::Wrong { offset: self.size })?;
        let parent = Parent::from_bytes(bytes);
        if node.hash_of_parent(&parent) != expected {
            return Err(Fault::at(node));
        }
        if let Some((left, right)) = node.children() {
            self.push(right, parent.right);
            self.push(left, parent.left);
        }
        Ok(())
    }

    /// Single groups have no node in the outboard.
    fn push(&mut self, node: Node, hash: Hash) {
        if node.groups > 1 {
            self.stack.push((node, hash));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::outboard_of;

    #[test]
    fn outboards_are_checked_node_by_node_however_they_are_cut() {
        let bytes = vec![3; 700_000];
        let (root, outboard) = outboard_of(&bytes);
        let id = ContentId::from_bytes(root);
        for piece in [1, 8, 63, 64, 65, 10_000] {
            let mut check = OutboardCheck::new(&id, bytes.len() as u64);
            for piece in outboard.chunks(piece) {
                assert!(!check.is_complete());
                check.update(piece).unwrap();
            }
            assert!(check.is_complete());
            assert!(check.update(&[0; 64]).is_err(), "nothing may follow");
        }
        for at in 0..outboard.len() {
            let mut wrong = outboard.clone();
            wrong[at] ^= 0x10;
            let mut check = OutboardCheck::new(&id, bytes.len() as u64);
            assert!(check.update(&wrong).is_err(), "flip at {at}");
        }
    }
}

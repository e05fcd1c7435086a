//! Makes an outboard while the bytes of a file pass by.
//!
//! The size is known from the start, so the place of every node is known too. Groups are gathered
//! into *spans* of 4 MiB, whose nodes lie side by side in the outboard: each span is written as one
//! piece and only its hash is kept, so that the memory needed is 16 KiB and 32 bytes per span.

use std::collections::VecDeque;
use std::io;

use xylem_runtime::FsFile;

use crate::tree::{GROUP_BYTES, GroupHasher, Hash, Node, PARENT_BYTES, Parent};

/// Groups of a span: a power of two, so that a span is a node of the tree.
const SPAN_GROUPS: u64 = 256;

/// Pieces that may wait to be written: 64 KiB, of 16 MiB of the file.
const MAX_PENDING: usize = 4;

/// A tree under construction.
pub(crate) struct TreeBuilder {
    root: Node,
    size: u64,
    taken: u64,
    group: GroupHasher,
    group_hashes: Vec<Hash>,
    span_hashes: Vec<Hash>,
    /// Pieces of the outboard that are known but not yet written, with their places.
    pending: VecDeque<(u64, Vec<u8>)>,
}

impl TreeBuilder {
    /// A tree over `size` bytes that are still to come.
    pub(crate) fn new(size: u64) -> Self {
        let root = Node::root(size);
        let mut pending = VecDeque::new();
        if root.groups > 1 {
            pending.push_back((0, size.to_le_bytes().to_vec()));
        }
        Self {
            root,
            size,
            taken: 0,
            group: GroupHasher::new(0, size),
            group_hashes: Vec::new(),
            span_hashes: Vec::new(),
            pending,
        }
    }

    /// Takes the next bytes; together they must not be more than the size.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = GROUP_BYTES - self.taken % GROUP_BYTES;
            let (now, later) = bytes.split_at(bytes.len().min(room as usize));
            self.group.update(now);
            self.taken += now.len() as u64;
            bytes = later;
            if self.taken.is_multiple_of(GROUP_BYTES) && self.taken < self.size {
                self.end_group();
            }
        }
    }

    fn end_group(&mut self) {
        self.group_hashes.push(self.group.finish());
        self.group = GroupHasher::new(self.taken / GROUP_BYTES, self.size);
        if self.group_hashes.len() as u64 == SPAN_GROUPS {
            self.end_span();
        }
    }

    fn end_span(&mut self) {
        let groups = self.group_hashes.len() as u64;
        let span = span_at(self.root, self.span_hashes.len() as u64 * SPAN_GROUPS, groups);
        let base = span.offset_in_outboard();
        let mut piece = vec![0; self.group_hashes.len().saturating_sub(1) * PARENT_BYTES];
        let hash = merge(span, 1, &self.group_hashes, &mut |node, parent| {
            let at = (node.offset_in_outboard() - base) as usize;
            if let Some(place) = piece.get_mut(at..at + PARENT_BYTES) {
                parent.write(place);
            }
        });
        if !piece.is_empty() {
            self.pending.push_back((base, piece));
        }
        self.span_hashes.push(hash);
        self.group_hashes.clear();
    }

    /// The root hash, once all bytes have passed. What is then pending completes the outboard.
    pub(crate) fn finish(&mut self) -> Hash {
        debug_assert_eq!(self.taken, self.size);
        self.group_hashes.push(self.group.finish());
        self.end_span();
        let pending = &mut self.pending;
        merge(self.root, SPAN_GROUPS, &self.span_hashes, &mut |node, parent| {
            pending.push_back((node.offset_in_outboard(), parent.to_bytes().to_vec()));
        })
    }

    /// Whether part of the outboard waits to be written.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether so much of it waits that it is to be written before more bytes are taken.
    pub(crate) fn has_much_pending(&self) -> bool {
        self.pending.len() >= MAX_PENDING
    }

    /// Writes what is known of the outboard. What could not be written stays pending.
    pub(crate) fn write_pending(&mut self, outboard: &dyn FsFile) -> io::Result<()> {
        while let Some((offset, piece)) = self.pending.front() {
            outboard.write_all_at(piece, *offset)?;
            self.pending.pop_front();
        }
        Ok(())
    }
}

/// The node that covers exactly these groups.
fn span_at(root: Node, first: u64, groups: u64) -> Node {
    let mut node = root;
    while node.groups > groups
        && let Some((left, right)) = node.children()
    {
        node = if first < right.first { left } else { right };
    }
    debug_assert_eq!((node.first, node.groups), (first, groups));
    node
}

/// Merges the hashes below a node, one for every `unit` groups, and shows every parent made.
fn merge(node: Node, unit: u64, hashes: &[Hash], emit: &mut impl FnMut(Node, Parent)) -> Hash {
    match (hashes, node.children()) {
        (_, Some((left, right))) if node.groups > unit => {
            let (of_left, of_right) = hashes.split_at((left.groups / unit) as usize);
            let parent = Parent {
                left: merge(left, unit, of_left, emit),
                right: merge(right, unit, of_right, emit),
            };
            emit(node, parent);
            node.hash_of_parent(&parent)
        }
        (hashes, _) => {
            debug_assert_eq!(hashes.len(), 1);
            hashes.first().copied().unwrap_or_default()
        }
    }
}

/// The outboard of bytes held in memory, and their root hash.
pub(crate) fn outboard_of(bytes: &[u8]) -> (Hash, Vec<u8>) {
    let mut builder = TreeBuilder::new(bytes.len() as u64);
    builder.update(bytes);
    let root = builder.finish();
    let mut outboard = vec![0; crate::tree::outboard_len(bytes.len() as u64) as usize];
    let size = (0, (bytes.len() as u64).to_le_bytes().to_vec());
    for (offset, piece) in std::iter::once(size).chain(builder.pending) {
        let from = offset as usize;
        if let Some(place) = outboard.get_mut(from..from + piece.len()) {
            place.copy_from_slice(&piece);
        }
    }
    (root, outboard)
}

#[cfg(test)]
mod tests {
    use bao_tree::BlockSize;
    use bao_tree::io::outboard::PreOrderMemOutboard;

    use super::*;
    use crate::tree::groups_of;

    #[test]
    fn outboards_equal_those_of_bao_tree() {
        let group = GROUP_BYTES as usize;
        let span = SPAN_GROUPS as usize * group;
        let sizes = [0, 1, 1024, 1025, group - 1, group, group + 1, 3 * group, 5 * group + 7];
        let larger = [span - 1, span, span + 1, span + group + 1, 2 * span, 3 * span + 5];
        for size in sizes.into_iter().chain(larger) {
            let bytes: Vec<u8> = (0..size).map(|at| (at * 7 + at / 251) as u8).collect();
            let (root, outboard) = outboard_of(&bytes);
            let theirs = PreOrderMemOutboard::create(&bytes, BlockSize::from_chunk_log(4));
            assert_eq!(root, *theirs.root.as_bytes(), "root of {size} bytes");
            assert!(outboard == theirs.into_inner_with_prefix(), "outboard of {size} bytes");
            assert_eq!(groups_of(size as u64), Node::root(size as u64).groups);
        }
    }

    #[test]
    fn the_way_bytes_are_cut_makes_no_difference() {
        let bytes: Vec<u8> = (0..100_003u32).map(|at| (at * 31) as u8).collect();
        for piece in [1, 7, 1023, 16_384, 16_385, 60_000] {
            let mut builder = TreeBuilder::new(bytes.len() as u64);
            bytes.chunks(piece).for_each(|piece| builder.update(piece));
            assert_eq!(builder.finish(), *blake3::hash(&bytes).as_bytes(), "pieces of {piece}");
        }
    }
}

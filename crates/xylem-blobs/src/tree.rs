//! The shape of the BLAKE3 tree over a file, and of the outboard that holds its inner nodes.
//!
//! The leaves are groups of 16 KiB (16 BLAKE3 chunks); the last may be shorter, and an empty file
//! has one empty group. A node over several groups splits so that its left child covers the
//! largest power of two of groups that is less than all of them (BLAKE3 specification, section
//! 2.1). An outboard is the file's size as 8 bytes, little-endian, then for every node above the
//! groups, in pre-order, the hashes of its two children, 64 bytes: 0.39 % of the file. This is
//! byte for byte the pre-order outboard of the crate `bao-tree` with `BlockSize::from_chunk_log(4)`
//! (a test compares them).
//!
//! Why not that crate itself: it makes an outboard from a whole file and checks ranges into a
//! writer; we make it while bytes arrive, in bounded memory, and check frames in place, in the
//! buffer that goes to the socket, 256 KiB in one hash run. What is left is the few functions
//! below, on `blake3::hazmat`, the primitives that crate uses too.

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// Bytes of a group, the smallest part of a file that can be checked by itself.
pub const GROUP_BYTES: u64 = 16 * 1024;
/// Bytes of the size at the head of an outboard.
pub(crate) const PREFIX_BYTES: u64 = 8;
/// Bytes of one node of an outboard.
pub(crate) const PARENT_BYTES: usize = 64;

/// A BLAKE3 hash: a chaining value, or at the root the content id.
pub(crate) type Hash = [u8; 32];

/// The groups of a file: at least one.
pub(crate) fn groups_of(size: u64) -> u64 {
    size.div_ceil(GROUP_BYTES).max(1)
}

/// Whether published content of `size` bytes has an outboard on the disk. Content of at most one
/// frame needs none: it is read and hashed whole, and then the id alone proves it.
pub(crate) const fn has_outboard(size: u64) -> bool {
    size > crate::reader::FRAME_BYTES
}

/// The length in bytes of the outboard of a file of `size` bytes.
pub fn outboard_len(size: u64) -> u64 {
    PREFIX_BYTES + (groups_of(size) - 1) * PARENT_BYTES as u64
}

/// A node of the tree: some neighbouring groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    /// The first group below it.
    pub(crate) first: u64,
    /// How many groups are below it.
    pub(crate) groups: u64,
    /// How many nodes stand before it in the outboard; meaningless for a single group.
    index: u64,
    root: bool,
}

impl Node {
    /// The node over a whole file.
    pub(crate) fn root(size: u64) -> Self {
        Self { first: 0, groups: groups_of(size), index: 0, root: true }
    }

    /// The two nodes below it; a single group has none.
    pub(crate) fn children(self) -> Option<(Self, Self)> {
        if self.groups < 2 {
            return None;
        }
        // The largest power of two below `groups`.
        let left = 1 << (u64::BITS - 1 - (self.groups - 1).leading_zeros());
        let (first, groups, index) = (self.first, self.groups, self.index);
        // Pre-order: this node, then the `left - 1` nodes of the left side, then the right side.
        Some((
            Self { first, groups: left, index: index + 1, root: false },
            Self { first: first + left, groups: groups - left, index: index + left, root: false },
        ))
    }

    /// The group after its last.
    pub(crate) fn end(self) -> u64 {
        self.first + self.groups
    }

    /// Where in the outboard its children's hashes lie.
    pub(crate) fn offset_in_outboard(self) -> u64 {
        PREFIX_BYTES + self.index * PARENT_BYTES as u64
    }

    /// Its hash, from all bytes below it.
    pub(crate) fn hash_of_bytes(self, bytes: &[u8]) -> Hash {
        if self.root {
            return *blake3::hash(bytes).as_bytes();
        }
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(self.first * GROUP_BYTES).update(bytes);
        hasher.finalize_non_root()
    }

    /// Its hash, from those of its children.
    pub(crate) fn hash_of_parent(self, parent: &Parent) -> Hash {
        if self.root {
            *merge_subtrees_root(&parent.left, &parent.right, Mode::Hash).as_bytes()
        } else {
            merge_subtrees_non_root(&parent.left, &parent.right, Mode::Hash)
        }
    }
}

/// Hashes one group while its bytes arrive.
pub(crate) struct GroupHasher {
    hasher: blake3::Hasher,
    whole_file: bool,
}

impl GroupHasher {
    /// A hasher for a group of a file of `size` bytes.
    pub(crate) fn new(group: u64, size: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(group * GROUP_BYTES);
        Self { hasher, whole_file: groups_of(size) == 1 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    pub(crate) fn finish(&self) -> Hash {
        if self.whole_file {
            *self.hasher.finalize().as_bytes()
        } else {
            self.hasher.finalize_non_root()
        }
    }
}

/// One node of an outboard: the hashes of its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) left: Hash,
    pub(crate) right: Hash,
}

impl Parent {
    pub(crate) fn from_bytes(bytes: &[u8; PARENT_BYTES]) -> Self {
        let mut parent = Self { left: [0; 32], right: [0; 32] };
        let (left, right) = bytes.split_at(32);
        parent.left.copy_from_slice(left);
        parent.right.copy_from_slice(right);
        parent
    }

    pub(crate) fn write(&self, out: &mut [u8]) {
        let (left, right) = out.split_at_mut(32);
        left.copy_from_slice(&self.left);
        right.copy_from_slice(&self.right);
    }

    pub(crate) fn to_bytes(self) -> [u8; PARENT_BYTES] {
        let mut bytes = [0; PARENT_BYTES];
        self.write(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_its_own_place_in_the_outboard() {
        for groups in 1..200 {
            let size = groups * GROUP_BYTES;
            let mut seen = Vec::new();
            let mut stack = vec![Node::root(size)];
            while let Some(node) = stack.pop() {
                let Some((left, right)) = node.children() else { continue };
                assert!(left.groups.is_power_of_two() && left.groups >= right.groups);
                assert_eq!(
                    (left.first, left.end(), right.end()),
                    (node.first, right.first, node.end())
                );
                seen.push(node.offset_in_outboard());
                stack.extend([right, left]);
            }
            let expected: Vec<_> = (0..groups - 1).map(|index| 8 + 64 * index).collect();
            assert_eq!(seen, expected, "{groups} groups, visited in pre-order");
        }
    }
}

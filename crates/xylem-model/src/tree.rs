//! The tree of distribution servers: one root, no cycle, no branch deeper than eight.

use std::collections::BTreeMap;

use crate::DistributionServerId;

/// The deepest place in the tree, the root being at depth 0.
pub const MAX_DEPTH: usize = 8;

/// Who hangs below whom. Holds a tree at any time: a change that would break it is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    parents: BTreeMap<DistributionServerId, Option<DistributionServerId>>,
}

/// Why a change of the tree is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The server would become its own ancestor.
    #[error(
        "the new parent is the server itself or hangs below it: choose a parent outside its branch"
    )]
    Cycle,
    /// Some server would be too far from the root.
    #[error(
        "the branch would be {depth} levels deep; at most {MAX_DEPTH} are allowed: choose a parent nearer to the root"
    )]
    TooDeep {
        /// The depth it would have.
        depth: usize,
    },
    /// The named parent is not enrolled.
    #[error("the parent is not enrolled as a distribution server")]
    UnknownParent,
    /// There is a root already.
    #[error("there is a root already: give the server a parent")]
    SecondRoot,
    /// The root has no parent until another server is made root.
    #[error("the server is the root, which has no parent: make another server the root first")]
    RootHasNoParent,
    /// The server has children.
    #[error("the server has {children} children: move them to another parent first")]
    HasChildren {
        /// How many.
        children: usize,
    },
}

impl Tree {
    /// An empty tree; the first server set becomes the root.
    pub fn new() -> Self {
        Self::default()
    }

    /// The root, once there is a server.
    pub fn root(&self) -> Option<DistributionServerId> {
        self.parents.iter().find(|(_, parent)| parent.is_none()).map(|(id, _)| *id)
    }

    /// The parent of a server; `None` for the root and for strangers.
    pub fn parent(&self, id: DistributionServerId) -> Option<DistributionServerId> {
        self.parents.get(&id).copied().flatten()
    }

    /// The servers directly below one.
    pub fn children(&self, id: DistributionServerId) -> Vec<DistributionServerId> {
        self.parents.iter().filter(|(_, p)| **p == Some(id)).map(|(c, _)| *c).collect()
    }

    /// From a server's parent up to the root.
    pub fn ancestors(&self, id: DistributionServerId) -> Vec<DistributionServerId> {
        let mut above = Vec::new();
        let mut at = self.parent(id);
        while let Some(next) = at {
            above.push(next);
            at = self.parent(next);
        }
        above
    }

    /// How many steps a server is from the root.
    pub fn depth(&self, id: DistributionServerId) -> usize {
        self.ancestors(id).len()
    }

    /// Places a server below a parent, or as the root where `parent` is `None`; moves it, with
    /// its branch, when it is in the tree already.
    pub fn set_parent(
        &mut self,
        id: DistributionServerId,
        parent: Option<DistributionServerId>,
    ) -> Result<(), TreeError> {
        let Some(parent) = parent else {
            return match self.root() {
                Some(root) if root != id => Err(TreeError::SecondRoot),
                _ => {
                    self.parents.insert(id, None);
                    Ok(())
                }
            };
        };
        if !self.parents.contains_key(&parent) {
            return Err(TreeError::UnknownParent);
        }
        if parent == id || self.ancestors(parent).contains(&id) {
            return Err(TreeError::Cycle);
        }
        if self.root() == Some(id) {
            return Err(TreeError::RootHasNoParent);
        }
        let depth = self.depth(parent) + 1 + self.height(id);
        if depth > MAX_DEPTH {
            return Err(TreeError::TooDeep { depth });
        }
        self.parents.insert(id, Some(parent));
        Ok(())
    }

    /// Takes a server without children out of the tree.
    pub fn remove(&mut self, id: DistributionServerId) -> Result<(), TreeError> {
        match self.children(id).len() {
            0 => {
                self.parents.remove(&id);
                Ok(())
            }
            children => Err(TreeError::HasChildren { children }),
        }
    }

    /// Levels below a server; breadth first, so that no depth of input costs stack.
    fn height(&self, id: DistributionServerId) -> usize {
        let mut level = self.children(id);
        let mut height = 0;
        while !level.is_empty() {
            height += 1;
            level = level.iter().flat_map(|child| self.children(*child)).collect();
        }
        height
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> DistributionServerId {
        DistributionServerId::from_parts(u64::from(n), &[n; 10])
    }

    fn chain(length: u8) -> Tree {
        let mut tree = Tree::new();
        tree.set_parent(id(0), None).unwrap();
        for n in 1..length {
            tree.set_parent(id(n), Some(id(n - 1))).unwrap();
        }
        tree
    }

    #[test]
    fn a_server_cannot_hang_below_itself() {
        let mut tree = chain(4);
        assert_eq!(tree.set_parent(id(1), Some(id(3))), Err(TreeError::Cycle));
        assert_eq!(tree.set_parent(id(1), Some(id(1))), Err(TreeError::Cycle));
        assert_eq!(tree, chain(4));
    }

    #[test]
    fn depth_eight_is_allowed_and_nine_is_not() {
        let mut tree = chain(9);
        assert_eq!(tree.depth(id(8)), 8);
        assert_eq!(tree.set_parent(id(9), Some(id(8))), Err(TreeError::TooDeep { depth: 9 }));
    }

    #[test]
    fn moving_a_branch_counts_what_hangs_below_it() {
        let mut tree = chain(5);
        tree.set_parent(id(10), Some(id(0))).unwrap();
        for n in 11..16 {
            tree.set_parent(id(n), Some(id(n - 1))).unwrap();
        }
        assert_eq!(tree.set_parent(id(10), Some(id(4))), Err(TreeError::TooDeep { depth: 10 }));
        tree.set_parent(id(10), Some(id(2))).unwrap();
        assert_eq!(tree.depth(id(15)), 8);
    }

    #[test]
    fn there_is_one_root() {
        let mut tree = chain(2);
        assert_eq!(tree.set_parent(id(7), None), Err(TreeError::SecondRoot));
        assert_eq!(tree.set_parent(id(7), Some(id(6))), Err(TreeError::UnknownParent));
        assert_eq!(tree.remove(id(0)), Err(TreeError::HasChildren { children: 1 }));
        tree.remove(id(1)).unwrap();
        assert_eq!(tree.set_parent(id(0), Some(id(0))), Err(TreeError::Cycle));
    }
}

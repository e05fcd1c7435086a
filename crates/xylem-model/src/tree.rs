//! Which distribution servers fetch from which: one root, no cycle, nobody deeper than eight.
//!
//! A server may name several parents, in order, so what is called the tree is a directed acyclic
//! graph; the first parent of each makes a tree of it. The rule holds for every edge alike: a
//! server can be sent to any of its parents at any time.

use std::collections::{BTreeMap, BTreeSet};

use crate::DistributionServerId;

/// The deepest place in the tree by the longest way, the root being at depth 0.
pub const MAX_DEPTH: usize = 8;

/// The most parents one server can name: more would be asked in vain before it gives up, and each
/// must be let in by every one of them.
pub const MAX_PARENTS: usize = 8;

/// Who fetches from whom. Holds the rule at any time: a change that would break it is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Each server with its parents, in order; none for the root alone.
    parents: BTreeMap<DistributionServerId, Vec<DistributionServerId>>,
}

/// Why a change of the tree is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Some server would become its own ancestor.
    #[error(
        "a parent is the server itself or fetches from it: choose parents that do not depend on it"
    )]
    Cycle,
    /// Some server would be too far from the root.
    #[error(
        "some server would be {depth} levels below the root by the longest way; at most {MAX_DEPTH} are allowed: choose a parent nearer to the root"
    )]
    TooDeep {
        /// The depth it would have.
        depth: usize,
    },
    /// A named parent is not enrolled.
    #[error("a parent is not enrolled as a distribution server")]
    UnknownParent,
    /// A parent is named more than once.
    #[error("a parent is named more than once: name each once")]
    TwiceNamed,
    /// Too many parents are named.
    #[error("{parents} parents are named; at most {MAX_PARENTS} are allowed")]
    TooManyParents {
        /// How many.
        parents: usize,
    },
    /// There is a root already.
    #[error("there is a root already: give the server a parent")]
    SecondRoot,
    /// The root has no parent until another server is made root.
    #[error("the server is the root, which has no parent: make another server the root first")]
    RootHasNoParent,
    /// Servers have this one for their only parent.
    #[error(
        "it is the only parent of {children} servers: give them another first, with `xylem ds \
         move-children`"
    )]
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

    /// A tree from all its servers, each with its parents, in any order.
    ///
    /// # Errors
    /// When they make none.
    pub fn from_servers(
        servers: impl IntoIterator<Item = (DistributionServerId, Vec<DistributionServerId>)>,
    ) -> Result<Self, TreeError> {
        let tree = Self { parents: servers.into_iter().collect() };
        tree.check()?;
        Ok(tree)
    }

    /// The root, once there is a server.
    pub fn root(&self) -> Option<DistributionServerId> {
        self.parents.iter().find(|(_, parents)| parents.is_empty()).map(|(id, _)| *id)
    }

    /// The parents of a server, in order; none for the root and for strangers.
    pub fn parents(&self, id: DistributionServerId) -> &[DistributionServerId] {
        self.parents.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The first parent of a server; none for the root and for strangers.
    pub fn parent(&self, id: DistributionServerId) -> Option<DistributionServerId> {
        self.parents(id).first().copied()
    }

    /// The servers that name one among their parents.
    pub fn children(&self, id: DistributionServerId) -> Vec<DistributionServerId> {
        self.parents.iter().filter(|(_, named)| named.contains(&id)).map(|(c, _)| *c).collect()
    }

    /// From a server's first parent up to the root, always by first parents.
    pub fn ancestors(&self, id: DistributionServerId) -> Vec<DistributionServerId> {
        let mut above = Vec::new();
        let mut at = self.parent(id);
        while let Some(next) = at {
            above.push(next);
            at = self.parent(next);
        }
        above
    }

    /// How many steps a server is from the root, by first parents: where it is shown.
    pub fn depth(&self, id: DistributionServerId) -> usize {
        self.ancestors(id).len()
    }

    /// Everybody a server may fetch from, best first: its parents in order; then, for when none of
    /// them can be reached, those above them, level by level; the root last. Nobody twice.
    pub fn sources(&self, id: DistributionServerId) -> Vec<DistributionServerId> {
        let mut sources = self.parents(id).to_vec();
        let mut at = 0;
        while let Some(next) = sources.get(at).copied() {
            for above in self.parents(next) {
                if !sources.contains(above) {
                    sources.push(*above);
                }
            }
            at += 1;
        }
        // The root was named, or comes in as soon as one way up has ended.
        let named = self.parents(id).len();
        let is_root = |source: &DistributionServerId| self.parents(*source).is_empty();
        if let Some(place) = sources.iter().skip(named).position(is_root) {
            let root = sources.remove(named + place);
            sources.push(root);
        }
        sources
    }

    /// Places a server below one parent, or as the root where there is none; moves it, with what
    /// hangs below it, when it is in the tree already. Its former parents are forgotten.
    ///
    /// # Errors
    /// When the rule forbids it.
    pub fn set_parent(
        &mut self,
        id: DistributionServerId,
        parent: Option<DistributionServerId>,
    ) -> Result<(), TreeError> {
        self.set_parents(id, parent.as_slice())
    }

    /// Places a server below several parents, in order.
    ///
    /// # Errors
    /// When the rule forbids it.
    pub fn set_parents(
        &mut self,
        id: DistributionServerId,
        parents: &[DistributionServerId],
    ) -> Result<(), TreeError> {
        match self.root() {
            Some(root) if root == id && !parents.is_empty() => {
                return Err(TreeError::RootHasNoParent);
            }
            Some(root) if root != id && parents.is_empty() => return Err(TreeError::SecondRoot),
            _ => {}
        }
        let mut changed = self.clone();
        changed.parents.insert(id, parents.to_vec());
        changed.check()?;
        *self = changed;
        Ok(())
    }

    /// Gives all children of a server another parent in its place, in one step; a child that has
    /// that one among its parents already keeps it where it is. Gives the children.
    ///
    /// # Errors
    /// When the rule forbids it, as where the other parent is among the children.
    pub fn move_children(
        &mut self,
        of: DistributionServerId,
        to: DistributionServerId,
    ) -> Result<Vec<DistributionServerId>, TreeError> {
        let mut changed = self.clone();
        let children = changed.put_in_place(of, to);
        changed.check()?;
        *self = changed;
        Ok(children)
    }

    /// Names one server where another is named as a parent, once. Gives the children.
    fn put_in_place(
        &mut self,
        of: DistributionServerId,
        to: DistributionServerId,
    ) -> Vec<DistributionServerId> {
        let children = self.children(of);
        for child in &children {
            let named = self.parents.entry(*child).or_default();
            match named.contains(&to) {
                true => named.retain(|parent| *parent != of),
                false => named.iter_mut().filter(|parent| **parent == of).for_each(|it| *it = to),
            }
        }
        children
    }

    /// Makes another server the root; the former root becomes its child. The former root's other
    /// children become children of the new one in its place, unless they are to stay. Gives the
    /// servers whose parents changed.
    ///
    /// # Errors
    /// When the rule forbids it; then nothing has changed.
    pub fn hand_over(
        &mut self,
        to: DistributionServerId,
        keep_children: bool,
    ) -> Result<Vec<DistributionServerId>, TreeError> {
        let Some(root) = self.root().filter(|_| self.parents.contains_key(&to)) else {
            return Err(TreeError::UnknownParent);
        };
        if root == to {
            return Ok(Vec::new());
        }
        let mut changed = self.clone();
        changed.parents.insert(to, Vec::new());
        changed.parents.insert(root, Vec::new());
        let mut moved = match keep_children {
            true => Vec::new(),
            false => changed.put_in_place(root, to),
        };
        changed.parents.insert(root, vec![to]);
        changed.check()?;
        *self = changed;
        moved.extend([to, root]);
        Ok(moved)
    }

    /// Takes a server out of the tree. Those that name it among several parents go on with the
    /// others, in their order; nobody may lose its last one.
    ///
    /// # Errors
    /// When it is somebody's only parent.
    pub fn remove(&mut self, id: DistributionServerId) -> Result<(), TreeError> {
        let orphans = self.parents.values().filter(|named| **named == [id]).count();
        if orphans > 0 {
            return Err(TreeError::HasChildren { children: orphans });
        }
        self.parents.remove(&id);
        for named in self.parents.values_mut() {
            named.retain(|parent| *parent != id);
        }
        Ok(())
    }

    /// The rule. Goes down from the root, each round placing those whose parents all have their
    /// place, so that no depth of input costs stack and no number of ways costs time.
    fn check(&self) -> Result<(), TreeError> {
        self.check_lists()?;
        let mut placed: BTreeSet<DistributionServerId> = BTreeSet::new();
        let mut left: Vec<_> = self.parents.iter().collect();
        let mut levels = 0;
        while !left.is_empty() {
            let (next, waiting): (Vec<_>, Vec<_>) = left
                .into_iter()
                .partition(|(_, parents)| parents.iter().all(|parent| placed.contains(parent)));
            if next.is_empty() {
                return Err(TreeError::Cycle);
            }
            placed.extend(next.into_iter().map(|(id, _)| *id));
            levels += 1;
            left = waiting;
        }
        match levels > MAX_DEPTH + 1 {
            true => Err(TreeError::TooDeep { depth: levels - 1 }),
            false => Ok(()),
        }
    }

    /// What can be seen of each list of parents alone.
    fn check_lists(&self) -> Result<(), TreeError> {
        let mut roots = 0;
        for parents in self.parents.values() {
            if parents.is_empty() {
                roots += 1;
            }
            if parents.len() > MAX_PARENTS {
                return Err(TreeError::TooManyParents { parents: parents.len() });
            }
            if parents.iter().any(|parent| !self.parents.contains_key(parent)) {
                return Err(TreeError::UnknownParent);
            }
            if parents.iter().collect::<BTreeSet<_>>().len() < parents.len() {
                return Err(TreeError::TwiceNamed);
            }
        }
        match roots {
            0 | 1 => Ok(()),
            _ => Err(TreeError::SecondRoot),
        }
    }
}

#[cfg(test)]
mod tests;

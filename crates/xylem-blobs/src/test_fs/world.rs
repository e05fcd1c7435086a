//! What the disk holds, for now and for good.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

const BLOCK: usize = 4096;

/// A small random generator (splitmix64), the same every time.
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// What a power cut leaves of unsynced changes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    Nothing,
    Everything,
    Torn(u64),
}

/// What is to go wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// The power fails instead of the change or sync of this number, from 0.
    pub(crate) cut_at: Option<usize>,
    /// The disk is full for the write of this number, from 0, ...
    pub(crate) full_at: Option<usize>,
    /// ... and for all later ones.
    pub(crate) stays_full: bool,
    /// The sync of this number fails, from 0.
    pub(crate) sync_fails_at: Option<usize>,
    pub(crate) file_sync_does_nothing: bool,
    pub(crate) dir_sync_does_nothing: bool,
    /// The next so many reads of data are spoilt on their way.
    pub(crate) spoilt_reads: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    File(usize),
    Dir,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    pub(super) data: Vec<u8>,
    pub(super) durable: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Dir {
    pub(super) names: BTreeMap<String, Node>,
    pub(super) durable: BTreeMap<String, Node>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) inodes: Vec<Inode>,
    pub(super) dirs: BTreeMap<PathBuf, Dir>,
    pub(super) plan: Plan,
    pub(super) changes: usize,
    pub(super) writes: usize,
    pub(super) syncs: usize,
    pub(super) capacity: u64,
    pub(super) dark: bool,
}

impl World {
    pub(super) fn power_cut(&mut self, cut: Cut) {
        let mut dice = Dice(if let Cut::Torn(seed) = cut { seed } else { 0 });
        for inode in &mut self.inodes {
            match cut {
                Cut::Nothing => inode.data = inode.durable.clone(),
                Cut::Everything => {}
                Cut::Torn(_) => inode.data = tear(inode, &mut dice),
            }
            inode.durable = inode.data.clone();
        }
        for dir in self.dirs.values_mut() {
            match cut {
                Cut::Nothing => dir.names = dir.durable.clone(),
                Cut::Everything => {}
                Cut::Torn(_) => dir.names = tear_names(dir, &mut dice),
            }
            dir.durable = dir.names.clone();
        }
        // From the top down, so that what was in a lost folder is lost too.
        let paths: Vec<_> = self.dirs.keys().cloned().collect();
        for path in paths {
            if path.parent().is_some() && self.lookup(&path).ok() != Some(Node::Dir) {
                self.dirs.remove(&path);
            }
        }
        self.dark = false;
        self.plan = Plan::default();
    }

    pub(super) fn awake(&self) -> io::Result<()> {
        if self.dark { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    /// Counts a change or sync.
    pub(super) fn change(&mut self) -> io::Result<()> {
        self.dark |= self.plan.cut_at == Some(self.changes);
        self.changes += 1;
        self.awake()
    }

    /// Counts a call that may find the disk full.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let full = match self.plan.full_at {
            Some(at) if self.plan.stays_full => self.writes >= at,
            at => at == Some(self.writes),
        };
        self.writes += 1;
        if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        let fails = self.plan.sync_fails_at == Some(self.syncs);
        self.syncs += 1;
        if fails { Err(io::Error::other("the disk does not answer")) } else { Ok(()) }
    }

    pub(super) fn place(&mut self, path: &Path) -> io::Result<(&mut Dir, String)> {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let dir = self.dirs.get_mut(path.parent().unwrap()).ok_or(io::ErrorKind::NotFound)?;
        Ok((dir, name))
    }

    pub(super) fn lookup(&self, path: &Path) -> io::Result<Node> {
        let Some(parent) = path.parent() else { return Ok(Node::Dir) };
        let name = path.file_name().unwrap().to_str().unwrap();
        let node = self.dirs.get(parent).and_then(|dir| dir.names.get(name));
        node.copied().ok_or(io::ErrorKind::NotFound.into())
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<usize> {
        match self.lookup(path)? {
            Node::File(inode) => Ok(inode),
            Node::Dir => Err(io::ErrorKind::IsADirectory.into()),
        }
    }
}

fn tear(inode: &Inode, dice: &mut Dice) -> Vec<u8> {
    let len = if dice.below(2) == 0 { inode.durable.len() } else { inode.data.len() };
    let mut torn = vec![0; len];
    for (at, block) in torn.chunks_mut(BLOCK).enumerate() {
        let from = if dice.below(2) == 0 { &inode.durable } else { &inode.data };
        let from = &from[from.len().min(at * BLOCK)..];
        let whole = block.len().min(from.len());
        block[..whole].copy_from_slice(&from[..whole]);
    }
    // What is equal in both was never in danger.
    for (at, byte) in torn.iter_mut().enumerate() {
        if inode.durable.get(at) == inode.data.get(at) {
            *byte = inode.data[at];
        }
    }
    torn
}

fn tear_names(dir: &Dir, dice: &mut Dice) -> BTreeMap<String, Node> {
    let all: BTreeSet<_> = dir.names.keys().chain(dir.durable.keys()).collect();
    all.into_iter()
        .filter_map(|name| {
            let from = if dice.below(2) == 0 { &dir.names } else { &dir.durable };
            Some((name.clone(), *from.get(name)?))
        })
        .collect()
}

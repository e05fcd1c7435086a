//! What lies below the CP code: folders, files and links, by their whole paths.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use xylem_model::Timestamp;

use super::refusal::{Refusal, refused};

/// Bytes on the disk, which go when nobody has them any more.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) file: PathBuf,
}

impl Drop for Blob {
    fn drop(&mut self) {
        // What was never written has no file.
        let _ = fs::remove_file(&self.file);
    }
}

/// A whole file.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) blob: Arc<Blob>,
    /// Bytes.
    pub(super) size: u64,
    /// In hexadecimal.
    pub(super) md5: String,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Folder,
    File(Stored),
    /// To this path, whether something is there or not.
    Link(String),
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) node: Node,
    /// Seconds since 1970.
    pub(super) mtime: i64,
}

/// All entries, by paths like `/123456/macs/a b`.
#[derive(Debug)]
pub(super) struct Tree {
    root: String,
    entries: BTreeMap<String, Entry>,
}

impl Tree {
    pub(super) fn new(cp_code: u32, now: Timestamp) -> Self {
        let root = format!("/{cp_code}");
        let top = Entry { node: Node::Folder, mtime: now.unix_seconds() };
        Self { entries: BTreeMap::from([(root.clone(), top)]), root }
    }

    /// Refuses a path that is not below the account's CP code.
    pub(super) fn check_owner(&self, path: &str) -> Result<(), Refusal> {
        match path.strip_prefix(&self.root) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Ok(()),
            _ => Err(refused(403, "the account has no such CP code")),
        }
    }

    pub(super) fn entry(&self, path: &str) -> Result<&Entry, Refusal> {
        self.entries.get(path).ok_or_else(|| refused(404, "nothing is there"))
    }

    /// The file at a path, or the one that a link there leads to.
    pub(super) fn file(&self, path: &str) -> Result<&Stored, Refusal> {
        let entry = match &self.entry(path)?.node {
            Node::Link(target) => self.entry(target)?,
            _ => self.entry(path)?,
        };
        match &entry.node {
            Node::File(stored) => Ok(stored),
            Node::Folder | Node::Link(_) => Err(refused(404, "it is no file")),
        }
    }

    pub(super) fn is_folder(&self, path: &str) -> bool {
        matches!(self.entries.get(path), Some(Entry { node: Node::Folder, .. }))
    }

    /// Refuses a new entry whose folder is not there.
    pub(super) fn check_folder_of(&self, path: &str) -> Result<(), Refusal> {
        let (folder, _) = path.rsplit_once('/').unwrap_or_default();
        match self.is_folder(folder) {
            true => Ok(()),
            false => Err(refused(404, "the folder is not there")),
        }
    }

    /// Puts a new entry, or a file in the place of another.
    pub(super) fn put(&mut self, path: &str, node: Node, mtime: i64) -> Result<(), Refusal> {
        self.check_folder_of(path)?;
        match (self.entries.get(path).map(|there| &there.node), &node) {
            (None, _) | (Some(Node::File(_) | Node::Link(_)), Node::File(_)) => {
                self.entries.insert(path.to_owned(), Entry { node, mtime });
                Ok(())
            }
            (Some(_), _) => Err(refused(409, "something is there")),
        }
    }

    /// Removes a file, a link, or a folder with nothing in it.
    pub(super) fn remove(&mut self, path: &str, only_folders: bool) -> Result<(), Refusal> {
        let is_folder = matches!(self.entry(path)?.node, Node::Folder);
        if only_folders && !is_folder {
            return Err(refused(409, "it is no folder"));
        }
        if path == self.root || (is_folder && self.below(path).next().is_some()) {
            return Err(refused(409, "the folder is not empty, or is the first one"));
        }
        self.entries.remove(path);
        Ok(())
    }

    /// Removes a folder with everything in it, or whatever else is there.
    pub(super) fn remove_all(&mut self, path: &str) -> Result<(), Refusal> {
        self.entry(path)?;
        let paths: Vec<String> = self.below(path).map(|(path, _)| path.to_owned()).collect();
        for path in paths {
            self.entries.remove(&path);
        }
        if path != self.root {
            self.entries.remove(path);
        }
        Ok(())
    }

    /// Moves a file or a link to where nothing is.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), Refusal> {
        let entry = self.entry(from)?.clone();
        if matches!(entry.node, Node::Folder) {
            return Err(refused(409, "folders are not renamed"));
        }
        self.check_folder_of(to)?;
        if self.entries.contains_key(to) {
            return Err(refused(409, "something is there"));
        }
        self.entries.remove(from);
        self.entries.insert(to.to_owned(), entry);
        Ok(())
    }

    pub(super) fn set_mtime(&mut self, path: &str, mtime: i64) -> Result<(), Refusal> {
        self.entry(path)?;
        if let Some(entry) = self.entries.get_mut(path) {
            entry.mtime = mtime;
        }
        Ok(())
    }

    /// Everything below a folder, in the order of paths.
    pub(super) fn below(&self, folder: &str) -> impl Iterator<Item = (&str, &Entry)> {
        let start = format!("{folder}/");
        let from = self.entries.range(start.clone()..);
        from.take_while(move |(path, _)| path.starts_with(&start))
            .map(|(path, entry)| (path.as_str(), entry))
    }

    /// What is directly in a folder, by its name there, in order.
    pub(super) fn children(&self, folder: &str) -> impl Iterator<Item = (&str, &Entry)> {
        let from = folder.len() + 1;
        self.below(folder)
            .map(move |(path, entry)| (path.get(from..).unwrap_or_default(), entry))
            .filter(|(name, _)| !name.contains('/'))
    }

    /// Everything from a path on, below the CP code.
    pub(super) fn from(&self, path: &str) -> impl Iterator<Item = (&str, &Entry)> {
        let range = (Bound::Included(path.to_owned()), Bound::Unbounded);
        self.entries.range(range).map(|(path, entry)| (path.as_str(), entry))
    }

    /// How many files are below a folder, and their bytes.
    pub(super) fn used(&self, folder: &str) -> (u64, u64) {
        self.below(folder).fold((0, 0), |(files, bytes), (_, entry)| match &entry.node {
            Node::File(stored) => (files + 1, bytes + stored.size),
            Node::Folder | Node::Link(_) => (files, bytes),
        })
    }
}

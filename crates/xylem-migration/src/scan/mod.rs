//! Walks the source and says of everything in it what it is.
//!
//! Nothing is followed, nothing is written, and what cannot be read does not keep the rest from
//! being read. Folders wait in a list instead of being entered from within each other; how many
//! entries and how deep is bounded.

mod layout;
mod side;
mod sort;

use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd as _;

pub use layout::Layout;
use layout::Place;
pub(crate) use side::stays_behind;
pub(crate) use sort::{Sorted, unreadable};

use crate::names::readable;
use crate::path::SourcePath;
use crate::reason::{Reason, ReasonCode};
use crate::tree::{self, Facts, Sort, Tree};

/// What a walk may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Files and folders in all.
    pub entries: usize,
    /// Folders within each other.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 1_000_000, depth: 64 }
    }
}

/// Something that gets a line in the report.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: SourcePath,
    pub(crate) sort: Sort,
    pub(crate) size: u64,
    pub(crate) sorted: Sorted,
    /// A word of caution about where it lies.
    pub(crate) warning: Option<&'static str>,
}

/// A walk under way.
struct Walk<'a> {
    tree: &'a Tree,
    limits: Limits,
    told: &'a mut dyn FnMut(usize),
    layout: Layout,
    waiting: Vec<(SourcePath, Place, usize)>,
    found: Vec<Found>,
    seen: usize,
}

/// Lists what is there, in the stable order.
pub(crate) fn scan(
    tree: &Tree,
    limits: Limits,
    told: &mut dyn FnMut(usize),
) -> io::Result<(Layout, Vec<Found>)> {
    let layout = layout_of(tree, limits)?;
    let waiting = vec![(SourcePath::top(), Place::Anywhere, 0)];
    let mut walk = Walk { tree, limits, told, layout, waiting, found: Vec::new(), seen: 0 };
    while let Some((folder, place, depth)) = walk.waiting.pop() {
        walk.folder(&folder, place, depth)?;
    }
    let mut found = walk.found;
    found.sort_by_cached_key(|it| it.path.order());
    Ok((layout, found))
}

fn layout_of(tree: &Tree, limits: Limits) -> io::Result<Layout> {
    let top = tree.folder(&SourcePath::top())?;
    let names = tree::names(top.as_fd(), limits.entries)?;
    let is_folder = |name: &&Vec<u8>| {
        tree::facts_at(top.as_fd(), name).is_ok_and(|facts| facts.sort == Sort::Folder)
    };
    let folders: Vec<String> = names.iter().filter(is_folder).map(|name| readable(name)).collect();
    Ok(Layout::of_folders(folders.iter().map(String::as_str)))
}

impl Walk<'_> {
    /// Sorts what is in one folder. Only too many entries end the whole walk.
    fn folder(&mut self, path: &SourcePath, place: Place, depth: usize) -> io::Result<()> {
        let most = self.limits.entries.saturating_sub(self.seen);
        let listed = self.tree.folder(path).and_then(|folder| {
            let names = tree::names(folder.as_fd(), most)?;
            Ok((folder, names))
        });
        let (folder, names) = match listed {
            Ok(listed) => listed,
            // The folder that was asked for has to be there.
            Err(error) if depth == 0 => return Err(error),
            Err(error) => {
                self.refuse(path.clone(), Sort::Folder, unreadable(&error));
                return Ok(());
            }
        };
        self.seen += names.len();
        if self.seen >= self.limits.entries {
            let most = self.limits.entries;
            let text = format!("it holds more than {most} files: migrate its folders one by one");
            return Err(io::Error::other(text));
        }
        (self.told)(self.seen);
        let siblings: HashSet<String> =
            names.iter().map(|name| String::from_utf8_lossy(name).to_lowercase()).collect();
        for name in &names {
            let path = path.join(name);
            match tree::facts_at(folder.as_fd(), name) {
                Ok(facts) => self.entry(path, facts, place, depth, &siblings),
                Err(error) => self.refuse(path, Sort::File, unreadable(&error)),
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        path: SourcePath,
        facts: Facts,
        place: Place,
        depth: usize,
        siblings: &HashSet<String>,
    ) {
        match facts.sort {
            Sort::Folder => self.subfolder(path, place, depth),
            Sort::File => self.file(path, facts, place, depth, siblings),
            Sort::Link => {
                let text = "a symbolic link is not followed: migrate the folder that it leads to, \
                            or put the file itself in its place";
                self.refuse(path, Sort::Link, Reason::new(ReasonCode::SymbolicLink, text));
            }
            Sort::Special => {
                let text = "a pipe, socket or device holds nothing to distribute";
                self.leave(path, Sort::Special, Reason::new(ReasonCode::SpecialFile, text));
            }
        }
    }

    fn subfolder(&mut self, path: SourcePath, place: Place, depth: usize) {
        let name = readable(path.name());
        if side::is_side_folder(path.name()) {
            let text = "a folder that systems keep for themselves";
            self.leave(path, Sort::Folder, Reason::new(ReasonCode::SideFile, text));
        } else if path.name().starts_with(b".") {
            let text = "a hidden folder is not looked into";
            self.leave(path, Sort::Folder, Reason::new(ReasonCode::Hidden, text));
        } else if let Some(sorted) = sort::one_folder(&name) {
            let sorted = match place {
                Place::Not(_) => sort::file(place, &name, || Ok(Vec::new())),
                _ => sorted,
            };
            self.push(path, Sort::Folder, 0, sorted, None);
        } else if depth + 1 >= self.limits.depth {
            let text = format!("folders within more than {} others are not read", depth);
            self.refuse(path, Sort::Folder, Reason::new(ReasonCode::TooDeep, text));
        } else {
            let place = if depth == 0 { Place::at_top(self.layout, &name) } else { place };
            self.waiting.push((path, place, depth + 1));
        }
    }

    fn file(
        &mut self,
        path: SourcePath,
        facts: Facts,
        place: Place,
        depth: usize,
        siblings: &HashSet<String>,
    ) {
        let is_index = place == Place::Packages && side::is_index(path.name());
        let sorted = if is_index || side::is_side_file(path.name(), siblings) {
            let text = "a side file: systems and the original write these for themselves";
            Sorted::Leave(Reason::new(ReasonCode::SideFile, text))
        } else if facts.size == 0 {
            let text = "it is empty: an unfinished copy, or a mark of the original";
            Sorted::Leave(Reason::new(ReasonCode::Empty, text))
        } else {
            let head = || self.tree.head(&path, sort::HEAD_BYTES);
            sort::file(place, &readable(path.name()), head)
        };
        let is_casper =
            matches!(self.layout, Layout::CasperShare | Layout::CasperShareWithoutScripts);
        let unserved = is_casper
            && matches!(sorted, Sorted::File(..))
            && match place {
                Place::Packages => depth > 1,
                _ => true,
            };
        let warning = unserved.then_some("it lies where the original did not serve it from");
        self.push(path, Sort::File, facts.size, sorted, warning);
    }

    fn refuse(&mut self, path: SourcePath, sort: Sort, reason: Reason) {
        self.push(path, sort, 0, Sorted::Refuse(reason), None);
    }

    fn leave(&mut self, path: SourcePath, sort: Sort, reason: Reason) {
        self.push(path, sort, 0, Sorted::Leave(reason), None);
    }

    fn push(
        &mut self,
        path: SourcePath,
        sort: Sort,
        size: u64,
        sorted: Sorted,
        warning: Option<&'static str>,
    ) {
        self.found.push(Found { path, sort, size, sorted, warning });
    }
}

#[cfg(test)]
mod tests;

//! The index of a file: the list of what it puts on a Mac.
//!
//! Packages and disk images list what they hold as names that lie in numbered folders. Their readers
//! ([`crate::package`], [`crate::image`]) put such names into [`Names`], which makes paths of them;
//! [`Listing`] gathers the paths of a whole file and packs them ([`xylem_model::PackedIndex`]).
//!
//! No file is refused for a list that cannot be used, since a Mac may read it or do without: what
//! comes out then is the reason why there is no index ([`NoIndex`]).

mod names;

use std::io;

use xylem_model::{
    FoundIndex, IndexedKind, IndexedPath, MAX_INDEX_ENTRIES, MAX_INDEXED_PATH_BYTES,
    MAX_UNPACKED_INDEX_BYTES, PackedIndex,
};

pub(crate) use names::{Names, Top, check_name};

/// Why there is no index: a clause that reads alone, and behind "there is no index:".
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoIndex(String);

impl NoIndex {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    fn too_many() -> Self {
        Self(format!("it lists more than {MAX_INDEX_ENTRIES} files and folders"))
    }
}

/// Readers of file systems fail with errors of input and output only.
impl From<NoIndex> for io::Error {
    fn from(reason: NoIndex) -> Self {
        Self::other(reason)
    }
}

impl From<io::Error> for NoIndex {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// What an inspection says where there is no index.
pub(crate) fn missing(reason: impl ToString) -> FoundIndex {
    FoundIndex::Missing { missing: reason.to_string() }
}

/// The paths of a file, in any order; a path may come more than once.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// All paths, one after the other: hundreds of thousands of texts of their own would take twice
    /// the memory.
    text: String,
    entries: Vec<Listed>,
}

#[derive(Debug)]
struct Listed {
    start: usize,
    end: usize,
    kind: IndexedKind,
}

impl Listing {
    /// Adds the path that these names make up, from the top of the volume down.
    pub(crate) fn add<'a>(
        &mut self,
        kind: IndexedKind,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), NoIndex> {
        if self.entries.len() >= MAX_INDEX_ENTRIES {
            return Err(NoIndex::too_many());
        }
        let start = self.text.len();
        for name in names {
            let end = self.text.len() + 1 + name.len();
            if end - start > MAX_INDEXED_PATH_BYTES {
                return Err(NoIndex(format!(
                    "it lists a path of more than {MAX_INDEXED_PATH_BYTES} bytes"
                )));
            }
            if end > MAX_UNPACKED_INDEX_BYTES {
                return Err(NoIndex(format!(
                    "its paths take more than {MAX_UNPACKED_INDEX_BYTES} bytes"
                )));
            }
            self.text.push('/');
            self.text.push_str(name);
        }
        self.entries.push(Listed { start, end: self.text.len(), kind });
        Ok(())
    }

    /// Sorts and packs what was added.
    pub(crate) fn finish(self) -> FoundIndex {
        let Self { text, mut entries } = self;
        if entries.is_empty() {
            return missing("it installs no files");
        }
        let path = |entry: &Listed| text.get(entry.start..entry.end).unwrap_or_default();
        entries.sort_unstable_by(|a, b| {
            path(a).cmp(path(b)).then_with(|| rank(a.kind).cmp(&rank(b.kind)))
        });
        entries.dedup_by(|later, kept| path(later) == path(kept));
        let sorted = entries
            .iter()
            .map(|entry| IndexedPath { kind: entry.kind, path: path(entry).to_owned() });
        match PackedIndex::pack(sorted) {
            Ok(packed) => FoundIndex::Packed(packed),
            Err(error) => missing(error),
        }
    }
}

/// Which of several kinds is kept where parts of a package disagree on a path. The folder, first of
/// all: it is the only one that is not removed while something else is in it.
fn rank(kind: IndexedKind) -> u8 {
    match kind {
        IndexedKind::Folder => 0,
        IndexedKind::File => 1,
        IndexedKind::Link => 2,
    }
}

#[cfg(test)]
mod tests;

//! A writer of bills of materials (`Bom`): which files a component installs.
//!
//! A Bom is a store of numbered blocks with an index, and five named ones: `BomInfo`, `Paths`,
//! `HLIndex`, `VIndex` and `Size64`. `Paths` is a tree of pages whose leaves list every path with
//! its parent. All numbers are big-endian. Files over 4 GiB show the low 32 bits of their size.

use super::MODIFIED_UNIX_SECONDS;

/// Size of a tree's page in bytes.
const PAGE_BYTES: usize = 4096;
/// Entries that fit into a page after its header of 12 bytes.
const PAGE_ENTRIES: usize = (PAGE_BYTES - 12) / 8;
/// Room for the store's header.
const HEADER_BYTES: usize = 512;

/// One installed path.
#[derive(Clone, Debug)]
pub(super) struct BomPath {
    /// Relative path without `./`; the root is `.`.
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size_bytes: u64,
    /// POSIX checksum of the content; 0 for folders.
    pub(super) checksum: u32,
    /// A symbolic link's target.
    pub(super) link_target: Option<String>,
}

/// Numbered blocks; number 0 stays empty.
struct Store {
    blocks: Vec<Vec<u8>>,
}

/// Writes a Bom of these paths, which have to be in order: parents before what they hold.
pub(super) fn write_bom(paths: &[BomPath]) -> Vec<u8> {
    let mut store = Store { blocks: vec![Vec::new()] };
    let leaves = path_blocks(&mut store, paths);
    let total = paths.iter().fold(0_u64, |total, path| total.wrapping_add(path.size_bytes));
    let info = store.add(&[1, low(paths.len() as u64 + 1), 1, 0, 0, low(total), 0]);
    let paths = store.tree(&leaves);
    let hard_links = store.tree(&[]);
    let versions_tree = store.tree(&[]);
    let mut versions = words(&[1, versions_tree, 0]);
    versions.push(0);
    let versions = store.push(versions);
    let sizes = store.tree(&[]);
    store.serialize(&[
        ("BomInfo", info),
        ("Paths", paths),
        ("HLIndex", hard_links),
        ("VIndex", versions),
        ("Size64", sizes),
    ])
}

/// The blocks of every path; returns pairs of (information, name) in the tree's order, which is by
/// parent and name.
fn path_blocks(store: &mut Store, paths: &[BomPath]) -> Vec<(u32, u32)> {
    let numbers: std::collections::BTreeMap<&str, u32> =
        paths.iter().zip(1..).map(|(path, number)| (path.path.as_str(), number)).collect();
    let mut rows: Vec<(u32, &str, &BomPath, u32)> = Vec::with_capacity(paths.len());
    for (path, number) in paths.iter().zip(1..) {
        let (parent, name) = match path.path.rsplit_once('/') {
            Some((parent, name)) => (numbers.get(parent), name),
            None if path.path == "." => (None, "."),
            None => (numbers.get("."), path.path.as_str()),
        };
        rows.push((parent.copied().unwrap_or(0), name, path, number));
    }
    rows.sort_by_key(|(parent, name, ..)| (*parent, *name));
    rows.into_iter()
        .map(|(parent, name, path, number)| {
            let details = store.push(details(path));
            let information = store.add(&[number, details]);
            let mut file = words(&[parent]);
            file.extend_from_slice(name.as_bytes());
            file.push(0);
            (information, store.push(file))
        })
        .collect()
}

/// Type, permissions, owner, time, size, checksum and link target of a path.
fn details(path: &BomPath) -> Vec<u8> {
    let kind = match path.mode & 0o170_000 {
        0o040_000 => 2,
        0o120_000 => 3,
        _ => 1,
    };
    // Kind, a constant, the architectures that the file suits (all).
    let mut block = vec![kind, 1, 0, 15];
    block.extend_from_slice(&((path.mode & 0xffff) as u16).to_be_bytes());
    block.extend(words(&[path.uid, path.gid, MODIFIED_UNIX_SECONDS, low(path.size_bytes)]));
    block.push(1);
    let target = path.link_target.as_deref().map(|target| [target.as_bytes(), b"\0"].concat());
    let target = target.unwrap_or_default();
    block.extend(words(&[path.checksum, low(target.len() as u64)]));
    block.extend(target);
    // What follows for programs describes their architectures; other files say "none".
    if kind == 1 {
        block.extend(words(&[0]));
    }
    block
}

impl Store {
    fn push(&mut self, block: Vec<u8>) -> u32 {
        self.blocks.push(block);
        low(self.blocks.len() as u64 - 1)
    }

    fn add(&mut self, block: &[u32]) -> u32 {
        self.push(words(block))
    }

    /// A tree over entries: linked leaves, and pages above them until one is left.
    fn tree(&mut self, entries: &[(u32, u32)]) -> u32 {
        let count = low(entries.len() as u64);
        let mut level = self.pages(entries, true);
        while level.len() > 1 {
            level = self.pages(&level, false);
        }
        let root = level.first().map_or(0, |(page, _)| *page);
        let mut block = b"tree".to_vec();
        block.extend(words(&[1, root, low(PAGE_BYTES as u64), count]));
        block.push(0);
        self.push(block)
    }

    /// One level of pages; returns each page with the last key below it.
    fn pages(&mut self, entries: &[(u32, u32)], leaves: bool) -> Vec<(u32, u32)> {
        let chunks: Vec<&[(u32, u32)]> =
            if entries.is_empty() { vec![&[]] } else { entries.chunks(PAGE_ENTRIES).collect() };
        let first = low(self.blocks.len() as u64);
        let last = first + low(chunks.len() as u64) - 1;
        let mut pages = Vec::with_capacity(chunks.len());
        for (chunk, number) in chunks.into_iter().zip(first..) {
            let mut page = u16::from(leaves).to_be_bytes().to_vec();
            page.extend_from_slice(&(chunk.len() as u16).to_be_bytes());
            let forward = if leaves && number < last { number + 1 } else { 0 };
            let backward = if leaves && number > first { number - 1 } else { 0 };
            page.extend(words(&[forward, backward]));
            for (left, right) in chunk {
                page.extend(words(&[*left, *right]));
            }
            page.resize(PAGE_BYTES, 0);
            pages.push((self.push(page), chunk.last().map_or(0, |(_, key)| *key)));
        }
        pages
    }

    /// Header, blocks, names, index.
    fn serialize(self, names: &[(&str, u32)]) -> Vec<u8> {
        let mut body = vec![0; HEADER_BYTES];
        let mut index = words(&[low(self.blocks.len() as u64)]);
        let used = low(self.blocks.len() as u64 - 1);
        for block in &self.blocks {
            let position = if block.is_empty() { 0 } else { low(body.len() as u64) };
            index.extend(words(&[position, low(block.len() as u64)]));
            body.extend_from_slice(block);
        }
        // An empty list of free blocks.
        index.extend(words(&[0]));
        let mut variables = words(&[low(names.len() as u64)]);
        for (name, block) in names {
            variables.extend(words(&[*block]));
            variables.push(name.len() as u8);
            variables.extend_from_slice(name.as_bytes());
        }
        let variables_at = low(body.len() as u64);
        body.extend_from_slice(&variables);
        let index_at = low(body.len() as u64);
        body.extend_from_slice(&index);
        let mut header = b"BOMStore".to_vec();
        header.extend(words(&[
            1,
            used,
            index_at,
            low(index.len() as u64),
            variables_at,
            low(variables.len() as u64),
        ]));
        let header_len = header.len();
        body.splice(..header_len, header);
        body
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// The format's fields have 32 bits; a Bom of more than 4 GiB does not occur.
fn low(number: u64) -> u32 {
    (number & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], at: usize) -> usize {
        u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    }

    /// Walks the finished store as a reader does and lists (parent, name) of every leaf entry.
    fn list(bom: &[u8]) -> Vec<(usize, String)> {
        assert_eq!(&bom[..8], b"BOMStore");
        let (index, variables) = (word(bom, 16), word(bom, 24));
        let block = |number: usize| {
            let at = index + 4 + number * 8;
            let (position, length) = (word(bom, at), word(bom, at + 4));
            &bom[position..position + length]
        };
        let named = |wanted: &[u8]| {
            let mut at = variables + 4;
            loop {
                let length = usize::from(bom[at + 4]);
                if &bom[at + 5..at + 5 + length] == wanted {
                    return word(bom, at);
                }
                at += 5 + length;
            }
        };
        let mut page = block(word(block(named(b"Paths")), 8));
        while page[1] == 0 {
            page = block(word(page, 12));
        }
        let mut found = Vec::new();
        loop {
            let count = usize::from(u16::from_be_bytes([page[2], page[3]]));
            for entry in 0..count {
                let file = block(word(page, 12 + entry * 8 + 4));
                let name = String::from_utf8(file[4..file.len() - 1].to_vec()).unwrap();
                found.push((word(file, 0), name));
            }
            match word(page, 4) {
                0 => return found,
                next => page = block(next),
            }
        }
    }

    fn path(path: &str, mode: u32) -> BomPath {
        BomPath {
            path: path.to_owned(),
            mode,
            uid: 0,
            gid: 0,
            size_bytes: 1,
            checksum: 0,
            link_target: None,
        }
    }

    #[test]
    fn every_path_is_found_under_its_parent() {
        let paths = [
            path(".", 0o040_755),
            path("a", 0o040_755),
            path("a/b", 0o100_644),
            path("c", 0o100_644),
        ];
        let expected = [(0, "."), (1, "a"), (1, "c"), (2, "b")]
            .map(|(parent, name)| (parent, name.to_owned()));
        assert_eq!(list(&write_bom(&paths)), expected);
    }

    #[test]
    fn more_paths_than_fit_into_a_page_are_all_found() {
        let mut paths = vec![path(".", 0o040_755)];
        paths.extend((0..2 * PAGE_ENTRIES).map(|n| path(&format!("f{n:05}"), 0o100_644)));
        assert_eq!(list(&write_bom(&paths)).len(), 2 * PAGE_ENTRIES + 1);
    }
}

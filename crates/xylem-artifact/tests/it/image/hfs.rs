//! A writer of small HFS+ volumes.

use super::disks::blank;
use super::put;

pub(crate) const ROOT: u32 = 2;
const NODE_BYTES: usize = 4096;
/// Few, so that a tree of a dozen records has several leaves and an index above them.
const RECORDS_IN_LEAF: usize = 3;
const BLOCK_BYTES: usize = 512;

type Record = (Vec<u8>, Vec<u8>);

/// A volume under construction.
#[derive(Clone, Default)]
pub(crate) struct Hfs {
    records: Vec<(u32, String, Vec<u8>)>,
    attributes: Vec<Record>,
    content: Vec<u8>,
    next: u32,
}

impl Hfs {
    /// An empty volume with this name.
    pub(crate) fn named(name: &str) -> Self {
        let mut volume = Self { next: 16, ..Self::default() };
        volume.records.push((1, name.to_owned(), folder(ROOT)));
        let mut thread = vec![0, 3, 0, 0, 0, 0, 0, 1];
        thread.extend(text(name));
        volume.records.push((ROOT, String::new(), thread));
        volume
    }

    /// Adds a folder, and says its number.
    pub(crate) fn folder(&mut self, parent: u32, name: &str) -> u32 {
        self.next += 1;
        self.records.push((parent, name.to_owned(), folder(self.next)));
        self.next
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, parent: u32, name: &str, content: &[u8]) {
        let start = self.content.len() / BLOCK_BYTES;
        self.content.extend(content);
        let len = self.content.len().next_multiple_of(BLOCK_BYTES);
        self.content.resize(len, 0);
        let blocks = len / BLOCK_BYTES - start;
        let record = self.file_record(0o100_644, 0, content.len(), start, blocks);
        self.records.push((parent, name.to_owned(), record));
    }

    /// Adds a symbolic link, which is a file by its mode.
    pub(crate) fn link(&mut self, parent: u32, name: &str) {
        let record = self.file_record(0o120_755, 0, 0, 0, 0);
        self.records.push((parent, name.to_owned(), record));
    }

    /// Adds another name of a folder, as backups have them.
    pub(crate) fn folder_link(&mut self, parent: u32, name: &str) {
        let mut record = self.file_record(0o100_644, 0, 0, 0, 0);
        put(&mut record, 48, b"fdrpMACS");
        self.records.push((parent, name.to_owned(), record));
    }

    /// Adds a file that macOS has compressed into this attribute.
    pub(crate) fn compressed(&mut self, parent: u32, name: &str, attribute: &[u8]) {
        let record = self.file_record(0o100_644, 0x20, 0, 0, 0);
        self.records.push((parent, name.to_owned(), record));
        let mut key = vec![0; 10];
        put(&mut key, 2, self.next.to_be_bytes());
        key.extend(text("com.apple.decmpfs"));
        let mut data = vec![0; 12];
        put(&mut data, 3, [0x10]);
        data.extend((attribute.len() as u32).to_be_bytes());
        data.extend(attribute);
        self.attributes.push((key, data));
    }

    /// The volume, with the catalog at block 16 and all else behind it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut records = self.records.clone();
        records.sort_by_key(|(parent, name, _)| (*parent, name.clone()));
        let catalog = records.into_iter().map(|(parent, name, data)| {
            let key = [parent.to_be_bytes().to_vec(), text(&name)].concat();
            (key, data)
        });
        let catalog = tree(&catalog.collect::<Vec<_>>());
        let attributes = tree(&self.attributes);
        let attributes_at = 16 + catalog.len() / BLOCK_BYTES;
        let content_at = attributes_at + attributes.len() / BLOCK_BYTES;
        let mut volume = blank(16);
        put(&mut volume, 1024, b"H+\0\x04\0\0\x20\0");
        let blocks = content_at + self.content.len() / BLOCK_BYTES;
        put(&mut volume, 1024 + 40, (BLOCK_BYTES as u32).to_be_bytes());
        put(&mut volume, 1024 + 44, (blocks as u32).to_be_bytes());
        put(&mut volume, 1024 + 272, fork(catalog.len(), 16, catalog.len() / BLOCK_BYTES));
        let len = attributes.len();
        put(&mut volume, 1024 + 352, fork(len, attributes_at, len / BLOCK_BYTES));
        // Files were numbered before it was known where they would lie.
        let mut volume = [volume, catalog, attributes, self.content.clone()].concat();
        relocate(&mut volume, content_at as u32);
        volume
    }

    fn file_record(
        &mut self,
        mode: u16,
        flags: u8,
        bytes: usize,
        start: usize,
        blocks: usize,
    ) -> Vec<u8> {
        self.next += 1;
        let mut record = vec![0; 248];
        put(&mut record, 0, [0, 2]);
        put(&mut record, 8, self.next.to_be_bytes());
        put(&mut record, 41, [flags]);
        put(&mut record, 42, mode.to_be_bytes());
        // The text encoding is unused: it marks the record for `relocate`.
        put(&mut record, 80, b"MOVE");
        put(&mut record, 88, fork(bytes, start, blocks));
        record
    }
}

fn relocate(volume: &mut [u8], content_at: u32) {
    for at in 0..volume.len() - 32 {
        if &volume[at..at + 4] == b"MOVE" {
            let start = at + 8 + 16;
            let block = u32::from_be_bytes(volume[start..start + 4].try_into().unwrap());
            put(volume, at, [0; 4]);
            put(volume, start, (block + content_at).to_be_bytes());
        }
    }
}

fn folder(number: u32) -> Vec<u8> {
    let mut record = vec![0; 88];
    put(&mut record, 0, [0, 1]);
    put(&mut record, 8, number.to_be_bytes());
    record
}

fn fork(bytes: usize, start: usize, blocks: usize) -> Vec<u8> {
    let mut fork = vec![0; 80];
    put(&mut fork, 0, (bytes as u64).to_be_bytes());
    put(&mut fork, 16, (start as u32).to_be_bytes());
    put(&mut fork, 20, (blocks as u32).to_be_bytes());
    fork
}

fn text(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    [(units.len() as u16 / 2).to_be_bytes().to_vec(), units].concat()
}

/// A B-tree: its header, the leaves, and an index above them.
fn tree(records: &[Record]) -> Vec<u8> {
    let leaves: Vec<&[Record]> = records.chunks(RECORDS_IN_LEAF).collect();
    let root = leaves.len() as u32 + 1;
    let mut header = vec![0; NODE_BYTES];
    put(&mut header, 8, [1, 0, 0, 3]);
    put(&mut header, 16, root.to_be_bytes());
    put(&mut header, 32, (NODE_BYTES as u16).to_be_bytes());
    let mut nodes = vec![header];
    for (index, leaf) in leaves.iter().enumerate() {
        let next = if index + 1 == leaves.len() { 0 } else { index as u32 + 2 };
        nodes.push(node(0xff, next, leaf));
    }
    let children = leaves
        .iter()
        .enumerate()
        .map(|(index, leaf)| (leaf[0].0.clone(), (index as u32 + 1).to_be_bytes().to_vec()));
    nodes.push(node(0, 0, &children.collect::<Vec<_>>()));
    nodes.concat()
}

fn node(kind: u8, next: u32, records: &[Record]) -> Vec<u8> {
    let mut node = vec![0; NODE_BYTES];
    put(&mut node, 0, next.to_be_bytes());
    put(&mut node, 8, [kind]);
    put(&mut node, 10, (records.len() as u16).to_be_bytes());
    let mut at = 14;
    for (index, (key, data)) in records.iter().enumerate() {
        put(&mut node, NODE_BYTES - 2 * (index + 1), (at as u16).to_be_bytes());
        let record = [&(key.len() as u16).to_be_bytes()[..], key, data].concat();
        put(&mut node, at, &record);
        at += record.len().next_multiple_of(2);
    }
    put(&mut node, NODE_BYTES - 2 * (records.len() + 1), (at as u16).to_be_bytes());
    node
}

//! A writer of small APFS containers with one volume.

use super::put;

pub(crate) const ROOT: u64 = 2;
const BLOCK_BYTES: usize = 4096;
/// Few, so that a tree of a dozen records has several leaves and a root above them.
const RECORDS_IN_LEAF: usize = 4;
/// The number of the volume, and that of its tree's root, in the two maps of objects.
const VOLUME: u64 = 1026;
const TREE: u64 = 1028;
/// The nodes below the root have the numbers that follow.
const LEAVES: u64 = 1029;

type Record = (Vec<u8>, Vec<u8>);

/// A container under construction.
#[derive(Clone, Default)]
pub(crate) struct Apfs {
    records: Vec<(u64, u8, Record)>,
    contents: Vec<Vec<u8>>,
    next: u64,
    /// Whether the volume says that its files are encrypted.
    pub(crate) encrypted: bool,
    /// Whether the container says that there is one more, which nobody looks at.
    pub(crate) has_another_volume: bool,
}

impl Apfs {
    pub(crate) fn folder(&mut self, parent: u64, name: &str) -> u64 {
        self.entry(parent, name, 4)
    }

    pub(crate) fn link(&mut self, parent: u64, name: &str) {
        self.entry(parent, name, 10);
    }

    /// Adds a file; its content takes one block.
    pub(crate) fn file(&mut self, parent: u64, name: &str, content: &[u8]) {
        let number = self.entry(parent, name, 8);
        let mut inode = vec![0; 92];
        put(&mut inode, 8, number.to_le_bytes());
        // Two extended fields: a name of five bytes, and how long the content is.
        inode.extend([2, 0, 0, 0, 4, 0, 5, 0, 8, 0, 40, 0]);
        inode.extend([0; 8]);
        inode.extend((content.len() as u64).to_le_bytes());
        self.record(number, 3, &[], inode);
        let mut extent = (content.len() as u64).to_le_bytes().to_vec();
        extent.extend((self.contents.len() as u64).to_le_bytes());
        extent.extend([0; 8]);
        self.record(number, 8, &[0; 8], extent);
        self.contents.push(content.to_vec());
    }

    /// Adds a file that macOS has compressed into this attribute.
    pub(crate) fn compressed(&mut self, parent: u64, name: &str, attribute: &[u8]) {
        let number = self.entry(parent, name, 8);
        let mut inode = vec![0; 92];
        put(&mut inode, 68, [0x20]);
        self.record(number, 3, &[], inode);
        let value = [&[2, 0], &(attribute.len() as u16).to_le_bytes()[..], attribute].concat();
        self.record(number, 4, b"\x12\0com.apple.decmpfs\0", value);
    }

    /// The container: an old superblock, a newer one as a checkpoint, maps, volume, tree, contents.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut records = self.records.clone();
        records.sort_by_key(|(number, kind, (key, _))| (*number, *kind, key.clone()));
        let records: Vec<Record> = records.into_iter().map(|(.., record)| record).collect();
        let leaves: Vec<&[Record]> = records.chunks(RECORDS_IN_LEAF).collect();
        let (leaves_at, contents_at) = (8, 8 + leaves.len() as u64);
        let child = |(index, leaf): (usize, &&[Record])| {
            (leaf[0].0.clone(), (LEAVES + index as u64).to_le_bytes().to_vec())
        };
        let root: Vec<Record> = leaves.iter().enumerate().map(child).collect();
        let mut places = vec![(TREE, 7)];
        places.extend((0..leaves.len() as u64).map(|index| (LEAVES + index, leaves_at + index)));
        let mut blocks = vec![
            superblock(1, 0xdead),
            superblock(2, 2),
            map(3),
            map_tree(&[(VOLUME, 4)]),
            self.volume(),
            map(6),
            map_tree(&places),
            node(1, false, &root),
        ];
        for leaf in leaves {
            let moved: Vec<Record> =
                leaf.iter().map(|record| with_block(record, contents_at)).collect();
            blocks.push(node(2, false, &moved));
        }
        blocks.extend(self.contents.iter().cloned());
        blocks.iter_mut().for_each(|block| block.resize(BLOCK_BYTES, 0));
        if self.has_another_volume {
            put(&mut blocks[1], 184 + 16, (VOLUME + 1).to_le_bytes());
        }
        let objects = blocks.len() - self.contents.len();
        blocks.iter_mut().take(objects).for_each(|block| seal(block));
        put(&mut blocks[0], 40, (objects as u64 + self.contents.len() as u64).to_le_bytes());
        seal(&mut blocks[0]);
        blocks.concat()
    }

    fn entry(&mut self, parent: u64, name: &str, kind: u8) -> u64 {
        self.next += 1;
        let number = 16 + self.next;
        let key = [&(name.len() as u32 + 1).to_le_bytes()[..], name.as_bytes(), &[0]].concat();
        let mut value = number.to_le_bytes().to_vec();
        value.extend([0; 8]);
        value.extend([kind, 0]);
        self.record(parent, 9, &key, value);
        number
    }

    fn record(&mut self, number: u64, kind: u8, rest: &[u8], value: Vec<u8>) {
        let key = [&(number | u64::from(kind) << 60).to_le_bytes()[..], rest].concat();
        self.records.push((number, kind, (key, value)));
    }

    fn volume(&self) -> Vec<u8> {
        let mut volume = vec![0; BLOCK_BYTES];
        put(&mut volume, 32, b"APSB");
        put(&mut volume, 56, 1_u64.to_le_bytes());
        put(&mut volume, 128, 5_u64.to_le_bytes());
        put(&mut volume, 136, TREE.to_le_bytes());
        put(&mut volume, 264, [u8::from(!self.encrypted)]);
        put(&mut volume, 704, "Größe");
        volume
    }
}

/// An extent's first block is known only when all others are.
fn with_block((key, value): &Record, contents_at: u64) -> Record {
    let mut value = value.clone();
    if key[7] >> 4 == 8 {
        let block = u64::from_le_bytes(value[8..16].try_into().unwrap());
        put(&mut value, 8, (block + contents_at).to_le_bytes());
    }
    (key.clone(), value)
}

fn superblock(transaction: u64, map: u64) -> Vec<u8> {
    let mut block = vec![0; BLOCK_BYTES];
    put(&mut block, 16, transaction.to_le_bytes());
    put(&mut block, 24, [1, 0, 0, 0x80]);
    put(&mut block, 32, b"NXSB");
    put(&mut block, 36, (BLOCK_BYTES as u32).to_le_bytes());
    put(&mut block, 104, 2_u32.to_le_bytes());
    put(&mut block, 112, 1_u64.to_le_bytes());
    put(&mut block, 160, map.to_le_bytes());
    put(&mut block, 184 + 8, VOLUME.to_le_bytes());
    block
}

fn map(tree: u64) -> Vec<u8> {
    let mut block = vec![0; BLOCK_BYTES];
    put(&mut block, 48, tree.to_le_bytes());
    block
}

/// The newest version of each object comes after an old one that leads nowhere.
fn map_tree(places: &[(u64, u64)]) -> Vec<u8> {
    let records = places.iter().flat_map(|(object, block)| {
        [(1_u64, 0xdead_u64), (2, *block)].map(|(transaction, block)| {
            let key = [object.to_le_bytes(), transaction.to_le_bytes()].concat();
            (key, [0_u64.to_le_bytes(), block.to_le_bytes()].concat())
        })
    });
    node(3, true, &records.collect::<Vec<_>>())
}

/// A node: 1 is a root, 2 a leaf, 3 both.
fn node(flags: u16, fixed: bool, records: &[Record]) -> Vec<u8> {
    let mut node = vec![0; BLOCK_BYTES];
    let entry_bytes = if fixed { 4 } else { 8 };
    put(&mut node, 32, (flags | u16::from(fixed) << 2).to_le_bytes());
    put(&mut node, 36, (records.len() as u32).to_le_bytes());
    put(&mut node, 42, (entry_bytes * records.len() as u16).to_le_bytes());
    let keys_at = 56 + usize::from(entry_bytes) * records.len();
    let values_end = BLOCK_BYTES - if flags & 1 != 0 { 40 } else { 0 };
    let (mut key_at, mut back) = (0, 0);
    for (index, (key, value)) in records.iter().enumerate() {
        back += value.len();
        let numbers = match fixed {
            true => vec![key_at, back],
            false => vec![key_at, key.len(), back, value.len()],
        };
        let entry: Vec<u8> = numbers.iter().flat_map(|n| (*n as u16).to_le_bytes()).collect();
        put(&mut node, 56 + index * usize::from(entry_bytes), entry);
        put(&mut node, keys_at + key_at, key);
        put(&mut node, values_end - back, value);
        key_at += key.len();
    }
    node
}

/// Fletcher's checksum, written down anew: block and checksum together sum up to zero.
fn seal(block: &mut [u8]) {
    let (mut low, mut high) = (0_u128, 0_u128);
    for word in block[8..].chunks(4) {
        low += u128::from(u32::from_le_bytes(word.try_into().unwrap()));
        high += low;
    }
    let modulus = u128::from(u32::MAX);
    let first = modulus - (low + high) % modulus;
    let second = modulus - (low + first) % modulus;
    put(block, 0, (first as u32).to_le_bytes());
    put(block, 4, (second as u32).to_le_bytes());
}

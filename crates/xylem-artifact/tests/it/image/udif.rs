//! Images made by hand, so that every rule can be broken one at a time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::put;
use crate::raw::{bzip2, xz, zlib};

pub(crate) const ZERO: u32 = 0;
pub(crate) const STORED: u32 = 1;
pub(crate) const IGNORED: u32 = 2;
pub(crate) const ADC: u32 = 0x8000_0004;
pub(crate) const ZLIB: u32 = 0x8000_0005;
pub(crate) const BZIP2: u32 = 0x8000_0006;
pub(crate) const LZFSE: u32 = 0x8000_0007;
pub(crate) const LZMA: u32 = 0x8000_0008;
pub(crate) const COMMENT: u32 = 0x7fff_fffe;
pub(crate) const TERMINATOR: u32 = 0xffff_ffff;

/// Where the first chunk's entry starts in a block table.
pub(crate) const ENTRY_AT: usize = 204;
/// Where the data fork's checksum stands in the trailer.
pub(crate) const DATA_CHECKSUM_AT: usize = 0x50;
pub(crate) const MASTER_CHECKSUM_AT: usize = 0x160;

/// An image under construction: the stored disk and its block tables.
#[derive(Clone, Default)]
pub(crate) struct Udif {
    pub(crate) data: Vec<u8>,
    pub(crate) tables: Vec<Vec<u8>>,
    pub(crate) sectors: u64,
    /// Stands between the property list and the trailer.
    pub(crate) signature: Vec<u8>,
    /// More resources, as XML.
    pub(crate) resources: String,
    /// Replaces the whole property list.
    pub(crate) plist: Option<String>,
}

impl Udif {
    /// An image of this disk in one table, cut into chunks of some sectors in turns of these kinds.
    pub(crate) fn of_disk(disk: &[u8], chunk_sectors: usize, kinds: &[u32]) -> Self {
        let pieces = disk.chunks(chunk_sectors * 512).zip(kinds.iter().cycle());
        let chunks: Vec<(u32, &[u8])> = pieces.map(|(piece, kind)| (*kind, piece)).collect();
        Self::default().table(0, &chunks)
    }

    /// Adds a table for what starts at a sector.
    pub(crate) fn table(mut self, data_offset: u64, chunks: &[(u32, &[u8])]) -> Self {
        let (mut entries, mut sector, mut hasher) = (Vec::new(), 0, crc32fast::Hasher::new());
        for (kind, plain) in chunks {
            let stored = encode(*kind, plain);
            let sectors = plain.len() as u64 / 512;
            let offset = self.data.len() as u64 - data_offset;
            entries.push([sector, sectors, offset, stored.len() as u64].map(u64::to_be_bytes));
            sector += sectors;
            self.data.extend(&stored);
            if *kind != IGNORED {
                hasher.update(plain);
            }
        }
        entries.push([sector, 0, self.data.len() as u64, 0].map(u64::to_be_bytes));
        let mut table = b"mish\0\0\0\x01".to_vec();
        for number in [self.sectors, sector, data_offset] {
            table.extend(number.to_be_bytes());
        }
        table.resize(64, 0);
        table.extend(checksum(hasher.finalize()));
        table.extend((entries.len() as u32).to_be_bytes());
        let kinds = chunks.iter().map(|(kind, _)| *kind).chain([TERMINATOR]);
        for (kind, entry) in kinds.zip(entries) {
            table.extend(kind.to_be_bytes());
            table.extend([0; 4]);
            table.extend(entry.concat());
        }
        self.sectors += sector;
        self.tables.push(table);
        self
    }

    /// Changes the first table, but no checksum.
    pub(crate) fn patched_table(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.tables[0]);
        self
    }

    /// The image with a changed trailer.
    pub(crate) fn patched(&self, at: usize, new: impl AsRef<[u8]>) -> Vec<u8> {
        let mut bytes = self.bytes();
        let trailer = bytes.len() - 512;
        put(&mut bytes, trailer + at, new);
        bytes
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let plist = self.plist.clone().unwrap_or_else(|| self.property_list());
        let checksums: Vec<u8> =
            self.tables.iter().flat_map(|table| table[72..76].to_vec()).collect();
        let number = |number: usize| (number as u64).to_be_bytes();
        let mut trailer = vec![0; 512];
        put(&mut trailer, 0, b"koly\0\0\0\x04\0\0\x02\0\0\0\0\x01");
        put(&mut trailer, 0x20, number(self.data.len()));
        put(&mut trailer, 0x38, [0, 0, 0, 1, 0, 0, 0, 1]);
        put(&mut trailer, DATA_CHECKSUM_AT, checksum(crc32fast::hash(&self.data)));
        put(&mut trailer, 0xd8, number(self.data.len()));
        put(&mut trailer, 0xe0, number(plist.len()));
        put(&mut trailer, 0x128, number(self.data.len() + plist.len()));
        put(&mut trailer, 0x130, number(self.signature.len()));
        put(&mut trailer, MASTER_CHECKSUM_AT, checksum(crc32fast::hash(&checksums)));
        put(&mut trailer, 0x1ec, self.sectors.to_be_bytes());
        [&self.data, plist.as_bytes(), &self.signature, &trailer].concat()
    }

    fn property_list(&self) -> String {
        let tables: String = self
            .tables
            .iter()
            .map(|table| {
                let data = STANDARD.encode(table);
                format!("<dict><key>Name</key><string>x</string><key>Data</key>\n<data>\n{data}\n</data></dict>")
            })
            .collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD \
             PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist \
             version=\"1.0\"><dict><key>resource-fork</key><dict><key>blkx</key><array>{tables}\
             </array><key>plst</key><array><dict><key>Data</key><data>AAAA</data></dict></array>\
             {}</dict></dict></plist>",
            self.resources
        )
    }
}

/// A CRC-32 as images store it.
pub(crate) fn checksum(value: u32) -> Vec<u8> {
    let mut bytes = [2_u32, 32, value].map(u32::to_be_bytes).concat();
    bytes.resize(136, 0);
    bytes
}

fn encode(kind: u32, plain: &[u8]) -> Vec<u8> {
    match kind {
        STORED => plain.to_vec(),
        ADC => plain
            .chunks(128)
            .flat_map(|literal| [&[0x7f + literal.len() as u8], literal].concat())
            .collect(),
        ZLIB => zlib(plain),
        BZIP2 => bzip2(plain),
        LZFSE => {
            let mut stored = Vec::new();
            lzfse_rust::encode_bytes(plain, &mut stored).unwrap();
            stored
        }
        LZMA => xz(plain),
        _ => Vec::new(),
    }
}

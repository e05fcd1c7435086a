//! The xar archive format: a header, a compressed table of contents, a heap of bytes.
//!
//! ```text
//! ┌────────┬────────────────────────────┬──────────────────────────────────────────────┐
//! │ header │ table of contents          │ heap: digest of the table, signatures, files │
//! │ 28+    │ zlib-compressed XML        │ offsets in the table count from its start    │
//! └────────┴────────────────────────────┴──────────────────────────────────────────────┘
//! ```
//!
//! [`XarArchive::open`] reads the header and the table and checks everything that can be checked
//! without touching the files: the table's checksum, every name, every range.
//! [`XarArchive::verify_all`] then reads the heap once and compares every file with its checksum.
//! A signature covers only the table, and the table covers the files through those checksums: both
//! steps together are what makes an archive intact.
//!
//! Memory is proportional to the table of contents, which is bounded; the heap is streamed.
//! Reference: <https://github.com/apple-oss-distributions/xar> and the layout notes of its wiki.

mod decode;
mod entry;
mod header;
mod table;
mod verify;

use std::fs::File;
use std::sync::Arc;

pub use decode::EntryReader;
pub use entry::{Encoding, Entry, EntryKind, HeapData};
pub use header::{HEADER_BYTES, HeaderChecksum, MAGIC};
pub use verify::{MAX_DECODED_BYTES, Verified};

pub(crate) use decode::{Bzip2Decoder, Section};
pub(crate) use table::{Signature, SignatureKind};

use crate::Form;
use crate::digest::Checksum;
use crate::error::ArtifactError;
use crate::sniff::LooksLike;
use header::Header;
use table::Table;

/// Largest table of contents accepted, compressed or not, in bytes.
pub const MAX_TABLE_BYTES: u64 = 64 << 20;
/// Most files, folders and extended attributes in one table of contents.
pub const MAX_ENTRIES: usize = 200_000;
/// Largest size that one entry may declare, in bytes: far more than any package, and small enough
/// that sums cannot overflow.
pub const MAX_ENTRY_BYTES: u64 = 1 << 40;
/// Deepest nesting of folders.
pub const MAX_NESTING: usize = 64;
/// Longest name of one file or folder, in bytes of UTF-8. HFS+ allows 255 UTF-16 units, which can
/// take three bytes each.
pub const MAX_NAME_BYTES: usize = 765;

/// An opened archive whose table of contents has been read and checked.
#[derive(Debug)]
pub struct XarArchive {
    file: Arc<File>,
    file_bytes: u64,
    heap_start: u64,
    table: Table,
    table_digest: Option<Checksum>,
    /// Entry numbers ordered by parent and name, for look-ups and to find doubled names.
    by_name: Vec<u32>,
}

impl XarArchive {
    /// Reads the header and the table of contents.
    ///
    /// The file's read position is neither used nor moved.
    ///
    /// # Errors
    /// When the file is no xar archive, is cut short, exceeds a limit, or its table of contents is
    /// damaged, contradicts itself or differs from its checksum.
    pub fn open(file: File) -> Result<Self, ArtifactError> {
        let read_error = |source| ArtifactError::from_read("the file", source);
        let file_bytes = file.metadata().map_err(read_error)?.len();
        if file_bytes == 0 {
            return Err(ArtifactError::Empty);
        }
        match LooksLike::of_file(&file).map_err(read_error)? {
            LooksLike::Xar => {}
            found => return Err(ArtifactError::OtherForm { promised: Form::FlatPackage, found }),
        }
        let file = Arc::new(file);
        let header = Header::read(&file, file_bytes)?;
        let heap_start = header.heap_start();
        let (table, table_digest) = Table::read(&file, file_bytes, &header)?;
        let by_name = table.index_by_name()?;
        Ok(Self { file, file_bytes, heap_start, table, table_digest, by_name })
    }

    /// Every file and folder, in the table's order; a folder comes before what it holds.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.table.entries
    }

    /// The files and folders that lie in no folder.
    pub fn top_level(&self) -> impl Iterator<Item = &Entry> {
        self.table.entries.iter().filter(|entry| entry.parent.is_none())
    }

    /// The entry at a path of names joined by `/`, such as `app.pkg/PackageInfo`.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Entry> {
        let mut found: Option<u32> = None;
        for name in path.split('/') {
            found = Some(self.child_number(found, name)?);
        }
        self.table.entry(found?)
    }

    /// The entry called `name` inside `folder`, or at the top when there is no folder.
    #[must_use]
    pub fn child(&self, folder: Option<&Entry>, name: &str) -> Option<&Entry> {
        let number = self.child_number(folder.map(|folder| folder.number), name)?;
        self.table.entry(number)
    }

    /// The full path of an entry of this archive.
    #[must_use]
    pub fn path(&self, entry: &Entry) -> String {
        self.table.path(entry)
    }

    /// A reader of an entry's decoded bytes, bounded to the size that the table declares.
    ///
    /// The reader owns its handle on the file and may outlive the archive.
    ///
    /// # Errors
    /// When the entry holds no data, or its decoder cannot be set up.
    pub fn reader(&self, entry: &Entry) -> Result<EntryReader, ArtifactError> {
        let path = self.path(entry);
        let Some(data) = entry.data() else {
            return Err(ArtifactError::malformed(path, "it has no content"));
        };
        EntryReader::new(self.section(data), data)
            .map_err(|source| ArtifactError::from_read(path, source))
    }

    /// Compares one entry with its checksums.
    ///
    /// # Errors
    /// When it differs or cannot be decoded.
    pub fn verify(&self, entry: &Entry) -> Result<(), ArtifactError> {
        verify::verify_entry(self, entry)
    }

    /// Reads the whole heap once and compares every entry with its checksums.
    ///
    /// # Errors
    /// At the first entry that differs, cannot be decoded or overlaps another.
    pub fn verify_all(&self) -> Result<Verified, ArtifactError> {
        verify::verify_all(self)
    }

    /// The digest of the compressed table of contents, which is what signatures sign; absent in an
    /// archive without checksum.
    #[must_use]
    pub fn table_digest(&self) -> Option<&Checksum> {
        self.table_digest.as_ref()
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The signatures that the table of contents announces.
    pub(crate) fn signatures(&self) -> &[Signature] {
        &self.table.signatures
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The encoded bytes of a heap range.
    pub(crate) fn section(&self, data: &HeapData) -> Section {
        // Cannot overflow: the table's reader has checked the range against the file's length.
        Section::new(Arc::clone(&self.file), self.heap_start + data.offset, data.length)
    }

    /// The bytes of a signature, which are never encoded.
    pub(crate) fn signature_section(&self, signature: &Signature) -> Section {
        Section::new(Arc::clone(&self.file), self.heap_start + signature.offset, signature.size)
    }

    /// The table, for verification.
    fn table(&self) -> &Table {
        &self.table
    }

    fn child_number(&self, parent: Option<u32>, name: &str) -> Option<u32> {
        let position = self
            .by_name
            .binary_search_by(|number| match self.table.entry(*number) {
                Some(entry) => (entry.parent, entry.name.as_str()).cmp(&(parent, name)),
                None => std::cmp::Ordering::Less,
            })
            .ok()?;
        self.by_name.get(position).copied()
    }
}

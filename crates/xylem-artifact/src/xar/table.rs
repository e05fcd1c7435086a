//! The table of contents: read, checked against its checksum, and indexed.

mod parse;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use super::decode::{EntryReader, Section};
use super::entry::{Encoding, Entry, HeapData};
use super::header::{Header, HeaderChecksum};
use crate::digest::{Checksum, ChecksumStyle, Hasher};
use crate::error::ArtifactError;
use crate::xml::Document;
use parse::Parser;

/// What errors call it.
const WHAT: &str = "the table of contents";
/// Longest element or text; the longest genuine ones are certificates of a few kilobytes.
const MAX_TOKEN_BYTES: usize = 256 << 10;
/// Bytes hashed or decoded at once.
const BUFFER_BYTES: usize = 64 << 10;

/// What a table of contents says, every range checked against the heap.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Files and folders; a folder's number is lower than those of what it holds.
    pub(super) entries: Vec<Entry>,
    /// Extended attributes: bytes to verify, of no meaning in a package.
    pub(super) attributes: Vec<HeapData>,
    pub(super) signatures: Vec<Signature>,
    pub(super) checksum: Option<StoredChecksum>,
}

/// Where the heap holds the digest of the compressed table of contents.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredChecksum {
    /// Absent for `style="none"`.
    pub(super) style: Option<ChecksumStyle>,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// A signature announced by the table of contents.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(crate) kind: SignatureKind,
    pub(super) offset: u64,
    pub(crate) size: u64,
    /// DER certificates, the signer's own first.
    pub(crate) certificates: Vec<Vec<u8>>,
}

/// The two kinds of signature that Apple's tools write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SignatureKind {
    /// PKCS #1 v1.5 over the digest of the table.
    Rsa,
    /// A detached CMS message over the same digest.
    Cms,
    /// Something else.
    Other,
}

impl Table {
    /// Inflates and parses the table, and compares the compressed bytes with their checksum.
    pub(super) fn read(
        file: &Arc<File>,
        file_bytes: u64,
        header: &Header,
    ) -> Result<(Self, Option<Checksum>), ArtifactError> {
        let compressed =
            || Section::new(Arc::clone(file), header.header_bytes, header.table_compressed_bytes);
        let inflated = HeapData {
            offset: 0,
            length: header.table_compressed_bytes,
            size: header.table_bytes,
            encoding: Encoding::Zlib,
            archived: None,
            extracted: None,
        };
        let reader = EntryReader::new(compressed(), &inflated)
            .map_err(|source| ArtifactError::from_read(WHAT, source))?;
        let mut document =
            Document::new(BufReader::with_capacity(BUFFER_BYTES, reader), WHAT, MAX_TOKEN_BYTES);
        let table = Parser::new(header.heap_start(), file_bytes).run(&mut document)?;
        let digest = table.verify_own_checksum(file, header, compressed())?;
        Ok((table, digest))
    }

    pub(super) fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(number).ok()?)
    }

    /// Names from the top down, joined by `/`.
    pub(super) fn path(&self, entry: &Entry) -> String {
        let mut names = vec![entry.name.as_str()];
        let mut parent = entry.parent;
        while let Some(folder) = parent.and_then(|number| self.entry(number)) {
            names.push(&folder.name);
            parent = folder.parent;
        }
        names.reverse();
        names.join("/")
    }

    /// Entry numbers in order of parent and name.
    ///
    /// Two entries of one name in one folder are refused: readers would disagree on which counts.
    pub(super) fn index_by_name(&self) -> Result<Vec<u32>, ArtifactError> {
        let mut index: Vec<&Entry> = self.entries.iter().collect();
        index.sort_unstable_by_key(|entry| (entry.parent, entry.name.as_str()));
        for pair in index.windows(2) {
            if let [first, second] = pair
                && (first.parent, &first.name) == (second.parent, &second.name)
            {
                let reason = format!("it lists {:?} twice", self.path(first));
                return Err(ArtifactError::malformed(WHAT, reason));
            }
        }
        Ok(index.into_iter().map(|entry| entry.number).collect())
    }

    /// Compares the digest of the compressed table with the one at the start of the heap.
    fn verify_own_checksum(
        &self,
        file: &Arc<File>,
        header: &Header,
        compressed: Section,
    ) -> Result<Option<Checksum>, ArtifactError> {
        let (style, stored) = match (header.checksum, self.checksum) {
            (HeaderChecksum::None, None | Some(StoredChecksum { style: None, .. })) => {
                return Ok(None);
            }
            (HeaderChecksum::Style(style), Some(stored)) if stored.style == Some(style) => {
                (style, stored)
            }
            (_, None) => return Err(ArtifactError::malformed(WHAT, "it lacks its checksum")),
            _ => {
                let reason = "the header announces another checksum than the table uses";
                return Err(ArtifactError::malformed(WHAT, reason));
            }
        };
        if stored.size != style.digest_len() as u64 {
            let reason = format!("its {} checksum is {} bytes long", style.as_str(), stored.size);
            return Err(ArtifactError::malformed(WHAT, reason));
        }
        let mut expected = Vec::with_capacity(style.digest_len());
        // Cannot overflow: the parser has checked the range against the file's length.
        Section::new(Arc::clone(file), header.heap_start() + stored.offset, stored.size)
            .read_to_end(&mut expected)
            .map_err(|source| ArtifactError::from_read("the checksum of the table", source))?;
        let actual =
            hash(compressed, style).map_err(|source| ArtifactError::from_read(WHAT, source))?;
        if actual.as_bytes() != expected {
            let what = WHAT.to_owned();
            return Err(ArtifactError::ChecksumMismatch { what, style: style.as_str() });
        }
        Ok(Some(actual))
    }
}

fn hash(mut source: impl Read, style: ChecksumStyle) -> io::Result<Checksum> {
    let mut hasher = Hasher::new(style);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

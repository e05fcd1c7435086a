//! One file or folder of an archive.

use std::fmt;

use crate::digest::Checksum;

/// A file or folder in the table of contents.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) number: u32,
    pub(super) parent: Option<u32>,
    pub(super) name: String,
    pub(super) kind: EntryKind,
    pub(super) data: Option<HeapData>,
}

impl Entry {
    /// The last component of the path. Never empty, `.` or `..`, and free of `/` and NUL.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// File, folder or other.
    #[must_use]
    pub fn kind(&self) -> EntryKind {
        self.kind
    }

    /// Where its bytes are; empty files may have none.
    #[must_use]
    pub fn data(&self) -> Option<&HeapData> {
        self.data.as_ref()
    }

    /// The length of its decoded content in bytes, as declared.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| data.size)
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EntryKind {
    /// A regular file, also where the table of contents does not say.
    #[default]
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A second name of another file.
    HardLink,
    /// Anything else; devices and sockets have no place in a package.
    Other,
}

/// A range of the heap and how it is encoded.
#[derive(Clone, Debug)]
pub struct HeapData {
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(super) size: u64,
    pub(super) encoding: Encoding,
    pub(super) archived: Option<Checksum>,
    pub(super) extracted: Option<Checksum>,
}

impl HeapData {
    /// The length of the encoded bytes in the heap.
    #[must_use]
    pub fn archived_bytes(&self) -> u64 {
        self.length
    }

    /// The length of the decoded bytes, as declared.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size
    }

    /// How the bytes are encoded.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The checksum of the encoded bytes (`archived-checksum`).
    #[must_use]
    pub fn archived_checksum(&self) -> Option<&Checksum> {
        self.archived.as_ref()
    }

    /// The checksum of the decoded bytes (`extracted-checksum` or `unarchived-checksum`).
    #[must_use]
    pub fn extracted_checksum(&self) -> Option<&Checksum> {
        self.extracted.as_ref()
    }
}

/// How an entry's bytes are encoded in the heap.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encoding {
    /// As they are (`application/octet-stream`).
    #[default]
    Stored,
    /// zlib, although the table calls it `application/x-gzip`.
    Zlib,
    /// bzip2 (`application/x-bzip2`).
    Bzip2,
    /// xz or the older lzma format (`application/x-lzma`, `application/x-xz`).
    Xz,
}

impl Encoding {
    /// Reads an `encoding` element's `style`.
    pub(super) fn parse(style: &str) -> Option<Self> {
        match style {
            "application/octet-stream" => Some(Self::Stored),
            "application/x-gzip" | "application/zlib" => Some(Self::Zlib),
            "application/x-bzip2" => Some(Self::Bzip2),
            "application/x-lzma" | "application/x-xz" => Some(Self::Xz),
            _ => None,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stored => "stored",
            Self::Zlib => "zlib",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        })
    }
}

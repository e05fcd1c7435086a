//! A member of a zip archive.

use std::sync::Arc;

/// A file, folder or symbolic link of the archive.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The path, checked, without the slash that ends a folder's. One that is not UTF-8 stands here
    /// with its odd bytes escaped.
    pub(super) name: Arc<str>,
    pub(super) kind: MemberKind,
    pub(super) method: Method,
    /// Length once expanded, as declared.
    pub(super) size: u64,
    /// Length in the archive.
    pub(super) packed_bytes: u64,
    pub(super) crc: u32,
    pub(super) header_start: u64,
    pub(super) data_start: u64,
    /// Where the member ends, with the descriptor behind its data.
    pub(super) end: u64,
}

/// What a member is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MemberKind {
    File,
    Folder,
    Link,
}

/// How a member is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Method {
    Stored,
    Deflated,
    /// By a method that nothing for Macs writes; its number.
    Other(u16),
}

impl Method {
    pub(super) fn of_number(number: u16) -> Self {
        match number {
            0 => Self::Stored,
            8 => Self::Deflated,
            other => Self::Other(other),
        }
    }
}

impl Member {
    /// The path, of names joined by `/`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size
    }

    pub(crate) fn is_file(&self) -> bool {
        self.kind == MemberKind::File
    }

    pub(crate) fn is_stored(&self) -> bool {
        self.method == Method::Stored
    }

    /// Where it begins in the file.
    pub(crate) fn position(&self) -> u64 {
        self.header_start
    }
}

//! One member of a payload.

use super::cpio::Header;
use super::error::{PayloadError, excerpt};
use super::path::MemberPath;

/// Longest accepted target of a symbolic link, in bytes.
pub const MAX_SYMLINK_BYTES: u64 = 4096;

/// Bits of a mode that say what kind of file it is (POSIX `S_IFMT`).
const TYPE_MASK: u32 = 0o170_000;
/// Bits of a mode that are permissions, set-user-id, set-group-id and sticky included.
const PERMISSION_MASK: u32 = 0o7777;

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file; its content is the body.
    File,
    /// A directory. Parents are not guaranteed to come before what they hold.
    Directory,
    /// A symbolic link. The target is text only: nothing says where it leads.
    Symlink {
        /// Where the link points; UTF-8, non-empty, no NUL.
        target: String,
    },
    /// A further name of an earlier file. When [`Member::size`] is not 0, the body is the content
    /// of the shared file: it stands for whatever an earlier name of it brought.
    HardLink {
        /// The first name of the file; an earlier [`MemberKind::File`].
        target: MemberPath,
    },
}

/// One member of a payload, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where it belongs, below the install location.
    pub path: MemberPath,
    /// What it is.
    pub kind: MemberKind,
    /// Permission bits, set-user-id, set-group-id and sticky included (`0o7777`).
    pub mode: u32,
    /// Declared owner.
    pub uid: u32,
    /// Declared group.
    pub gid: u32,
    /// Modification time, seconds since 1970.
    pub mtime: i64,
    /// Bytes of body that follow. For a symbolic link 0: its target has been read already.
    pub size: u64,
    /// Device number in the archive.
    pub dev: u64,
    /// Inode number in the archive.
    pub ino: u64,
    /// How many names the file had where the archive was made.
    pub nlink: u32,
}

impl Member {
    pub(super) fn new(header: &Header, path: MemberPath, kind: MemberKind) -> Self {
        let size = match kind {
            MemberKind::File | MemberKind::HardLink { .. } => header.size,
            MemberKind::Directory | MemberKind::Symlink { .. } => 0,
        };
        Self {
            path,
            kind,
            mode: header.mode & PERMISSION_MASK,
            uid: header.uid,
            gid: header.gid,
            mtime: header.mtime,
            size,
            dev: header.dev,
            ino: header.ino,
            nlink: header.nlink,
        }
    }
}

/// The file types that a payload may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileType {
    Regular,
    Directory,
    Symlink,
}

impl FileType {
    /// Reads the type bits of a mode; devices, pipes and sockets are refused.
    pub(super) fn of(mode: u32, name: &[u8]) -> Result<Self, PayloadError> {
        let kind = match mode & TYPE_MASK {
            0o100_000 => return Ok(Self::Regular),
            0o040_000 => return Ok(Self::Directory),
            0o120_000 => return Ok(Self::Symlink),
            0o020_000 => "character device",
            0o060_000 => "block device",
            0o010_000 => "named pipe",
            0o140_000 => "socket",
            _ => "file of unknown type",
        };
        Err(PayloadError::SpecialFile { path: excerpt(name), kind })
    }
}

/// Checks the target of a symbolic link.
pub(super) fn symlink_target(path: &MemberPath, raw: Vec<u8>) -> Result<String, PayloadError> {
    let refuse = |reason| Err(PayloadError::unsafe_path(path.as_str().as_bytes(), reason));
    if raw.is_empty() {
        return refuse("it is a symbolic link to nothing");
    }
    if raw.contains(&0) {
        return refuse("the target of the symbolic link holds a NUL byte");
    }
    match String::from_utf8(raw) {
        Ok(target) => Ok(target),
        Err(_) => refuse("the target of the symbolic link is not UTF-8"),
    }
}

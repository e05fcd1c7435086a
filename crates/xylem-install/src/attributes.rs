//! Owner, permissions and modification time of what is installed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{
    AtFlags, Gid, Mode, RawMode, Timespec, Timestamps, UTIME_OMIT, Uid, chownat, fchmod, fchown,
    futimens, utimensat,
};
use serde::{Deserialize, Serialize};
use xylem_artifact::payload::Member;

/// Set-user-id on execution.
const SET_UID: u32 = 0o4000;
/// Set-group-id on execution.
const SET_GID: u32 = 0o2000;

/// Attributes that a file, directory or link is to have in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    /// Permission bits.
    pub(crate) mode: u32,
    /// User and group; `None` leaves them with whoever runs the installation.
    pub(crate) owner: Option<(u32, u32)>,
    /// Seconds since 1970; `None` leaves the time of writing.
    pub(crate) mtime: Option<i64>,
}

/// How declared owners are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// Files get the user and group that the package declares.
    AsDeclared,
    /// Files stay with the user who runs the installation.
    Installing {
        /// Whether that user is root.
        as_root: bool,
    },
}

impl Ownership {
    /// The attributes that `member` is to have, and whether a set-id bit had to be dropped.
    ///
    /// A file meant to run with the rights of an ordinary user must not end up running with
    /// root's: where declared owners are not applied and the installing user is root, set-id bits
    /// survive only on files that were declared root's anyway.
    pub(crate) fn attributes_of(self, member: &Member) -> (Attributes, bool) {
        let mut mode = member.mode;
        if self == (Self::Installing { as_root: true }) {
            if member.uid != 0 {
                mode &= !SET_UID;
            }
            if member.gid != 0 {
                mode &= !SET_GID;
            }
        }
        let owner = (self == Self::AsDeclared).then_some((member.uid, member.gid));
        (Attributes { mode, owner, mtime: Some(member.mtime) }, mode != member.mode)
    }

    /// The attributes of what the package needs but does not describe.
    pub(crate) fn undescribed(self, mode: u32) -> Attributes {
        let owner = (self == Self::AsDeclared).then_some((0, 0));
        Attributes { mode, owner, mtime: None }
    }
}

impl Attributes {
    /// Gives an open file or directory these attributes. The owner comes first: changing it clears
    /// set-id bits.
    pub(crate) fn apply(&self, file: impl AsFd) -> io::Result<()> {
        if let Some((uid, gid)) = self.owner {
            fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        fchmod(&file, file_mode(self.mode))?;
        if let Some(mtime) = self.mtime {
            futimens(&file, &modified_at(mtime))?;
        }
        Ok(())
    }

    /// Gives the symbolic link `name` in `dir` these attributes, as far as links have them.
    pub(crate) fn apply_to_symlink(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        if let Some((uid, gid)) = self.owner {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        if let Some(mtime) = self.mtime {
            utimensat(dir, name, &modified_at(mtime), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }
}

/// Permission bits in the type of the system, which is narrower on some.
pub(crate) fn file_mode(mode: u32) -> Mode {
    Mode::from_raw_mode((mode & 0o7777) as RawMode)
}

fn modified_at(seconds: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 },
    }
}

#[cfg(test)]
mod tests {
    use xylem_artifact::payload::{MemberKind, MemberPath};

    use super::*;

    fn member(mode: u32, uid: u32, gid: u32) -> Member {
        Member {
            path: MemberPath::parse(b"tool").unwrap(),
            kind: MemberKind::File,
            mode,
            uid,
            gid,
            mtime: 1,
            size: 0,
            dev: 0,
            ino: 0,
            nlink: 1,
        }
    }

    #[test]
    fn set_id_bits_never_turn_an_ordinary_users_file_into_roots() {
        let root = Ownership::Installing { as_root: true };
        assert_eq!(root.attributes_of(&member(0o6755, 501, 20)).0.mode, 0o755);
        assert_eq!(root.attributes_of(&member(0o6755, 0, 20)).0.mode, 0o4755);
        assert_eq!(root.attributes_of(&member(0o6755, 0, 0)), {
            (Attributes { mode: 0o6755, owner: None, mtime: Some(1) }, false)
        });
        let user = Ownership::Installing { as_root: false };
        assert_eq!(user.attributes_of(&member(0o4755, 0, 0)).0.mode, 0o4755);
        let declared = Ownership::AsDeclared.attributes_of(&member(0o4755, 501, 20)).0;
        assert_eq!((declared.mode, declared.owner), (0o4755, Some((501, 20))));
    }
}

//! Which members of an archive are names of one file.
//!
//! cpio has no member type for a hard link: members with the same device and inode numbers are one
//! file. Writers differ in where its data stands: GNU odc gives it with every name, newc with the
//! last, others with the first. odc inode numbers have 18 bits and repeat in large packages, so
//! equal numbers alone prove nothing: the rest of the header has to agree as well.

use std::collections::HashMap;

use super::cpio::Header;
use super::error::PayloadError;
use super::path::MemberPath;

/// Most files with several names that may be waiting for a further name at the same time.
const MAX_OPEN_GROUPS: usize = 65_536;

/// Files of which some, but not all, names have been seen.
#[derive(Default)]
pub(super) struct LinkTable {
    groups: HashMap<(u64, u64), Group>,
}

struct Group {
    first: MemberPath,
    header: Header,
    seen: u32,
}

impl LinkTable {
    /// Notes a regular file. `Some` is the first name of the file that `path` is a further name of.
    pub(super) fn note(
        &mut self,
        header: &Header,
        path: &MemberPath,
    ) -> Result<Option<MemberPath>, PayloadError> {
        if header.nlink < 2 {
            return Ok(None);
        }
        let key = (header.dev, header.ino);
        if let Some(group) = self.groups.get_mut(&key)
            && group.accepts(header)
        {
            group.seen += 1;
            group.header.size = group.header.size.max(header.size);
            let first = group.first.clone();
            if group.seen >= group.header.nlink {
                self.groups.remove(&key);
            }
            return Ok(Some(first));
        }
        let group = Group { first: path.clone(), header: *header, seen: 1 };
        self.groups.insert(key, group);
        if self.groups.len() > MAX_OPEN_GROUPS {
            return Err(PayloadError::TooMany {
                what: "hard-linked files with names still to come",
                limit: MAX_OPEN_GROUPS,
            });
        }
        Ok(None)
    }
}

impl Group {
    fn accepts(&self, other: &Header) -> bool {
        let ours = &self.header;
        let same_size = ours.size == other.size || ours.size == 0 || other.size == 0;
        same_size
            && (ours.mode, ours.uid, ours.gid, ours.nlink, ours.mtime)
                == (other.mode, other.uid, other.gid, other.nlink, other.mtime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ino: u64, nlink: u32, size: u64) -> Header {
        Header { dev: 1, ino, mode: 0o100644, uid: 0, gid: 0, nlink, mtime: 5, name_bytes: 2, size }
    }

    fn path(name: &str) -> MemberPath {
        MemberPath::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn further_names_point_at_the_first_until_all_have_been_seen() {
        let mut table = LinkTable::default();
        assert_eq!(table.note(&header(7, 2, 0), &path("a")).unwrap(), None);
        assert_eq!(table.note(&header(7, 2, 9), &path("b")).unwrap(), Some(path("a")));
        // The inode number is used again, for another file.
        assert_eq!(table.note(&header(7, 2, 9), &path("c")).unwrap(), None);
    }

    #[test]
    fn equal_numbers_with_other_facts_are_another_file() {
        let mut table = LinkTable::default();
        assert_eq!(table.note(&header(7, 3, 4), &path("a")).unwrap(), None);
        assert_eq!(table.note(&header(7, 3, 5), &path("b")).unwrap(), None);
        assert_eq!(table.note(&header(7, 1, 5), &path("c")).unwrap(), None);
    }

    #[test]
    fn files_that_never_get_their_second_name_are_bounded() {
        let mut table = LinkTable::default();
        for ino in 0..MAX_OPEN_GROUPS as u64 {
            table.note(&header(ino, 2, 0), &path("a")).unwrap();
        }
        let error = table.note(&header(u64::MAX, 2, 0), &path("a")).unwrap_err();
        assert!(matches!(error, PayloadError::TooMany { .. }));
    }
}

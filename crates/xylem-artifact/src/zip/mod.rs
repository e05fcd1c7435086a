//! Zip archives, read strictly: one meaning, whichever of its two descriptions a reader believes.
//!
//! ```text
//! ┌──────────────────────────────────┬───────────┬─────┐
//! │ members: header, data, descriptor │ directory │ end │
//! └──────────────────────────────────┴───────────┴─────┘
//! ```
//!
//! A zip archive is read from its end, which says where the directory is, which says where the
//! members are; each member repeats before its data what the directory says. Readers differ in what
//! they believe, and in what they pass over, so that one file can be two archives. Here both have to
//! agree, nothing may overlap, stand before the first member or behind the end. That is why the
//! `zip` crate, which is lenient where a reader of all the world's archives has to be, is not used.
//!
//! [`ZipArchive::open`] reads the end, the directory and each member's header;
//! [`ZipArchive::verify`] expands every member once and compares it with its checksum. Memory is
//! proportional to the directory, which is bounded.

mod directory;
mod end;
mod fields;
mod local;
mod member;
mod name;
mod tree;
mod unpack;
mod verify;

use std::fs::File;
use std::ops::ControlFlow;
use std::sync::Arc;

pub(crate) use member::{Member, MemberKind};
pub(crate) use verify::Verified;

use crate::Form;
use crate::error::ArtifactError;
use crate::sniff::LooksLike;
use crate::text::shown;
use end::End;
use unpack::Unpacker;

/// Most members; the largest applications have some tens of thousands.
pub(crate) const MAX_MEMBERS: usize = 100_000;
/// Most bytes of all members together, once expanded.
pub(crate) const MAX_EXPANDED_BYTES: u64 = 50 << 30;
/// Most that an archive may expand by, once it expands to more than [`FREE_EXPANDED_BYTES`]. Texts
/// and bills of materials shrink to a hundredth, whole archives to a third.
pub(crate) const MAX_RATIO: u64 = 200;
/// Expanded bytes that harm nobody, however small the archive. Single members are not measured:
/// genuine ones of nothing but zeros shrink to a thousandth.
pub(crate) const FREE_EXPANDED_BYTES: u64 = 64 << 20;
/// Longest target of a symbolic link, in bytes: `PATH_MAX` of macOS.
const MAX_TARGET_BYTES: u64 = 1024;

/// An opened archive whose directory has been read and checked.
#[derive(Debug)]
pub(crate) struct ZipArchive {
    file: Arc<File>,
    file_bytes: u64,
    members: Vec<Member>,
    /// Numbers of members, ordered by name.
    by_name: Vec<u32>,
    /// Bytes between members that belong to none.
    loose_bytes: u64,
    collisions: usize,
}

impl ZipArchive {
    /// Reads and checks everything but the members' content; `promised` is what the file's name
    /// says.
    ///
    /// # Errors
    /// When the file is no zip archive, is cut short, exceeds a limit, contradicts itself, or holds
    /// a name or link that leads outside, or an encrypted member.
    pub(crate) fn open(file: File, promised: Form) -> Result<Self, ArtifactError> {
        let read_error = |source| ArtifactError::from_read("the file", source);
        let file_bytes = file.metadata().map_err(read_error)?.len();
        if file_bytes == 0 {
            return Err(ArtifactError::Empty);
        }
        match LooksLike::of_file(&file).map_err(read_error)? {
            LooksLike::Zip => {}
            found => return Err(ArtifactError::OtherForm { promised, found }),
        }
        let end = End::read(&file, file_bytes)?;
        let members = directory::read(&file, &end)?;
        check_expansion(&members, file_bytes)?;
        let loose_bytes = loose_bytes(&members, end.directory_start)?;
        let by_name = tree::index(&members)?;
        let collisions = tree::collisions(&members)?;
        let file = Arc::new(file);
        let archive = Self { file, file_bytes, members, by_name, loose_bytes, collisions };
        archive.check_links()?;
        Ok(archive)
    }

    /// Length of the file in bytes.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Every member, in the directory's order.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The expanded length of all members, as declared.
    pub(crate) fn expanded_bytes(&self) -> u64 {
        // Cannot overflow: the sum was compared with its limit.
        self.members.iter().map(|member| member.size).sum()
    }

    /// The member with this very name.
    pub(crate) fn find(&self, name: &str) -> Option<&Member> {
        let member = |number: &u32| self.members.get(*number as usize);
        let position = self
            .by_name
            .binary_search_by(|number| member(number).map(Member::name).cmp(&Some(name)))
            .ok()?;
        self.by_name.get(position).and_then(member)
    }

    /// The file with this very name; folders and links do not count.
    pub(crate) fn find_file(&self, name: &str) -> Option<&Member> {
        self.find(name).filter(|member| member.is_file())
    }

    /// A member's whole content, which may have at most `limit` bytes.
    pub(crate) fn read(&self, member: &Member, limit: u64) -> Result<Vec<u8>, ArtifactError> {
        if member.size > limit {
            return Err(ArtifactError::TooLarge {
                what: format!("{}, in bytes,", called(member.name())),
                found: member.size,
                limit,
            });
        }
        let mut content = Vec::new();
        self.stream(member, &mut |bytes| {
            content.extend_from_slice(bytes);
            ControlFlow::Continue(())
        })?;
        Ok(content)
    }

    /// The first bytes of a member, `count` or fewer. They are not compared with its checksum.
    pub(crate) fn head(&self, member: &Member, count: usize) -> Result<Vec<u8>, ArtifactError> {
        let mut head = Vec::new();
        self.stream(member, &mut |bytes| {
            head.extend_from_slice(bytes.get(..count - head.len()).unwrap_or(bytes));
            if head.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(head)
    }

    /// Hands a member's content to `take`, piece by piece, until it breaks off.
    pub(crate) fn stream(
        &self,
        member: &Member,
        take: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), ArtifactError> {
        Unpacker::new().unpack(self, member, take)
    }

    /// Expands every member once and compares it with its checksum.
    ///
    /// # Errors
    /// When one is damaged or differs.
    pub(crate) fn verify(&self) -> Result<Verified, ArtifactError> {
        verify::verify(self)
    }

    fn check_links(&self) -> Result<(), ArtifactError> {
        for link in self.members.iter().filter(|member| member.kind == MemberKind::Link) {
            let target = self.read(link, MAX_TARGET_BYTES)?;
            if !name::stays_inside(link.name(), &target) {
                return Err(ArtifactError::UnsafeName {
                    name: shown(link.name()),
                    reason: "it is a link that leads outside",
                });
            }
        }
        Ok(())
    }
}

/// What errors call a member.
fn called(name: &str) -> String {
    format!("{:?} in the archive", shown(name))
}

fn check_expansion(members: &[Member], file_bytes: u64) -> Result<(), ArtifactError> {
    let expanded = members.iter().fold(0_u64, |total, member| total.saturating_add(member.size));
    let by_ratio = file_bytes.saturating_mul(MAX_RATIO).max(FREE_EXPANDED_BYTES);
    let limit = by_ratio.min(MAX_EXPANDED_BYTES);
    if expanded > limit {
        let what = format!(
            "the content of the zip archive of {file_bytes} bytes, once expanded, in bytes,"
        );
        return Err(ArtifactError::TooLarge { what, found: expanded, limit });
    }
    Ok(())
}

/// Bytes that belong to no member.
///
/// # Errors
/// When members overlap, which lets a small file expand without bound, or when the first does not
/// begin where the file does.
fn loose_bytes(members: &[Member], directory_start: u64) -> Result<u64, ArtifactError> {
    let mut ranges: Vec<(u64, u64)> =
        members.iter().map(|member| (member.header_start, member.end)).collect();
    ranges.sort_unstable();
    let first = ranges.first().map_or(directory_start, |(start, _)| *start);
    if first > 0 {
        let reason = format!("{first} bytes stand before its first file");
        return Err(ArtifactError::malformed("the zip archive", reason));
    }
    let (mut loose, mut after) = (0, 0);
    for (start, end) in ranges {
        let Some(gap) = start.checked_sub(after) else {
            let reason = format!("two of its files overlap at byte {start}");
            return Err(ArtifactError::malformed("the zip archive", reason));
        };
        loose += gap;
        after = end;
    }
    Ok(loose + directory_start.saturating_sub(after))
}

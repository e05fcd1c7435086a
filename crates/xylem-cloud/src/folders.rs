//! Walking folder by folder, where a provider lists no more than one at a time.
//!
//! Contents lie in 256 folders, in the order of their ids. Where everything is asked for, the
//! folders that lead there come before them, so that what others put there is seen.

use crate::cursor::{Below, Cursor, Place};
use crate::fault::{Fault, FaultKind};
use crate::layout::Prefix;

/// The folder of contents, below the prefix.
pub(crate) const CONTENT: &str = "content";
/// The folder of what tests write, below the prefix.
pub(crate) const PROBE: &str = "probe";
/// Folders before those of the contents, where everything is asked for.
const LEADING: u16 = 3;

/// The folders below a prefix. `provider` is for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Folders<'a> {
    pub(crate) prefix: &'a Prefix,
    pub(crate) provider: &'static str,
}

impl Folders<'_> {
    /// The folder that `cursor` points at, without `/` at its end, and from which name on.
    pub(crate) fn place<'c>(
        &self,
        below: Below,
        cursor: &'c Cursor,
    ) -> Result<(String, Option<&'c str>), Fault> {
        let (number, from) = match cursor.place() {
            Place::Start => (0, None),
            Place::Folder(number, from) => (*number, from.as_deref()),
            Place::After(_) | Place::AfterUpload(..) | Place::Token(_) => return Err(self.other()),
        };
        let folder = self.folder_of(below, number).ok_or_else(|| self.other())?;
        Ok((folder, from))
    }

    /// Where it goes on: in the same folder from this name on, or else in the next one. A folder may
    /// be cut at any length: what is not there may be on its next page.
    pub(crate) fn after(&self, below: Below, cursor: &Cursor, from: Option<&str>) -> Option<Place> {
        let number = match cursor.place() {
            Place::Folder(number, _) => *number,
            _ => 0,
        };
        if let Some(from) = from {
            return Some(Place::Folder(number, Some(from.to_owned())));
        }
        let next = number + 1;
        self.folder_of(below, next).map(|_| Place::Folder(next, None))
    }

    /// Whether a folder `name` in `folder` is one that has its own turn.
    pub(crate) fn is_ours(&self, folder: &str, name: &str) -> bool {
        let is_digits = name.len() == 2
            && name.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
        (folder == self.prefix.as_str() && matches!(name, CONTENT | PROBE))
            || (folder == self.below(CONTENT) && is_digits)
    }

    /// The folders of a listing, one after the other.
    fn folder_of(&self, below: Below, number: u16) -> Option<String> {
        let first = match (below, number) {
            (Below::Contents, number) => number,
            (Below::Everything, 0) => return Some(self.prefix.as_str().to_owned()),
            (Below::Everything, 1) => return Some(self.below(CONTENT)),
            (Below::Everything, 2) => return Some(self.below(PROBE)),
            (Below::Everything, number) => number - LEADING,
        };
        Some(self.prefix.folder(u8::try_from(first).ok()?).as_str().to_owned())
    }

    fn below(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix.everything())
    }

    fn other(&self) -> Fault {
        let attempt = format!("listing a folder of {}", self.provider);
        Fault::new(FaultKind::Unexpected, attempt, "the cursor is of another listing")
    }
}

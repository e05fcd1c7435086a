//! What NetStorage says of files: `stat` of one, `dir` of a folder.

use xylem_model::Timestamp;

use super::Akamai;
use crate::answer::{Attempt, CloudAnswer};
use crate::cursor::{Below, Cursor, Place};
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::upload::{Found, Listed, Page};
use crate::xml::Element;

/// The folder of contents, in the directory.
const CONTENT: &str = "content";
/// The folder of what tests write, in the directory.
const PROBE: &str = "probe";

impl Akamai<'_> {
    /// One file of a `stat`.
    pub(super) fn stat(
        &self,
        key: &ObjectKey,
        answer: &CloudAnswer,
    ) -> Result<Option<Found>, Fault> {
        let attempt = Attempt { doing: "asking after", on: key.as_str() };
        let Some(root) = self.listing(answer, attempt)? else { return Ok(None) };
        let name = key.as_str().rsplit('/').next().unwrap_or_default();
        let file = files(&root).find(|file| file.attribute("name") == Some(name));
        let Some(file) = file else { return Err(odd(answer, attempt)) };
        Ok(Some(Found {
            size: size(file).ok_or_else(|| odd(answer, attempt))?,
            etag: md5(file),
            sha256: None,
            segmented: false,
        }))
    }

    /// The folder that `cursor` points at, without `/` at its end, and from which name on.
    pub(super) fn place<'c>(
        &self,
        below: Below,
        cursor: &'c Cursor,
    ) -> Result<(String, Option<&'c str>), Fault> {
        let (number, from) = match cursor.place() {
            Place::Start => (0, None),
            Place::Folder(number, from) => (*number, from.as_deref()),
            Place::After(_) | Place::AfterUpload(..) | Place::Token(_) => return Err(other()),
        };
        let folder = self.folder_of(below, number).ok_or_else(other)?;
        Ok((folder, from))
    }

    /// The folders of a listing, one after the other: those of contents, and before them, where
    /// everything is asked for, those that lead there.
    fn folder_of(&self, below: Below, number: u16) -> Option<String> {
        let directory = &self.settings.directory;
        let everything = directory.everything();
        let first = match (below, number) {
            (Below::Contents, number) => number,
            (Below::Everything, 0) => return Some(directory.as_str().to_owned()),
            (Below::Everything, 1) => return Some(format!("{everything}{CONTENT}")),
            (Below::Everything, 2) => return Some(format!("{everything}{PROBE}")),
            (Below::Everything, number) => number - 3,
        };
        Some(directory.folder(u8::try_from(first).ok()?).as_str().to_owned())
    }

    /// A page of the folder that `cursor` points at. A folder that is not there has no files.
    pub(super) fn folder(
        &self,
        below: Below,
        cursor: &Cursor,
        answer: &CloudAnswer,
    ) -> Result<Page<Listed>, Fault> {
        let (folder, _) = self.place(below, cursor)?;
        let attempt = Attempt { doing: "listing the folder", on: &folder };
        let root = self.listing(answer, attempt)?.unwrap_or_default();
        let entries = root.children("file").filter_map(|entry| {
            let is_file = entry.attribute("type") == Some("file");
            let is_told = below == Below::Everything && !self.is_ours(&folder, entry);
            (is_file || is_told).then(|| listed(&folder, entry))
        });
        let items: Option<Vec<_>> = entries.collect();
        let items = items.ok_or_else(|| odd(answer, attempt))?;
        let next = self.after(below, cursor, &root);
        let next = next
            .map(|next| cursor.turned(next, None))
            .transpose()
            .map_err(|why| answer.fault(FaultKind::Unexpected, attempt, why))?;
        Ok(Page { items, next })
    }

    /// Where it goes on. A folder may be cut at any length: what is not there may be on its next
    /// page.
    fn after(&self, below: Below, cursor: &Cursor, root: &Element) -> Option<Place> {
        let number = match cursor.place() {
            Place::Folder(number, _) => *number,
            _ => 0,
        };
        let resume = root.child("resume").and_then(|resume| resume.attribute("start"));
        if let Some(start) = resume {
            return Some(Place::Folder(number, Some(start.to_owned())));
        }
        let next = number + 1;
        self.folder_of(below, next).map(|_| Place::Folder(next, None))
    }

    /// Whether an entry is a folder that has its own turn.
    fn is_ours(&self, folder: &str, entry: &Element) -> bool {
        let name = entry.attribute("name").unwrap_or_default();
        let directory = &self.settings.directory;
        let below = |rest: &str| format!("{}{rest}", directory.everything());
        let is_digits = name.len() == 2
            && name.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
        (folder == directory.as_str() && matches!(name, CONTENT | PROBE))
            || (folder == below(CONTENT) && is_digits)
    }

    fn listing(
        &self,
        answer: &CloudAnswer,
        attempt: Attempt<'_>,
    ) -> Result<Option<Element>, Fault> {
        match answer.status {
            404 => return Ok(None),
            200 => {}
            _ => return Err(self.fault(answer, attempt)),
        }
        let root =
            Element::parse(&answer.body).map_err(|error| answer.unreadable(attempt, error))?;
        if root.name() != "stat" {
            return Err(odd(answer, attempt));
        }
        Ok(Some(root))
    }
}

/// An entry of a folder; of a folder itself the name ends with `/`.
fn listed(folder: &str, entry: &Element) -> Option<Listed> {
    let name = entry.attribute("name").filter(|name| !name.contains('/'))?;
    let parent = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let is_file = entry.attribute("type") == Some("file");
    let end = if is_file { "" } else { "/" };
    let seconds = entry.attribute("mtime").and_then(|text| text.parse::<i64>().ok());
    Some(Listed {
        key: ObjectKey::listed(format!("{parent}{name}{end}"))?,
        size: if is_file { size(entry)? } else { 0 },
        etag: md5(entry),
        written: seconds.and_then(|it| it.checked_mul(1000)).map(Timestamp::from_unix_ms),
    })
}

fn other() -> Fault {
    Fault::new(
        FaultKind::Unexpected,
        "listing a folder of NetStorage",
        "the cursor is of another listing",
    )
}

fn files(root: &Element) -> impl Iterator<Item = &Element> {
    root.children("file").filter(|file| file.attribute("type") == Some("file"))
}

fn size(file: &Element) -> Option<u64> {
    file.attribute("size")?.parse().ok()
}

fn md5(file: &Element) -> Option<String> {
    file.attribute("md5").filter(|md5| !md5.is_empty()).map(str::to_ascii_lowercase)
}

fn odd(answer: &CloudAnswer, attempt: Attempt<'_>) -> Fault {
    answer.fault(FaultKind::Unexpected, attempt, "the answer is no listing of the protocol")
}

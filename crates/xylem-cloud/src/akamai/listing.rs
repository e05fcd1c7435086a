//! What NetStorage says of files: `stat` of one, `dir` of a folder.

use xylem_model::Timestamp;

use super::Akamai;
use crate::answer::{Attempt, CloudAnswer};
use crate::cursor::{Below, Cursor};
use crate::fault::{Fault, FaultKind};
use crate::folders::Folders;
use crate::layout::ObjectKey;
use crate::upload::{Found, Listed, Page};
use crate::xml::Element;

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

    /// The folders that are listed one by one.
    pub(super) const fn folders(&self) -> Folders<'_> {
        Folders { prefix: &self.settings.directory, provider: "NetStorage" }
    }

    /// A page of the folder that `cursor` points at. A folder that is not there has no files.
    pub(super) fn folder(
        &self,
        below: Below,
        cursor: &Cursor,
        answer: &CloudAnswer,
    ) -> Result<Page<Listed>, Fault> {
        let folders = self.folders();
        let (folder, _) = folders.place(below, cursor)?;
        let attempt = Attempt { doing: "listing the folder", on: &folder };
        let root = self.listing(answer, attempt)?.unwrap_or_default();
        let entries = root.children("file").filter_map(|entry| {
            let is_file = entry.attribute("type") == Some("file");
            let name = entry.attribute("name").unwrap_or_default();
            let is_told = below == Below::Everything && !folders.is_ours(&folder, name);
            (is_file || is_told).then(|| listed(&folder, entry))
        });
        let items: Option<Vec<_>> = entries.collect();
        let items = items.ok_or_else(|| odd(answer, attempt))?;
        let resume = root.child("resume").and_then(|resume| resume.attribute("start"));
        let next = folders
            .after(below, cursor, resume)
            .map(|next| cursor.turned(next, None))
            .transpose()
            .map_err(|why| answer.fault(FaultKind::Unexpected, attempt, why))?;
        Ok(Page { items, next })
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
        segmented: false,
    })
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

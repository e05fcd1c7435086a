//! What NetStorage says of files: `stat` of one, `dir` of a folder.

use super::Akamai;
use crate::answer::{Attempt, CloudAnswer};
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::upload::{Cursor, Found, Listed, Page};
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

    /// A page of the folder that `cursor` points at. A folder that is not there has no files.
    pub(super) fn folder(
        &self,
        cursor: &Cursor,
        answer: &CloudAnswer,
    ) -> Result<Page<Listed>, Fault> {
        let (first, _) = place(cursor);
        let folder = self.settings.directory.folder(first);
        let attempt = Attempt { doing: "listing the folder", on: folder.as_str() };
        let after = first.checked_add(1).map(|next| Cursor::Folder(next, None));
        let Some(root) = self.listing(answer, attempt)? else {
            return Ok(Page { items: Vec::new(), next: after });
        };
        let item = |file: &Element| {
            let name = file.attribute("name").filter(|name| !name.contains('/'))?;
            let key = ObjectKey::listed(format!("{folder}/{name}"))?;
            Some(Listed { key, size: size(file)?, etag: md5(file) })
        };
        let items: Option<Vec<_>> = files(&root).map(item).collect();
        // A listing may be cut at any length: what is not there may be on the next page.
        let resume = root.child("resume").and_then(|resume| resume.attribute("start"));
        let next = match resume {
            Some(start) => Some(Cursor::Folder(first, Some(start.to_owned()))),
            None => after,
        };
        Ok(Page { items: items.ok_or_else(|| odd(answer, attempt))?, next })
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
        let root = Element::parse(&answer.body)
            .map_err(|error| answer.fault(FaultKind::Unexpected, attempt, error.to_string()))?;
        if root.name() != "stat" {
            return Err(odd(answer, attempt));
        }
        Ok(Some(root))
    }
}

/// Which folder a cursor points at, and from which name on.
pub(super) fn place(cursor: &Cursor) -> (u8, Option<&str>) {
    match cursor {
        Cursor::Folder(first, from) => (*first, from.as_deref()),
        _ => (0, None),
    }
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

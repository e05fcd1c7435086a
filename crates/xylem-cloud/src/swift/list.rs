//! Listings of a container.

use serde::Deserialize;
use xylem_model::Timestamp;

use super::{NO_CONTAINER, Swift};
use crate::answer::{Attempt, CloudAnswer};
use crate::cursor::{Cursor, PAGE, Place};
use crate::encode;
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::request::CloudRequest;
use crate::upload::{Leftover, Listed, Page, unquoted};

/// An entry; one that has `subdir` instead is passed over.
#[derive(Deserialize)]
struct Entry {
    name: Option<String>,
    #[serde(default)]
    bytes: u64,
    #[serde(default)]
    hash: String,
    slo_etag: Option<String>,
    last_modified: Option<String>,
}

impl Swift<'_> {
    pub(super) fn list_names(
        &self,
        container: &str,
        below: &ObjectKey,
        cursor: &Cursor,
    ) -> Result<CloudRequest, Fault> {
        let page = PAGE.to_string();
        let mut pairs = vec![("format", "json"), ("limit", &page), ("prefix", below.as_str())];
        match cursor.place() {
            Place::Start => {}
            Place::After(name) => pairs.push(("marker", name)),
            Place::AfterUpload(..) | Place::Token(_) | Place::Folder(..) => {
                let attempt = format!("listing the container `{container}`");
                let why = "the cursor is of another listing";
                return Err(Fault::new(FaultKind::Unexpected, attempt, why));
            }
        }
        let path = format!("{}/{}", self.session.storage.0.base(), encode::component(container));
        Ok(self.authorised(http::Method::GET, path).with_query(encode::query(&pairs)))
    }

    pub(super) fn objects(
        &self,
        cursor: &Cursor,
        answer: &CloudAnswer,
    ) -> Result<Page<Listed>, Fault> {
        let largest_whole = self.info.part_rules().whole_up_to;
        self.page(cursor, answer, |key, entry| Listed {
            key,
            size: entry.bytes,
            etag: match &entry.slo_etag {
                Some(etag) => Some(unquoted(etag).to_owned()),
                // Of a large object the listing tells the MD5 of the manifest.
                None => (entry.bytes <= largest_whole).then(|| entry.hash.clone()),
            },
            written: entry.last_modified.as_deref().and_then(moment),
            segmented: entry.slo_etag.is_some(),
        })
    }

    pub(super) fn segments(
        &self,
        cursor: &Cursor,
        answer: &CloudAnswer,
    ) -> Result<Page<Leftover>, Fault> {
        self.page(cursor, answer, |key, entry| Leftover::Segment {
            key,
            etag: entry.hash.clone(),
            begun: entry.last_modified.as_deref().and_then(moment),
        })
    }

    fn page<T>(
        &self,
        cursor: &Cursor,
        answer: &CloudAnswer,
        item: impl Fn(ObjectKey, &Entry) -> T,
    ) -> Result<Page<T>, Fault> {
        let attempt = Attempt { doing: "listing the container", on: self.container };
        match answer.status {
            204 => return Ok(Page { items: Vec::new(), next: None }),
            200 => {}
            404 => {
                return Err(answer.fault(FaultKind::Place, attempt, NO_CONTAINER));
            }
            _ => return Err(self.fault(answer, attempt)),
        }
        let mut entries: Vec<Entry> = serde_json::from_slice(&answer.body)
            .map_err(|error| answer.unreadable(attempt, error))?;
        // A page may be shorter than what was asked for: only an empty one is the last.
        let first = entries.first().and_then(|entry| entry.name.as_deref());
        let next = entries
            .last()
            .and_then(|entry| entry.name.clone())
            .map(|last| cursor.turned(Place::After(last), first))
            .transpose()
            .map_err(|why| answer.fault(FaultKind::Unexpected, attempt, why))?;
        let named = entries.iter_mut().filter_map(|entry| entry.name.take().zip(Some(entry)));
        let items: Option<_> =
            named.map(|(name, entry)| Some(item(ObjectKey::listed(name)?, entry))).collect();
        let items = items.ok_or_else(|| {
            answer.fault(FaultKind::Unexpected, attempt, "a name is longer than any there is")
        })?;
        Ok(Page { items, next })
    }
}

/// `2026-01-31T08:00:00.123450`, which is UTC without saying so.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
}

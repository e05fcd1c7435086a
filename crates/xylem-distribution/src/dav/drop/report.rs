//! Why what lies in the tree is not published: a file that people can read where they dropped it.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use xylem_api::error::ErrorCode;
use xylem_http::ApiError;
use xylem_model::Timestamp;
use xylem_webdav::{Item, Meta, Place};

use super::unit::Unit;

/// What was found, by place. In memory: after a restart it is found again.
#[derive(Debug, Default)]
pub(crate) struct Report(Mutex<BTreeMap<Place, Told>>);

#[derive(Debug, Clone)]
struct Told {
    /// What it was like: once it is different it is looked at anew.
    touched: Timestamp,
    len: u64,
    reason: String,
    at: Timestamp,
    /// Whether trying again may help.
    may_pass: bool,
}

impl Report {
    pub(super) fn note(&self, unit: &Unit<'_>, error: &ApiError, now: Timestamp) {
        let told = Told {
            touched: unit.touched(),
            len: unit.top.meta.len,
            reason: error.message().to_owned(),
            at: now,
            may_pass: matches!(
                error.code(),
                ErrorCode::Unavailable | ErrorCode::Internal | ErrorCode::NoSpace
            ),
        };
        self.told().insert(unit.top.place.clone(), told);
    }

    /// Whether it was tried as it is now, and need not be tried again yet.
    pub(super) fn has_been_told(&self, unit: &Unit<'_>, now: Timestamp, retry: Duration) -> bool {
        self.told().get(&unit.top.place).is_some_and(|told| {
            let is_same = told.touched == unit.touched() && told.len == unit.top.meta.len;
            is_same && !(told.may_pass && now.since(told.at) >= retry)
        })
    }

    /// Forgets what is not there any more.
    pub(super) fn keep_only(&self, items: &[Item]) {
        let there: HashSet<&Place> = items.iter().map(|item| &item.place).collect();
        self.told().retain(|place, _| there.contains(place));
    }

    /// The file, and what is told of it; none where there is nothing to report.
    pub(in crate::dav) fn told_as_file(&self) -> Option<(Bytes, Meta)> {
        let told = self.told();
        let written = told.values().map(|told| told.at).max()?;
        let lines = told
            .iter()
            .map(|(place, told)| format!("{}: {}\r\n", place.names().join("/"), told.reason));
        let head = "Not published, and why. It stays here for 30 days.\r\n\r\n".to_owned();
        let text = Bytes::from(lines.fold(head, |text, line| text + &line));
        let len = text.len() as u64;
        let etag = Some(format!("{}-{len}", written.unix_ms()));
        Some((text, Meta { len, modified: written, created: written, is_folder: false, etag }))
    }

    fn told(&self) -> MutexGuard<'_, BTreeMap<Place, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Why what lies in the tree is not published: a file that people can read where they dropped it.

use std::collections::{BTreeMap, HashSet};
use std::io::SeekFrom;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use xylem_api::error::ErrorCode;
use xylem_http::ApiError;
use xylem_model::Timestamp;
use xylem_webdav::{DavFile, DavMetaData, FsError, FsFuture, Item, Meta, Place};

use super::unit::Unit;
use crate::dav::session::Session;

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

    fn text(&self) -> Option<(String, Timestamp)> {
        let told = self.told();
        let newest = told.values().map(|told| told.at).max()?;
        let lines = told
            .iter()
            .map(|(place, told)| format!("{}: {}\r\n", place.names().join("/"), told.reason));
        let head = "Not published, and why. It stays here for 30 days.\r\n\r\n".to_owned();
        Some((lines.fold(head, |text, line| text + &line), newest))
    }

    fn told(&self) -> MutexGuard<'_, BTreeMap<Place, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is told of the report; none where there is nothing to report.
pub(in crate::dav) async fn report_meta(session: &Session) -> Option<Meta> {
    let (text, written) = session.node.share.report.text()?;
    let etag = Some(format!("{}-{}", written.unix_ms(), text.len()));
    let len = text.len() as u64;
    Some(Meta { len, modified: written, created: written, is_folder: false, etag })
}

/// The report, being read.
#[derive(Debug)]
pub(in crate::dav) struct ReportFile {
    text: Bytes,
    meta: Option<Meta>,
    at: usize,
}

impl ReportFile {
    pub(in crate::dav) async fn of(session: &Session) -> Self {
        let text = session.node.share.report.text().map(|(text, _)| text).unwrap_or_default();
        Self { text: text.into(), meta: report_meta(session).await, at: 0 }
    }
}

impl DavFile for ReportFile {
    fn metadata(&mut self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        Box::pin(async {
            let meta: Box<dyn DavMetaData> = Box::new(self.meta.clone().ok_or(FsError::NotFound)?);
            Ok(meta)
        })
    }

    fn write_buf(&mut self, _: Box<dyn Buf + Send>) -> FsFuture<'_, ()> {
        Box::pin(async { Err(FsError::Forbidden) })
    }

    fn write_bytes(&mut self, _: Bytes) -> FsFuture<'_, ()> {
        Box::pin(async { Err(FsError::Forbidden) })
    }

    fn read_bytes(&mut self, count: usize) -> FsFuture<'_, Bytes> {
        let end = self.at.saturating_add(count).min(self.text.len());
        let piece = self.text.slice(self.at.min(end)..end);
        self.at = end;
        Box::pin(async move { Ok(piece) })
    }

    fn seek(&mut self, to: SeekFrom) -> FsFuture<'_, u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => (self.text.len() as u64).checked_add_signed(by),
            SeekFrom::Current(by) => (self.at as u64).checked_add_signed(by),
        };
        Box::pin(async move {
            let at = at.ok_or(FsError::GeneralFailure)?;
            self.at = usize::try_from(at).unwrap_or(usize::MAX).min(self.text.len());
            Ok(self.at as u64)
        })
    }

    fn flush(&mut self) -> FsFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

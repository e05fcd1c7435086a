//! What one piece of work used of the provider: told as figures at once, stored at its end.

use std::sync::{Mutex, PoisonError};

use xylem_db::CloudUsage;
use xylem_model::Timestamp;
use xylem_telemetry::chain;

use super::store::{CloudStore, OpenPoint};
use super::usage::month_of;

/// What a request is for, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// It reads, or asks after something.
    Read,
    /// It writes or deletes.
    Write,
    /// It lists.
    List,
}

/// What was used so far.
#[derive(Debug, Default)]
pub(crate) struct Used(Mutex<CloudUsage>);

impl Used {
    /// Counts a request.
    pub(super) fn count(&self, point: &OpenPoint, asking: Asking) {
        let (kind, more) = match asking {
            Asking::Read => ("read", CloudUsage { reads: 1, ..CloudUsage::default() }),
            Asking::Write => ("write", CloudUsage { writes: 1, ..CloudUsage::default() }),
            Asking::List => ("list", CloudUsage { lists: 1, ..CloudUsage::default() }),
        };
        let provider = point.settings.storage.provider();
        metrics::counter!("xylem_cloud_requests_total", "provider" => provider, "kind" => kind)
            .increment(1);
        self.add(more);
    }

    /// Counts bytes that the root sent.
    pub(super) fn count_sent(&self, point: &OpenPoint, bytes: u64) {
        count_bytes(point, "sent", bytes);
        self.add(CloudUsage { sent: bytes, ..CloudUsage::default() });
    }

    /// Counts bytes that the root read back.
    pub(super) fn count_read_back(&self, point: &OpenPoint, bytes: u64) {
        count_bytes(point, "read-back", bytes);
        self.add(CloudUsage { read_back: bytes, ..CloudUsage::default() });
    }

    /// Stores what was counted. That it cannot be is no reason to fail what was done.
    pub(super) async fn settle(&self, store: &dyn CloudStore, point: &OpenPoint, now: Timestamp) {
        let used = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if used == CloudUsage::default() {
            return;
        }
        if let Err(error) = store.used(point.id, month_of(now), &used).await {
            tracing::warn!(error = %chain(&error), "the use of the cloud could not be counted");
        }
    }

    fn add(&self, more: CloudUsage) {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.sent = used.sent.saturating_add(more.sent);
        used.read_back = used.read_back.saturating_add(more.read_back);
        used.writes = used.writes.saturating_add(more.writes);
        used.reads = used.reads.saturating_add(more.reads);
        used.lists = used.lists.saturating_add(more.lists);
    }
}

/// Counts bytes in the figures.
pub(super) fn count_bytes(point: &OpenPoint, kind: &'static str, bytes: u64) {
    let provider = point.settings.storage.provider();
    metrics::counter!("xylem_cloud_bytes_total", "provider" => provider, "kind" => kind)
        .increment(bytes);
}

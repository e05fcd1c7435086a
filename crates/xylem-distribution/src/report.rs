//! What this server tells of its copies.
//!
//! Tasks write into the [`Ledger`]; [`run`] sends what changed, at most a few times a second, and
//! a heartbeat when nothing does. What could not be delivered stays due.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use xylem_api::catalogue::PlacementState;
use xylem_api::control::{CopyReport, ServerReport};
use xylem_client::{ClientError, believing};
use xylem_model::{ContentId, DistributionServerId, Epoch, Timestamp};
use xylem_runtime::{Backoff, Shutdown};
use xylem_trust::Envelope;

use crate::node::Node;
use crate::{inventory, shown};

/// How long changes are gathered before they are sent.
const GATHER: Duration = Duration::from_millis(200);

/// Longest silence: from more than that it is concluded that a server is away.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How often it is told what the machine is.
const INVENTORY_EVERY: Duration = Duration::from_secs(300);

/// Between two reports of progress on one file: four a second.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// The time over which a rate is measured.
const RATE_OVER: Duration = Duration::from_secs(3);

/// Most copies in one report: within the size of a request body.
const MAX_COPIES: usize = 5_000;

/// Most forgotten descriptors in one report.
const MAX_UNLISTED: usize = 500;

/// First and longest wait after a report that was not delivered.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The last word on each copy, and what of it has not been told yet.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rows: Mutex<Rows>,
    changed: Notify,
    failures: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Rows {
    copies: HashMap<ContentId, CopyReport>,
    due: BTreeSet<ContentId>,
    /// What has gone since it was told of.
    gone: BTreeSet<ContentId>,
    moving: BTreeMap<ContentId, Moving>,
    /// Which life of the management server was told everything.
    told: Option<Epoch>,
    /// When what the machine is was last told.
    inventory_at: Option<Timestamp>,
    /// Where in the list of forgotten content the next report goes on; none once all are told.
    unlisted: Option<Bound<ContentId>>,
}

/// How fast a copy is arriving.
#[derive(Debug, Clone, Copy)]
struct Moving {
    told_at: Option<Timestamp>,
    /// Where the rate is measured from.
    since: (Timestamp, u64),
    rate: Option<u64>,
}

impl Moving {
    /// Notes how far it has come.
    fn note(&mut self, bytes: u64, now: Timestamp) {
        let (since, from) = self.since;
        let span = now.since(since);
        if let Ok(ms @ 1..) = u64::try_from(span.as_millis()) {
            self.rate = Some(bytes.saturating_sub(from).saturating_mul(1000) / ms);
        }
        if span >= RATE_OVER {
            self.since = (now, bytes);
        }
    }
}

/// What one report tells.
#[derive(Debug, PartialEq)]
struct Due {
    copies: Vec<CopyReport>,
    /// Whether it begins anew: what is not named, in it or in one of the next, is not there.
    full: bool,
    /// What has gone.
    gone: Vec<ContentId>,
    /// Whether it begins anew.
    afresh: bool,
    /// From where on forgotten content is to be named too.
    unlisted: Option<Bound<ContentId>>,
}

/// A copy that arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) took: Duration,
    pub(crate) source: Option<DistributionServerId>,
}

impl Ledger {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, report: CopyReport) {
        let mut rows = self.rows();
        rows.moving.remove(&report.content);
        if rows.copies.get(&report.content) == Some(&report) {
            return;
        }
        rows.due.insert(report.content);
        rows.gone.remove(&report.content);
        rows.copies.insert(report.content, report);
        drop(rows);
        self.changed.notify_one();
    }

    /// It waits for its turn, or for a parent to have it.
    pub(crate) fn queued(&self, content: ContentId) {
        self.queued_because(content, None);
    }

    /// The same, where there is more to say about why.
    pub(crate) fn queued_because(&self, content: ContentId, reason: Option<&str>) {
        let reason = reason.map(str::to_owned);
        self.set(CopyReport { reason, ..report(content, PlacementState::Queued) });
    }

    /// Bytes are coming in. Only some of many such calls are told.
    pub(crate) fn transferring(&self, content: ContentId, bytes: u64, now: Timestamp) {
        {
            let mut rows = self.rows();
            let fresh = Moving { told_at: None, since: (now, bytes), rate: None };
            let moving = rows.moving.entry(content).or_insert(fresh);
            if moving.told_at.is_some_and(|told| now.since(told) < PROGRESS_EVERY) {
                return;
            }
            moving.told_at = Some(now);
            moving.note(bytes, now);
            let rate = moving.rate;
            let state = PlacementState::Transferring;
            rows.due.insert(content);
            rows.gone.remove(&content);
            rows.copies.insert(content, CopyReport { bytes, rate, ..report(content, state) });
        }
        self.changed.notify_one();
    }

    /// All bytes are here and are being checked.
    pub(crate) fn verifying(&self, content: ContentId, bytes: u64) {
        self.set(CopyReport { bytes, ..report(content, PlacementState::Verifying) });
    }

    /// It is here, verified, and served. `arrival` is none for what was here at start.
    pub(crate) fn present(
        &self,
        content: ContentId,
        bytes: u64,
        arrival: Option<(Timestamp, Arrival)>,
    ) {
        let (verified_at, arrival) = arrival.unzip();
        self.set(CopyReport {
            bytes,
            verified_at,
            took_ms: arrival.map(|a| u64::try_from(a.took.as_millis()).unwrap_or(u64::MAX)),
            source: arrival.and_then(|a| a.source),
            ..report(content, PlacementState::Present)
        });
    }

    /// The last try failed.
    pub(crate) fn failed(&self, content: ContentId, reason: String, next_try: Timestamp) {
        let failed = report(content, PlacementState::Failed);
        self.set(CopyReport { reason: Some(reason), next_try: Some(next_try), ..failed });
        self.failures.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Hears of each failure; what failed is to be asked for.
    pub(crate) fn failures(&self) -> watch::Receiver<u64> {
        self.failures.subscribe()
    }

    /// It is no longer wanted or held: that is told, and nothing more.
    pub(crate) fn forget(&self, content: &ContentId) {
        {
            let mut rows = self.rows();
            rows.due.remove(content);
            rows.moving.remove(content);
            if rows.copies.remove(content).is_none() {
                return;
            }
            rows.gone.insert(*content);
        }
        self.changed.notify_one();
    }

    /// Whether its last try failed, or there is no room for it: whoever waits for it waits in vain.
    pub(crate) fn has_failed(&self, content: &ContentId) -> bool {
        let rows = self.rows();
        rows.copies.get(content).is_some_and(|copy| copy.state == PlacementState::Failed)
    }

    /// Whether anything is known of it.
    pub(crate) fn knows(&self, content: &ContentId) -> bool {
        self.rows().copies.contains_key(content)
    }

    /// Whether it is time to tell what the machine is, which it then is not for a while.
    fn is_inventory_due(&self, now: Timestamp) -> bool {
        let mut rows = self.rows();
        let is_due = rows.inventory_at.is_none_or(|at| now.since(at) >= INVENTORY_EVERY);
        if is_due {
            rows.inventory_at = Some(now);
        }
        is_due
    }

    /// Sends a report soon, changes or not.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// What is due to this life of the management server.
    fn take(&self, epoch: Option<Epoch>) -> Due {
        let mut rows = self.rows();
        let afresh = epoch.is_some() && rows.told != epoch;
        if afresh {
            rows.due = rows.copies.keys().copied().collect();
            rows.gone.clear();
            rows.told = epoch;
            rows.unlisted = Some(Bound::Unbounded);
        }
        let full = afresh;
        let gone: Vec<ContentId> = rows.gone.iter().take(MAX_COPIES).copied().collect();
        for content in &gone {
            rows.gone.remove(content);
        }
        let batch: Vec<ContentId> = rows.due.iter().take(MAX_COPIES).copied().collect();
        for content in &batch {
            rows.due.remove(content);
        }
        let copies = batch.iter().filter_map(|content| rows.copies.get(content).cloned());
        Due { copies: copies.collect(), full, gone, afresh, unlisted: rows.unlisted.take() }
    }

    /// Forgotten content from here on is for the next report.
    fn go_on_after(&self, last: ContentId) {
        self.rows().unlisted = Some(Bound::Excluded(last));
    }

    /// Makes due again what was not delivered.
    fn give_back(&self, due: &Due) {
        let mut rows = self.rows();
        rows.due.extend(due.copies.iter().map(|copy| copy.content));
        let back = |content: &&ContentId| !rows.copies.contains_key(*content);
        let gone: Vec<ContentId> = due.gone.iter().filter(back).copied().collect();
        rows.gone.extend(gone);
        rows.unlisted = due.unlisted;
        rows.inventory_at = None;
        if due.afresh {
            rows.told = None;
        }
    }

    fn has_due(&self) -> bool {
        let rows = self.rows();
        !rows.due.is_empty() || !rows.gone.is_empty() || rows.unlisted.is_some()
    }
}

fn report(content: ContentId, state: PlacementState) -> CopyReport {
    CopyReport {
        content,
        state,
        bytes: 0,
        rate: None,
        verified_at: None,
        reason: None,
        next_try: None,
        took_ms: None,
        source: None,
    }
}

/// Sends reports until shutdown.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    loop {
        if !node.ledger.has_due() {
            tokio::select! {
                () = node.ledger.changed.notified() => {}
                () = tokio::time::sleep(HEARTBEAT) => {}
                () = shutdown.begun() => return,
            }
        }
        let pause = match send(&node).await {
            Ok(()) => {
                backoff.reset();
                GATHER
            }
            Err(error) => {
                tracing::debug!(%error, "a report was not delivered");
                backoff.next_wait(&*node.environment.rng).max(GATHER)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.begun() => return,
        }
    }
}

async fn send(node: &Arc<Node>) -> Result<(), ClientError> {
    let (applied, has_head, set) = {
        let catalogue = node.catalogue();
        (catalogue.manifest.stamp(), catalogue.manifest.head().is_some(), catalogue.count())
    };
    let due = node.ledger.take(has_head.then_some(applied.epoch));
    let (unlisted, last) = due.unlisted.map(|from| forgotten(node, from)).unwrap_or_default();
    let (used_bytes, free_bytes) = node
        .repository
        .run(|repository| (repository.used_bytes(), repository.free_space().unwrap_or(0)))
        .await;
    let inventory = match node.ledger.is_inventory_due(node.now()) {
        true => {
            let disk = used_bytes.saturating_add(free_bytes);
            let (started, now) = (node.life.1, node.now());
            // Under simulation the machine is not the one that is looked at, and nobody asks.
            Some(
                node.environment.disk.run(move |_| inventory::look(Some(disk), started, now)).await,
            )
        }
        false => None,
    };
    let report = ServerReport {
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        applied,
        free_bytes,
        used_bytes,
        full: due.full,
        copies: due.copies.clone(),
        gone: due.gone.clone(),
        unlisted,
        scrub: Some(node.scrubs.report()),
        set: has_head.then_some(set),
        shown: Some(shown::report(node)),
        life: Some(node.life.0.clone()),
        inventory,
        believing: Some(believing(&node.anchors, &node.identity)),
    };
    let sent = node.control.report(&report).await;
    match (&sent, last) {
        (Ok(()), Some(last)) => node.ledger.go_on_after(last),
        (Ok(()), None) => {}
        (Err(_), _) => node.ledger.give_back(&due),
    }
    sent
}

/// Some of the content that is held and not listed, by its last descriptors, and where to go on
/// where that is not all.
fn forgotten(node: &Node, from: Bound<ContentId>) -> (Vec<Envelope>, Option<ContentId>) {
    let catalogue = node.catalogue();
    let mut rest = catalogue.unwanted().range((from, Bound::Unbounded));
    let (mut descriptors, mut last) = (Vec::new(), None);
    for (content, one) in rest.by_ref().take(MAX_UNLISTED) {
        descriptors.extend(one.descriptor.clone());
        last = Some(*content);
    }
    (descriptors, last.filter(|_| rest.next().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ContentId {
        ContentId::from_bytes([n; 32])
    }

    #[test]
    fn the_first_report_to_a_management_server_names_everything() {
        let ledger = Ledger::default();
        ledger.present(id(1), 5, None);
        let before = ledger.take(None);
        assert_eq!((before.copies.len(), before.full), (1, false));
        let first = ledger.take(Some(Epoch(1)));
        assert_eq!((first.copies.len(), first.full), (1, true));
        assert_eq!(first.unlisted, Some(Bound::Unbounded));
        let next = ledger.take(Some(Epoch(1)));
        assert_eq!((next.copies.len(), next.full, next.unlisted), (0, false, None));
        assert!(ledger.take(Some(Epoch(2))).full, "a restored server has forgotten");
    }

    #[test]
    fn what_has_gone_is_told_once_and_not_where_it_is_back() {
        let ledger = Ledger::default();
        ledger.present(id(1), 5, None);
        ledger.present(id(2), 5, None);
        ledger.take(Some(Epoch(1)));
        ledger.forget(&id(1));
        ledger.forget(&id(2));
        ledger.forget(&id(3));
        let lost = ledger.take(Some(Epoch(1)));
        assert_eq!(lost.gone, [id(1), id(2)]);
        ledger.present(id(2), 5, None);
        ledger.give_back(&lost);
        let next = ledger.take(Some(Epoch(1)));
        assert_eq!((next.gone, next.copies.len()), (vec![id(1)], 1));
        assert!(!ledger.has_due());
    }

    #[test]
    fn more_copies_than_one_report_names_are_told_in_several_and_the_first_begins_anew() {
        let ledger = Ledger::default();
        for n in 0..=MAX_COPIES {
            ledger.present(ContentId::of(&n.to_be_bytes()), 1, None);
        }
        let (first, second) = (ledger.take(Some(Epoch(1))), ledger.take(Some(Epoch(1))));
        assert_eq!((first.full, first.copies.len()), (true, MAX_COPIES));
        assert_eq!((second.full, second.copies.len()), (false, 1));
    }

    #[test]
    fn an_undelivered_report_stays_due() {
        let ledger = Ledger::default();
        ledger.queued(id(1));
        let lost = ledger.take(Some(Epoch(1)));
        ledger.give_back(&lost);
        assert_eq!(ledger.take(Some(Epoch(1))), lost);
    }

    #[test]
    fn a_rate_follows_what_has_come_lately() {
        let ledger = Ledger::default();
        let at = |ms: i64| Timestamp::from_unix_ms(1_000_000 + ms);
        let mut bytes = 0;
        for tick in 0..100 {
            bytes += if tick < 50 { 1000 } else { 250 };
            ledger.transferring(id(1), bytes, at(tick * 250));
            let rate = ledger.rows().copies[&id(1)].rate;
            match tick {
                0 => assert_eq!(rate, None, "one look is no rate"),
                40 => assert_eq!(rate, Some(4000)),
                90.. => assert_eq!(rate, Some(1000)),
                _ => {}
            }
        }
    }

    #[test]
    fn progress_is_told_four_times_a_second() {
        let ledger = Ledger::default();
        let at = |ms| Timestamp::from_unix_ms(ms);
        let mut told = 0;
        for ms in (0..1000).step_by(10) {
            ledger.transferring(id(1), 1, at(ms));
            told += ledger.take(None).copies.len();
        }
        assert_eq!(told, 4);
        let rate = ledger.rows().copies[&id(1)].rate;
        assert_eq!(rate, Some(0), "it stands still");
        ledger.verifying(id(1), 9);
        assert_eq!(ledger.take(None).copies.len(), 1, "a new stage is told at once");
    }
}

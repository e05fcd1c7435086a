//! The loop that asks the planner and does what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use xylem_model::{ContentId, Timestamp};
use xylem_runtime::{Backoff, Shutdown};
use xylem_sync::{
    CHILD_REMOVAL_GRACE, Limits, Plan, ROOT_REMOVAL_GRACE, Reality, SMALL_BYTES, Wanted, plan,
};
use xylem_telemetry::chain;

use super::fetch::{Outcome, Task, fetch};
use super::parents::Parents;
use super::removal;
use crate::access::Parent;
use crate::node::Node;
use crate::report::Arrival;

/// Small files that are fetched at once.
const SMALL_FETCHES: usize = 16;

/// Fetches that are handed out by one plan, so that a plan is not made for each small file.
const PLANNED_FETCHES: usize = 64;

/// First and longest wait for a parent that has not got a file yet: short, so that a file passes
/// quickly through a chain of servers.
const NOT_YET: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// First and longest wait after a failure.
const FAILED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Wish and reality are compared in full this often, should anything have slipped through.
const RECOUNT_EVERY: Duration = Duration::from_secs(600);

/// When content that was in use is tried to be removed again.
const BUSY: Duration = Duration::from_secs(5);

/// Longest sleep, also where nothing is due.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What is remembered of a content that could not be fetched.
struct Trouble {
    retry_at: Timestamp,
    not_yet: Backoff,
    failed: Backoff,
}

impl Default for Trouble {
    fn default() -> Self {
        Self {
            retry_at: Timestamp::default(),
            not_yet: Backoff::new(NOT_YET.0, NOT_YET.1),
            failed: Backoff::new(FAILED.0, FAILED.1),
        }
    }
}

struct Worker {
    node: Arc<Node>,
    parents: Arc<Parents>,
    small: Arc<Semaphore>,
    fetches: JoinSet<(ContentId, u64, Outcome)>,
    in_flight: BTreeSet<ContentId>,
    trouble: BTreeMap<ContentId, Trouble>,
    recounted: Timestamp,
    /// The parents as of the last plan.
    asked: Vec<Parent>,
}

/// Fetches and removes until shutdown.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    let mut worker = Worker {
        parents: Arc::default(),
        small: Arc::new(Semaphore::new(SMALL_FETCHES)),
        fetches: JoinSet::new(),
        in_flight: BTreeSet::new(),
        trouble: BTreeMap::new(),
        recounted: Timestamp::default(),
        asked: Vec::new(),
        node,
    };
    loop {
        let sleep = tokio::select! {
            sleep = worker.step() => sleep,
            () = shutdown.begun() => return,
        };
        let node = Arc::clone(&worker.node);
        tokio::select! {
            Some(done) = worker.fetches.join_next() => worker.finish(done),
            () = node.work.notified() => {}
            () = tokio::time::sleep(sleep) => {}
            () = shutdown.begun() => return,
        }
        while let Some(done) = worker.fetches.try_join_next() {
            worker.finish(done);
        }
    }
}

impl Worker {
    /// Makes a plan, starts what it says, and returns how long to sleep.
    async fn step(&mut self) -> Duration {
        let now = self.node.now();
        if now.since(self.recounted) >= RECOUNT_EVERY {
            self.recounted = now;
            let target = Arc::clone(&self.node);
            if let Err(error) = self.node.environment.disk.run(move |fs| target.recount(fs)).await {
                tracing::warn!(error = %chain(&error), "wish and reality could not be compared");
            }
            self.report_held().await;
        }
        let Some(plan) = self.plan(now) else { return LONGEST_SLEEP };
        for content in &plan.queued {
            if !self.trouble.contains_key(content) {
                self.node.ledger.queued(*content);
            }
        }
        for one in &plan.fetch {
            self.start(one.content);
        }
        let mut sleep = plan.wake_at.map_or(LONGEST_SLEEP, |at| at.since(now)).min(LONGEST_SLEEP);
        if !plan.remove.is_empty() && removal::remove(&self.node, plan.remove).await {
            sleep = sleep.min(BUSY);
        }
        sleep
    }

    /// What is to be done; nothing while there is no head that may be acted on.
    fn plan(&mut self, now: Timestamp) -> Option<Plan> {
        let access = self.node.access()?;
        if access.parents != self.asked {
            // What the others could not give, these may.
            self.asked.clone_from(&access.parents);
            self.trouble.clear();
        }
        let catalogue = self.node.catalogue();
        let head = &catalogue.manifest.head()?.head;
        if head.expires <= now {
            return None;
        }
        let missing = catalogue.missing();
        self.trouble.retain(|content, _| missing.contains_key(content));
        let wanted: Vec<Wanted> = missing
            .values()
            .filter(|want| !self.node.uploads.is_finishing(&want.content))
            .cloned()
            .collect();
        let unwanted = catalogue.unwanted();
        let reality = Reality {
            // What is wanted and held needs nothing, so the planner need not hear of it.
            held: unwanted.keys().copied().collect(),
            in_flight: self.in_flight.clone(),
            retry_at: self.trouble.iter().map(|(c, trouble)| (*c, trouble.retry_at)).collect(),
            unwanted_since: unwanted.iter().map(|(c, one)| (*c, one.since)).collect(),
        };
        let limits = Limits {
            fetches: PLANNED_FETCHES,
            removal_grace: if access.is_root { ROOT_REMOVAL_GRACE } else { CHILD_REMOVAL_GRACE },
            may_remove: access.may_remove,
        };
        Some(plan(&wanted, &reality, &limits, now))
    }

    fn start(&mut self, content: ContentId) {
        let Some(descriptor) = self.node.catalogue().wanted(&content).cloned() else { return };
        let task = Task { content, size: descriptor.size, sha256: descriptor.sha256 };
        let (node, parents) = (Arc::clone(&self.node), Arc::clone(&self.parents));
        let small = (task.size <= SMALL_BYTES).then(|| Arc::clone(&self.small));
        self.in_flight.insert(content);
        self.fetches.spawn(async move {
            // Large ones the planner hands out one at a time.
            let _permit = match &small {
                Some(small) => small.acquire().await.ok(),
                None => None,
            };
            let outcome = fetch(&node, &parents, task).await;
            (content, task.size, outcome)
        });
    }

    fn finish(&mut self, done: Result<(ContentId, u64, Outcome), tokio::task::JoinError>) {
        let (content, size, outcome) = match done {
            Ok(done) => done,
            Err(error) if error.is_cancelled() => return,
            Err(error) => {
                // A fetch that panicked cannot be told from the others: all are planned anew.
                tracing::error!(%error, "a fetch was lost");
                self.fetches.abort_all();
                self.in_flight.clear();
                return;
            }
        };
        self.in_flight.remove(&content);
        let (node, now) = (&self.node, self.node.now());
        let rng = &*node.environment.rng;
        match outcome {
            Outcome::Published { source, took } => {
                self.trouble.remove(&content);
                let arrival = Arrival { took, source };
                node.ledger.present(content, size, Some((now, arrival)));
                metrics::counter!("xylem_distribution_fetches_total").increment(1);
                tracing::info!(
                    package.digest = %content, size_bytes = size,
                    duration_ms = took.as_millis() as u64, "fetched"
                );
            }
            Outcome::NotYet => {
                let trouble = self.trouble.entry(content).or_default();
                trouble.retry_at = now.plus(trouble.not_yet.next_wait(rng).max(NOT_YET.0 / 4));
                node.ledger.queued(content);
            }
            Outcome::Failed { reason, not_before } => {
                let trouble = self.trouble.entry(content).or_default();
                let next = now.plus(trouble.failed.next_wait(rng).max(FAILED.0 / 4));
                trouble.retry_at = not_before.map_or(next, |earliest| earliest.max(next));
                metrics::counter!("xylem_distribution_fetches_failed_total").increment(1);
                tracing::warn!(package.digest = %content, reason, "could not be fetched");
                node.ledger.failed(content, reason, trouble.retry_at);
            }
        }
    }

    /// Tells of content that was here before anybody asked.
    async fn report_held(&self) {
        let held = self.node.repository.run(|repository| repository.list()).await;
        for (content, size) in held {
            let wanted = self.node.catalogue().wanted(&content).is_some();
            if wanted && !self.node.ledger.knows(&content) {
                self.node.ledger.present(content, size, None);
            }
        }
    }
}

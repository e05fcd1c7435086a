//! The loop that asks the planner and does what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Instant;
use xylem_blobs::StageKey;
use xylem_model::{ContentId, ParentPolicy, Timestamp};
use xylem_runtime::Shutdown;
use xylem_sync::{BATCHED_BYTES, Class, Limits, Plan, ROOT_REMOVAL_GRACE, Reality, Wanted, plan};
use xylem_telemetry::chain;

use super::from_cloud::FromCloud;
use super::groups::Groups;
use super::parents::Parents;
use super::removal;
use super::task::{Outcome, Outcomes, Task};
use super::trouble::Troubles;
use crate::access::Parent;
use crate::node::Node;
use crate::report::Arrival;

/// Single files that are fetched at once, with the place that is kept for what is urgent.
const SINGLE_FETCHES: usize = 17;

/// Streams of small files at once, with the place that is kept for what is urgent: a stream may wait
/// for files that a parent has not got yet, and must not keep others from coming.
const BATCHES: usize = 9;

/// Files and bytes of one such stream.
const BATCH_FILES: usize = xylem_api::content::MAX_CONTENTS;
const BATCH_BYTES: u64 = 128 << 20;

/// Wish and reality are compared in full this often, should anything have slipped through.
const RECOUNT_EVERY: Duration = Duration::from_secs(600);

/// When content that was in use is tried to be removed again.
const BUSY: Duration = Duration::from_secs(5);

/// Longest sleep, also where nothing is due.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Why what is wanted waits.
const IN_MAINTENANCE: &str = "this server is in maintenance";

struct Worker {
    node: Arc<Node>,
    parents: Arc<Parents>,
    from_cloud: Arc<FromCloud>,
    /// Fetches, and those who write what streams of small files bring.
    fetches: JoinSet<()>,
    /// The way to those who write, by class: what is urgent waits for no group of others.
    groups: BTreeMap<Class, Groups>,
    in_flight: BTreeMap<ContentId, AbortHandle>,
    /// The tasks among them that fetch many small files.
    batches: BTreeSet<Id>,
    outcomes: Outcomes,
    troubles: Troubles,
    recounted: Option<Instant>,
    /// The parents as of the last plan, and whether it is filled from the cloud.
    asked: (Vec<Parent>, ParentPolicy, bool),
}

/// Fetches and removes until shutdown.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    let (outcomes, mut ended) = mpsc::unbounded_channel();
    let mut worker = Worker {
        parents: Arc::default(),
        from_cloud: Arc::default(),
        fetches: JoinSet::new(),
        groups: BTreeMap::new(),
        in_flight: BTreeMap::new(),
        batches: BTreeSet::new(),
        outcomes,
        troubles: Troubles::default(),
        recounted: None,
        asked: Default::default(),
        node,
    };
    tokio::select! {
        () = worker.work(&mut ended) => {}
        () = shutdown.begun() => {}
    }
    // Once they have ended none begins anything on the disk; what is under way there is counted.
    worker.fetches.shutdown().await;
}

impl Worker {
    /// Plans, starts, and notes what came of it, for ever.
    async fn work(&mut self, ended: &mut mpsc::UnboundedReceiver<(Task, Outcome)>) {
        loop {
            let sleep = self.step().await;
            let (node, wake) = (Arc::clone(&self.node), Instant::now() + sleep);
            let mut plan_is_due = false;
            while !plan_is_due {
                tokio::select! {
                    Some((task, outcome)) = ended.recv() => plan_is_due = self.finish(task, outcome),
                    Some(done) = self.fetches.join_next_with_id() => {
                        self.end(done);
                        plan_is_due = true;
                    }
                    () = node.work.notified() => plan_is_due = true,
                    () = tokio::time::sleep_until(wake) => plan_is_due = true,
                }
            }
            while let Ok((task, outcome)) = ended.try_recv() {
                self.finish(task, outcome);
            }
            while let Some(done) = self.fetches.try_join_next_with_id() {
                self.end(done);
            }
        }
    }

    /// Makes a plan, starts what it says, and returns how long to sleep.
    async fn step(&mut self) -> Duration {
        let now = self.node.now();
        if self.recounted.is_none_or(|last| last.elapsed() >= RECOUNT_EVERY) {
            self.recounted = Some(Instant::now());
            let target = Arc::clone(&self.node);
            if let Err(error) = self.node.environment.disk.run(move |fs| target.recount(fs)).await {
                tracing::warn!(error = %chain(&error), "wish and reality could not be compared");
            }
            self.report_held().await;
        }
        let Some(plan) = self.plan(now) else { return LONGEST_SLEEP };
        let reason =
            self.node.access().filter(|it| it.settings.maintenance).map(|_| IN_MAINTENANCE);
        for content in &plan.queued {
            if !self.troubles.contains(content) {
                self.node.ledger.queued_because(*content, reason);
            }
        }
        for content in &plan.give_up {
            self.give_up(content);
        }
        for task in plan.fetch {
            self.start(task);
        }
        for tasks in plan.batches {
            self.start_batch(tasks);
        }
        let mut sleep = plan.wake_in.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP);
        if !plan.remove.is_empty() && removal::remove(&self.node, plan.remove).await {
            sleep = sleep.min(BUSY);
        }
        sleep
    }

    /// What is to be done; nothing while there is no head that may be acted on.
    fn plan(&mut self, now: Timestamp) -> Option<Plan> {
        let access = self.node.access()?;
        let settings = &access.settings;
        let is_same = access.parents == self.asked.0
            && (settings.parent_policy, settings.fill_from_cloud) == (self.asked.1, self.asked.2);
        if !is_same {
            // What the others could not give, these may.
            let (policy, from_cloud) = (settings.parent_policy, settings.fill_from_cloud);
            self.asked = (access.parents.clone(), policy, from_cloud);
            self.troubles.clear();
        }
        let catalogue = self.node.catalogue();
        let head = &catalogue.manifest.head()?.head;
        if head.expires <= now {
            return None;
        }
        let missing = catalogue.missing();
        self.troubles.retain(|content| missing.contains_key(content));
        let wanted: Vec<Wanted> = missing
            .values()
            .filter(|want| !self.node.uploads.is_finishing(&want.content))
            .cloned()
            .collect();
        let unwanted = catalogue.unwanted();
        let reality = Reality {
            // What is wanted and held needs nothing, so the planner need not hear of it.
            held: unwanted.keys().copied().collect(),
            in_flight: self.in_flight.keys().copied().collect(),
            batches_in_flight: self.batches.len(),
            retry_in: self.troubles.retries(),
            unwanted_since: unwanted.iter().map(|(c, one)| (*c, one.since)).collect(),
            unwanted_as_root: unwanted
                .iter()
                .filter(|(_, one)| one.as_root)
                .map(|(c, _)| *c)
                .collect(),
        };
        let limits = Limits {
            fetches: if settings.maintenance { 0 } else { SINGLE_FETCHES },
            batches: if settings.maintenance { 0 } else { BATCHES },
            batch_files: BATCH_FILES,
            batch_bytes: BATCH_BYTES,
            removal_grace: match access.is_root {
                true => settings.keep_unwanted().max(ROOT_REMOVAL_GRACE),
                false => settings.keep_unwanted(),
            },
            may_remove: access.may_remove,
        };
        Some(plan(&wanted, &reality, &limits, now))
    }

    fn start(&mut self, task: Task) {
        let (node, parents) = (Arc::clone(&self.node), Arc::clone(&self.parents));
        let (outcomes, from_cloud) = (self.outcomes.clone(), Arc::clone(&self.from_cloud));
        let handle = self.fetches.spawn(async move {
            let outcome = from_cloud.fetch(&node, &parents, task).await;
            node.arrivals.forget(&task.content);
            // Nobody listens once the server stops.
            let _ = outcomes.send((task, outcome));
        });
        self.in_flight.insert(task.content, handle);
    }

    fn start_batch(&mut self, tasks: Vec<Task>) {
        let Some(class) = tasks.first().map(|task| task.class) else { return };
        let groups = self.groups_of(class);
        let contents: Vec<ContentId> = tasks.iter().map(|task| task.content).collect();
        let (node, parents) = (Arc::clone(&self.node), Arc::clone(&self.parents));
        let (outcomes, from_cloud) = (self.outcomes.clone(), Arc::clone(&self.from_cloud));
        let handle = self.fetches.spawn(async move {
            from_cloud.fetch_batch(&node, &parents, &groups, tasks, &outcomes).await;
        });
        self.batches.insert(handle.id());
        self.in_flight.extend(contents.into_iter().map(|content| (content, handle.clone())));
    }

    /// The way to whoever writes the small files of a class, who begins here, or begins anew.
    fn groups_of(&mut self, class: Class) -> Groups {
        match self.groups.get(&class) {
            Some(groups) if !groups.are_broken() => groups.clone(),
            _ => {
                let (groups, work) = Groups::new(&self.node);
                self.fetches.spawn(work);
                self.groups.insert(class, groups.clone());
                groups
            }
        }
    }

    /// Ends a fetch of what is not wanted any more. A file of a batch comes in with the others,
    /// and is removed like anything else that is not wanted.
    fn give_up(&mut self, content: &ContentId) {
        let Some(handle) = self.in_flight.get(content) else { return };
        // What was published this very moment is not missing either: its outcome is on its way, and
        // without that nobody would be told that it is here.
        if self.batches.contains(&handle.id()) || self.node.repository.contains(content) {
            return;
        }
        tracing::info!(package.digest = %content, "given up: not wanted any more");
        handle.abort();
        self.in_flight.remove(content);
        self.node.arrivals.forget(content);
        self.node.ledger.forget(content);
        let (node, content) = (Arc::clone(&self.node), *content);
        self.fetches.spawn(async move { discard(&node, content).await });
    }

    /// Notes how a fetch ended, and says whether that asks for a new plan. A file that came in
    /// with a stream does not: what waits, waits for the end of the stream.
    fn finish(&mut self, task: Task, outcome: Outcome) -> bool {
        let content = task.content;
        let is_batched = task.size <= BATCHED_BYTES;
        let is_here = matches!(outcome, Outcome::Published { .. });
        self.in_flight.remove(&content);
        let (node, now) = (&self.node, self.node.now());
        let rng = &*node.environment.rng;
        match outcome {
            Outcome::Published { source, took } => {
                self.troubles.over(&content);
                let arrival = Arrival { took, source };
                node.ledger.present(content, task.size, Some((now, arrival)));
                metrics::counter!("xylem_distribution_fetches_total").increment(1);
                let duration_ms = took.as_millis() as u64;
                if is_batched {
                    // They may come by the thousand.
                    tracing::debug!(package.digest = %content, size_bytes = task.size, duration_ms, "fetched");
                } else {
                    tracing::info!(package.digest = %content, size_bytes = task.size, duration_ms, "fetched");
                }
            }
            // Whatever became of the fetch: what is here is here, and nobody else would tell.
            _ if node.holds_wanted(&content) => {
                self.troubles.over(&content);
                node.ledger.present(content, task.size, None);
            }
            Outcome::Unneeded => node.ledger.forget(&content),
            Outcome::NotYet => {
                self.troubles.not_yet(content, rng);
                node.ledger.queued(content);
            }
            Outcome::Failed { reason, not_before } => {
                let next_try = now.plus(self.troubles.failed(content, not_before, rng));
                metrics::counter!("xylem_distribution_fetches_failed_total").increment(1);
                tracing::warn!(package.digest = %content, reason, "could not be fetched");
                node.ledger.failed(content, reason, next_try);
            }
        }
        !(is_batched && is_here)
    }

    /// A task is over. What it was to bring and said nothing of, because it was lost or given up,
    /// is planned anew.
    fn end(&mut self, done: Result<(Id, ()), JoinError>) {
        let id = match done {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(%error, "a fetch, or who writes small files, was lost");
                }
                error.id()
            }
        };
        self.batches.remove(&id);
        self.in_flight.retain(|_, handle| handle.id() != id);
    }

    /// Tells of content that was here before anybody asked.
    async fn report_held(&self) {
        let held = self.node.repository.run(|repository| repository.list()).await;
        for (content, size) in held {
            if !self.node.ledger.knows(&content) && self.node.holds_wanted(&content) {
                self.node.ledger.present(content, size, None);
            }
        }
    }
}

/// Removes the staged bytes of a fetch that was given up, once its last visit to the disk is over.
async fn discard(node: &Arc<Node>, content: ContentId) {
    /// A visit writes at most a few pieces; a sync beside it takes no longer.
    const TRIES: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(250);
    for _ in 0..TRIES {
        tokio::time::sleep(PAUSE).await;
        if let Some(size) = node.repository.size_of(&content)
            && node.holds_wanted(&content)
        {
            // Its last visit published it, and somebody wants it again.
            return node.ledger.present(content, size, None);
        }
        if node.catalogue().missing().contains_key(&content) {
            return;
        }
        let key = StageKey::Content(content);
        match node.repository.run(move |repository| repository.discard_staged(&key)).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(error = %chain(&error), "staged bytes stay until the next start");
                return;
            }
        }
    }
}

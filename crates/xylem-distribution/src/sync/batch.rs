//! Fetching many small files in one stream.
//!
//! One task reads, one writes, one publishes: what comes in while a group is being written becomes the
//! next group, and is written while that one is made durable. So one lone file waits for nobody, and
//! thousands share their syncs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use xylem_blobs::{Batch, BlobError, Repository};
use xylem_client::{ClientError, ContentClient, Deadlines, ManyReader};
use xylem_model::{ContentId, Timestamp};

use super::parents::Parents;
use super::task::{Miss, Outcome, Outcomes, Task, Tries, disk_reason, parents_for};
use crate::access::Parent;
use crate::node::Node;
use crate::pace::Link;

/// What the planner puts into a stream, the stream must be able to carry.
const _: () = assert!(xylem_sync::BATCHED_BYTES <= xylem_api::content::MAX_FRAME_BYTES);

/// How long a parent may hold back the next file: longer than it waits itself.
const STALL: Duration = Duration::from_secs(30);

/// Most files that become durable together.
const GROUP_FILES: usize = 1024;

/// A file that has come in and counts against the memory for such files until it is written.
struct Arrived {
    task: Task,
    bytes: Bytes,
    _memory: OwnedSemaphorePermit,
}

/// Fetches small files, from the first parent that gives each, and tells of each as it is done.
pub(crate) async fn fetch_batch(
    node: &Arc<Node>,
    parents: &Parents,
    tasks: Vec<Task>,
    outcomes: &Outcomes,
) {
    let began = node.now();
    let Some(first) = tasks.first() else { return };
    let list = parents_for(node, parents, &first.content);
    let mut rest: BTreeMap<ContentId, Task> =
        tasks.into_iter().map(|task| (task.content, task)).collect();
    let deadlines = Deadlines { stall: STALL, answer: STALL, ..Deadlines::default() };
    let client = node.content.with_deadlines(deadlines);
    let mut tries = Tries::default();
    for parent in &list {
        if rest.is_empty() {
            return;
        }
        let _trial = match parents.try_out(parent, Instant::now()) {
            Ok(trial) => trial,
            Err((until, why)) => {
                tries.set_aside(until, why);
                continue;
            }
        };
        let from = FromParent { node, parents, parent, began, outcomes };
        let before = rest.len();
        let result = Box::pin(from.fetch(&client, &mut rest)).await;
        if rest.len() < before {
            parents.note_good(parent);
        }
        if let Err(miss) = result
            && let Err(outcome) = tries.missed(node, parents, parent, miss)
        {
            tracing::warn!(?outcome, "a group of small files was not fetched");
        }
    }
    let outcome = tries.outcome();
    for task in rest.into_values() {
        // Nobody listens once the server stops.
        let _ = outcomes.send((task, outcome.clone()));
    }
}

/// One stream from one parent.
struct FromParent<'a> {
    node: &'a Arc<Node>,
    parents: &'a Parents,
    parent: &'a Parent,
    began: Timestamp,
    outcomes: &'a Outcomes,
}

impl FromParent<'_> {
    /// Takes out of `rest` what is settled: published here, or refused by our own disk.
    async fn fetch(
        &self,
        client: &ContentClient,
        rest: &mut BTreeMap<ContentId, Task>,
    ) -> Result<(), Miss> {
        let transport = self.node.control.transport();
        self.parents.confirm(transport, self.parent, Instant::now()).await?;
        let contents = rest.keys().copied().collect();
        let client = client.at_once(self.parent.is_below);
        let mut reader = client.fetch_many(&self.parent.url, contents).await?;
        let (sender, receiver) = mpsc::channel(GROUP_FILES);
        let asked = rest.clone();
        let reading = read(self.node, self.parent, &mut reader, &asked, sender);
        let (read, written) = tokio::join!(reading, self.write(receiver, rest));
        written.and(read)
    }

    /// Two groups are under way at once: one is written while the other is made durable.
    async fn write(
        &self,
        arrived: mpsc::Receiver<Arrived>,
        rest: &mut BTreeMap<ContentId, Task>,
    ) -> Result<(), Miss> {
        let (sender, receiver) = mpsc::channel(1);
        let (settled, ()) =
            tokio::join!(self.publish_all(receiver, rest), write_all(self.node, arrived, sender));
        settled
    }

    /// Publishes groups in the order in which they were written. It ends with what is no more than
    /// a claim of the parent's, and with it whoever writes.
    async fn publish_all(
        &self,
        mut written: mpsc::Receiver<Written>,
        rest: &mut BTreeMap<ContentId, Task>,
    ) -> Result<(), Miss> {
        while let Some(group) = written.recv().await {
            let node = Arc::clone(self.node);
            let publishing = self.node.repository.run(move |_| group.publish(&node));
            let mut lie = None;
            for (task, result) in publishing.await {
                let outcome = match result {
                    Settled::Published => {
                        let took = self.node.now().since(self.began);
                        Outcome::Published { source: Some(self.parent.id), took }
                    }
                    Settled::Unneeded => Outcome::Unneeded,
                    Settled::Failed(reason) => Outcome::Failed { reason, not_before: None },
                    Settled::Busy => continue,
                    Settled::Foreign(why) => {
                        // The others of the group are published all the same.
                        lie = Some(why);
                        continue;
                    }
                };
                rest.remove(&task.content);
                let _ = self.outcomes.send((task, outcome));
            }
            if let Some(why) = lie {
                return Err(Miss::Lied(why));
            }
        }
        Ok(())
    }
}

/// Checks and writes what comes, a group at a time, for as long as somebody publishes it.
async fn write_all(
    node: &Arc<Node>,
    mut arrived: mpsc::Receiver<Arrived>,
    written: mpsc::Sender<Written>,
) {
    let mut group = Vec::new();
    while arrived.recv_many(&mut group, GROUP_FILES).await > 0 {
        let (target, files) = (Arc::clone(node), std::mem::take(&mut group));
        let writing = node.repository.run(move |to| Written::of(to, &target, files));
        if let Err(unsent) = written.send(writing.await).await {
            // What nobody publishes is removed, and that is work of the disk.
            node.repository.run(move |_| drop(unsent)).await;
            return;
        }
    }
}

/// What became of a file that came in.
enum Settled {
    Published,
    /// It is not wanted any more: its grace would begin only now.
    Unneeded,
    /// Another fetch is bringing it.
    Busy,
    /// It is not what was asked for.
    Foreign(String),
    /// Our own disk did not take it.
    Failed(String),
}

impl From<BlobError> for Settled {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Busy { .. } => Self::Busy,
            BlobError::ForeignBytes { .. } => Self::Foreign(error.to_string()),
            error => Self::Failed(disk_reason(&error)),
        }
    }
}

/// A group that is written and not yet durable.
struct Written {
    batch: Batch,
    settled: Vec<(Task, Settled)>,
}

impl Written {
    fn of(repository: &Repository, node: &Node, group: Vec<Arrived>) -> Self {
        let mut batch = repository.begin_batch();
        let mut settled = Vec::with_capacity(group.len());
        for Arrived { task, bytes, .. } in group {
            let needed = node.catalogue().missing().contains_key(&task.content);
            let result = if needed {
                batch.add(&task.content, &bytes).map_or_else(Settled::from, |()| Settled::Published)
            } else {
                Settled::Unneeded
            };
            settled.push((task, result));
        }
        Self { batch, settled }
    }

    /// Makes it durable, gives it names, and says what became of each file.
    fn publish(self, node: &Node) -> Vec<(Task, Settled)> {
        let Self { batch, mut settled } = self;
        let failed = batch.publish().err().map(|error| disk_reason(&error));
        for (task, settled) in &mut settled {
            match (&settled, &failed) {
                (Settled::Published, None) => node.note_held(&task.content, true),
                (Settled::Published, Some(reason)) => *settled = Settled::Failed(reason.clone()),
                _ => {}
            }
        }
        settled
    }
}

/// Hands on what comes, within the memory that there is for it.
async fn read(
    node: &Arc<Node>,
    parent: &Parent,
    reader: &mut ManyReader,
    asked: &BTreeMap<ContentId, Task>,
    arrived: mpsc::Sender<Arrived>,
) -> Result<(), Miss> {
    let class = asked.values().map(|task| task.class).min();
    let class = class.unwrap_or(xylem_sync::Class::Small);
    let flow = node.pace.from_parents.open(Link::Server(parent.id), class);
    let (mut left, mut lacking) = (asked.len(), false);
    while let Some((content, bytes)) = reader.next().await? {
        let Some(task) = asked.get(&content).copied() else {
            return Err(Miss::Lied(format!("{content} was not asked for")));
        };
        left = left.saturating_sub(1);
        let Some(bytes) = bytes else {
            lacking = true;
            continue;
        };
        let len = bytes.len() as u64;
        if len != task.size {
            return Err(Miss::Lied(format!("{content} has {len} bytes, not {}", task.size)));
        }
        flow.turn(len).await;
        metrics::counter!("xylem_distribution_fetched_bytes_total").increment(len);
        let permits = u32::try_from(len).unwrap_or(u32::MAX);
        let memory = Arc::clone(&node.arrivals.memory).acquire_many_owned(permits).await;
        let Ok(memory) = memory else { return Ok(()) };
        if arrived.send(Arrived { task, bytes, _memory: memory }).await.is_err() {
            // The writer found something wrong, and says so.
            return Ok(());
        }
    }
    match (left, lacking) {
        (0, false) => Ok(()),
        (0, true) => Err(Miss::NotYet),
        _ => Err(ClientError::Protocol {
            server: parent.url.clone(),
            reason: format!("{left} of the files that were asked for are missing in its answer"),
        }
        .into()),
    }
}

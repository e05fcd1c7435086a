//! Fetching many small files in one stream.
//!
//! A stream asks one parent for up to a thousand files and hands on what comes; all streams of a
//! class share who writes it ([`groups`](super::groups)).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use xylem_client::{ClientError, ContentClient, Deadlines, ManyReader};
use xylem_model::{ContentId, Timestamp};
use xylem_sync::Class;

use super::groups::{Answers, Broken, Groups, Settled};
use super::parents::Parents;
use super::task::{Miss, Outcome, Outcomes, Task, Tries, parents_for};
use crate::access::Parent;
use crate::node::Node;
use crate::pace::Link;

/// What the planner puts into a stream, the stream must be able to carry.
const _: () = assert!(xylem_sync::BATCHED_BYTES <= xylem_api::content::MAX_FRAME_BYTES);

/// How long a parent may hold back the next file: longer than it waits itself.
const STALL: Duration = Duration::from_secs(30);

/// What the administrator reads where whoever writes is gone, which only an error of ours can do.
const BROKEN: &str = "writing small files broke off: this server's log says why";

/// Fetches small files, from the first parent that gives each, and tells of each as it is done.
pub(crate) async fn fetch_batch(
    node: &Arc<Node>,
    parents: &Parents,
    groups: &Groups,
    tasks: Vec<Task>,
    outcomes: &Outcomes,
) {
    let began = node.now();
    let Some(first) = tasks.first() else { return };
    let (class, list) = (first.class, parents_for(node, parents, &first.content));
    let mut rest: BTreeMap<ContentId, Task> =
        tasks.into_iter().map(|task| (task.content, task)).collect();
    let deadlines = Deadlines { stall: STALL, answer: STALL, ..Deadlines::default() };
    let client = node.content.with_deadlines(deadlines);
    let (mut tries, mut is_broken) = (Tries::default(), false);
    for parent in &list {
        if rest.is_empty() || is_broken {
            break;
        }
        let _trial = match parents.try_out(parent, Instant::now()) {
            Ok(trial) => trial,
            Err((until, why)) => {
                tries.set_aside(until, why);
                continue;
            }
        };
        let from = FromParent { node, parents, groups, parent, class, began, outcomes };
        let before = rest.len();
        let result = Box::pin(from.fetch(&client, &mut rest)).await;
        if rest.len() < before {
            parents.note_good(parent);
        }
        // It gave everything, and of some nobody said what became of it.
        is_broken = result.is_ok() && !rest.is_empty();
        if let Err(miss) = result
            && let Err(outcome) = tries.missed(node, parents, parent, miss)
        {
            tracing::warn!(?outcome, "a group of small files was not fetched");
        }
    }
    let outcome = match is_broken {
        true => Outcome::Failed { reason: BROKEN.to_owned(), not_before: None },
        false => tries.outcome(),
    };
    for task in rest.into_values() {
        // Nobody listens once the server stops.
        let _ = outcomes.send((task, outcome.clone()));
    }
}

/// One stream from one parent.
struct FromParent<'a> {
    node: &'a Arc<Node>,
    parents: &'a Parents,
    groups: &'a Groups,
    parent: &'a Parent,
    /// That of all its files: a plan mixes none.
    class: Class,
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
        let (answers, settled) = mpsc::unbounded_channel();
        let (asked, lied) = (rest.clone(), Notify::new());
        let reading = async {
            tokio::select! {
                read = self.read(&mut reader, asked, answers) => read,
                () = lied.notified() => Ok(()),
            }
        };
        let (read, settled) = tokio::join!(reading, self.settle(settled, rest, &lied));
        settled.and(read)
    }

    /// Hears what became of all that came. What is no more than a claim of the parent's ends the
    /// reading; what came before is published all the same.
    async fn settle(
        &self,
        mut settled: mpsc::UnboundedReceiver<(Task, Settled)>,
        rest: &mut BTreeMap<ContentId, Task>,
        lied: &Notify,
    ) -> Result<(), Miss> {
        let mut lie = None;
        while let Some((task, settled)) = settled.recv().await {
            let outcome = match settled {
                Settled::Published => {
                    let took = self.node.now().since(self.began);
                    Outcome::Published { source: Some(self.parent.id), took }
                }
                Settled::Unneeded => Outcome::Unneeded,
                Settled::Failed(reason) => Outcome::Failed { reason, not_before: None },
                Settled::Busy => Outcome::NotYet,
                Settled::Foreign(why) => {
                    lie = Some(why);
                    lied.notify_one();
                    continue;
                }
            };
            rest.remove(&task.content);
            // Nobody listens once the server stops.
            let _ = self.outcomes.send((task, outcome));
        }
        lie.map_or(Ok(()), |why| Err(Miss::Lied(why)))
    }

    /// Hands on what comes, within the memory that there is for it. Each file may come once: a
    /// parent that repeats itself would keep the others waiting.
    async fn read(
        &self,
        reader: &mut ManyReader,
        mut asked: BTreeMap<ContentId, Task>,
        answers: Answers,
    ) -> Result<(), Miss> {
        let flow = self.node.pace.from_parents.open(Link::Server(self.parent.id), self.class);
        let mut lacking = false;
        while let Some((content, bytes)) = reader.next().await? {
            let Some(task) = asked.remove(&content) else {
                return Err(Miss::Lied(format!("{content} was not asked for, or came twice")));
            };
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
            if self.groups.add(task, bytes, &answers).await == Err(Broken) {
                // Told of once all that came before is settled.
                return Ok(());
            }
        }
        match (asked.len(), lacking) {
            (0, false) => Ok(()),
            (0, true) => Err(Miss::NotYet),
            (left, _) => Err(ClientError::Protocol {
                server: self.parent.url.clone(),
                reason: format!(
                    "{left} of the files that were asked for are missing in its answer"
                ),
            }
            .into()),
        }
    }
}

//! Fetching one content.
//!
//! The outboard comes first and proves itself against the content id; then every group of 16 KiB
//! is checked as it arrives, and from then on others may read it. So the fault of a parent is
//! known at its first wrong byte, what came before is kept, and the next parent goes on from
//! there, while those who read here notice nothing but a pause.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use xylem_blobs::{BlobError, Repository, StagedFile, TreeIntake};
use xylem_client::{ClientError, ContentAnswer, ContentAuth, ContentClient, Deadlines};

use super::paced::PacedSource;
use super::parents::Parents;
use super::task::{self, Miss, Outcome, Task, Tries, parents_for};
use crate::access::Parent;
use crate::node::Node;
use crate::pace::{Flow, Link};
use crate::pour::{PourError, keep_synced, pour};

/// How long a parent may pause in the middle of a file before another is asked.
const STALL: Duration = Duration::from_secs(15);

/// The same where there is no other.
const LONE_STALL: Duration = Duration::from_secs(60);

/// How long a parent may hold back the beginning of its answer: longer than it waits itself.
const ANSWER: Duration = Duration::from_secs(30);

/// How far a fetch has come. Nothing of it depends on the parent.
enum Stage {
    /// Nothing yet, or an outboard that has to begin again.
    Begin,
    /// The outboard is complete; bytes may be.
    Bytes(Box<StagedFile>),
    /// Published.
    Done,
}

struct Fetch<'a> {
    node: &'a Arc<Node>,
    parents: &'a Parents,
    task: Task,
    client: ContentClient,
    stage: Stage,
}

/// Fetches from the first parent that gives it, going on at the next where one fails, publishes,
/// and says how it went.
pub(crate) async fn fetch(node: &Arc<Node>, parents: &Parents, task: Task) -> Outcome {
    let began = node.now();
    let list = parents_for(node, parents, &task.content);
    let stall = if list.len() > 1 { STALL } else { LONE_STALL };
    let deadlines = Deadlines { stall, answer: ANSWER, ..Deadlines::default() };
    let client = node.content.with_deadlines(deadlines);
    let mut fetch = Fetch { node, parents, task, client, stage: Stage::Begin };
    let mut tries = Tries::default();
    for parent in &list {
        let _trial = match parents.try_out(parent, Instant::now()) {
            Ok(trial) => trial,
            Err((until, why)) => {
                tries.set_aside(until, why);
                continue;
            }
        };
        match Box::pin(fetch.from(parent)).await {
            Ok(()) => {
                parents.note_good(parent);
                let took = node.now().since(began);
                return Outcome::Published { source: Some(parent.id), took };
            }
            Err(miss) => {
                if let Err(outcome) = tries.missed(node, parents, parent, miss) {
                    return outcome;
                }
            }
        }
    }
    fetch.keep().await;
    tries.outcome()
}

impl Fetch<'_> {
    async fn from(&mut self, parent: &Parent) -> Result<(), Miss> {
        let transport = self.node.control.transport();
        self.parents.confirm(transport, parent, Instant::now()).await?;
        let link = Link::Server(parent.id);
        let flow = self.node.pace.from_parents.open(link, self.task.class);
        if matches!(self.stage, Stage::Begin) {
            let staged = self.fetch_tree(parent, &flow).await?;
            self.stage = Stage::Bytes(Box::new(staged));
        }
        self.fetch_bytes(parent, flow).await?;
        self.publish().await
    }

    async fn fetch_tree(&self, parent: &Parent, flow: &Flow) -> Result<StagedFile, Miss> {
        let Task { content, size, .. } = self.task;
        let repository = &self.node.repository;
        let mut intake =
            repository.run(move |repository| repository.stage_relayed(&content, size)).await?;
        if !intake.is_complete() {
            let path = format!("/v1/blob/{content}/tree");
            let mut answer = self.ask(parent, &path, 0).await?;
            expect_size("outboard", answer.size, intake.len())?;
            while let Some(piece) = answer.body.next().await? {
                flow.turn(piece.len() as u64).await;
                let taken;
                (intake, taken) = append(repository, intake, piece).await;
                taken?;
            }
            if !intake.is_complete() {
                return Err(Miss::Lied("its outboard is cut".into()));
            }
        }
        Ok(repository.run(move |_| intake.finish()).await?)
    }

    async fn fetch_bytes(&mut self, parent: &Parent, flow: Flow) -> Result<(), Miss> {
        let Task { content, size, .. } = self.task;
        let Stage::Bytes(staged) = std::mem::replace(&mut self.stage, Stage::Begin) else {
            return Ok(());
        };
        let from = staged.offset();
        if from == size {
            self.stage = Stage::Bytes(staged);
            return Ok(());
        }
        let answer = match self.ask(parent, &format!("/v1/blob/{content}"), from).await {
            Ok(answer) => answer,
            Err(error) => {
                self.stage = Stage::Bytes(staged);
                return Err(error.into());
            }
        };
        if answer.path.contains(&self.node.id) || answer.size != size {
            self.stage = Stage::Bytes(staged);
            expect_size("content", answer.size, size)?;
            tracing::info!(dp.id = %parent.id, "a parent waits for this server itself");
            return Err(Miss::NotYet);
        }
        self.node.arrivals.note_path(content, parent.id, &answer.path);
        let offset = answer.offset;
        let mut source = PacedSource::new(answer.body, flow);
        let (came_in, watched) = watch::channel(from);
        let progress = |bytes| {
            came_in.send_replace(bytes);
            self.node.ledger.transferring(content, bytes, self.node.now());
        };
        let (repository, syncer) = (&self.node.repository, staged.syncer());
        let (staged, poured) = tokio::select! {
            poured = pour(repository, *staged, offset, &mut source, &progress) => poured,
            never = keep_synced(repository, syncer, watched) => match never {},
        };
        let arrived = staged.offset();
        self.stage = Stage::Bytes(Box::new(staged));
        metrics::counter!("xylem_distribution_fetched_bytes_total")
            .increment(arrived.saturating_sub(from));
        match poured {
            Ok(()) if arrived == size => Ok(()),
            Ok(()) => Err(Miss::Lied(format!("it ended after {arrived} of {size} bytes"))),
            Err(PourError::Blob(error)) => Err(error.into()),
            Err(PourError::Source(error)) => Err(error.into()),
        }
    }

    async fn publish(&mut self) -> Result<(), Miss> {
        let Stage::Bytes(staged) = std::mem::replace(&mut self.stage, Stage::Done) else {
            return Ok(());
        };
        // Every group agreed with the tree, and the tree with the id: nothing is left to hash.
        Ok(task::publish(self.node, self.task, None, *staged).await?)
    }

    /// Makes what is here durable, for the next try.
    async fn keep(&mut self) {
        if let Stage::Bytes(staged) = std::mem::replace(&mut self.stage, Stage::Begin) {
            task::keep(self.node, self.task, *staged).await;
        }
    }

    async fn ask(
        &self,
        parent: &Parent,
        path: &str,
        offset: u64,
    ) -> Result<ContentAnswer, ClientError> {
        let content = &self.task.content;
        let client = self.client.at_once(parent.is_below);
        client.fetch(&parent.url, path, content, offset, &ContentAuth::Certificate).await
    }
}

async fn append(
    repository: &Repository,
    mut intake: TreeIntake,
    piece: Bytes,
) -> (TreeIntake, Result<(), BlobError>) {
    repository
        .run(move |_| {
            let taken = intake.append(&piece);
            (intake, taken)
        })
        .await
}

fn expect_size(what: &str, found: u64, expected: u64) -> Result<(), Miss> {
    if found == expected {
        return Ok(());
    }
    Err(Miss::Lied(format!("its {what} has {found} bytes, not {expected}")))
}

//! Fetching one content.
//!
//! The outboard comes first and proves itself against the content id; then every group of 16 KiB
//! is checked as it arrives. So the fault of a parent is known at its first wrong byte, what came
//! before is kept, and the next parent goes on from there.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use xylem_blobs::{BlobError, Expected, StagedFile, TreeIntake};
use xylem_client::{BodyReader, ClientError, ContentAnswer, ContentAuth};
use xylem_model::{ByteSize, ContentId, DistributionServerId, Sha256, Timestamp};
use xylem_telemetry::chain;

use super::parents::Parents;
use crate::access::Parent;
use crate::node::Node;
use crate::pour::{PourError, Source, pour};

/// What is to be fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task {
    pub(crate) content: ContentId,
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
}

/// How a fetch ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Published here.
    Published { source: Option<DistributionServerId>, took: Duration },
    /// No parent has it yet.
    NotYet,
    /// Nobody could give it; not to be tried again before `not_before` where that is known.
    Failed { reason: String, not_before: Option<Timestamp> },
}

/// Why one parent did not give it.
#[derive(Debug)]
enum Miss {
    /// It has not got it yet, or does not know yet that we may have it.
    NotYet,
    /// Out of reach, or broken off.
    Away(String),
    /// It gave something else.
    Lied(String),
    /// Our own disk.
    Disk(BlobError),
}

impl From<BlobError> for Miss {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::ForeignBytes { .. } => Self::Lied(error.to_string()),
            error => Self::Disk(error),
        }
    }
}

impl From<ClientError> for Miss {
    fn from(error: ClientError) -> Self {
        match error {
            // 401 and 403: its grants are as old as its last word from the management server.
            // 404: it is itself still fetching. 503: it has not heard the management server yet.
            ClientError::Answer { status: 401 | 403 | 404 | 429 | 503, .. } => Self::NotYet,
            error => Self::Away(chain(&error).to_string()),
        }
    }
}

#[async_trait]
impl Source for BodyReader {
    type Error = ClientError;

    async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        Self::next(self).await
    }
}

/// Fetches from the first parent that gives it, publishes, and says how it went.
pub(crate) async fn fetch(node: &Arc<Node>, parents: &Parents, task: Task) -> Outcome {
    let began = node.now();
    let list = node.access().map(|access| access.parents.clone()).unwrap_or_default();
    if list.is_empty() {
        let reason = "no other server is known to have it: send it again, or restore this server's \
                      repository from a backup";
        return Outcome::Failed { reason: reason.to_owned(), not_before: None };
    }
    let (mut not_yet, mut reason, mut not_before) = (false, String::new(), None);
    for parent in &list {
        let now = node.now();
        if let Some((until, why)) = parents.set_aside(parent, now) {
            reason = why;
            not_before = Some(not_before.map_or(until, |earlier: Timestamp| earlier.min(until)));
            continue;
        }
        match Box::pin(fetch_from(node, parents, parent, task)).await {
            Ok(()) => {
                parents.note_good(parent);
                let took = node.now().since(began);
                return Outcome::Published { source: Some(parent.id), took };
            }
            Err(Miss::NotYet) => not_yet = true,
            Err(Miss::Away(why)) => {
                reason = format!("{}: {why}", parent.name);
                parents.note_away(parent, &reason, &*node.environment.rng, now);
            }
            Err(Miss::Lied(why)) => {
                reason = format!("{} sent wrong bytes: {why}", parent.name);
                tracing::error!(dp.id = %parent.id, package.digest = %task.content, "{reason}");
                parents.note_lie(parent, &reason, &*node.environment.rng, now);
            }
            Err(Miss::Disk(error)) => {
                return Outcome::Failed { reason: disk_reason(&error), not_before: None };
            }
        }
    }
    if not_yet {
        return Outcome::NotYet;
    }
    Outcome::Failed { reason, not_before }
}

async fn fetch_from(
    node: &Arc<Node>,
    parents: &Parents,
    parent: &Parent,
    task: Task,
) -> Result<(), Miss> {
    let transport = node.control.transport();
    parents.confirm(transport, parent, node.now()).await?;
    let Task { content, size, .. } = task;
    let mut intake =
        node.repository.run(move |repository| repository.stage_relayed(&content, size)).await?;
    if !intake.is_complete() {
        intake = fetch_tree(node, parent, task, intake).await?;
    }
    let staged = node.repository.run(move |_| intake.finish()).await?;
    let staged = Box::pin(fetch_bytes(node, parent, task, staged)).await?;
    node.ledger.verifying(content, size);
    let expected = Expected { size, blake3: Some(content), sha256: Some(task.sha256) };
    let target = Arc::clone(node);
    node.repository
        .run(move |repository| {
            repository.publish(staged.finish(&expected)?)?;
            target.note_held(&content, true);
            Ok::<(), BlobError>(())
        })
        .await?;
    Ok(())
}

async fn fetch_tree(
    node: &Arc<Node>,
    parent: &Parent,
    task: Task,
    mut intake: TreeIntake,
) -> Result<TreeIntake, Miss> {
    let path = format!("/v1/blob/{}/tree", task.content);
    let mut answer = ask(node, parent, &path, task.content, 0).await?;
    expect_size("outboard", answer.size, intake.len())?;
    while let Some(piece) = answer.body.next().await? {
        let taken;
        (intake, taken) = node
            .repository
            .run(move |_| {
                let taken = intake.append(&piece);
                (intake, taken)
            })
            .await;
        taken?;
    }
    if intake.is_complete() { Ok(intake) } else { Err(Miss::Lied("its outboard is cut".into())) }
}

async fn fetch_bytes(
    node: &Arc<Node>,
    parent: &Parent,
    task: Task,
    staged: StagedFile,
) -> Result<StagedFile, Miss> {
    if staged.offset() == task.size {
        return Ok(staged);
    }
    let path = format!("/v1/blob/{}", task.content);
    let mut answer = ask(node, parent, &path, task.content, staged.offset()).await?;
    expect_size("content", answer.size, task.size)?;
    let progress = |bytes| node.ledger.transferring(task.content, bytes, node.now());
    let from = answer.offset;
    let (staged, poured) = pour(&node.repository, staged, from, &mut answer.body, &progress).await;
    let arrived = staged.offset();
    metrics::counter!("xylem_distribution_fetched_bytes_total")
        .increment(arrived.saturating_sub(from));
    match poured {
        Ok(()) if arrived == task.size => Ok(staged),
        Ok(()) => Err(Miss::Lied(format!("it ended after {arrived} of {} bytes", task.size))),
        Err(PourError::Blob(error)) => Err(error.into()),
        Err(PourError::Source(error)) => Err(error.into()),
    }
}

async fn ask(
    node: &Arc<Node>,
    parent: &Parent,
    path: &str,
    content: ContentId,
    offset: u64,
) -> Result<ContentAnswer, ClientError> {
    node.content.fetch(&parent.url, path, &content, offset, &ContentAuth::Certificate).await
}

fn expect_size(what: &str, found: u64, expected: u64) -> Result<(), Miss> {
    if found == expected {
        return Ok(());
    }
    Err(Miss::Lied(format!("its {what} has {found} bytes, not {expected}")))
}

/// What the administrator reads.
fn disk_reason(error: &BlobError) -> String {
    match error {
        BlobError::NoSpace { needed, free, .. } => {
            format!("no space: needs {}, has {}", ByteSize(*needed), ByteSize(*free))
        }
        error => chain(error).to_string(),
    }
}

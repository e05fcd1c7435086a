//! What is to be fetched, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use xylem_blobs::{BlobError, Expected, StagedFile};
use xylem_client::ClientError;
use xylem_model::{ByteSize, ContentId, DistributionServerId, Sha256};
/// What is to be fetched: what the planner said.
pub(crate) use xylem_sync::Fetch as Task;
use xylem_telemetry::chain;

use super::parents::Parents;
use crate::access::Parent;
use crate::node::Node;

/// How a fetch ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// Published here.
    Published { source: Option<DistributionServerId>, took: Duration },
    /// It came, and is not wanted any more.
    Unneeded,
    /// No parent has it yet.
    NotYet,
    /// Nobody could give it; not to be tried again before `not_before` where that is known.
    Failed { reason: String, not_before: Option<Instant> },
}

/// Where outcomes go.
pub(crate) type Outcomes = mpsc::UnboundedSender<(Task, Outcome)>;

/// Why one parent did not give something.
#[derive(Debug)]
pub(crate) enum Miss {
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

/// What several tries at one thing have come to so far.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    not_yet: bool,
    reason: String,
    not_before: Option<Instant>,
}

impl Tries {
    /// A parent was not asked: its breaker is open.
    pub(crate) fn set_aside(&mut self, until: Instant, why: String) {
        self.reason = why;
        self.not_before = Some(self.not_before.map_or(until, |earlier| earlier.min(until)));
    }

    /// A parent did not give it: notes that where the next fetch looks.
    ///
    /// # Errors
    /// Where no other parent can help.
    pub(crate) fn missed(
        &mut self,
        node: &Node,
        parents: &Parents,
        parent: &Parent,
        miss: Miss,
    ) -> Result<(), Outcome> {
        let (rng, now) = (&*node.environment.rng, Instant::now());
        match miss {
            Miss::NotYet => {
                parents.note_answered(parent);
                // A server below this one gets it from here: that it lacks it is no promise.
                self.not_yet |= !parent.is_below;
            }
            Miss::Away(why) => {
                self.reason = format!("{}: {why}", parent.name);
                parents.note_away(parent, &self.reason, rng, now);
            }
            Miss::Lied(why) => {
                self.reason = format!("{} sent wrong bytes: {why}", parent.name);
                tracing::error!(dp.id = %parent.id, reason = self.reason, "a parent is set aside");
                metrics::counter!("xylem_distribution_wrong_bytes_total").increment(1);
                parents.note_lie(parent, &self.reason, rng, now);
            }
            Miss::Disk(error) => {
                return Err(Outcome::Failed { reason: disk_reason(&error), not_before: None });
            }
        }
        Ok(())
    }

    /// What it comes to once every parent was asked.
    pub(crate) fn outcome(self) -> Outcome {
        if self.not_yet {
            return Outcome::NotYet;
        }
        if self.reason.is_empty() {
            let reason = "no other server is known to have it: send it again, or restore this \
                          server's repository from a backup";
            return Outcome::Failed { reason: reason.to_owned(), not_before: None };
        }
        Outcome::Failed { reason: self.reason, not_before: self.not_before }
    }
}

/// The parents to ask for a content now, best first.
pub(crate) fn parents_for(node: &Arc<Node>, parents: &Parents, content: &ContentId) -> Vec<Parent> {
    node.access().map_or_else(Vec::new, |access| {
        let policy = access.settings.parent_policy;
        parents.in_order(&access.parents, policy, content, &*node.environment.rng)
    })
}

/// What the administrator reads.
pub(crate) fn disk_reason(error: &BlobError) -> String {
    match error {
        BlobError::NoSpace { needed, free, .. } => {
            format!("no space: needs {}, has {}", ByteSize(*needed), ByteSize(*free))
        }
        error => chain(error).to_string(),
    }
}

/// Publishes what came whole, if it is what was signed.
///
/// # Errors
/// Failures of the disk, and of bytes that are not the content's.
pub(super) async fn publish(
    node: &Arc<Node>,
    task: Task,
    sha256: Option<Sha256>,
    staged: StagedFile,
) -> Result<(), BlobError> {
    let Task { content, size, .. } = task;
    node.ledger.verifying(content, size);
    let expected = Expected { size, blake3: Some(content), sha256 };
    let target = Arc::clone(node);
    let publishing = node.repository.run(move |repository| {
        repository.publish(staged.finish(&expected)?)?;
        target.note_held(&content, true);
        Ok(())
    });
    publishing.await
}

/// Makes what is here durable, for the next try.
pub(super) async fn keep(node: &Node, task: Task, mut staged: StagedFile) {
    let kept = node.repository.run(move |_| staged.pause()).await;
    if let Err(error) = kept {
        tracing::warn!(package.digest = %task.content, %error, "a rest is not kept");
    }
}

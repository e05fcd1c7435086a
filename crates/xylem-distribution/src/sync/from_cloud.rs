//! What no other server gives, from the cloud distribution point: where an administrator has this
//! server filled from there (`fill_from_cloud`), because its content lies nowhere else.
//!
//! Bytes from there are believed as little as those of an upload: they are staged, and published once
//! size, BLAKE3 and SHA-256 are those of the signed descriptor. Each try asks for a fresh address and
//! goes on at the byte where the last one broke off.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use xylem_api::control_cloud::{AskCloudAddress, CloudAddress};
use xylem_blobs::{BlobError, DigestSet, StageKey, StagedFile};
use xylem_client::{CloudContentClient, Deadlines};
use xylem_telemetry::chain;

use super::batch::fetch_batch;
use super::fetch::fetch;
use super::groups::Groups;
use super::paced::PacedSource;
use super::parents::Parents;
use super::task::{Outcome, Outcomes, Task, disk_reason, keep, publish};
use crate::cloud::{guarded, tls_of};
use crate::node::Node;
use crate::pace::Link;
use crate::pour::{PourError, pour};

/// Small files that are fetched at once out of one group.
const SMALL_AT_ONCE: usize = 8;

/// How long the provider may pause in the middle of a file, and hold back an answer's beginning.
const STALL: Duration = Duration::from_secs(60);

/// When it is tried again after the provider gave other bytes than were published: somebody has to
/// look, and each try costs the whole file.
const AFTER_WRONG_BYTES: Duration = Duration::from_secs(10 * 60);

/// What reaches the provider. Shared by all that fetch.
#[derive(Default)]
pub(super) struct FromCloud {
    known: tokio::sync::Mutex<Option<Known>>,
}

struct Known {
    ca_pem: Option<String>,
    client: CloudContentClient,
}

/// Why the cloud did not give something.
enum Unfetched {
    Disk(BlobError),
    /// No address in full is in it.
    Cloud(String),
    Wrong(String),
}

impl From<BlobError> for Unfetched {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Mismatch { .. } | BlobError::Overrun { .. } => {
                Self::Wrong(error.to_string())
            }
            error => Self::Disk(error),
        }
    }
}

impl FromCloud {
    /// Fetches from the parents, else from the cloud.
    pub(super) async fn fetch(&self, node: &Arc<Node>, parents: &Parents, task: Task) -> Outcome {
        let outcome = fetch(node, parents, task).await;
        self.instead(node, task, outcome).await
    }

    /// The same for many small files. Those that parents give are told of at once.
    pub(super) async fn fetch_batch(
        &self,
        node: &Arc<Node>,
        parents: &Parents,
        groups: &Groups,
        tasks: Vec<Task>,
        outcomes: &Outcomes,
    ) {
        if !node.decided().fill_from_cloud {
            return fetch_batch(node, parents, groups, tasks, outcomes).await;
        }
        let (sender, mut received) = mpsc::unbounded_channel();
        let fetching = async move { fetch_batch(node, parents, groups, tasks, &sender).await };
        let sorting = async {
            let mut lacking = Vec::new();
            while let Some((task, outcome)) = received.recv().await {
                match outcome {
                    Outcome::Failed { .. } => lacking.push((task, outcome)),
                    // Nobody listens once the server stops.
                    outcome => drop(outcomes.send((task, outcome))),
                }
            }
            lacking
        };
        let ((), lacking) = tokio::join!(fetching, sorting);
        let one = |(task, outcome)| async move {
            let outcome = self.instead(node, task, outcome).await;
            drop(outcomes.send((task, outcome)));
        };
        stream::iter(lacking).for_each_concurrent(SMALL_AT_ONCE, one).await;
    }

    /// What the cloud gives in the place of a failure, where this server is filled from there.
    async fn instead(&self, node: &Arc<Node>, task: Task, outcome: Outcome) -> Outcome {
        if !matches!(outcome, Outcome::Failed { .. }) || !node.decided().fill_from_cloud {
            return outcome;
        }
        let began = node.now();
        let unfetched = match Box::pin(self.bring(node, task)).await {
            Ok(()) => {
                let took = node.now().since(began);
                return Outcome::Published { source: None, took };
            }
            Err(unfetched) => unfetched,
        };
        match unfetched {
            Unfetched::Disk(error) => {
                Outcome::Failed { reason: disk_reason(&error), not_before: None }
            }
            Unfetched::Cloud(why) => {
                let reason = format!("from the cloud: {why}");
                Outcome::Failed { reason, not_before: None }
            }
            Unfetched::Wrong(why) => {
                let reason = format!("the cloud gave other bytes than were published: {why}");
                tracing::error!(package.digest = %task.content, reason, "nothing of it was kept");
                metrics::counter!("xylem_distribution_wrong_bytes_total").increment(1);
                let not_before = Some(Instant::now() + AFTER_WRONG_BYTES);
                Outcome::Failed { reason, not_before }
            }
        }
    }

    async fn bring(&self, node: &Arc<Node>, task: Task) -> Result<(), Unfetched> {
        let Task { content, size, .. } = task;
        // As it is signed; what is wanted no longer is none's business.
        let signed = node.catalogue().wanted(&content).map(|descriptor| descriptor.sha256);
        let sha256 = signed.ok_or_else(|| Unfetched::Cloud("it is not wanted any more".into()))?;
        let address = node.control.cloud_address(&AskCloudAddress { content }).await;
        let address = address.map_err(|error| Unfetched::Cloud(chain(&error).to_string()))?;
        let client = self.client(node, &address).await.map_err(Unfetched::Cloud)?;
        let key = StageKey::Content(content);
        let both = DigestSet::Blake3AndSha256;
        let staged = node.repository.run(move |it| it.stage(&key, size, both)).await?;
        let (staged, poured) = pour_from(node, task, &client, &address, staged).await;
        match poured {
            Ok(()) => Ok(publish(node, task, Some(sha256), staged).await?),
            Err(error) => {
                keep(node, task, staged).await;
                if matches!(error, Unfetched::Cloud(_)) {
                    // Whom this machine believes may have changed.
                    *self.known.lock().await = None;
                }
                Err(error)
            }
        }
    }

    /// A client that believes the provider as the address says. Kept, so that connections are.
    async fn client(
        &self,
        node: &Node,
        address: &CloudAddress,
    ) -> Result<CloudContentClient, String> {
        let mut known = self.known.lock().await;
        if let Some(known) = &*known
            && known.ca_pem == address.ca_pem
        {
            return Ok(known.client.clone());
        }
        let environment = guarded(node);
        let tls = tls_of(&environment, address.ca_pem.as_deref()).await?;
        let deadlines = Deadlines { stall: STALL, answer: STALL, ..Deadlines::default() };
        let client = CloudContentClient::new(environment, tls, deadlines);
        *known = Some(Known { ca_pem: address.ca_pem.clone(), client: client.clone() });
        Ok(client)
    }
}

/// Pours what is lacking into a staged file, no faster than it may come.
async fn pour_from(
    node: &Arc<Node>,
    task: Task,
    client: &CloudContentClient,
    address: &CloudAddress,
    staged: StagedFile,
) -> (StagedFile, Result<(), Unfetched>) {
    let Task { content, size, class, .. } = task;
    let from = staged.offset();
    if from == size && size > 0 {
        return (staged, Ok(()));
    }
    let answer = match client.fetch(&address.url, size, from).await {
        Ok(answer) => answer,
        Err(error) => return (staged, Err(Unfetched::Cloud(chain(&error).to_string()))),
    };
    if answer.size != size {
        let why = format!("it has {} bytes there, and {size} are signed", answer.size);
        return (staged, Err(Unfetched::Wrong(why)));
    }
    let flow = node.pace.from_parents.open(Link::Cloud(address.point), class);
    let offset = answer.offset;
    let mut source = PacedSource::new(answer.body, flow);
    let progress = |bytes| node.ledger.transferring(content, bytes, node.now());
    let (staged, poured) = pour(&node.repository, staged, offset, &mut source, &progress).await;
    let arrived = staged.offset();
    metrics::counter!("xylem_distribution_fetched_bytes_total")
        .increment(arrived.saturating_sub(from));
    let poured = match poured {
        Ok(()) if arrived == size => Ok(()),
        Ok(()) => Err(Unfetched::Cloud(format!("it ended after {arrived} of {size} bytes"))),
        Err(PourError::Blob(error)) => Err(error.into()),
        Err(PourError::Source(error)) => Err(Unfetched::Cloud(chain(&error).to_string())),
    };
    (staged, poured)
}

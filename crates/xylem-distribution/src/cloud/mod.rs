//! The root's side of filling the cloud distribution point: `docs/design/cloud.md`, "One upload".
//!
//! The root has the bytes, and neither keys nor an idea of any provider. It asks the management
//! server what is to be sent, reads and sends it part by part with requests that were signed for
//! it, and hands the answers on. Nothing of it is kept on the disk: how far a content is, the
//! management server knows, and whatever is cut short is asked for again.
//!
//! * [`job`]: one content, from its first part to its proof. [`parts`]: its parts, side by side.
//! * [`piece`]: reads a part. [`send`]: sends it. [`sample`]: looks at an object as a client does.
//! * [`read_back`]: reads back whole what is to be, one content after the other; [`giver`]: from where.
//! * [`slots`]: how many parts of all contents are under way, and whose turn is next.
//! * [`folder`]: this server's own folder, in the place of a provider.
//! * [`link`]: what is said to the management server about a content.

mod clients;
mod folder;
mod giver;
mod job;
mod lacking;
mod link;
mod parts;
mod piece;
mod read_back;
mod sample;
mod send;
mod slots;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use xylem_api::control_cloud::{AskCloudNext, CloudJob, CloudNext, GivenUp, MAX_BUSY};
use xylem_api::error::ErrorCode;
use xylem_client::ClientError;
use xylem_model::{CloudPointId, ContentId};
use xylem_runtime::{Backoff, Shutdown};
use xylem_telemetry::chain;

use crate::ingest::final_word;
use crate::node::Node;
use clients::Clients;
pub(crate) use clients::{guarded, tls_of};
pub(crate) use folder::errands::run as run_folder;
use job::{Ended, Job};
use link::{Link, RETRY, fills};
use read_back::ReadingBack;
use slots::Slots;

/// Contents that are under way at once: twice as many as parts. A small one is asked for, ended and
/// looked at for longer than it is sent, and meanwhile others are. What is not being sent holds a sample
/// and an answer: at most 1 MiB and 16 KiB, as a rule 32 KiB.
const MAX_JOBS: usize = 2 * slots::MAX_AT_ONCE as usize;

// The management server takes no longer list of what is under way.
const _: () = assert!(MAX_JOBS <= MAX_BUSY);

/// Shortest and longest wait between two questions, whatever the management server says.
const ASK_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// When a management server is asked again that does not know of any cloud, where nothing changes.
const ASK_ELSEWHERE_EVERY: Duration = ASK_EVERY.1;

/// The same where it does not let this server send now.
const ASK_REFUSED_EVERY: Duration = Duration::from_secs(60);

/// First and longest wait before the next content after one that could not be sent.
const AFTER_TROUBLE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How long a server that stops tries to say so: a management server that does not hear it waits
/// for two minutes.
const LEAVING: Duration = Duration::from_secs(2);

/// Sends what is to be sent, and reads back what is to be, until shutdown.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    let mut filling = Filling::new(Arc::clone(&node));
    let mut reading = ReadingBack::new(node);
    tokio::select! {
        () = filling.keep_on() => {}
        () = reading.keep_on() => {}
        () = shutdown.begun() => {}
    }
    tokio::join!(filling.leave(), reading.leave());
}

/// What is known while the program runs.
struct Filling {
    node: Arc<Node>,
    clients: Clients,
    slots: Arc<Slots>,
    jobs: JoinSet<Ended>,
    /// What is under way.
    busy: HashMap<Id, (CloudPointId, ContentId)>,
    /// Waits for the management server.
    backoff: Backoff,
    /// Waits after contents that could not be sent.
    trouble: Backoff,
    /// When it is asked next.
    ask_at: Instant,
    /// It is not asked before, whatever changes.
    not_before: Instant,
}

impl Filling {
    fn new(node: Arc<Node>) -> Self {
        let now = Instant::now();
        Self {
            clients: Clients::new(&node),
            node,
            slots: Arc::default(),
            jobs: JoinSet::new(),
            busy: HashMap::new(),
            backoff: Backoff::new(RETRY.0, RETRY.1),
            trouble: Backoff::new(AFTER_TROUBLE.0, AFTER_TROUBLE.1),
            ask_at: now,
            not_before: now,
        }
    }

    async fn keep_on(&mut self) {
        let node = Arc::clone(&self.node);
        let mut wishes = node.wishes.subscribe();
        loop {
            let is_due = self.room() > 0 && fills(&node);
            tokio::select! {
                () = sleep_until(self.ask_at), if is_due => self.go_on().await,
                Some(ended) = self.jobs.join_next_with_id() => self.ended(ended),
                // The sender is the node's own.
                _ = wishes.changed() => self.ask_soon(),
                () = node.to_cloud.notified() => self.ask_soon(),
            }
        }
    }

    fn ask_soon(&mut self) {
        self.ask_at = self.not_before;
    }

    /// Asks for as many contents as there is room for, and begins with those that are given.
    async fn go_on(&mut self) {
        let pause = match self.next().await {
            Ok(CloudNext { job, more, again_after_ms }) => {
                self.backoff.reset();
                let has_begun = self.begin_all(job.into_iter().chain(more)).await;
                if has_begun && again_after_ms == 0 {
                    // There may be more that can go beside them.
                    return;
                }
                Duration::from_millis(again_after_ms).clamp(ASK_EVERY.0, ASK_EVERY.1)
            }
            Err(error) => {
                tracing::debug!(error = %chain(&error), "what lacks in the cloud cannot be asked");
                let pause = self.backoff.next_wait(&*self.node.environment.rng).max(RETRY.0);
                self.not_before = Instant::now() + pause;
                pause
            }
        };
        self.ask_at = self.not_before.max(Instant::now() + pause);
    }

    /// How many more contents may be under way.
    fn room(&self) -> usize {
        MAX_JOBS.saturating_sub(self.jobs.len())
    }

    fn is_busy(&self, job: &CloudJob) -> bool {
        self.busy.values().any(|(_, content)| *content == job.content)
    }

    async fn next(&self) -> Result<CloudNext, ClientError> {
        let busy = self.busy.values().map(|(_, content)| *content).collect();
        let more = u32::try_from(self.room().saturating_sub(1)).unwrap_or(0);
        let ask = AskCloudNext { busy, more };
        let none = |pause: Duration| {
            let again_after_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            CloudNext { job: None, more: Vec::new(), again_after_ms }
        };
        match self.node.control.cloud_next(&ask).await {
            // An older management server knows of no cloud.
            Err(error) if error.code() == Some(ErrorCode::NotFound) => {
                Ok(none(ASK_ELSEWHERE_EVERY))
            }
            Err(error) if final_word(&error).is_some() => {
                tracing::debug!(error = %chain(&error), "nothing is to be sent into the cloud");
                Ok(none(ASK_REFUSED_EVERY))
            }
            next => next,
        }
    }

    /// Begins contents that were given, as far as there is room. Says whether there was one that is not
    /// under way already.
    async fn begin_all(&mut self, jobs: impl Iterator<Item = CloudJob>) -> bool {
        let (mut has_begun, mut is_in_vain) = (false, false);
        for job in jobs {
            if self.room() == 0 {
                break;
            }
            if self.is_busy(&job) {
                continue;
            }
            has_begun = true;
            if is_in_vain {
                // Why was told with the one before.
                let link = Link::new(Arc::clone(&self.node), job.point, job.content);
                link.give_up(GivenUp::Leaving).await;
            } else {
                is_in_vain = !self.begin(job).await;
            }
        }
        has_begun
    }

    /// Begins a content. Where that cannot be it is given up, and false.
    async fn begin(&mut self, job: CloudJob) -> bool {
        let (point, content) = (job.point, job.content);
        match self.clients.client(&job).await {
            Ok(client) => {
                self.slots.set_limit(job.at_once);
                let (node, slots) = (Arc::clone(&self.node), Arc::clone(&self.slots));
                let task = self.jobs.spawn(Job::new(node, client, slots, job).run());
                self.busy.insert(task.id(), (point, content));
                true
            }
            Err(why) => {
                tracing::warn!(package.digest = %content, error = %why, "nothing can be sent");
                let link = Link::new(Arc::clone(&self.node), point, content);
                link.give_up(GivenUp::Line { why }).await;
                self.rest();
                false
            }
        }
    }

    fn ended(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        self.busy.remove(&id);
        match ended {
            Ok((_, Ended::Done)) => {
                self.trouble.reset();
                self.ask_soon();
            }
            Ok((_, Ended::Undone)) => self.rest(),
            // It does not come again for minutes: what is here is not to wait for what is not.
            Ok((_, Ended::NoCopy)) => self.ask_soon(),
            Ok((_, Ended::Line)) => {
                self.clients.forget();
                self.rest();
            }
            Err(error) => {
                tracing::error!(%error, "a content on its way into the cloud was lost");
                self.rest();
            }
        }
    }

    /// Leaves the management server in peace for a while: what could not be sent may be what comes
    /// next.
    fn rest(&mut self) {
        let pause = self.trouble.next_wait(&*self.node.environment.rng).max(AFTER_TROUBLE.0);
        self.not_before = Instant::now() + pause;
        self.ask_soon();
    }

    /// Ends what is under way, and says so, that another one may go on at once.
    async fn leave(self) {
        let Self { node, mut jobs, busy, .. } = self;
        jobs.abort_all();
        let links = busy.into_values().map(|(point, content)| {
            let link = Link::new(Arc::clone(&node), point, content);
            async move { link.give_up(GivenUp::Leaving).await }
        });
        let _ = timeout(LEAVING, futures_util::future::join_all(links)).await;
    }
}

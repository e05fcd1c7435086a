//! Reads back whole what lies in the cloud: `docs/design/cloud.md`, "Read back whole".
//!
//! One content after the other, in the class of what is in no hurry, by an address as a client gets
//! one, or from this server's own folder. Nothing of it is kept, and this server's own copy is not needed: what counts is size, BLAKE3 and
//! SHA-256. A line that breaks is gone on with where it broke, by a fresh address; what was cut short by
//! the end of the program is read from the beginning.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};
use xylem_api::control_cloud::CloudContent;
use xylem_api::control_read_back::{
    AskCloudReadBack, CloudReadBack, ReadBackFound, ReadBackJob, TellCloudReadBack,
};
use xylem_api::error::ErrorCode;
use xylem_client::{ClientError, RunningDigests};
use xylem_model::Digests;
use xylem_runtime::Backoff;
use xylem_sync::Class;
use xylem_telemetry::chain;

use super::clients::Clients;
use super::giver::Giver;
use super::link::{KEEP_EVERY, RETRY, fills};
use super::{ASK_ELSEWHERE_EVERY, ASK_EVERY, ASK_REFUSED_EVERY, LEAVING};
use crate::ingest::final_word;
use crate::node::Node;
use crate::pace::{Flow, Link};

/// How often a line may break, or an answer be a refusal, before a content counts as not to be read, as
/// long as no bytes come in between: with the waits some three minutes.
const MAX_BREAKS: u32 = 6;
/// First and longest wait before it is gone on.
const AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// How long after other bytes were read it is read once more: a store, and an edge before it, may answer
/// with what was true a moment ago.
const BEFORE_SECOND: Duration = Duration::from_secs(15);
/// How often it is tried to tell what was found, where the management server is busy or away. What is
/// not heard is read again later.
const MAX_TELLING: u32 = 8;

/// How a reading ended.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    /// Size and digests are right, or are not.
    Whole { is_right: bool },
    /// It could not be read to its end.
    Broken(String),
}

/// Why a reading is not gone on with, and nothing is told of it.
struct Dropped;

/// What is known while the program runs.
pub(super) struct ReadingBack {
    node: Arc<Node>,
    clients: Clients,
    backoff: Backoff,
    ask_at: Instant,
    /// What is being read.
    busy: Option<CloudContent>,
}

impl ReadingBack {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self {
            clients: Clients::new(&node),
            node,
            backoff: Backoff::new(RETRY.0, RETRY.1),
            ask_at: Instant::now(),
            busy: None,
        }
    }

    /// Reads what is to be read, as long as this server is the root.
    pub(super) async fn keep_on(&mut self) {
        let node = Arc::clone(&self.node);
        let mut wishes = node.wishes.subscribe();
        loop {
            let is_due = fills(&node);
            tokio::select! {
                () = sleep_until(self.ask_at), if is_due => self.go_on().await,
                // The sender is the node's own. It may be the root now.
                _ = wishes.changed() => {}
            }
        }
    }

    /// Ends what is under way, and says so, that another one may read it at once.
    pub(super) async fn leave(self) {
        let Some(CloudContent { point, content }) = self.busy else { return };
        let told = TellCloudReadBack { point, content, bytes: 0, found: ReadBackFound::Leaving };
        let _ = timeout(LEAVING, self.node.control.cloud_read_back_ended(&told)).await;
    }

    async fn go_on(&mut self) {
        let pause = match self.node.control.cloud_read_back(&AskCloudReadBack::default()).await {
            Ok(CloudReadBack { job: Some(job), .. }) => {
                self.backoff.reset();
                self.busy = Some(CloudContent { point: job.point, content: job.content });
                self.job(job).await;
                self.busy = None;
                ASK_EVERY.0
            }
            Ok(CloudReadBack { again_after_ms, .. }) => {
                self.backoff.reset();
                Duration::from_millis(again_after_ms).clamp(ASK_EVERY.0, ASK_EVERY.1)
            }
            // An older management server has nothing read back.
            Err(error) if error.code() == Some(ErrorCode::NotFound) => ASK_ELSEWHERE_EVERY,
            Err(error) if final_word(&error).is_some() => ASK_REFUSED_EVERY,
            Err(error) => {
                tracing::debug!(error = %chain(&error), "what is to be read back cannot be asked");
                self.backoff.next_wait(&*self.node.environment.rng).max(RETRY.0)
            }
        };
        self.ask_at = Instant::now() + pause;
    }

    /// Reads one content, twice where its bytes are others, and tells what was found.
    async fn job(&mut self, job: ReadBackJob) {
        let (point, content) = (job.point, job.content);
        let mut bytes = 0;
        let found = match self.clients.giver(&job).await {
            Ok(giver) => {
                let reading = Reading::new(&self.node, giver, job, &mut bytes);
                match reading.run().await {
                    Ok(found) => found,
                    Err(Dropped) if fills(&self.node) => return,
                    Err(Dropped) => ReadBackFound::Leaving,
                }
            }
            Err(why) => ReadBackFound::Unread { why },
        };
        if matches!(found, ReadBackFound::Unread { .. }) {
            // Whom the machine believes may have changed since that was read.
            self.clients.forget();
        }
        match &found {
            ReadBackFound::Same => tracing::info!(
                package.digest = %content, size_bytes = bytes, "content was read back from the cloud"
            ),
            other => tracing::warn!(
                package.digest = %content, found = ?other,
                "content was read back from the cloud, and is not as it should be"
            ),
        }
        self.tell(&TellCloudReadBack { point, content, bytes, found }).await;
    }

    async fn tell(&self, told: &TellCloudReadBack) {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        for _ in 0..MAX_TELLING {
            match self.node.control.cloud_read_back_ended(told).await {
                Err(error) if final_word(&error).is_none() => {
                    sleep(backoff.next_wait(&*self.node.environment.rng).max(RETRY.0)).await;
                }
                // It is noted, or another one's by now.
                Ok(()) | Err(_) => return,
            }
        }
    }
}

/// One content that is being read.
struct Reading<'a> {
    node: &'a Node,
    giver: Giver,
    job: ReadBackJob,
    flow: Flow,
    /// Bytes that came.
    bytes: &'a mut u64,
    /// When the management server is to hear of it, lest somebody else read it too.
    keep_at: Instant,
}

impl<'a> Reading<'a> {
    fn new(node: &'a Node, giver: Giver, job: ReadBackJob, bytes: &'a mut u64) -> Self {
        let flow = node.pace.to_cloud.open(Link::Cloud(job.point), Class::Bulk);
        Self { node, giver, job, flow, bytes, keep_at: Instant::now() + KEEP_EVERY }
    }

    async fn run(mut self) -> Result<ReadBackFound, Dropped> {
        for is_second in [false, true] {
            match self.whole().await? {
                Read::Whole { is_right: true } => return Ok(ReadBackFound::Same),
                Read::Broken(why) => return Ok(ReadBackFound::Unread { why }),
                Read::Whole { is_right: false } if is_second => break,
                Read::Whole { is_right: false } => self.pause(BEFORE_SECOND).await?,
            }
        }
        Ok(ReadBackFound::Other)
    }

    /// Reads all of it, by as many requests as it takes.
    async fn whole(&mut self) -> Result<Read, Dropped> {
        let mut digests = RunningDigests::new();
        let mut breaks = Backoff::new(AGAIN.0, AGAIN.1);
        loop {
            let before = digests.size();
            let broken = match self.once(&mut digests).await? {
                Ok(()) => {
                    let Digests { blake3, sha256 } = digests.digests();
                    let is_right = digests.size() == self.job.size
                        && (blake3, sha256) == (self.job.content, self.job.sha256);
                    return Ok(Read::Whole { is_right });
                }
                Err(error) => error,
            };
            if digests.size() > before {
                breaks.reset();
            }
            let wait = breaks.next_wait(&*self.node.environment.rng).max(AGAIN.0);
            if !may_pass(&broken) || breaks.failures() >= MAX_BREAKS {
                return Ok(Read::Broken(chain(&broken).to_string()));
            }
            self.pause(wait).await?;
            // By a fresh address: the one before may be over.
            self.keep().await?;
        }
    }

    /// Reads on until the end of the file, or of the line. Ends as well where the file has another size,
    /// which its digests then show.
    async fn once(
        &mut self,
        digests: &mut RunningDigests,
    ) -> Result<Result<(), ClientError>, Dropped> {
        let size = self.job.size;
        let mut given = match self.giver.fetch(&self.job, digests.size()).await {
            Ok(given) => given,
            // A shorter one, or an empty one that is not to be empty.
            Err(ClientError::Answer { status: 416, .. }) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        if given.offset != digests.size() {
            // It knows no ranges, and sends the whole.
            *digests = RunningDigests::new();
        }
        loop {
            let piece = match given.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            };
            let came = piece.len() as u64;
            *self.bytes = self.bytes.saturating_add(came);
            digests.update(&piece);
            if digests.size() > size {
                return Ok(Ok(()));
            }
            self.flow.turn(came).await;
            if self.keep_at <= Instant::now() {
                self.keep().await?;
            }
        }
    }

    /// Waits, as long as it is this server's to read.
    async fn pause(&mut self, wait: Duration) -> Result<(), Dropped> {
        let end = Instant::now() + wait;
        while Instant::now() < end {
            sleep_until(end.min(self.keep_at)).await;
            if self.keep_at <= Instant::now() {
                self.keep().await?;
            }
        }
        Ok(())
    }

    /// Keeps the content for this server, and takes a fresh address of it. A management server that is
    /// away costs nothing yet: somebody else may read it meanwhile.
    async fn keep(&mut self) -> Result<(), Dropped> {
        self.keep_at = Instant::now() + KEEP_EVERY;
        if !fills(self.node) {
            return Err(Dropped);
        }
        let going_on = CloudContent { point: self.job.point, content: self.job.content };
        let ask = AskCloudReadBack { going_on: Some(going_on) };
        match self.node.control.cloud_read_back(&ask).await {
            Ok(CloudReadBack { job: Some(job), .. }) if job.content == self.job.content => {
                self.job.url = job.url;
                Ok(())
            }
            Ok(_) => Err(Dropped),
            Err(error) if final_word(&error).is_some() => Err(Dropped),
            Err(error) => {
                let content = self.job.content;
                tracing::debug!(package.digest = %content, error = %chain(&error), "not kept");
                Ok(())
            }
        }
    }
}

/// Whether the same may succeed a little later, or by a fresh address.
fn may_pass(error: &ClientError) -> bool {
    error.is_transient() || matches!(error, ClientError::Answer { status: 401 | 403 | 404, .. })
}

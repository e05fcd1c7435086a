//! One content on its way into the cloud, from its first part to the look that a client would take.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use xylem_api::control_cloud::{
    CloudContent, CloudJob, CloudSampled, GivenUp, SampleFound, TellCloudParts,
};
use xylem_api::error::ErrorCode;
use xylem_blobs::BlobError;
use xylem_client::CloudClient;
use xylem_cloud::PartPlan;
use xylem_runtime::Backoff;
use xylem_telemetry::chain;

use super::lacking::Lacking;
use super::link::{KEEP_EVERY, Link, RETRY, Stop};
use super::parts::Parts;
use super::sample;
use super::send::Whole;
use super::slots::Slots;
use crate::node::Node;

/// How long a copy is waited for that is being published at this moment.
const COPY_PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked for meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often in a row nothing may be here, nor be about to: an upload is nobody's for a moment between
/// its two steps.
const MAX_MISSES: u32 = 2;

/// How a content's work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is there, and looks to a client as it should.
    Done,
    /// It does not, or may not be gone on with now.
    Undone,
    /// There is no copy here to send.
    NoCopy,
    /// The provider was not reached, or not believed.
    Line,
}

/// One content on its way.
pub(super) struct Job {
    node: Arc<Node>,
    client: CloudClient,
    slots: Arc<Slots>,
    job: CloudJob,
    link: Link,
    parts: Parts,
    wishes: watch::Receiver<u64>,
    /// When the management server is to hear of it, lest somebody else take it.
    keep_at: Instant,
    /// How many parts lack, as the management server said last.
    lacking: u32,
}

impl Job {
    pub(super) fn new(
        node: Arc<Node>,
        client: CloudClient,
        slots: Arc<Slots>,
        job: CloudJob,
    ) -> Self {
        let (point, content) = (job.point, job.content);
        let plan = PartPlan::again(job.size, job.part_bytes);
        let whole = Whole { point, content, class: job.class };
        let lacking = Lacking::new(plan, &job.lacking);
        Self {
            link: Link::new(Arc::clone(&node), point, content),
            parts: Parts::new(Arc::clone(&node), client.clone(), whole, lacking),
            wishes: node.wishes.subscribe(),
            keep_at: Instant::now() + KEEP_EVERY,
            lacking: 0,
            node,
            client,
            slots,
            job,
        }
    }

    /// Works until it is there, or cannot be gone on with, which is told.
    pub(super) async fn run(mut self) -> Ended {
        let began = Instant::now();
        let stop = match self.work().await {
            Ok(SampleFound::Same) => {
                metrics::counter!("xylem_distribution_cloud_filled_total").increment(1);
                tracing::info!(
                    package.digest = %self.job.content, size_bytes = self.job.size,
                    duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                    "content is in the cloud"
                );
                return Ended::Done;
            }
            Ok(found) => {
                tracing::warn!(
                    package.digest = %self.job.content, ?found,
                    "content in the cloud does not look to a client as it should"
                );
                return Ended::Undone;
            }
            Err(stop) => stop,
        };
        self.stop(stop).await
    }

    async fn work(&mut self) -> Result<SampleFound, Stop> {
        self.wait_for_copy().await?;
        while !self.parts.are_over() {
            self.step().await?;
        }
        if self.lacking > 0 {
            return Err(Stop::Stale);
        }
        self.prove().await
    }

    async fn wait_for_copy(&self) -> Result<(), Stop> {
        let content = self.job.content;
        let patience = Instant::now() + COPY_PATIENCE;
        let mut misses = 0;
        loop {
            // Asked first, so that what is published in between is found.
            let is_coming = self.node.uploads.is_finishing(&content);
            if self.node.repository.contains(&content) {
                return Ok(());
            }
            self.link.check()?;
            misses = if is_coming { 0 } else { misses + 1 };
            if misses >= MAX_MISSES || Instant::now() >= patience {
                return Err(Stop::Copy(BlobError::NotFound { id: content }));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Does what is next.
    async fn step(&mut self) -> Result<(), Stop> {
        self.link.check()?;
        if self.parts.has_news() || self.keep_at <= Instant::now() {
            return self.tell().await;
        }
        let now = Instant::now();
        let may_begin = self.parts.may_begin(now);
        let wake_at = self.parts.next_due(now).map_or(self.keep_at, |due| due.min(self.keep_at));
        tokio::select! {
            Some(event) = self.parts.event() => self.parts.note(event?)?,
            slot = self.slots.take(self.job.class), if may_begin => {
                self.parts.begin(slot, Instant::now());
            }
            () = sleep_until(wake_at) => {}
            // The sender is the node's own, and lives as long as this.
            _ = self.wishes.changed() => {
                // Whether it is wanted there is the management server's to say.
                if self.node.catalogue().wanted(&self.job.content).is_none() {
                    self.keep_at = Instant::now();
                }
            }
        }
        Ok(())
    }

    /// Tells what was answered, asks for requests, and keeps the content for this server.
    async fn tell(&mut self) -> Result<(), Stop> {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        let (told, signed) = loop {
            let told = self.parts.told();
            let call = self.link.control().cloud_parts(&told);
            if let Some(signed) = self.link.ask_once(&mut backoff, call).await? {
                break (told, signed);
            }
            self.parts.retract_refusals(&told);
        };
        self.keep_at = Instant::now() + KEEP_EVERY;
        self.lacking = signed.lacking;
        self.slots.set_limit(signed.at_once);
        self.parts.accept(&told, signed);
        Ok(())
    }

    /// Has the upload ended, and looks at the object as a client would.
    async fn prove(&self) -> Result<SampleFound, Stop> {
        let (point, content) = (self.job.point, self.job.content);
        let (control, which) = (self.link.control(), CloudContent { point, content });
        let proof = self.link.ask(|| control.cloud_finish(&which)).await?;
        let found = match &proof.url {
            Some(url) => {
                let repository = &self.node.repository;
                let looking = sample::look(&self.client, repository, content, self.job.size, url);
                self.link.while_kept(looking).await.map_err(Stop::Copy)?
            }
            // Addresses there are bound to a client's own: there is nothing that this server could
            // look at, and what the management server asked after is all that is known.
            None => SampleFound::Same,
        };
        let sampled = CloudSampled { point, content, found };
        self.link.ask(|| control.cloud_sampled(&sampled)).await?;
        Ok(sampled.found)
    }

    /// Leaves what is under way, and tells why.
    async fn stop(&mut self, stop: Stop) -> Ended {
        self.parts.abandon();
        let content = self.job.content;
        let mut ended = Ended::Undone;
        match stop {
            Stop::Refused(error) => {
                tracing::info!(
                    package.digest = %content, error = %chain(&error),
                    "content is not sent into the cloud any more"
                );
                // The management server knew before this server that another one fills the cloud, or
                // that nobody does for now: until it is told so the content counts as being sent.
                if error.code() == Some(ErrorCode::Forbidden) {
                    self.link.give_up(GivenUp::Leaving).await;
                }
            }
            Stop::Stale => {}
            Stop::Leaving => self.give_up(GivenUp::Leaving).await,
            Stop::Copy(error) => {
                if matches!(error, BlobError::NotFound { .. }) {
                    ended = Ended::NoCopy;
                }
                tracing::warn!(
                    package.digest = %content, error = %chain(&error),
                    "content cannot be sent into the cloud: the copy here cannot be read"
                );
                if !self.node.repository.contains(&content) {
                    self.node.note_lost(&content);
                }
                self.give_up(GivenUp::NoCopy).await;
            }
            Stop::Line(why) => {
                ended = Ended::Line;
                tracing::warn!(
                    package.digest = %content, error = %why,
                    "content cannot be sent into the cloud: the provider does not answer"
                );
                self.give_up(GivenUp::Line { why }).await;
            }
        }
        ended
    }

    async fn give_up(&self, cause: GivenUp) {
        let told = self.parts.told();
        if !told.answered.is_empty() {
            // What arrived need not be sent again, if this is heard.
            let told = TellCloudParts { next: Vec::new(), ..told };
            let _ = self.link.control().cloud_parts(&told).await;
        }
        self.link.give_up(cause).await;
    }
}

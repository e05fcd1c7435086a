//! What one content's work says to the management server, again where it has to be.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use xylem_api::control_cloud::{CloudGivenUp, GivenUp, TellCloudParts};
use xylem_blobs::BlobError;
use xylem_client::{ClientError, ControlClient};
use xylem_model::{CloudPointId, ContentId};
use xylem_runtime::Backoff;
use xylem_telemetry::chain;

use crate::ingest::final_word;
use crate::node::Node;

/// A content is this server's for two minutes after each word of it: three words may be lost.
pub(super) const KEEP_EVERY: Duration = Duration::from_secs(30);

/// First and longest wait while the management server cannot be asked.
pub(super) const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The longest wait that the management server may ask for: what is longer counts as this.
const LONGEST_ASKED_FOR: Duration = Duration::from_secs(10 * 60);

/// How often it is tried to tell that something is given up. What is not heard becomes somebody's
/// again two minutes later.
const MAX_GIVING_UP: u32 = 3;

/// Why a content's work ends before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The management server wants it no longer, or not from this server.
    Refused(ClientError),
    /// This server is the root no longer, or in maintenance.
    Leaving,
    /// The copy cannot be read.
    Copy(BlobError),
    /// The provider gives no answers. No address with a query is in it.
    Line(String),
    /// What lacks is not what was told: it is to be asked anew.
    Stale,
}

/// The control link, as far as one content is concerned.
pub(super) struct Link {
    node: Arc<Node>,
    point: CloudPointId,
    content: ContentId,
}

impl Link {
    pub(super) const fn new(node: Arc<Node>, point: CloudPointId, content: ContentId) -> Self {
        Self { node, point, content }
    }

    pub(super) fn control(&self) -> &ControlClient {
        &self.node.control
    }

    /// Whether this server fills the cloud.
    ///
    /// # Errors
    /// [`Stop::Leaving`] where it does not.
    pub(super) fn check(&self) -> Result<(), Stop> {
        if fills(&self.node) { Ok(()) } else { Err(Stop::Leaving) }
    }

    /// Asks until there is an answer, and keeps the content meanwhile. What is under way at the
    /// provider goes on.
    ///
    /// # Errors
    /// [`Stop::Refused`] where the answer is no, and asking again would not change it.
    pub(super) async fn ask<T, F>(&self, call: impl Fn() -> F) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            if let Some(answer) = self.ask_once(&mut backoff, call()).await? {
                return Ok(answer);
            }
        }
    }

    /// Asks once. None where it is to be asked again, after the wait that goes before that.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(super) async fn ask_once<T>(
        &self,
        backoff: &mut Backoff,
        call: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<Option<T>, Stop> {
        let error = match self.while_kept(call).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) if final_word(&error).is_some() => return Err(Stop::Refused(error)),
            Err(error) => error,
        };
        tracing::debug!(
            package.digest = %self.content, error = %chain(&error),
            "the management server is asked again about the cloud"
        );
        let wait = backoff.next_wait(&*self.node.environment.rng).max(RETRY.0);
        self.wait(wait.max(asked_for(&error))).await?;
        Ok(None)
    }

    async fn wait(&self, wait: Duration) -> Result<(), Stop> {
        let end = Instant::now() + wait;
        let waiting = async {
            while Instant::now() < end {
                sleep_until(end.min(Instant::now() + RETRY.0)).await;
                self.check()?;
            }
            Ok(())
        };
        self.while_kept(waiting).await
    }

    /// Waits for what may take longer than the content is this server's without a word.
    pub(super) async fn while_kept<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            never = self.keep() => match never {},
        }
    }

    async fn keep(&self) -> Infallible {
        let nothing = self.nothing();
        loop {
            sleep(KEEP_EVERY).await;
            if let Err(error) = self.control().cloud_parts(&nothing).await {
                tracing::debug!(
                    package.digest = %self.content, error = %chain(&error),
                    "a content on its way into the cloud was not kept"
                );
            }
        }
    }

    /// The word that keeps a content, and tells nothing.
    pub(super) const fn nothing(&self) -> TellCloudParts {
        let (point, content) = (self.point, self.content);
        TellCloudParts { point, content, answered: Vec::new(), next: Vec::new() }
    }

    /// Tells that this server does not go on with the content.
    pub(super) async fn give_up(&self, cause: GivenUp) {
        let given_up = CloudGivenUp { point: self.point, content: self.content, cause };
        for _ in 0..MAX_GIVING_UP {
            match self.control().cloud_given_up(&given_up).await {
                Err(error) if final_word(&error).is_none() => sleep(RETRY.0).await,
                // It is nobody's by now, or another one's.
                Ok(()) | Err(_) => return,
            }
        }
    }
}

/// Whether a server fills the cloud: the root alone, and not in maintenance.
pub(super) fn fills(node: &Node) -> bool {
    node.access().is_some_and(|access| access.is_root && !access.settings.maintenance)
}

/// How long an answer asks to wait.
fn asked_for(error: &ClientError) -> Duration {
    match error {
        ClientError::Answer { retry_after: Some(wait), .. } => (*wait).min(LONGEST_ASKED_FOR),
        _ => Duration::ZERO,
    }
}

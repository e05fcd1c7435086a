//! Digests that are computed once an upload is acknowledged: `docs/design/digests.md`.
//!
//! Nothing of it is kept on the disk. What is to be done is asked of the management server, which
//! knows what it lacks; whatever is cut short is asked for again.

mod left_alone;
mod pass;
mod reading;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use xylem_client::ClientError;
use xylem_model::ContentId;
use xylem_runtime::{Backoff, Shutdown};
use xylem_telemetry::chain;

use crate::ingest::final_word;
use crate::node::Node;
use left_alone::LeftAlone;
use pass::{Passed, compute};
use walk::{Step, Walk};

pub(crate) use reading::bytes_of;

/// How often it is asked what is lacking, where new files enter and on the root.
const EVERY: Duration = Duration::from_secs(60);

/// How often it is asked anywhere else: only where those two are gone is there something to do.
const EVERY_ELSEWHERE: Duration = Duration::from_secs(3600);

/// What was tried and is lacking still is left alone for so long, the first time.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// Pages of the list that are asked for at once, at most.
const MAX_PAGES: usize = 64;

/// How long the management server is left in peace after them: for each it may look at 10,000
/// contents.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// For how long an answer is worked off before the management server is asked anew: what is new
/// comes before what is old, and asking for each small file would cost more than the file.
const WORKED_OFF: Duration = Duration::from_secs(2);

/// First and longest wait while the management server cannot be asked.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Computes what is lacking until shutdown.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    let mut computing = Computing {
        node,
        left_alone: LeftAlone::default(),
        walk: Walk::default(),
        backoff: Backoff::new(RETRY.0, RETRY.1),
        asked: None,
    };
    tokio::select! {
        () = computing.keep_on() => {}
        () = shutdown.begun() => {}
    }
}

/// What is known while the program runs.
struct Computing {
    node: Arc<Node>,
    left_alone: LeftAlone,
    walk: Walk,
    /// Waits for the management server.
    backoff: Backoff,
    /// When the list was last seen to its end.
    asked: Option<Instant>,
}

impl Computing {
    async fn keep_on(&mut self) {
        let node = Arc::clone(&self.node);
        loop {
            let pause = if self.is_due() { self.go_on().await } else { Some(EVERY) };
            let Some(pause) = pause else { continue };
            tokio::select! {
                () = node.published.notified() => self.asked = None,
                () = sleep(pause) => {}
            }
        }
    }

    fn is_due(&self) -> bool {
        let every = if is_asked_first(&self.node) { EVERY } else { EVERY_ELSEWHERE };
        let is_due = self.asked.is_none_or(|asked| asked.elapsed() >= every);
        is_due && !self.node.decided().maintenance
    }

    /// Computes what is next; where there is nothing, says how long to wait.
    async fn go_on(&mut self) -> Option<Duration> {
        let next = self.next().await;
        if next.is_ok() {
            self.backoff.reset();
        }
        match next {
            Ok(Step::Found(contents)) => {
                let asked = Instant::now();
                for content in contents {
                    if asked.elapsed() >= WORKED_OFF || self.node.decided().maintenance {
                        break;
                    }
                    self.try_one(content).await;
                }
                None
            }
            Ok(Step::Further) => Some(BETWEEN_LOOKS),
            Ok(Step::Over) => {
                self.asked = Some(Instant::now());
                Some(EVERY)
            }
            Err(error) => {
                tracing::debug!(error = %chain(&error), "what is lacking cannot be asked");
                Some(self.backoff.next_wait(&*self.node.environment.rng).max(RETRY.0))
            }
        }
    }

    /// What is to be computed next, as far as one look reaches.
    async fn next(&mut self) -> Result<Step, ClientError> {
        let now = Instant::now();
        self.left_alone.tidy(now);
        self.walk.begin();
        for _ in 0..MAX_PAGES {
            let page = match self.node.control.digests_wanted(self.walk.place()).await {
                // An older management server wants none.
                Err(error) if final_word(&error).is_some() => return Ok(Step::Over),
                page => page?,
            };
            let (left_alone, node) = (&self.left_alone, &self.node);
            let can = |it: &ContentId| !left_alone.has(it, now) && node.holds_wanted(it);
            match self.walk.see(&page, can) {
                Step::Further => {}
                step => return Ok(step),
            }
        }
        Ok(Step::Further)
    }

    async fn try_one(&mut self, content: ContentId) {
        match compute(&self.node, content, &mut self.backoff).await {
            // It is next once maintenance is over.
            Ok(Passed::CutShort) => {}
            Ok(Passed::Told | Passed::Unwanted) => {
                self.left_alone.done(content, Instant::now(), AGAIN_AFTER);
            }
            Err(error) => {
                tracing::warn!(
                    package.digest = %content, error = %chain(&error),
                    "further digests are lacking still"
                );
                self.left_alone.failed(content, Instant::now(), error.first_pause());
            }
        }
    }
}

/// Whether this server computes, where it can, and others only in its place.
fn is_asked_first(node: &Node) -> bool {
    node.access().is_some_and(|access| access.is_principal || access.is_root)
}

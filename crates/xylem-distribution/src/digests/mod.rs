//! Digests that are computed once an upload is acknowledged: `docs/design/digests.md`.
//!
//! Nothing of it is kept on the disk. What is to be done is asked of the management server, which
//! knows what it lacks; whatever is cut short is asked for again.

mod reading;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use xylem_api::digests::ReportedDigests;
use xylem_blobs::BlobError;
use xylem_client::ClientError;
use xylem_model::{ContentId, FurtherDigests, Sha256};
use xylem_runtime::{Backoff, Shutdown};
use xylem_telemetry::chain;

use crate::ingest::final_word;
use crate::node::Node;
use reading::Reading;

/// How often it is asked what is lacking, where new files enter and on the root.
const EVERY: Duration = Duration::from_secs(60);

/// How often it is asked anywhere else: only where those two are gone is there something to do.
const EVERY_ELSEWHERE: Duration = Duration::from_secs(3600);

/// What was tried and is lacking still is left alone for so long.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// And for so long where trying again will hardly help.
const AGAIN_AFTER_REFUSAL: Duration = Duration::from_secs(86_400);

/// How often it is tried to tell what was computed, before it is left alone as well.
const MAX_TELLING: u32 = 8;

/// Pages of the list that are asked for at once, at most.
const MAX_PAGES: usize = 64;

/// First and longest wait while the management server cannot be asked.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The longest rest between two steps: a disk that hung is not left alone for hours.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Why there are no digests of a content.
#[derive(Debug, thiserror::Error)]
enum DigestError {
    #[error("the copy cannot be read")]
    Read(#[from] BlobError),
    #[error(
        "the bytes have the SHA-256 {found}, and {signed} is signed: only uploading the file again \
         helps"
    )]
    Other { found: Sha256, signed: Sha256 },
    #[error("the management server does not take them")]
    Refused(#[source] ClientError),
    #[error("the management server cannot be told")]
    Untold(#[source] ClientError),
}

impl DigestError {
    /// How long the content is left alone.
    const fn pause(&self) -> Duration {
        match self {
            Self::Read(_) | Self::Untold(_) => AGAIN_AFTER,
            Self::Other { .. } | Self::Refused(_) => AGAIN_AFTER_REFUSAL,
        }
    }
}

/// Computes what is lacking until shutdown.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    tokio::select! {
        () = keep_computing(&node) => {}
        () = shutdown.begun() => {}
    }
}

async fn keep_computing(node: &Arc<Node>) {
    // From when on each may be tried again.
    let mut left_alone: HashMap<ContentId, Instant> = HashMap::new();
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    let mut asked: Option<Instant> = None;
    loop {
        let every = if is_asked_first(node) { EVERY } else { EVERY_ELSEWHERE };
        let is_due = asked.is_none_or(|asked| asked.elapsed() >= every);
        let is_held_up = node.decided().maintenance;
        let mut pause = EVERY;
        if is_due && !is_held_up {
            match next(node, &mut left_alone).await {
                Ok(Some(content)) => {
                    backoff.reset();
                    let mut pause = AGAIN_AFTER;
                    if let Err(error) = compute(node, content, &mut backoff).await {
                        pause = error.pause();
                        tracing::warn!(
                            package.digest = %content, error = %chain(&error),
                            "further digests are lacking still"
                        );
                    }
                    // What maintenance cut short is next once it is over.
                    if !node.decided().maintenance {
                        left_alone.insert(content, Instant::now() + pause);
                    }
                    continue;
                }
                Ok(None) => {
                    backoff.reset();
                    asked = Some(Instant::now());
                }
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "what is lacking cannot be asked");
                    pause = backoff.next_wait(&*node.environment.rng).max(RETRY.0);
                }
            }
        }
        tokio::select! {
            () = node.published.notified() => asked = None,
            () = sleep(pause) => {}
        }
    }
}

/// Whether this server computes, where it can, and others only in its place.
fn is_asked_first(node: &Node) -> bool {
    node.access().is_some_and(|access| access.is_principal || access.is_root)
}

/// What is to be computed next.
async fn next(
    node: &Node,
    left_alone: &mut HashMap<ContentId, Instant>,
) -> Result<Option<ContentId>, ClientError> {
    left_alone.retain(|_, until| Instant::now() < *until);
    let can = |content: &ContentId| !left_alone.contains_key(content) && node.holds_wanted(content);
    let mut after = None;
    // What cannot be done now is in nobody's way.
    for _ in 0..MAX_PAGES {
        let wanted = match node.control.digests_wanted(after).await {
            // An older management server wants none.
            Err(error) if final_word(&error).is_some() => return Ok(None),
            wanted => wanted?,
        };
        after = wanted.next;
        let found = wanted.contents.into_iter().find(can);
        if found.is_some() || after.is_none() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Computes the digests of one content, and tells them.
async fn compute(
    node: &Arc<Node>,
    content: ContentId,
    backoff: &mut Backoff,
) -> Result<(), DigestError> {
    let began = Instant::now();
    let found = match read(node, content).await {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(()),
        Err(error) => {
            if !node.repository.contains(&content) {
                node.note_lost(&content);
            }
            return Err(error.into());
        }
    };
    let signed = node.catalogue().wanted(&content).map(|descriptor| descriptor.sha256);
    if let Some(signed) = signed.filter(|signed| *signed != found.sha256) {
        return Err(not_what_was_signed(node, content, found.sha256, signed).await);
    }
    tell(node, content, &found, backoff).await?;
    metrics::counter!("xylem_distribution_digests_computed_total").increment(1);
    tracing::info!(
        package.digest = %content, size_bytes = found.size,
        duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "further digests are computed"
    );
    Ok(())
}

/// Reads all of a copy, step by step; none where nobody wants it any more, or the server is taken
/// into maintenance.
async fn read(node: &Arc<Node>, content: ContentId) -> Result<Option<FurtherDigests>, BlobError> {
    let opened = node.repository.run_reading(move |it| Reading::open(it, &content)).await;
    let mut reading = opened?;
    while node.catalogue().wanted(&content).is_some() && !node.decided().maintenance {
        let began = Instant::now();
        let (back, is_over) = node
            .repository
            .run_reading(move |_| {
                let is_over = reading.step();
                (reading, is_over)
            })
            .await;
        reading = back;
        if is_over? {
            return Ok(Some(reading.finish()));
        }
        // Half of the time is for others.
        sleep(began.elapsed().min(LONGEST_REST)).await;
    }
    Ok(None)
}

/// The bytes are not those that were signed. Where they were not checked as they were read, the copy
/// may be damaged: then it is withdrawn, and fetched again.
async fn not_what_was_signed(
    node: &Arc<Node>,
    content: ContentId,
    found: Sha256,
    signed: Sha256,
) -> DigestError {
    match node.repository.run_reading(move |it| it.verify(&content)).await {
        Ok(()) => {
            let error = DigestError::Other { found, signed };
            tracing::error!(package.digest = %content, %error, "two signed digests disagree");
            error
        }
        Err(error) => {
            if !node.repository.contains(&content) {
                node.note_lost(&content);
            }
            error.into()
        }
    }
}

/// Tells what was found. A management server that is away for longer is told another time: what was
/// computed is computed again then.
async fn tell(
    node: &Node,
    content: ContentId,
    found: &FurtherDigests,
    backoff: &mut Backoff,
) -> Result<(), DigestError> {
    let told = ReportedDigests::from(found);
    let mut tries = 0;
    loop {
        tries += 1;
        match node.control.tell_digests(&content, &told).await {
            Ok(()) => return Ok(()),
            Err(error) if final_word(&error).is_some() => return Err(DigestError::Refused(error)),
            Err(error) if tries >= MAX_TELLING => return Err(DigestError::Untold(error)),
            Err(error) => {
                tracing::debug!(error = %chain(&error), "further digests are told later");
                sleep(backoff.next_wait(&*node.environment.rng).max(RETRY.0)).await;
            }
        }
    }
}

//! One pass: a copy is read, and what was computed is told.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use xylem_api::digests::ReportedDigests;
use xylem_blobs::BlobError;
use xylem_client::ClientError;
use xylem_model::{ContentId, FurtherDigests, Sha256};
use xylem_runtime::Backoff;
use xylem_telemetry::chain;

use super::reading::Reading;
use super::{AGAIN_AFTER, RETRY};
use crate::ingest::final_word;
use crate::node::Node;

/// Where trying again will hardly help, a content is left alone for so long.
const AGAIN_AFTER_REFUSAL: Duration = Duration::from_secs(86_400);

/// How often it is tried to tell what was computed, before it is left alone as well.
const MAX_TELLING: u32 = 8;

/// The longest rest between two steps: a disk that hung is not left alone for hours.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Why there are no digests of a content.
#[derive(Debug, thiserror::Error)]
pub(super) enum DigestError {
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
    /// How long the content is left alone when this happens first.
    pub(super) const fn first_pause(&self) -> Duration {
        match self {
            Self::Read(_) | Self::Untold(_) => AGAIN_AFTER,
            Self::Other { .. } | Self::Refused(_) => AGAIN_AFTER_REFUSAL,
        }
    }
}

/// How a pass ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// The digests are told.
    Told,
    /// The server was taken into maintenance meanwhile: all is still to be done.
    CutShort,
    /// Nobody wants the content any more.
    Unwanted,
}

/// Computes the digests of one content, and tells them.
pub(super) async fn compute(
    node: &Arc<Node>,
    content: ContentId,
    backoff: &mut Backoff,
) -> Result<Passed, DigestError> {
    let began = Instant::now();
    let found = match read(node, content).await {
        Ok(ControlFlow::Continue(found)) => found,
        Ok(ControlFlow::Break(ended)) => return Ok(ended),
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
    Ok(Passed::Told)
}

/// Reads all of a copy, step by step, unless the pass ends before.
async fn read(
    node: &Arc<Node>,
    content: ContentId,
) -> Result<ControlFlow<Passed, FurtherDigests>, BlobError> {
    let opened = node.repository.run_reading(move |it| Reading::open(it, &content)).await;
    let mut reading = opened?;
    loop {
        if node.catalogue().wanted(&content).is_none() {
            return Ok(ControlFlow::Break(Passed::Unwanted));
        }
        if node.decided().maintenance {
            return Ok(ControlFlow::Break(Passed::CutShort));
        }
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
            return Ok(ControlFlow::Continue(reading.finish()));
        }
        // Half of the time is for others.
        sleep(began.elapsed().min(LONGEST_REST)).await;
    }
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

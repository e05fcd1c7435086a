//! Parts of an upload coming in.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;
use xylem_api::error::ErrorCode;
use xylem_api::ingest::IngestProgress;
use xylem_blobs::{BlobError, StagedFile};
use xylem_http::ApiError;

use super::ahead::MAX_AHEAD_BYTES;
use super::out_of_order::{receive_ahead, take_in};
use super::record::{Facts, Stage, refusal};
use super::slots::{Slot, Uploads, Work, blob_error};
use crate::node::Node;
use crate::pour::{PourError, Source, pour};

/// Longest silence of a sender in the middle of a part.
const SILENCE: Duration = Duration::from_secs(60);

/// When the sender of a part that broke off may send the rest, in seconds.
const BROKEN_OFF_SECONDS: u32 = 1;

/// An upload's record is marked as used at most this often.
const TOUCH_EVERY: Duration = Duration::from_secs(300);

/// A request body that may fall silent only for so long.
pub(super) struct Sender<'a> {
    body: BodyDataStream,
    uploads: &'a Uploads,
    /// Bytes that may still come.
    left: u64,
}

impl<'a> Sender<'a> {
    /// A body of at most `longest` bytes.
    pub(super) fn new(body: Body, uploads: &'a Uploads, longest: u64) -> Self {
        Self { body: body.into_data_stream(), uploads, left: longest }
    }
}

#[async_trait]
impl Source for Sender<'_> {
    type Error = String;

    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        let piece = tokio::select! {
            piece = timeout(SILENCE, self.body.next()) => piece,
            () = self.uploads.closed() => return Err("a restart".to_owned()),
        };
        match piece {
            Err(_) => Err(format!("nothing came for {} s", SILENCE.as_secs())),
            Ok(None) => Ok(None),
            Ok(Some(piece)) => {
                let piece = piece.map_err(|error| error.to_string())?;
                let left = self.left.checked_sub(piece.len() as u64);
                self.left = left.ok_or("it is longer than was said")?;
                Ok(Some(piece))
            }
        }
    }
}

/// How much of an upload is here.
pub(crate) async fn progress(
    node: &Arc<Node>,
    slot: &Slot,
    facts: &Facts,
) -> Result<IngestProgress, ApiError> {
    node.uploads.check_open()?;
    let Some(mut work) = slot.try_work() else {
        // A part is just coming in, or the upload is being finished.
        return Ok(so_far(slot, facts, slot.offset()));
    };
    // Once more, with the work in hand: whoever closes waits until nobody has any.
    node.uploads.check_open()?;
    work.load(node, facts).await?;
    if let Some(progress) = settled(&work, facts)? {
        return Ok(progress);
    }
    if is_finishing(&work) {
        // All of it is here, perhaps published already, so that nothing is staged any more.
        return Ok(so_far(slot, facts, facts.size));
    }
    let staged = work.take_staged(node, facts).await?;
    let (staged, taken) = Box::pin(take_in(node, slot, staged)).await;
    if let Err(error) = taken {
        work.give_up_staged();
        return Err(blob_error("taking in what came ahead", error));
    }
    let offset = staged.offset();
    slot.note_offset(offset);
    work.staged = Some(staged);
    Ok(so_far(slot, facts, offset))
}

pub(super) fn so_far(slot: &Slot, facts: &Facts, offset: u64) -> IngestProgress {
    let ahead = slot.ahead.here();
    let Facts { size, .. } = *facts;
    IngestProgress { offset, size, published: false, ahead, max_ahead: MAX_AHEAD_BYTES }
}

/// A part that is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) offset: u64,
    /// Bytes, where its sender says so beforehand.
    pub(crate) length: Option<u64>,
    /// Whether it may come before those in front of it.
    pub(crate) may_be_ahead: bool,
}

/// Takes a part. Where this returns an offset, everything before it is durable, also where the part
/// was cut short; what came ahead is not.
pub(crate) async fn receive(
    node: Arc<Node>,
    slot: Arc<Slot>,
    mut work: OwnedMutexGuard<Work>,
    facts: Facts,
    part: Part,
    body: Body,
) -> Result<IngestProgress, ApiError> {
    node.uploads.check_open()?;
    work.load(&node, &facts).await?;
    if let Some(progress) = settled(&work, &facts)? {
        return Ok(progress);
    }
    if is_finishing(&work) {
        let message = "all bytes are here and the upload is being finished: repeat its completion";
        return Err(ApiError::new(ErrorCode::Conflict, message));
    }
    let staged = work.take_staged(&node, &facts).await?;
    let there = staged.offset();
    slot.note_offset(there);
    if part.offset > there {
        work.staged = Some(staged);
        if part.may_be_ahead {
            drop(work);
            return Box::pin(receive_ahead(node, slot, facts, part, body)).await;
        }
        let message = format!(
            "the upload goes on at byte {there}, but bytes from {} on were sent",
            part.offset
        );
        return Err(ApiError::new(ErrorCode::Conflict, message));
    }
    let end = part.length.map_or(facts.size, |length| part.offset.saturating_add(length));
    let reserved = match slot.ahead.reserve(part.offset..end) {
        Ok(reserved) => reserved,
        Err(taken) => {
            work.staged = Some(staged);
            return Err(taken);
        }
    };
    let longest = end.saturating_sub(part.offset);
    let mut sender = Sender::new(body, &node.uploads, longest);
    let told = |at| slot.note_offset(at);
    let (staged, poured) = pour(&node.repository, staged, part.offset, &mut sender, &told).await;
    reserved.taken(staged.offset());
    drop(reserved);
    let (staged, taken) = Box::pin(take_in(&node, &slot, staged)).await;
    let (staged, kept) = keep(&node, staged).await;
    let kept = taken.and(kept);
    let offset = staged.offset();
    slot.note_offset(offset);
    let usable = kept.is_ok() && !matches!(&poured, Err(PourError::Blob(BlobError::Io { .. })));
    if usable {
        work.staged = Some(staged);
    } else {
        work.give_up_staged();
    }
    touch(&node, &mut work, &facts).await?;
    metrics::counter!("xylem_distribution_ingested_parts_total").increment(1);
    kept.map_err(|error| blob_error("keeping a part of an upload", error))?;
    match poured {
        Ok(()) => Ok(so_far(&slot, &facts, offset)),
        Err(PourError::Blob(error)) => Err(blob_error("writing a part of an upload", error)),
        Err(PourError::Source(reason)) => Err(broken_off(&node, &reason, offset)),
    }
}

pub(super) fn broken_off(node: &Node, reason: &str, offset: u64) -> ApiError {
    if let Err(restart) = node.uploads.check_open() {
        return restart;
    }
    let message = format!("the part broke off ({reason}): {offset} bytes are here, send the rest");
    ApiError::unavailable(message, BROKEN_OFF_SECONDS)
}

/// The answer to anything about an upload that is over.
fn settled(work: &Work, facts: &Facts) -> Result<Option<IngestProgress>, ApiError> {
    match work.record.as_ref().map(|record| &record.stage) {
        Some(Stage::Published { .. }) => Ok(Some(IngestProgress::published(facts.size))),
        Some(Stage::Refused { code, reason, .. }) => Err(refusal(*code, reason)),
        _ => Ok(None),
    }
}

/// Whether all bytes came, and only its completion is left.
fn is_finishing(work: &Work) -> bool {
    let stage = work.record.as_ref().map(|record| &record.stage);
    matches!(stage, Some(Stage::Completing | Stage::Storing { .. } | Stage::Committed { .. }))
}

pub(super) async fn keep(
    node: &Node,
    mut staged: StagedFile,
) -> (StagedFile, Result<(), BlobError>) {
    node.repository
        .run(move |_| {
            let kept = staged.pause();
            (staged, kept)
        })
        .await
}

pub(super) async fn touch(
    node: &Arc<Node>,
    work: &mut Work,
    facts: &Facts,
) -> Result<(), ApiError> {
    let now = node.now();
    work.used = now;
    let stale = |touched| now.since(touched) >= TOUCH_EVERY;
    match &work.record {
        Some(record) if stale(record.touched) => {
            let stage = record.stage.clone();
            work.write(node, facts, stage).await
        }
        _ => Ok(()),
    }
}

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

use super::record::{Facts, Stage, refusal};
use super::slots::{Slot, Uploads, Work, blob_error};
use crate::node::Node;
use crate::pour::{PourError, Source, pour};

/// Longest silence of a sender in the middle of a part.
const SILENCE: Duration = Duration::from_secs(60);

/// An upload's record is marked as used at most this often.
const TOUCH_EVERY: Duration = Duration::from_secs(300);

/// A request body that may fall silent only for so long.
pub(super) struct Sender<'a> {
    body: BodyDataStream,
    uploads: &'a Uploads,
}

impl<'a> Sender<'a> {
    pub(super) fn new(body: Body, uploads: &'a Uploads) -> Self {
        Self { body: body.into_data_stream(), uploads }
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
            Ok(Some(piece)) => piece.map(Some).map_err(|error| error.to_string()),
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
        return Ok(IngestProgress { offset: slot.offset(), size: facts.size, published: false });
    };
    // Once more, with the work in hand: whoever closes waits until nobody has any.
    node.uploads.check_open()?;
    work.load(node, facts).await?;
    if let Some(progress) = settled(&work, facts)? {
        return Ok(progress);
    }
    let staged = work.take_staged(node, facts).await?;
    let offset = staged.offset();
    slot.note_offset(offset);
    work.staged = Some(staged);
    Ok(IngestProgress { offset, size: facts.size, published: false })
}

/// Takes a part. Whatever arrived is durable when this returns, also where it was cut short.
pub(crate) async fn receive(
    node: Arc<Node>,
    slot: Arc<Slot>,
    mut work: OwnedMutexGuard<Work>,
    facts: Facts,
    offset: u64,
    body: Body,
) -> Result<IngestProgress, ApiError> {
    node.uploads.check_open()?;
    work.load(&node, &facts).await?;
    if let Some(progress) = settled(&work, &facts)? {
        return Ok(progress);
    }
    if work.record.as_ref().is_some_and(|record| record.stage != Stage::Receiving) {
        let message = "all bytes are here and the upload is being finished: repeat its completion";
        return Err(ApiError::new(ErrorCode::Conflict, message));
    }
    let staged = work.take_staged(&node, &facts).await?;
    slot.note_offset(staged.offset());
    if offset > staged.offset() {
        let message = format!(
            "the upload goes on at byte {}, but bytes from {offset} on were sent",
            staged.offset()
        );
        work.staged = Some(staged);
        return Err(ApiError::new(ErrorCode::Conflict, message));
    }
    let mut sender = Sender::new(body, &node.uploads);
    let told = |at| slot.note_offset(at);
    let (staged, poured) = pour(&node.repository, staged, offset, &mut sender, &told).await;
    let (staged, kept) = keep(&node, staged).await;
    let offset = staged.offset();
    slot.note_offset(offset);
    let usable = kept.is_ok() && !matches!(&poured, Err(PourError::Blob(BlobError::Io { .. })));
    if usable {
        work.staged = Some(staged);
    }
    touch(&node, &mut work, &facts).await?;
    metrics::counter!("xylem_distribution_ingested_parts_total").increment(1);
    kept.map_err(|error| blob_error("keeping a part of an upload", error))?;
    match poured {
        Ok(()) => Ok(IngestProgress { offset, size: facts.size, published: false }),
        Err(PourError::Blob(error)) => Err(blob_error("writing a part of an upload", error)),
        Err(PourError::Source(reason)) => {
            node.uploads.check_open()?;
            Err(ApiError::new(
                ErrorCode::BadRequest,
                format!("the part broke off ({reason}): {offset} bytes are here, send the rest"),
            ))
        }
    }
}

/// The answer to anything about an upload that is over.
fn settled(work: &Work, facts: &Facts) -> Result<Option<IngestProgress>, ApiError> {
    match work.record.as_ref().map(|record| &record.stage) {
        Some(Stage::Published { .. }) => {
            Ok(Some(IngestProgress { offset: facts.size, size: facts.size, published: true }))
        }
        Some(Stage::Refused { code, reason, .. }) => Err(refusal(*code, reason)),
        _ => Ok(None),
    }
}

async fn keep(node: &Node, mut staged: StagedFile) -> (StagedFile, Result<(), BlobError>) {
    node.repository
        .run(move |_| {
            let kept = staged.pause();
            (staged, kept)
        })
        .await
}

async fn touch(node: &Arc<Node>, work: &mut Work, facts: &Facts) -> Result<(), ApiError> {
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

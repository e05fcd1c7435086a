//! Parts of an upload that come out of order: written at their places, and taken in later.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use xylem_api::error::ErrorCode;
use xylem_api::ingest::IngestProgress;
use xylem_blobs::{AheadWriter, BlobError, StagedFile};
use xylem_http::ApiError;

use super::receive::{Part, Sender, broken_off, keep, so_far, touch};
use super::record::Facts;
use super::slots::{Slot, blob_error};
use crate::node::Node;
use crate::pour::{PourError, Source as _};

/// Bytes that are gathered before they are written ahead.
const GATHER_BYTES: usize = 256 << 10;

/// Bytes that are hashed with one visit to the disk.
const STEP_BYTES: u64 = 16 << 20;

/// Takes a part while others are sent in front of it.
pub(crate) async fn receive_ahead(
    node: Arc<Node>,
    slot: Arc<Slot>,
    facts: Facts,
    part: Part,
    body: Body,
) -> Result<IngestProgress, ApiError> {
    // Whoever takes the folder over waits until this is done.
    let _change = node.uploads.begin_change()?;
    let length = part.length.ok_or_else(|| {
        let message = "a part that may come ahead needs a Content-Length";
        ApiError::new(ErrorCode::BadRequest, message)
    })?;
    let end = part.offset.saturating_add(length);
    let (writer, reserved) = slot.ahead.reserve_ahead(&facts, part.offset..end)?;
    let mut sender = Sender::new(body, &node.uploads, length);
    let (at, poured) = pour_ahead(&node, &writer, part.offset, &mut sender).await;
    reserved.arrived(at);
    metrics::counter!("xylem_distribution_ingested_parts_total").increment(1);
    if let Some(mut work) = slot.try_work()
        && let Some(staged) = work.staged.take()
    {
        // Nobody else would, until the next part comes.
        let (staged, taken) = Box::pin(take_in(&node, &slot, staged)).await;
        if let Err(error) = taken {
            work.give_up_staged();
            return Err(blob_error("taking in what came ahead", error));
        }
        work.staged = Some(staged);
        touch(&node, &mut work, &facts).await?;
    }
    let offset = slot.offset();
    match poured {
        Ok(()) => Ok(so_far(&slot, &facts, offset)),
        Err(PourError::Blob(error)) => Err(blob_error("writing a part of an upload", error)),
        Err(PourError::Source(reason)) => Err(broken_off(&node, &reason, offset)),
    }
}

/// Writes what comes at its place, also what came before it broke off. Gives where it ends.
async fn pour_ahead(
    node: &Node,
    writer: &AheadWriter,
    mut at: u64,
    sender: &mut Sender<'_>,
) -> (u64, Result<(), PourError<String>>) {
    loop {
        let (mut pieces, mut len) = (Vec::new(), 0);
        let end = loop {
            match sender.next().await {
                Ok(Some(piece)) => {
                    len += piece.len();
                    pieces.push(piece);
                    if len >= GATHER_BYTES {
                        break None;
                    }
                }
                Ok(None) => break Some(Ok(())),
                Err(reason) => break Some(Err(PourError::Source(reason))),
            }
        };
        let writer = writer.clone();
        let written;
        (at, written) = node.repository.run(move |_| write_all(&writer, at, &pieces)).await;
        if let Err(error) = written {
            return (at, Err(PourError::Blob(error)));
        }
        if let Some(end) = end {
            return (at, end);
        }
    }
}

fn write_all(writer: &AheadWriter, mut at: u64, pieces: &[Bytes]) -> (u64, Result<(), BlobError>) {
    for piece in pieces {
        if let Err(error) = writer.write(at, piece) {
            return (at, Err(error));
        }
        at += piece.len() as u64;
    }
    (at, Ok(()))
}

/// Takes in what came ahead and is next now, as far as it reaches, and makes it durable.
pub(crate) async fn take_in(
    node: &Node,
    slot: &Slot,
    mut staged: StagedFile,
) -> (StagedFile, Result<(), BlobError>) {
    let before = staged.offset();
    while let Some(next) = slot.ahead.next(&staged) {
        while staged.offset() < next.end() {
            let end = next.end().min(staged.offset() + STEP_BYTES);
            let advanced;
            (staged, advanced) = node
                .repository
                .run(move |_| {
                    let advanced = staged.advance(end);
                    (staged, advanced)
                })
                .await;
            next.taken(staged.offset());
            slot.note_offset(staged.offset());
            if advanced.is_err() {
                return (staged, advanced);
            }
        }
    }
    if staged.offset() == before {
        return (staged, Ok(()));
    }
    keep(node, staged).await
}

//! Verified bytes, as they leave.
//!
//! A task reads ahead by a frame or two, so that disk and network work at once; a frame is proved
//! before it is handed over. Between two frames the caller's right is looked at again. Whatever
//! goes wrong ends the connection: an answer is whole or visibly broken, never short.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use xylem_blobs::{BlobError, BlobReader, FRAME_BYTES, GROUP_BYTES};
use xylem_http::ByteRange;
use xylem_model::ContentId;
use xylem_telemetry::chain;

use super::authorize::Permit;
use crate::node::Node;
use crate::pace::Flow;

/// Frames that are read ahead.
pub(crate) const READ_AHEAD: usize = 2;

/// How long a file may pause while it arrives before whoever reads it is sent elsewhere.
const PAUSE: Duration = Duration::from_secs(60);

/// How long a caller may take over one frame before its reader, which keeps the content from
/// being removed, is given up.
const STALL: Duration = Duration::from_secs(120);

/// The bytes of a range.
pub(crate) fn content(
    node: Arc<Node>,
    reader: BlobReader,
    range: ByteRange,
    flow: Flow,
    permit: Permit,
) -> Body {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::spawn(read_ahead(Arc::clone(&node), reader, range, flow, sender));
    guarded(node, receiver, permit)
}

/// The outboard of a content.
pub(crate) fn tree(node: Arc<Node>, content: ContentId, permit: Permit) -> Body {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::spawn(read_tree(Arc::clone(&node), content, sender));
    guarded(node, receiver, permit)
}

/// Hands on frames as long as the caller's right stands.
pub(crate) fn guarded(
    node: Arc<Node>,
    frames: mpsc::Receiver<io::Result<Bytes>>,
    permit: Permit,
) -> Body {
    Body::from_stream(stream::unfold((node, frames, permit), |(node, mut frames, permit)| async {
        let frame = frames.recv().await?;
        let frame = if permit.still_stands(&node) {
            frame
        } else {
            frames.close();
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "the certificate was revoked"))
        };
        if let Ok(frame) = &frame {
            let bytes = frame.len() as u64;
            metrics::counter!("xylem_distribution_served_bytes_total").increment(bytes);
        }
        Some((frame, (node, frames, permit)))
    }))
}

async fn read_ahead(
    node: Arc<Node>,
    mut reader: BlobReader,
    range: ByteRange,
    flow: Flow,
    frames: mpsc::Sender<io::Result<Bytes>>,
) {
    let mut offset = range.start;
    while offset < range.end {
        let most = flow.piece_bytes(FRAME_BYTES, GROUP_BYTES);
        let want = (range.end - offset).min(most);
        let there = reader.available().saturating_sub(offset);
        if there > 0 {
            flow.turn(want.min(there)).await;
        }
        let read;
        (reader, read) = node
            .repository
            .run(move |_| {
                let read = reader.read(offset, want);
                (reader, read)
            })
            .await;
        let frame = match read {
            Ok(frame) if frame.is_empty() => match grown(&mut reader, offset).await {
                Ok(()) => continue,
                Err(error) => Err(error),
            },
            Ok(frame) => Ok(frame),
            Err(error) => Err(failed(&node, &reader.id(), error)),
        };
        let broken = frame.is_err();
        offset += frame.as_ref().map_or(0, |frame| frame.len() as u64);
        if hand_over(&frames, frame).await.is_none() || broken {
            return;
        }
    }
}

/// Returns once there is more than `offset` bytes of a file that is arriving.
async fn grown(reader: &mut BlobReader, offset: u64) -> io::Result<()> {
    let Some(mut growth) = reader.growth().filter(|_| reader.may_grow()) else {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its arrival was given up"));
    };
    timeout(PAUSE, growth.beyond(offset)).await.map_err(|_| {
        io::Error::new(io::ErrorKind::TimedOut, "nothing more of it has arrived for a minute")
    })
}

async fn read_tree(node: Arc<Node>, content: ContentId, frames: mpsc::Sender<io::Result<Bytes>>) {
    let opened = node.repository.run(move |repository| repository.open_tree(&content)).await;
    let mut reader = match opened {
        Ok(reader) => reader,
        Err(error) => {
            hand_over(&frames, Err(failed(&node, &content, error))).await;
            return;
        }
    };
    loop {
        let read;
        (reader, read) = node
            .repository
            .run(move |_| {
                let read = reader.read(FRAME_BYTES as usize);
                (reader, read)
            })
            .await;
        let frame = match read {
            Ok(frame) if frame.is_empty() => return,
            read => read.map_err(|error| failed(&node, &content, error)),
        };
        let broken = frame.is_err();
        if hand_over(&frames, frame).await.is_none() || broken {
            return;
        }
    }
}

/// None once nobody takes frames any more.
pub(crate) async fn hand_over(
    frames: &mpsc::Sender<io::Result<Bytes>>,
    frame: io::Result<Bytes>,
) -> Option<()> {
    timeout(STALL, frames.send(frame)).await.ok()?.ok()
}

/// Notes what is not here any more, so that it is fetched again.
pub(crate) fn failed(node: &Node, content: &ContentId, error: BlobError) -> io::Error {
    if matches!(error, BlobError::Corrupt { .. } | BlobError::NotFound { .. }) {
        metrics::counter!("xylem_distribution_withdrawn_total").increment(1);
        node.note_held(content, node.repository.contains(content));
        node.ledger.queued(*content);
        node.work.notify_one();
    }
    tracing::error!(package.digest = %content, error = %chain(&error), "an answer was broken off");
    io::Error::other(error)
}

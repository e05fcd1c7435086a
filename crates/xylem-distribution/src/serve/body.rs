//! Verified bytes, as they leave.
//!
//! A frame is read when the connection asks for one, on its own thread: from memory, and proved
//! there, which takes less time than handing it to another thread. Where memory does not have it a
//! blocking thread reads it from the disk, and has the disk read on. Between two frames the
//! caller's right is looked at again. Whatever goes wrong ends the connection: an answer is whole
//! or visibly broken, never short.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use xylem_blobs::{BlobError, BlobReader, FRAME_BYTES, GROUP_BYTES, Reach, Repository, TreeReader};
use xylem_http::ByteRange;
use xylem_model::ContentId;
use xylem_telemetry::chain;

use super::authorize::Permit;
use super::counts;
use crate::node::Node;
use crate::pace::Flow;

/// Frames that are read ahead by those that fill a channel.
pub(crate) const READ_AHEAD: usize = 2;

/// How long a file may pause while it arrives before whoever reads it is sent elsewhere.
const PAUSE: Duration = Duration::from_secs(60);

/// How long a caller may take over one frame before its reader, which keeps the content from
/// being removed, is given up.
const STALL: Duration = Duration::from_secs(120);

/// Up to here an answer is small: it is read before its head leaves.
const SMALL_BYTES: u64 = 64 << 10;

/// What the disk begins to read once it had to be waited for, in bytes.
const PREFETCH_BYTES: u64 = 4 << 20;

/// Opens content that is published or arriving.
///
/// # Errors
/// As [`Repository::open_arriving`].
pub(crate) async fn open(
    repository: &Repository,
    content: ContentId,
) -> Result<BlobReader, BlobError> {
    match repository.open_arriving(&content, Reach::Memory) {
        Err(error) if error.would_block() => {
            let open =
                move |repository: &Repository| repository.open_arriving(&content, Reach::Disk);
            repository.run_reading(open).await
        }
        opened => opened,
    }
}

/// The bytes of a range. What is small is read here already.
///
/// # Errors
/// Where what is small is damaged or cannot be read: its caller gets that for an answer, and no
/// part of one.
pub(crate) async fn content(
    node: &Arc<Node>,
    reader: BlobReader,
    range: ByteRange,
    flow: Flow,
    permit: Permit,
) -> Result<Body, BlobError> {
    let is_small = range.len() <= SMALL_BYTES && range.end <= reader.available();
    let mut answer = Answer { node: Arc::clone(node), reader, left: range, flow, permit };
    if is_small {
        answer.flow.turn(range.len()).await;
        let read;
        (answer, read) = answer.read(range.len()).await;
        let first = read?;
        counts::served(first.len());
        answer.left.start += first.len() as u64;
        if answer.left.is_empty() {
            return Ok(Body::from(first));
        }
        let rest = stream::unfold(answer, Answer::next);
        return Ok(Body::from_stream(stream::once(async { Ok(first) }).chain(rest)));
    }
    Ok(Body::from_stream(stream::unfold(answer, Answer::next)))
}

/// A range of a content on its way to one caller.
struct Answer {
    node: Arc<Node>,
    reader: BlobReader,
    left: ByteRange,
    flow: Flow,
    permit: Permit,
}

impl Answer {
    /// The next frame, once it may leave; none at the end.
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        while !self.left.is_empty() {
            let most = self.flow.piece_bytes(self.node.frames.bytes_now(), GROUP_BYTES);
            let want = self.left.len().min(most);
            let there = self.reader.available().saturating_sub(self.left.start);
            if there > 0 {
                self.flow.turn(want.min(there)).await;
            }
            let read;
            (self, read) = self.read(want).await;
            let frame = match read {
                Ok(frame) if frame.is_empty() => match self.grown().await {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
                Ok(frame) => allowed(&self.node, &self.permit, frame),
                Err(error) => Err(failed(&self.node, &self.reader.id(), error)),
            };
            match &frame {
                Ok(frame) => self.left.start += frame.len() as u64,
                Err(_) => self.left.start = self.left.end,
            }
            return Some((frame, self));
        }
        None
    }

    /// The next bytes, at most so many; none where they have not arrived yet.
    async fn read(mut self, want: u64) -> (Self, Result<Bytes, BlobError>) {
        match self.read_from(Reach::Memory, want) {
            Err(error) if error.would_block() => {}
            read => return (self, read),
        }
        let repository = self.node.repository.clone();
        repository
            .run_reading(move |_| {
                let ahead = self.left.end.min(self.left.start + PREFETCH_BYTES);
                self.reader.prefetch(self.left.start..ahead);
                let read = self.read_from(Reach::Disk, want);
                (self, read)
            })
            .await
    }

    fn read_from(&mut self, reach: Reach, want: u64) -> Result<Bytes, BlobError> {
        let range = self.left.start..self.left.start + want;
        let mut frame = self.node.frames.take();
        let filled = self.reader.read_frame(range, frame.room(), reach)?;
        Ok(frame.into_bytes(filled))
    }

    /// Returns once there is more of a file that is arriving.
    async fn grown(&self) -> io::Result<()> {
        let Some(mut growth) = self.reader.growth().filter(|_| self.reader.may_grow()) else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its arrival was given up"));
        };
        timeout(PAUSE, growth.beyond(self.left.start)).await.map_err(|_| {
            io::Error::new(io::ErrorKind::TimedOut, "nothing more of it has arrived for a minute")
        })
    }
}

/// Lets a frame leave as long as the caller's right stands.
fn allowed(node: &Node, permit: &Permit, frame: Bytes) -> io::Result<Bytes> {
    if !permit.still_stands(node) {
        let message = "the certificate was revoked";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    counts::served(frame.len());
    Ok(frame)
}

/// The outboard of a content.
pub(crate) fn tree(node: Arc<Node>, reader: TreeReader, permit: Permit) -> Body {
    let content = reader.id();
    let frames = stream::unfold(Some(reader), move |reader| {
        let (node, permit) = (Arc::clone(&node), permit.clone());
        async move {
            let mut reader = reader?;
            let (read, reader) = node
                .repository
                .run_reading(move |_| (reader.read(FRAME_BYTES as usize), reader))
                .await;
            match read {
                Ok(frame) if frame.is_empty() => None,
                Ok(frame) => Some((allowed(&node, &permit, frame), Some(reader))),
                Err(error) => Some((Err(failed(&node, &content, error)), None)),
            }
        }
    });
    Body::from_stream(frames)
}

/// Hands on what fills a channel, as long as the caller's right stands.
pub(crate) fn guarded(
    node: Arc<Node>,
    frames: mpsc::Receiver<io::Result<Bytes>>,
    permit: Permit,
) -> Body {
    Body::from_stream(stream::unfold((node, frames, permit), |(node, mut frames, permit)| async {
        let frame = frames.recv().await?.and_then(|frame| allowed(&node, &permit, frame));
        if frame.is_err() {
            frames.close();
        }
        Some((frame, (node, frames, permit)))
    }))
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
        node.note_lost(content);
    }
    tracing::error!(package.digest = %content, error = %chain(&error), "an answer was broken off");
    io::Error::other(error)
}

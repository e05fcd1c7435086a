//! One part of a copy: read once for its digests, and once more as it is sent.
//!
//! Twice, so that memory does not grow with the size of a part; the second time it comes, as a
//! rule, out of what the system keeps in memory. Both times the bytes are checked as for any reader.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use md5::{Digest as _, Md5 as Md5Hasher};
use tokio::sync::mpsc;
use xylem_api::control_cloud::PartDigests;
use xylem_blobs::{BlobError, BlobReader, FRAME_BYTES, GROUP_BYTES, Reach, Repository};
use xylem_cloud::Part;
use xylem_model::{ContentId, Md5, Sha256};

use crate::digests::bytes_of;
use crate::node::Node;
use crate::pace::Flow;
use crate::serve::{Frame, Frames};

/// Bytes that are read for digests without letting others have the thread: some 20 ms of computing.
const STEP_BYTES: u64 = 8 << 20;

/// What the disk begins to read ahead of what is sent, in bytes.
const PREFETCH_BYTES: u64 = 4 << 20;

/// The digests of a part.
///
/// # Errors
/// As [`BlobReader::read_frame`]: a copy that is damaged has been withdrawn.
pub(super) async fn digests(
    repository: &Repository,
    frames: &Arc<Frames>,
    content: ContentId,
    part: Part,
) -> Result<PartDigests, BlobError> {
    let frame = frames.take();
    let opened = repository.run_reading(move |it| Digesting::open(it, frame, &content, part)).await;
    let mut digesting = opened?;
    loop {
        let (back, is_over) = repository
            .run_reading(move |_| {
                let is_over = digesting.step();
                (digesting, is_over)
            })
            .await;
        digesting = back;
        if is_over? {
            // The frame goes back here, where it was taken.
            return Ok(digesting.finish(part.number));
        }
    }
}

/// Hands a part to whoever sends it, no faster than it may go. Ends early where nobody takes it any
/// more.
///
/// # Errors
/// As [`digests`]; whoever sends it is told first.
pub(super) async fn feed(
    node: &Arc<Node>,
    flow: Flow,
    content: ContentId,
    part: Part,
    pieces: mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), BlobError> {
    let fed = feed_all(node, flow, content, part, &pieces).await;
    if fed.is_err() {
        let error = io::Error::other("the copy cannot be read to its end");
        // The request may have ended for a reason of its own.
        let _ = pieces.send(Err(error)).await;
    }
    fed
}

async fn feed_all(
    node: &Arc<Node>,
    flow: Flow,
    content: ContentId,
    part: Part,
    pieces: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), BlobError> {
    let mut reader = node.repository.run_reading(move |it| it.open_blob(&content)).await?;
    let mut left = range_of(part);
    while !left.is_empty() {
        let most = flow.piece_bytes(FRAME_BYTES, GROUP_BYTES);
        let range = left.start..left.end.min(left.start + most);
        flow.turn(range.end - range.start).await;
        // Taken here, where it comes back to: a thread that reads would find none to be used again.
        let (mut frame, end) = (node.frames.take(), left.end);
        let (back, read) = node
            .repository
            .run_reading(move |_| {
                reader.prefetch(range.start..end.min(range.start + PREFETCH_BYTES));
                let read = read_some(&mut reader, range, frame.room());
                (reader, read.map(|filled| frame.into_bytes(filled)))
            })
            .await;
        reader = back;
        let piece = read?;
        left.start += piece.len() as u64;
        metrics::counter!("xylem_distribution_cloud_sent_bytes_total")
            .increment(piece.len() as u64);
        if pieces.send(Ok(piece)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Bytes of a copy, from memory or disk, all at once: for few.
///
/// # Errors
/// As [`digests`].
pub(super) async fn bytes(
    repository: &Repository,
    content: ContentId,
    range: Range<u64>,
) -> Result<Vec<u8>, BlobError> {
    let read = move |repository: &Repository| {
        let mut reader = repository.open_blob(&content)?;
        let (mut left, mut all) = (range, Vec::new());
        while !left.is_empty() {
            let piece = reader.read(left.start, left.end - left.start)?;
            if piece.is_empty() {
                return Err(BlobError::Corrupt { id: content, offset: left.start });
            }
            left.start += piece.len() as u64;
            all.extend_from_slice(&piece);
        }
        Ok(all)
    };
    repository.run_reading(read).await
}

fn range_of(part: Part) -> Range<u64> {
    part.offset..part.offset.saturating_add(part.bytes)
}

/// The next bytes of a range, which has some.
fn read_some(
    reader: &mut BlobReader,
    range: Range<u64>,
    buffer: &mut [u8],
) -> Result<Range<usize>, BlobError> {
    let offset = range.start;
    let filled = reader.read_frame(range, buffer, Reach::Disk)?;
    // Of published content all is there.
    if filled.is_empty() {
        return Err(BlobError::Corrupt { id: reader.id(), offset });
    }
    Ok(filled)
}

/// A part that is being read for its digests.
struct Digesting {
    reader: BlobReader,
    left: Range<u64>,
    sha256: Context,
    md5: Md5Hasher,
    frame: Frame,
}

impl Digesting {
    /// Opens a published copy. While it is open it is not removed.
    fn open(
        repository: &Repository,
        frame: Frame,
        content: &ContentId,
        part: Part,
    ) -> Result<Self, BlobError> {
        let reader = repository.open_blob(content)?;
        let (sha256, md5) = (Context::new(&SHA256), Md5Hasher::new());
        Ok(Self { reader, left: range_of(part), sha256, md5, frame })
    }

    /// Reads on, and says whether that was all.
    fn step(&mut self) -> Result<bool, BlobError> {
        let end = self.left.end.min(self.left.start.saturating_add(STEP_BYTES));
        while self.left.start < end {
            let room = self.frame.room();
            let filled = read_some(&mut self.reader, self.left.start..end, room)?;
            let bytes = room.get(filled).unwrap_or_default();
            self.sha256.update(bytes);
            self.md5.update(bytes);
            self.left.start += bytes.len() as u64;
        }
        Ok(self.left.is_empty())
    }

    fn finish(self, number: u32) -> PartDigests {
        let md5 = Md5::from_bytes(self.md5.finalize().into());
        PartDigests { number, md5, sha256: Sha256::from_bytes(bytes_of(self.sha256)) }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use aws_lc_rs::digest::digest;
    use xylem_blobs::{RepositoryOptions, VerifyOnRead};
    use xylem_cloud::PartPlan;
    use xylem_runtime::Disk;

    use super::*;

    fn repository(folder: &std::path::Path, bytes: &[u8]) -> (Repository, ContentId) {
        let options = RepositoryOptions { verify_on_read: VerifyOnRead::Always };
        let repository = Repository::open(Disk::real(), folder.to_owned(), options).unwrap();
        let content = ContentId::of(bytes);
        let mut batch = repository.begin_batch();
        batch.add(&content, bytes).unwrap();
        batch.publish().unwrap();
        (repository, content)
    }

    #[tokio::test]
    async fn parts_of_any_size_have_the_digests_of_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let held: Vec<u8> = (0..900_001_u32).map(|n| (n % 251) as u8).collect();
        let (repository, content) = repository(folder.path(), &held);
        let frames = Arc::default();
        for part_bytes in [100_000, 262_144, 300_001, 900_000, 900_001, 2_000_000] {
            let plan = PartPlan::again(held.len() as u64, NonZeroU64::new(part_bytes));
            for (number, expected) in (1..).zip(held.chunks(part_bytes as usize)) {
                let found = digests(&repository, &frames, content, plan.part(number).unwrap());
                let found = found.await.unwrap();
                assert_eq!(found.number, number);
                assert_eq!(found.md5, Md5::from_bytes(Md5Hasher::digest(expected).into()));
                let sha256 = digest(&SHA256, expected).as_ref().try_into().unwrap();
                assert_eq!(found.sha256, Sha256::from_bytes(sha256));
            }
        }
        let some = bytes(&repository, content, 262_000..600_000).await.unwrap();
        assert_eq!(some, held[262_000..600_000]);
    }

    #[tokio::test]
    async fn a_copy_that_is_gone_or_shorter_than_was_told_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (repository, content) = repository(folder.path(), b"short");
        let frames = Arc::default();
        let part = Part { number: 1, offset: 0, bytes: 6 };
        let found = digests(&repository, &frames, content, part).await;
        assert!(matches!(found, Err(BlobError::Corrupt { .. })), "{found:?}");
        let other = ContentId::of(b"other");
        let found = digests(&repository, &frames, other, part).await;
        assert!(matches!(found, Err(BlobError::NotFound { .. })), "{found:?}");
    }
}

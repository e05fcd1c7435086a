//! Frames that are filled with small files, one behind the other: always large ones, since only
//! children ask for many files.

use std::sync::Arc;

use bytes::Bytes;
use xylem_api::content::{FRAME_HEAD_BYTES, frame_head};
use xylem_blobs::FRAME_BYTES;
use xylem_model::ContentId;

use super::frames::{Frame, Frames};

/// Full frames, and one that has room.
pub(super) struct Filling {
    frames: Arc<Frames>,
    full: Vec<(Frame, usize)>,
    frame: Frame,
    filled: usize,
}

/// A place to go back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    full: usize,
    filled: usize,
}

impl Filling {
    /// Nothing yet.
    pub(super) fn new(frames: &Arc<Frames>) -> Self {
        Self { frames: Arc::clone(frames), full: Vec::new(), frame: frames.take(), filled: 0 }
    }

    /// Adds the head of a file, or of one that is not here.
    pub(super) fn head(&mut self, content: &ContentId, length: u64) {
        let head = frame_head(content, length);
        if let Some(room) = self.room_for(head.len()).first_chunk_mut() {
            *room = head;
            self.filled += FRAME_HEAD_BYTES;
        }
    }

    /// Room for the next bytes of a file of which `left` are still to come: for all of them, or for
    /// a whole frame.
    pub(super) fn room(&mut self, left: u64) -> &mut [u8] {
        self.room_for(left.min(FRAME_BYTES) as usize)
    }

    /// So many bytes of the room are filled.
    pub(super) fn add(&mut self, filled: usize) {
        self.filled += filled;
    }

    /// Where the next byte goes.
    pub(super) fn mark(&self) -> Mark {
        Mark { full: self.full.len(), filled: self.filled }
    }

    /// Takes back what was added since.
    pub(super) fn back_to(&mut self, mark: Mark) {
        self.full.truncate(mark.full + 1);
        if self.full.len() > mark.full
            && let Some((frame, _)) = self.full.pop()
        {
            self.frame = frame;
        }
        self.filled = mark.filled;
    }

    /// What is to be sent.
    pub(super) fn finish(self) -> Vec<Bytes> {
        let last = (self.frame, self.filled);
        let frames = self.full.into_iter().chain([last]).filter(|(_, filled)| *filled > 0);
        frames.map(|(frame, filled)| frame.into_bytes(0..filled)).collect()
    }

    fn room_for(&mut self, bytes: usize) -> &mut [u8] {
        if self.frame.room().len() < self.filled + bytes {
            let full = std::mem::replace(&mut self.frame, self.frames.take());
            self.full.push((full, std::mem::take(&mut self.filled)));
        }
        self.frame.room().get_mut(self.filled..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_behind_one_another_and_what_is_taken_back_is_gone() {
        let content = ContentId::of(b"a");
        let mut filling = Filling::new(&Arc::default());
        filling.head(&content, 3);
        filling.room(3)[..3].copy_from_slice(b"abc");
        filling.add(3);
        let mark = filling.mark();
        for byte in [1, 2] {
            // Two whole frames, so that the second needs another.
            let room = filling.room(FRAME_BYTES);
            assert!(room.len() as u64 >= FRAME_BYTES);
            room.fill(byte);
            filling.add(FRAME_BYTES as usize);
        }
        assert_eq!(filling.mark().full, 1);
        filling.back_to(mark);
        filling.head(&content, 0);
        let sent = filling.finish().concat();
        let head = |length| frame_head(&content, length);
        assert_eq!(sent, [&head(3)[..], b"abc", &head(0)[..]].concat());
    }

    #[test]
    fn what_is_taken_back_may_have_begun_a_frame() {
        let content = ContentId::of(b"a");
        let mut filling = Filling::new(&Arc::default());
        let whole = filling.room(FRAME_BYTES).len();
        filling.add(whole);
        let mark = filling.mark();
        filling.head(&content, 1);
        assert_eq!(filling.mark().full, 1, "its head needed another frame");
        filling.back_to(mark);
        assert_eq!(filling.finish().concat().len(), whole);
    }
}

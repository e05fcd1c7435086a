//! Buffers for what leaves.
//!
//! A buffer is used again and again, by the thread that had it last, so that nobody pays for
//! clearing it and it is still in that core's cache. Its bytes (of small files, those of the first in
//! it) begin 256 bytes into a page: on
//! processors whose `rep movsb` is slow where the destination lies a few bytes ahead of the source
//! modulo 4096, neither the kernel's copy into it (from the beginning of a page) nor the TLS
//! library's copy out of it (behind a record's head of five bytes) then falls into that trap, which
//! costs a factor of 1.7.
//!
//! A frame is large: it is read, hashed and sent in the fewest steps. While very many answers are
//! under way it is small, so that slow readers by the thousand do not take gigabytes. (Measured with
//! 64 answers, small frames cost a sixth more: what they save in the cache is less than what being
//! woken four times as often costs.)

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use xylem_blobs::FRAME_BYTES;

/// Size of a page, in bytes.
const PAGE: usize = 4096;

/// How far into a page the bytes of a frame begin.
const LEAD: usize = 256;

/// Room beyond the bytes of a frame: for the heads of small files that go out together.
pub(crate) const HEADS: usize = PAGE;

/// Buffers that each thread keeps for the next answers: 8 MiB.
const KEPT: usize = 32;

/// From so many frames in use on, frames are small.
const MANY: usize = 128;

/// Size of a small frame, in bytes.
const SMALL_FRAME_BYTES: u64 = 64 << 10;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// The frames of one server.
#[derive(Default)]
pub(crate) struct Frames {
    in_use: AtomicUsize,
}

impl Frames {
    /// How large a frame should be now, in bytes.
    pub(crate) fn bytes_now(&self) -> u64 {
        match self.in_use.load(Ordering::Relaxed) {
            0..MANY => FRAME_BYTES,
            _ => SMALL_FRAME_BYTES,
        }
    }

    /// A buffer for one frame of at most [`FRAME_BYTES`], and [`HEADS`].
    pub(crate) fn take(self: &Arc<Self>) -> Frame {
        let spare = SPARE.with_borrow_mut(Vec::pop);
        let memory = spare.unwrap_or_else(|| vec![0; FRAME_BYTES as usize + HEADS + PAGE]);
        self.in_use.fetch_add(1, Ordering::Relaxed);
        Frame { memory, filled: 0..0, frames: Arc::clone(self) }
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frames({} in use)", self.in_use.load(Ordering::Relaxed))
    }
}

/// A buffer in use; goes back when dropped.
pub(crate) struct Frame {
    memory: Vec<u8>,
    filled: Range<usize>,
    frames: Arc<Frames>,
}

impl Frame {
    /// The room for [`FRAME_BYTES`] and [`HEADS`].
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let lead = self.lead();
        self.memory.get_mut(lead..).unwrap_or_default()
    }

    /// These bytes of the room, to be sent.
    pub(crate) fn into_bytes(mut self, filled: Range<usize>) -> Bytes {
        let lead = self.lead();
        self.filled = lead + filled.start..lead + filled.end;
        Bytes::from_owner(self)
    }

    /// Where in the memory the room begins: at most a page from its front.
    fn lead(&self) -> usize {
        (PAGE + LEAD - self.memory.as_ptr().addr() % PAGE) % PAGE
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(self.filled.clone()).unwrap_or_default()
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.frames.in_use.fetch_sub(1, Ordering::Relaxed);
        let memory = std::mem::take(&mut self.memory);
        // A thread that is just ending keeps nothing.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < KEPT {
                spare.push(memory);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_begin_where_they_should() {
        let frames = Arc::new(Frames::default());
        let mut frame = frames.take();
        assert_eq!(frame.room().as_ptr().addr() % PAGE, LEAD);
        assert!(frame.room().len() >= FRAME_BYTES as usize + HEADS);
        frame.room()[..5].copy_from_slice(b"bytes");
        let memory = frame.memory.as_ptr();
        let bytes = frame.into_bytes(1..4);
        assert_eq!(&bytes[..], b"yte");
        let other = frames.take();
        assert_ne!(other.memory.as_ptr(), memory, "in use");
        drop((bytes, other));
        assert_eq!(SPARE.with_borrow(Vec::len), 2);
        assert_eq!(frames.bytes_now(), FRAME_BYTES);
        let many: Vec<_> = (0..MANY).map(|_| frames.take()).collect();
        assert_eq!(frames.bytes_now(), SMALL_FRAME_BYTES);
        drop(many);
        assert_eq!(SPARE.with_borrow(Vec::len), KEPT);
        assert_eq!(frames.bytes_now(), FRAME_BYTES);
    }
}

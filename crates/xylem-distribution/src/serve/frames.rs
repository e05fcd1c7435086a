//! Buffers for what leaves.
//!
//! A buffer is used again and again, so that nobody pays for clearing it. Its bytes begin 256 bytes
//! into a page: on processors whose `rep movsb` is slow where the destination lies a few bytes
//! ahead of the source modulo 4096, neither the kernel's copy into it (from the beginning of a
//! page) nor the TLS library's copy out of it (behind a record's head of five bytes) then falls
//! into that trap, which costs a factor of 1.7.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use xylem_blobs::FRAME_BYTES;

/// Size of a page, in bytes.
const PAGE: usize = 4096;

/// How far into a page the bytes of a frame begin.
const LEAD: usize = 256;

/// Buffers that are kept for the next answers: 8 MiB.
const KEPT: usize = 32;

/// The spare buffers of one server.
#[derive(Default)]
pub(crate) struct Frames {
    spare: Mutex<Vec<Vec<u8>>>,
}

impl Frames {
    /// A buffer for one frame.
    pub(crate) fn take(self: &Arc<Self>) -> Frame {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let memory = spare.unwrap_or_else(|| vec![0; FRAME_BYTES as usize + PAGE]);
        Frame { memory, filled: 0..0, frames: Arc::clone(self) }
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").finish_non_exhaustive()
    }
}

/// A buffer in use; goes back when dropped.
pub(crate) struct Frame {
    memory: Vec<u8>,
    filled: Range<usize>,
    frames: Arc<Frames>,
}

impl Frame {
    /// The room for [`FRAME_BYTES`].
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
        let mut spare = self.frames.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < KEPT {
            spare.push(std::mem::take(&mut self.memory));
        }
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
        assert!(frame.room().len() >= FRAME_BYTES as usize);
        frame.room()[..5].copy_from_slice(b"bytes");
        let memory = frame.memory.as_ptr();
        let bytes = frame.into_bytes(1..4);
        assert_eq!(&bytes[..], b"yte");
        let other = frames.take();
        assert_ne!(other.memory.as_ptr(), memory, "in use");
        drop((bytes, other));
        assert_eq!(frames.spare.lock().unwrap().len(), 2);
        let many: Vec<_> = (0..2 * KEPT).map(|_| frames.take()).collect();
        drop(many);
        assert_eq!(frames.spare.lock().unwrap().len(), KEPT);
    }
}

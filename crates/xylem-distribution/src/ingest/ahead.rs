//! Parts of an upload that come before those in front of them.
//!
//! A sender may use several connections. Whoever sends the part at which the upload goes on has the
//! work in hand; the others write theirs at their places, beside it. Such a part counts once all
//! bytes in front of it are there: it is then read back and hashed ([`take_in`](super::out_of_order::take_in)).
//!
//! What has been hashed must never change. So every byte is written by one request at a time: each
//! *reserves* its range, and so does whoever hashes one. A reservation outlives the staged file for
//! which it was made, so that a request that is still writing into a file which was given up keeps
//! others from its range; what it wrote does not count then.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use xylem_api::error::ErrorCode;
use xylem_blobs::{AheadWriter, StagedFile};
use xylem_http::ApiError;

use super::record::Facts;

/// How far beyond the bytes that are there a part may reach: what a crash can cost.
pub(crate) const MAX_AHEAD_BYTES: u64 = 1 << 30;

/// Most ranges that are remembered. What comes when there are as many has to be sent again.
const MAX_RANGES: usize = 256;

/// What came ahead, or is coming, in one upload.
#[derive(Debug, Default)]
pub(crate) struct Ahead(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// For the staged file that is open.
    writer: Option<(Facts, AheadWriter)>,
    /// Staged files that have been opened: tells them apart.
    opened: u64,
    /// Bytes that have been hashed.
    taken: u64,
    /// Ranges beyond them that are there, in order, none touching another.
    here: Vec<Range<u64>>,
    /// Ranges that somebody writes or hashes.
    reserved: Vec<Range<u64>>,
}

impl Ahead {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A staged file was opened; nothing that was written before counts.
    pub(crate) fn opened(&self, facts: &Facts, staged: &StagedFile) {
        let mut state = self.state();
        state.opened += 1;
        state.taken = staged.offset();
        state.here.clear();
        state.writer = Some((facts.clone(), staged.ahead_writer()));
    }

    /// The staged file is of no more use.
    pub(crate) fn closed(&self) {
        let mut state = self.state();
        state.writer = None;
        state.here.clear();
    }

    /// The writer for an upload with these facts; none while its file is not open.
    ///
    /// # Errors
    /// Where it is open for other facts.
    pub(crate) fn writer(&self, facts: &Facts) -> Result<Option<AheadWriter>, ApiError> {
        match &self.state().writer {
            Some((other, _)) if other != facts => Err(super::slots::other_facts()),
            writer => Ok(writer.as_ref().map(|(_, writer)| writer.clone())),
        }
    }

    /// Ranges that are there beyond what has been hashed.
    pub(crate) fn here(&self) -> Vec<(u64, u64)> {
        self.state().here.iter().map(|range| (range.start, range.end)).collect()
    }

    /// Keeps others from a range until the reservation is dropped. Bytes that have been hashed
    /// already are left out of it.
    ///
    /// # Errors
    /// While another has any byte of it.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        range: Range<u64>,
        must_be_ahead: bool,
    ) -> Result<Reservation, ApiError> {
        let mut state = self.state();
        if must_be_ahead && range.start < state.taken {
            let message = format!(
                "the upload goes on at byte {}: what is before it cannot be sent again",
                state.taken
            );
            return Err(ApiError::new(ErrorCode::Conflict, message));
        }
        if must_be_ahead && range.end > state.taken.saturating_add(MAX_AHEAD_BYTES) {
            let message = format!(
                "the upload goes on at byte {}, and a part may reach {MAX_AHEAD_BYTES} bytes \
                 further: send what is in front of it first",
                state.taken
            );
            return Err(ApiError::new(ErrorCode::Conflict, message));
        }
        let range = range.start.max(state.taken)..range.end.max(state.taken);
        state.reserve(range.clone())?;
        state.here = without(&state.here, &range);
        let opened = state.opened;
        drop(state);
        Ok(Reservation { ahead: Arc::clone(self), range, opened })
    }

    /// Reserves what came ahead and is next.
    pub(super) fn next(self: &Arc<Self>, staged: &StagedFile) -> Option<Reservation> {
        let mut state = self.state();
        let offset = staged.offset();
        let at = state.here.iter().position(|range| range.contains(&offset))?;
        let range = offset..state.here.get(at)?.end;
        state.reserve(range.clone()).ok()?;
        state.here.remove(at);
        let opened = state.opened;
        drop(state);
        Some(Reservation { ahead: Arc::clone(self), range, opened })
    }
}

impl State {
    fn reserve(&mut self, range: Range<u64>) -> Result<(), ApiError> {
        let meets = |other: &&Range<u64>| other.start < range.end && range.start < other.end;
        if let Some(Range { start, end }) = self.reserved.iter().find(meets) {
            let message = format!(
                "another request is sending bytes {start} to {end} of this upload: wait until it \
                 ends"
            );
            return Err(ApiError::new(ErrorCode::Conflict, message));
        }
        self.reserved.push(range);
        Ok(())
    }
}

/// A range that nobody else writes. See [`Ahead::reserve`].
#[derive(Debug)]
pub(crate) struct Reservation {
    ahead: Arc<Ahead>,
    range: Range<u64>,
    opened: u64,
}

impl Reservation {
    /// The byte after its last.
    pub(super) fn end(&self) -> u64 {
        self.range.end
    }

    /// All up to `offset` has been hashed.
    pub(crate) fn taken(&self, offset: u64) {
        let mut state = self.ahead.state();
        if state.opened == self.opened {
            state.taken = state.taken.max(offset);
            let taken = state.taken;
            state.here = without(&state.here, &(0..taken));
        }
    }

    /// Its first bytes, up to `end`, have been written ahead.
    pub(crate) fn arrived(&self, end: u64) {
        let mut state = self.ahead.state();
        if state.opened == self.opened && state.writer.is_some() && end > self.range.start {
            let here = with(&state.here, self.range.start..end.min(self.range.end));
            if here.len() <= MAX_RANGES {
                state.here = here;
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.ahead.state();
        if let Some(at) = state.reserved.iter().position(|range| *range == self.range) {
            state.reserved.swap_remove(at);
        }
    }
}

/// Ranges in order, with one more; those that touch become one.
fn with(ranges: &[Range<u64>], one: Range<u64>) -> Vec<Range<u64>> {
    let mut all: Vec<_> = ranges.iter().cloned().chain([one]).collect();
    all.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(all.len());
    for range in all {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Ranges in order, without the bytes of another.
fn without(ranges: &[Range<u64>], less: &Range<u64>) -> Vec<Range<u64>> {
    let pieces = |range: &Range<u64>| {
        [range.start..range.end.min(less.start), range.start.max(less.end)..range.end]
    };
    ranges.iter().flat_map(pieces).filter(|piece| !piece.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_where_they_touch_and_lose_what_is_taken_out() {
        let ranges = with(&with(&with(&[], 10..20), 30..40), 20..25);
        assert_eq!(ranges, [10..25, 30..40]);
        assert_eq!(with(&ranges, 24..31), [Range { start: 10, end: 40 }]);
        assert_eq!(without(&ranges, &(12..33)), [10..12, 33..40]);
        assert_eq!(without(&ranges, &(0..50)), []);
        assert_eq!(without(&ranges, &(0..10)), ranges);
    }

    #[test]
    fn nobody_gets_a_byte_that_another_has() {
        let ahead = Arc::new(Ahead::default());
        let first = ahead.reserve(100..200, true).unwrap();
        for range in [100..200, 0..101, 199..300, 0..300] {
            assert_eq!(ahead.reserve(range, false).unwrap_err().code(), ErrorCode::Conflict);
        }
        let second = ahead.reserve(200..300, true).unwrap();
        drop(first);
        ahead.reserve(0..200, false).unwrap();
        drop(second);
        ahead.reserve(0..300, false).unwrap();
    }

    #[test]
    fn a_part_that_reaches_too_far_is_refused() {
        let ahead = Arc::new(Ahead::default());
        ahead.reserve(0..MAX_AHEAD_BYTES, true).unwrap();
        let error = ahead.reserve(9..MAX_AHEAD_BYTES + 1, true).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Conflict);
    }
}

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

/// Most requests that may be at work on one upload at once: each has some of what comes in memory.
const MAX_REQUESTS: usize = 64;

/// When a sender may try again that has too many at work, in seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

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

    /// A staged file was opened, and all up to its offset has been hashed; nothing else that was
    /// written before counts.
    ///
    /// # Errors
    /// Where somebody still writes in front of that: the file is of no use then.
    pub(crate) fn opened(&self, facts: &Facts, staged: &StagedFile) -> Result<(), ApiError> {
        let mut state = self.state();
        if let Some(Range { start, end }) =
            state.reserved.iter().find(|range| range.start < staged.offset())
        {
            return Err(taken(*start, *end));
        }
        state.opened += 1;
        state.taken = staged.offset();
        state.here.clear();
        state.writer = Some((facts.clone(), staged.ahead_writer()));
        Ok(())
    }

    /// The staged file is of no more use.
    pub(crate) fn closed(&self) {
        let mut state = self.state();
        state.writer = None;
        state.here.clear();
    }

    /// Ranges that are there beyond what has been hashed.
    pub(crate) fn here(&self) -> Vec<(u64, u64)> {
        self.state().here.iter().map(|range| (range.start, range.end)).collect()
    }

    /// Keeps others from a range for whoever has the work in hand, until the reservation is dropped.
    /// Bytes that have been hashed already are left out of it.
    ///
    /// # Errors
    /// While another has any byte of it.
    pub(crate) fn reserve(self: &Arc<Self>, range: Range<u64>) -> Result<Reservation, ApiError> {
        let mut state = self.state();
        let range = range.start.max(state.taken)..range.end.max(state.taken);
        let opened = state.reserve(&range)?;
        state.here = without(&state.here, &range);
        drop(state);
        Ok(Reservation { ahead: Arc::clone(self), range, opened, is_released: false })
    }

    /// Keeps others from a range beyond what has been hashed, and says how to write it.
    ///
    /// # Errors
    /// While another has any byte of it, the file is not open for an upload with these facts, or the
    /// range is not ahead, or too far.
    pub(crate) fn reserve_ahead(
        self: &Arc<Self>,
        facts: &Facts,
        range: Range<u64>,
    ) -> Result<(AheadWriter, Reservation), ApiError> {
        let mut state = self.state();
        let writer = match &state.writer {
            Some((other, _)) if other != facts => return Err(super::slots::other_facts()),
            Some((_, writer)) => writer.clone(),
            None => {
                let message =
                    "the upload is being opened or finished: ask how far it is, and go on there";
                return Err(ApiError::new(ErrorCode::Conflict, message));
            }
        };
        check_place(&range, state.taken)?;
        let opened = state.reserve(&range)?;
        state.here = without(&state.here, &range);
        drop(state);
        let ahead = Arc::clone(self);
        Ok((writer, Reservation { ahead, range, opened, is_released: false }))
    }

    /// Reserves what came ahead and is next.
    pub(super) fn next(self: &Arc<Self>, staged: &StagedFile) -> Option<Reservation> {
        let mut state = self.state();
        let offset = staged.offset();
        let at = state.here.iter().position(|range| range.contains(&offset))?;
        // It stays among those that are there, so that nobody sends it again meanwhile.
        let range = offset..state.here.get(at)?.end;
        let opened = state.reserve(&range).ok()?;
        drop(state);
        Some(Reservation { ahead: Arc::clone(self), range, opened, is_released: false })
    }
}

/// Whether a range is ahead of the bytes that have been hashed, and not too far.
fn check_place(range: &Range<u64>, taken: u64) -> Result<(), ApiError> {
    let what = if range.start < taken {
        "what is before it cannot be sent again".to_owned()
    } else if range.end > taken.saturating_add(MAX_AHEAD_BYTES) {
        format!(
            "a part may reach {MAX_AHEAD_BYTES} bytes further: send what is in front of it first"
        )
    } else {
        return Ok(());
    };
    let message = format!("the upload goes on at byte {taken}, and {what}");
    Err(ApiError::new(ErrorCode::Conflict, message))
}

/// What the sender of a part hears that meets another's.
fn taken(start: u64, end: u64) -> ApiError {
    let message = format!(
        "another request is sending bytes {start} to {end} of this upload: wait until it ends"
    );
    ApiError::new(ErrorCode::Conflict, message)
}

impl State {
    /// Gives which of the files that were opened it is for.
    fn reserve(&mut self, range: &Range<u64>) -> Result<u64, ApiError> {
        let meets = |other: &&Range<u64>| other.start < range.end && range.start < other.end;
        if let Some(Range { start, end }) = self.reserved.iter().find(meets) {
            return Err(taken(*start, *end));
        }
        if self.reserved.len() >= MAX_REQUESTS {
            let message = format!("{MAX_REQUESTS} requests are sending this upload already");
            return Err(ApiError::too_many(message, RETRY_AFTER_SECONDS));
        }
        self.reserved.push(range.clone());
        Ok(self.opened)
    }

    fn release(&mut self, range: &Range<u64>) {
        if let Some(at) = self.reserved.iter().position(|other| other == range) {
            self.reserved.swap_remove(at);
        }
    }
}

/// A range that nobody else writes. See [`Ahead::reserve`].
#[derive(Debug)]
pub(crate) struct Reservation {
    ahead: Arc<Ahead>,
    range: Range<u64>,
    opened: u64,
    is_released: bool,
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

    /// Its first bytes, up to `end`, have been written ahead; others may have it from now on.
    pub(crate) fn arrived(mut self, end: u64) {
        self.is_released = true;
        let mut state = self.ahead.state();
        state.release(&self.range);
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
        if !self.is_released {
            self.ahead.state().release(&self.range);
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
        let first = ahead.reserve(100..200).unwrap();
        for range in [100..200, 0..101, 199..300, 0..300] {
            let told = ahead.reserve(range).unwrap_err();
            assert_eq!(told.message(), taken(100, 200).message());
        }
        let second = ahead.reserve(200..300).unwrap();
        drop(first);
        ahead.reserve(0..200).unwrap();
        drop(second);
        ahead.reserve(0..300).unwrap();
    }

    #[test]
    fn so_many_requests_and_no_more() {
        let ahead = Arc::new(Ahead::default());
        let range = |index: usize| index as u64..index as u64 + 1;
        let all: Vec<_> = (0..MAX_REQUESTS).map(|at| ahead.reserve(range(at)).unwrap()).collect();
        let told = ahead.reserve(range(MAX_REQUESTS)).unwrap_err();
        assert_eq!(told.code(), ErrorCode::TooManyRequests);
        drop(all);
        ahead.reserve(range(MAX_REQUESTS)).unwrap();
    }

    #[test]
    fn what_is_ahead_is_neither_behind_nor_too_far() {
        check_place(&(100..100 + MAX_AHEAD_BYTES), 100).unwrap();
        let told = check_place(&(99..200), 100).unwrap_err();
        assert!(told.message().contains("cannot be sent again"), "{}", told.message());
        let told = check_place(&(200..101 + MAX_AHEAD_BYTES), 100).unwrap_err();
        assert!(told.message().contains("in front of it first"), "{}", told.message());
    }

    /// A repository with one upload, of which `kept` bytes are there for good.
    fn opened(folder: &std::path::Path, facts: &Facts, kept: usize) -> StagedFile {
        let disk = xylem_runtime::Environment::real().disk;
        let options = xylem_blobs::RepositoryOptions::default();
        let repository = xylem_blobs::Repository::open(disk, folder.join("repo"), options).unwrap();
        let key = xylem_blobs::StageKey::Upload(facts.upload);
        let both = xylem_blobs::DigestSet::Blake3AndSha256;
        let mut staged = repository.stage(&key, facts.size, both).unwrap();
        if staged.offset() < kept as u64 {
            staged.append(0, &vec![7; kept]).unwrap();
            staged.pause().unwrap();
        }
        staged
    }

    fn facts() -> Facts {
        Facts {
            upload: xylem_model::UploadId::from_parts(1, &[2; 10]),
            size: 1000,
            content: None,
            sha256: None,
            name: xylem_model::FileName::new("a.pkg").unwrap(),
            kind: xylem_model::FileKind::Package,
        }
    }

    #[test]
    fn what_is_written_into_a_file_that_was_given_up_does_not_count() {
        let (folder, facts) = (tempfile::tempdir().unwrap(), facts());
        let ahead = Arc::new(Ahead::default());
        let staged = opened(folder.path(), &facts, 0);
        ahead.opened(&facts, &staged).unwrap();
        let (writer, old) = ahead.reserve_ahead(&facts, 500..600).unwrap();
        writer.write(500, &[1; 100]).unwrap();
        ahead.closed();
        drop(staged);
        assert!(ahead.reserve_ahead(&facts, 700..800).is_err(), "no file is open");

        let staged = opened(folder.path(), &facts, 0);
        ahead.opened(&facts, &staged).unwrap();
        let told = ahead.reserve_ahead(&facts, 550..560).unwrap_err();
        assert_eq!(told.message(), taken(500, 600).message(), "the old request may still write");
        old.arrived(600);
        assert!(ahead.here().is_empty());
        let (_, new) = ahead.reserve_ahead(&facts, 550..560).unwrap();
        new.arrived(560);
        assert_eq!(ahead.here(), [(550, 560)]);
    }

    #[test]
    fn a_file_is_not_opened_while_somebody_writes_what_it_hashed() {
        let (folder, facts) = (tempfile::tempdir().unwrap(), facts());
        let ahead = Arc::new(Ahead::default());
        let mut staged = opened(folder.path(), &facts, 0);
        ahead.opened(&facts, &staged).unwrap();
        let (_, writing) = ahead.reserve_ahead(&facts, 100..200).unwrap();
        // As where the one that took in went away in the middle: the mark is beyond what it told.
        staged.append(0, &[7; 150]).unwrap();
        staged.pause().unwrap();
        drop(staged);
        let staged = opened(folder.path(), &facts, 150);
        assert!(ahead.opened(&facts, &staged).is_err());
        drop(writing);
        ahead.opened(&facts, &staged).unwrap();
    }
}

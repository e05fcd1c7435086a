//! What of an upload is still to be sent, cut into parts.

use std::collections::BTreeSet;

use xylem_api::ingest::IngestProgress;

/// Most bytes that are sent with one request.
const PART_BYTES: u64 = 64 << 20;

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// Bytes that are there, wherever they are.
pub(super) fn arrived(progress: &IngestProgress) -> u64 {
    let ahead = progress.ahead.iter().map(|(start, end)| end.saturating_sub(*start));
    progress.offset.saturating_add(ahead.fold(0, u64::saturating_add))
}

/// The parts that are missing, from front to back.
#[derive(Debug)]
pub(super) struct Missing {
    size: u64,
    /// Before this all is there or under way.
    next: u64,
    /// What is there further on, each from its first byte to before its end.
    ahead: Vec<(u64, u64)>,
    /// How far beyond the first byte that is missing the server takes any.
    reach: u64,
    /// Length of a part.
    part: u64,
    under_way: BTreeSet<Part>,
}

impl Missing {
    /// Parts for so many connections at once.
    pub(super) fn new(size: u64, progress: &IngestProgress, connections: usize) -> Self {
        let mut ahead = progress.ahead.clone();
        ahead.sort_unstable();
        // Half of it: the server counts from where it has hashed, which comes after.
        let reach = progress.max_ahead / 2;
        // So short that all connections have one at any time.
        let part = match reach / (2 * connections.max(1) as u64) {
            0 => PART_BYTES,
            short => short.min(PART_BYTES),
        };
        Self { size, next: progress.offset, ahead, reach, part, under_way: BTreeSet::new() }
    }

    /// The next part to be sent; none while those under way have to end first, or are the last.
    pub(super) fn begin(&mut self) -> Option<Part> {
        while let Some((_, end)) =
            self.ahead.iter().find(|(start, end)| (*start..*end).contains(&self.next))
        {
            self.next = *end;
        }
        let gap_ends = self.ahead.iter().map(|(start, _)| *start).find(|start| *start > self.next);
        let end = gap_ends.unwrap_or(self.size).min(self.size);
        let length = self.part.min(end.saturating_sub(self.next));
        let first = self.under_way.first().map_or(self.next, |part| part.offset);
        let is_too_far =
            self.next != first && self.next + length > first.saturating_add(self.reach);
        if length == 0 || is_too_far {
            return None;
        }
        let part = Part { offset: self.next, length };
        self.next += length;
        self.under_way.insert(part);
        Some(part)
    }

    /// A part has been sent.
    pub(super) fn end(&mut self, part: &Part) {
        self.under_way.remove(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(offset: u64, ahead: &[(u64, u64)]) -> IngestProgress {
        let size = 10 * PART_BYTES;
        let max_ahead = 12 * PART_BYTES;
        IngestProgress { offset, size, published: false, ahead: ahead.to_vec(), max_ahead }
    }

    fn part(offset: u64, length: u64) -> Option<Part> {
        Some(Part { offset, length })
    }

    #[test]
    fn what_is_there_is_not_sent_again() {
        let there = [(PART_BYTES, 2 * PART_BYTES), (2 * PART_BYTES + 5, 6 * PART_BYTES)];
        let progress = progress(7, &there);
        assert_eq!(arrived(&progress), 7 + 5 * PART_BYTES - 5);
        let mut missing = Missing::new(6 * PART_BYTES + 100, &progress, 1);
        assert_eq!(missing.begin(), part(7, PART_BYTES - 7));
        assert_eq!(missing.begin(), part(2 * PART_BYTES, 5));
        assert_eq!(missing.begin(), None, "it would reach too far");
        missing.end(&Part { offset: 7, length: PART_BYTES - 7 });
        assert_eq!(missing.begin(), part(6 * PART_BYTES, 100));
        assert_eq!(missing.begin(), None);
    }

    #[test]
    fn parts_stay_within_reach_of_the_first_that_is_under_way() {
        let mut missing = Missing::new(10 * PART_BYTES, &progress(0, &[]), 3);
        let first = missing.begin().unwrap();
        for index in 1..6 {
            assert_eq!(missing.begin(), part(index * PART_BYTES, PART_BYTES));
        }
        assert_eq!(missing.begin(), None);
        missing.end(&first);
        assert_eq!(missing.begin(), part(6 * PART_BYTES, PART_BYTES));
    }

    #[test]
    fn many_connections_get_shorter_parts() {
        let mut missing = Missing::new(PART_BYTES, &progress(0, &[]), 16);
        let length = 6 * PART_BYTES / 32;
        for index in 0..5 {
            assert_eq!(missing.begin(), part(index * length, length));
        }
        assert_eq!(missing.begin(), part(5 * length, PART_BYTES - 5 * length));
        assert_eq!(missing.begin(), None);
    }

    #[test]
    fn a_server_that_takes_none_ahead_gets_one_after_the_other() {
        let mut progress = progress(0, &[]);
        progress.max_ahead = 0;
        let mut missing = Missing::new(2 * PART_BYTES, &progress, 1);
        let first = missing.begin().unwrap();
        assert_eq!(missing.begin(), None);
        missing.end(&first);
        assert_eq!(missing.begin(), part(PART_BYTES, PART_BYTES));
    }
}

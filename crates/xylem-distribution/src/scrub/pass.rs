//! One walk over everything that is held. Pure: when is what due, and what has been found.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use xylem_blobs::Scrubbed;
use xylem_model::{ContentId, ScrubFound, ScrubPass, Timestamp};

/// How long a pass by itself takes; the next one follows at once. Each content has its place in a
/// pass, so this is also the time from one look at it to the next, and the longest until the first;
/// of a week a day is left for what holds a pass up.
pub(crate) const EVERY: Duration = Duration::from_secs(6 * 24 * 3600);

/// Of one pass, how much of the disk's time is left to others for each part that is taken: at most
/// a tenth of the disk's speed goes into a pass by itself, half into one that was asked for.
const REST: u32 = 9;
const REST_WHEN_ASKED: u32 = 1;

/// The longest rest: a disk that hung for minutes is not left alone for hours.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// A walk over everything held, in the order of ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pass {
    pub(crate) begun: Timestamp,
    /// When an administrator asked for it; none where it began by itself.
    pub(crate) asked: Option<Timestamp>,
    /// Where it is: all up to and including this content is checked.
    pub(crate) after: Option<ContentId>,
    /// How far it is within the next one.
    within: Option<(ContentId, u64)>,
    pub(crate) found: ScrubFound,
}

impl Pass {
    pub(crate) const fn begin(now: Timestamp, asked: Option<Timestamp>) -> Self {
        let found = ScrubFound { files: 0, bytes: 0, damaged: 0, unreadable: 0, mended: 0 };
        Self { begun: now, asked, after: None, within: None, found }
    }

    /// Puts its beginning where its place says, where the clock was ahead when it began: else it
    /// would stand still until that time has come.
    pub(crate) fn keep_to_clock(&mut self, now: Timestamp) {
        if now < self.begun {
            let behind = self.after.map_or(0.0, |after| place(&after));
            self.begun = now.minus(EVERY.mul_f64(behind));
        }
    }

    /// How long to wait at `now` before a content is looked at. A pass by itself is spread over its
    /// time: ids are digests, so they lie evenly, and a content's id says when it is due, however
    /// many come and go.
    pub(crate) fn wait(&self, content: &ContentId, now: Timestamp) -> Duration {
        if self.asked.is_some() || self.within.is_some() {
            return Duration::ZERO;
        }
        EVERY.mul_f64(place(content)).saturating_sub(now.since(self.begun))
    }

    /// How long it goes on at least. By itself it takes all of its time: what comes to be held
    /// further on is looked at too.
    pub(crate) fn left(&self, now: Timestamp) -> Duration {
        match self.asked {
            Some(_) => Duration::ZERO,
            None => EVERY.saturating_sub(now.since(self.begun)),
        }
    }

    /// How long to leave the disk to others after it was used for so long.
    pub(crate) fn rest(&self, used: Duration) -> Duration {
        let parts = if self.asked.is_some() { REST_WHEN_ASKED } else { REST };
        used.saturating_mul(parts).min(LONGEST_REST)
    }

    /// Where to go on within a content.
    pub(crate) fn offset(&self, content: &ContentId) -> u64 {
        self.within.filter(|(within, _)| within == content).map_or(0, |(_, offset)| offset)
    }

    /// A part of a content was sound.
    pub(crate) fn note_sound(&mut self, content: ContentId, size: u64, step: Scrubbed) {
        let before = self.offset(&content);
        self.found.bytes += step.next.unwrap_or(size).saturating_sub(before);
        self.found.mended += u64::from(step.mended);
        match step.next {
            Some(offset) => self.within = Some((content, offset)),
            None => {
                self.found.files += 1;
                self.leave(content);
            }
        }
    }

    /// A content is not looked at any further.
    pub(crate) fn leave(&mut self, content: ContentId) {
        (self.after, self.within) = (Some(content), None);
    }

    /// As it is reported.
    pub(crate) fn report(&self) -> ScrubPass {
        let (begun, asked, found) = (self.begun, self.asked, self.found);
        let thousandths = self.after.map_or(0, |after| (place(&after) * 1000.0) as u16);
        ScrubPass { begun, asked, ended: None, thousandths, found }
    }

    /// Its end, having seen everything.
    pub(crate) fn end(&self, now: Timestamp) -> ScrubPass {
        ScrubPass { thousandths: 1000, ..self.leave_off(now) }
    }

    /// Its end before it has seen everything.
    pub(crate) fn leave_off(&self, now: Timestamp) -> ScrubPass {
        ScrubPass { ended: Some(now), ..self.report() }
    }
}

/// Where among all ids an id lies, from 0 to 1.
fn place(content: &ContentId) -> f64 {
    let first = content.as_bytes().first_chunk().copied().map_or(0, u32::from_be_bytes);
    f64::from(first) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGUN: Timestamp = Timestamp::from_unix_ms(1_000_000_000_000);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn id(first: u8) -> ContentId {
        let mut bytes = [0; 32];
        bytes[0] = first;
        ContentId::from_bytes(bytes)
    }

    fn step(next: Option<u64>) -> Scrubbed {
        Scrubbed { next, mended: false }
    }

    #[test]
    fn a_pass_by_itself_is_spread_over_its_time_and_one_that_was_asked_for_is_not() {
        let pass = Pass::begin(BEGUN, None);
        assert_eq!(pass.wait(&id(0), BEGUN), Duration::ZERO);
        let half = pass.wait(&id(128), BEGUN);
        assert!(half > 2 * DAY && half < 4 * DAY, "{half:?}");
        assert_eq!(
            pass.wait(&id(128), BEGUN.plus(half + Duration::from_millis(1))),
            Duration::ZERO
        );
        assert_eq!(pass.wait(&id(255), BEGUN.plus(EVERY)), Duration::ZERO);
        assert_eq!((pass.left(BEGUN), pass.left(BEGUN.plus(EVERY))), (EVERY, Duration::ZERO));
        let asked = Pass::begin(BEGUN, Some(BEGUN));
        assert_eq!((asked.wait(&id(255), BEGUN), asked.left(BEGUN)), Default::default());
    }

    #[test]
    fn a_clock_that_was_ahead_holds_nothing_up() {
        let mut pass = Pass::begin(BEGUN, None);
        pass.leave(id(128));
        let now = BEGUN.minus(1000 * DAY);
        pass.keep_to_clock(now);
        assert_eq!(pass.wait(&id(128), now.plus(Duration::from_millis(1))), Duration::ZERO);
        let (next, later) = (id(192), now.plus(2 * DAY));
        assert!(pass.wait(&next, now) > DAY);
        pass.keep_to_clock(later);
        assert_eq!(pass.wait(&next, later), Duration::ZERO, "time goes on");
        assert!(pass.left(now) < EVERY);
    }

    #[test]
    fn a_tenth_of_the_disk_at_most() {
        let used = Duration::from_millis(20);
        let rest = Pass::begin(BEGUN, None).rest(used);
        assert!(used * 10 <= used + rest);
        assert_eq!(Pass::begin(BEGUN, Some(BEGUN)).rest(used), used);
        assert_eq!(Pass::begin(BEGUN, None).rest(DAY), LONGEST_REST);
    }

    #[test]
    fn parts_of_a_large_content_count_once_and_are_gone_on_with() {
        let mut pass = Pass::begin(BEGUN, None);
        pass.note_sound(id(7), 10, step(Some(4)));
        assert_eq!((pass.offset(&id(7)), pass.offset(&id(8)), pass.after), (4, 0, None));
        assert_eq!(pass.wait(&id(7), BEGUN), Duration::ZERO, "what is begun is finished");
        let kept = serde_json::to_vec(&pass).unwrap();
        let mut pass: Pass = serde_json::from_slice(&kept).unwrap();
        pass.note_sound(id(7), 10, Scrubbed { mended: true, ..step(Some(8)) });
        pass.note_sound(id(7), 10, step(None));
        assert_eq!(pass.after, Some(id(7)));
        assert_eq!(
            pass.found,
            ScrubFound { files: 1, bytes: 10, mended: 1, ..ScrubFound::default() }
        );
        pass.leave(id(255));
        assert!((990..=1000).contains(&pass.report().thousandths));
        assert_eq!(pass.end(BEGUN).thousandths, 1000);
    }
}

//! How fast a point is filled, and after which wait something is tried again.
//!
//! All of it is in memory: where it is lost, it begins slowly once more.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use xylem_model::{CloudPointId, ContentId, Timestamp};
use xylem_runtime::{Backoff, Rng};

/// Parts that are under way at first.
const FIRST_AT_ONCE: u32 = 4;
/// Most parts under way: each takes 2 MiB of the root's memory.
const MOST_AT_ONCE: u32 = 16;
/// So many parts without a busy answer add one.
const STEADY_PARTS: u32 = 8;
/// First and longest wait before something is asked again.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// How often one part may arrive with other bytes than were sent.
pub(super) const LINE_FAULTS: u32 = 5;
/// How often a content is tried without a wait that others notice.
pub(super) const BUSY_TRIES: u32 = 8;
/// Contents that are remembered at most; a root sends a few at once.
const MOST_CONTENTS: usize = 256;
/// A point that is broken anew within this time was never mended.
const FLAPPING: Duration = Duration::from_secs(10 * 60);

/// How fast everything goes.
#[derive(Debug, Default)]
pub(super) struct Pace {
    points: HashMap<CloudPointId, PointPace>,
    contents: HashMap<(CloudPointId, ContentId), ContentPace>,
}

#[derive(Debug)]
struct PointPace {
    at_once: u32,
    /// Parts since the last busy answer, or since one was added.
    steady: u32,
    /// The provider does not know how to write once only, whatever its test said.
    is_without_conditions: bool,
    /// Since when it was broken, and when that seemed to end.
    was_broken: Option<(Timestamp, Timestamp)>,
    /// When the next content is read back, where nobody doubts one.
    read_back_next: Option<Timestamp>,
}

#[derive(Debug)]
struct ContentPace {
    backoff: Backoff,
    /// How often each part arrived with other bytes.
    line: BTreeMap<u32, u32>,
    /// How often each part was asked for again for another reason.
    again: BTreeMap<u32, u32>,
    /// A signed address had ended, and new ones were made.
    is_renewed: bool,
    /// What the object's tag was when it was asked after, and since when the content was sent of which
    /// that was: one that was begun anew is another object.
    proved: Option<(Timestamp, Option<String>)>,
}

impl Default for PointPace {
    fn default() -> Self {
        Self {
            at_once: FIRST_AT_ONCE,
            steady: 0,
            is_without_conditions: false,
            was_broken: None,
            read_back_next: None,
        }
    }
}

impl Default for ContentPace {
    fn default() -> Self {
        Self {
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            line: BTreeMap::new(),
            again: BTreeMap::new(),
            is_renewed: false,
            proved: None,
        }
    }
}

impl Pace {
    /// How many parts may be under way.
    pub(super) fn at_once(&self, point: CloudPointId) -> u32 {
        self.points.get(&point).map_or(FIRST_AT_ONCE, |pace| pace.at_once)
    }

    /// The provider was busy: half as many.
    pub(super) fn was_busy(&mut self, point: CloudPointId) {
        let pace = self.points.entry(point).or_default();
        (pace.at_once, pace.steady) = ((pace.at_once / 2).max(1), 0);
    }

    /// Parts arrived.
    pub(super) fn arrived(&mut self, point: CloudPointId, content: ContentId, parts: u32) {
        let pace = self.points.entry(point).or_default();
        pace.steady = pace.steady.saturating_add(parts);
        if pace.steady >= STEADY_PARTS {
            (pace.at_once, pace.steady) = (pace.at_once.saturating_add(1).min(MOST_AT_ONCE), 0);
        }
        let known = self.content(point, content);
        known.backoff.reset();
        known.is_renewed = false;
    }

    /// Whether the provider cannot write once only, though its test said that it can.
    pub(super) fn is_without_conditions(&self, point: CloudPointId) -> bool {
        self.points.get(&point).is_some_and(|pace| pace.is_without_conditions)
    }

    pub(super) fn do_without_conditions(&mut self, point: CloudPointId) {
        self.points.entry(point).or_default().is_without_conditions = true;
    }

    /// The wait before something of a content is tried again, and how often that was.
    pub(super) fn wait(
        &mut self,
        point: CloudPointId,
        content: ContentId,
        at_least: Option<Duration>,
        rng: &dyn Rng,
    ) -> (Duration, u32) {
        let backoff = &mut self.content(point, content).backoff;
        let wait = backoff.next_wait(rng).max(at_least.unwrap_or_default());
        (wait, backoff.failures())
    }

    /// A part arrived with other bytes; how often it did.
    pub(super) fn line_fault(&mut self, point: CloudPointId, content: ContentId, part: u32) -> u32 {
        let count = self.content(point, content).line.entry(part).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// A part is to be sent again though its bytes were right; how often that was.
    pub(super) fn again(&mut self, point: CloudPointId, content: ContentId, part: u32) -> u32 {
        let count = self.content(point, content).again.entry(part).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// A token or a signed address had ended. Says whether it is the first since something arrived.
    pub(super) fn renew(&mut self, point: CloudPointId, content: ContentId) -> bool {
        !std::mem::replace(&mut self.content(point, content).is_renewed, true)
    }

    /// Keeps the tag of an object that was asked after, until its sample was read.
    pub(super) fn prove(
        &mut self,
        point: CloudPointId,
        content: ContentId,
        since: Timestamp,
        etag: Option<String>,
    ) {
        self.content(point, content).proved = Some((since, etag));
    }

    /// The tag of an object that was asked after in this life of the process, if that was of what is sent
    /// since this moment.
    pub(super) fn proved(
        &self,
        point: CloudPointId,
        content: ContentId,
        since: Timestamp,
    ) -> Option<Option<String>> {
        let (of, etag) = self.contents.get(&(point, content))?.proved.clone()?;
        (of == since).then_some(etag)
    }

    /// Whether it is time for the next content that is read back because it is its turn.
    pub(super) fn may_read_back(&self, point: CloudPointId, now: Timestamp) -> bool {
        let next = self.points.get(&point).and_then(|pace| pace.read_back_next);
        next.is_none_or(|next| next <= now)
    }

    /// The next one has its turn then.
    pub(super) fn read_back_next(&mut self, point: CloudPointId, next: Timestamp) {
        self.points.entry(point).or_default().read_back_next = Some(next);
    }

    /// A content is on its way no longer.
    pub(super) fn forget(&mut self, point: CloudPointId, content: ContentId) {
        self.contents.remove(&(point, content));
    }

    /// Since when a point is broken that is broken now: what was mended in appearance alone was
    /// broken all the time.
    pub(super) fn broken_since(&self, point: CloudPointId, now: Timestamp) -> Timestamp {
        let before = self.points.get(&point).and_then(|pace| pace.was_broken);
        match before {
            Some((since, ended)) if now.since(ended) < FLAPPING => since,
            _ => now,
        }
    }

    /// A point seems to be mended.
    pub(super) fn mended(&mut self, point: CloudPointId, since: Timestamp, now: Timestamp) {
        self.points.entry(point).or_default().was_broken = Some((since, now));
    }

    fn content(&mut self, point: CloudPointId, content: ContentId) -> &mut ContentPace {
        if self.contents.len() >= MOST_CONTENTS && !self.contents.contains_key(&(point, content)) {
            // Most of them were given up by a root that is gone: what is lost costs a wait.
            self.contents.clear();
        }
        self.contents.entry((point, content)).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Highest;

    impl Rng for Highest {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0xff);
        }
    }

    fn names() -> (CloudPointId, ContentId) {
        (CloudPointId::from_parts(1, &[1; 10]), ContentId::of(b"a"))
    }

    #[test]
    fn busy_answers_halve_and_steady_parts_add_one() {
        let (mut pace, (point, content)) = (Pace::default(), names());
        assert_eq!(pace.at_once(point), 4);
        for expected in [2, 1, 1] {
            pace.was_busy(point);
            assert_eq!(pace.at_once(point), expected);
        }
        pace.arrived(point, content, 7);
        assert_eq!(pace.at_once(point), 1);
        pace.arrived(point, content, 1);
        assert_eq!(pace.at_once(point), 2);
        for _ in 0..100 {
            pace.arrived(point, content, 8);
        }
        assert_eq!(pace.at_once(point), MOST_AT_ONCE);
    }

    #[test]
    fn waits_double_and_are_never_shorter_than_was_asked_for() {
        let (mut pace, (point, content)) = (Pace::default(), names());
        let mut wait = |least: Option<u64>| {
            let least = least.map(Duration::from_secs);
            let (wait, times) = pace.wait(point, content, least, &Highest);
            (wait.as_secs(), times)
        };
        assert_eq!([wait(None), wait(None), wait(Some(60))], [(1, 1), (2, 2), (60, 3)]);
        assert_eq!(wait(Some(1)), (8, 4));
    }

    #[test]
    fn a_tag_is_that_of_what_is_sent_since_then() {
        let (mut pace, (point, content)) = (Pace::default(), names());
        let at = Timestamp::from_unix_ms;
        pace.prove(point, content, at(5), Some("e".to_owned()));
        assert_eq!(pace.proved(point, content, at(5)), Some(Some("e".to_owned())));
        assert_eq!(pace.proved(point, content, at(6)), None, "it was begun anew since");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut pace, (point, _)) = (Pace::default(), names());
        for number in 0..1000_u32 {
            pace.line_fault(point, ContentId::of(&number.to_le_bytes()), 1);
        }
        assert!(pace.contents.len() <= MOST_CONTENTS);
    }

    #[test]
    fn a_point_that_breaks_again_at_once_was_broken_all_the_time() {
        let (mut pace, (point, _)) = (Pace::default(), names());
        let at = |seconds: i64| Timestamp::from_unix_ms(seconds * 1000);
        assert_eq!(pace.broken_since(point, at(100)), at(100));
        pace.mended(point, at(100), at(400));
        assert_eq!(pace.broken_since(point, at(410)), at(100));
        assert_eq!(pace.broken_since(point, at(4000)), at(4000));
    }
}

//! What was tried, and is not tried again for a while.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use xylem_model::ContentId;

/// The longest pause. Failures are forgotten when they are that old.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);

/// What is left alone, until when, and how often it has failed.
#[derive(Debug, Default)]
pub(super) struct LeftAlone(HashMap<ContentId, Tried>);

#[derive(Debug, Clone, Copy)]
struct Tried {
    until: Instant,
    failures: u32,
}

impl LeftAlone {
    /// Whether it is.
    pub(super) fn has(&self, content: &ContentId, now: Instant) -> bool {
        self.0.get(content).is_some_and(|tried| now < tried.until)
    }

    /// Leaves it alone for so long: what was done need not be done again when it is listed once more.
    pub(super) fn done(&mut self, content: ContentId, now: Instant, pause: Duration) {
        self.0.insert(content, Tried { until: now + pause, failures: 0 });
    }

    /// Leaves it alone for so long, and twice as long with each further failure: a pass reads all of
    /// a file, which is too much to do every few minutes for ever.
    pub(super) fn failed(&mut self, content: ContentId, now: Instant, first_pause: Duration) {
        let failures = self.0.get(&content).map_or(0, |tried| tried.failures);
        // 2^20 times any pause is beyond the longest.
        let pause = first_pause.saturating_mul(1 << failures.min(20)).min(LONGEST_PAUSE);
        let failures = failures.saturating_add(1);
        self.0.insert(content, Tried { until: now + pause, failures });
    }

    /// Forgets what does not count any more.
    pub(super) fn tidy(&mut self, now: Instant) {
        self.0.retain(|_, tried| {
            let remembered = if tried.failures == 0 { Duration::ZERO } else { LONGEST_PAUSE };
            now < tried.until + remembered
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(600);

    /// How long it is left alone after one more failure.
    fn pause(left: &mut LeftAlone, content: ContentId, now: Instant) -> Duration {
        left.failed(content, now, FIRST);
        left.0[&content].until - now
    }

    #[test]
    fn pauses_double_up_to_a_day_and_begin_anew_after_success() {
        let (mut left, mut now) = (LeftAlone::default(), Instant::now());
        let (content, other) = (ContentId::of(b"a"), ContentId::of(b"b"));
        let mut pauses = Vec::new();
        for _ in 0..40 {
            let pause = pause(&mut left, content, now);
            assert!(left.has(&content, now) && !left.has(&other, now));
            now += pause;
            assert!(!left.has(&content, now));
            left.tidy(now);
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses[..4], [600, 1200, 2400, 4800]);
        assert_eq!(pauses[8..], [LONGEST_PAUSE.as_secs(); 32]);
        left.done(content, now, FIRST);
        assert!(left.has(&content, now));
        assert_eq!(pause(&mut left, content, now), FIRST);
    }

    #[test]
    fn failures_are_forgotten_a_day_after_their_pause() {
        let (mut left, now) = (LeftAlone::default(), Instant::now());
        let content = ContentId::of(b"a");
        left.failed(content, now, FIRST);
        left.done(ContentId::of(b"b"), now, FIRST);
        left.tidy(now + FIRST);
        assert_eq!(left.0.len(), 1, "what was done is of no more interest");
        left.tidy(now + FIRST + LONGEST_PAUSE);
        assert!(left.0.is_empty());
    }
}

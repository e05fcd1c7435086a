//! When to try again what failed.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use xylem_model::ContentId;
use xylem_runtime::{Backoff, Rng};

/// First and longest wait for a parent that has not got a file yet. Parents hold back such an
/// answer until they have it, so it is a sign of something unusual.
const NOT_YET: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// First and longest wait after a failure. A try at parents that are left alone costs no network, and
/// once one of them is back nobody should wait for another minute.
const FAILED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));

/// What is remembered of contents that could not be fetched.
#[derive(Debug, Default)]
pub(crate) struct Troubles(BTreeMap<ContentId, Trouble>);

#[derive(Debug)]
struct Trouble {
    /// By the clock that nobody sets: after a wrong time of day nothing waits for hours.
    retry_at: Instant,
    not_yet: Backoff,
    failed: Backoff,
}

impl Default for Trouble {
    fn default() -> Self {
        Self {
            retry_at: Instant::now(),
            not_yet: Backoff::new(NOT_YET.0, NOT_YET.1),
            failed: Backoff::new(FAILED.0, FAILED.1),
        }
    }
}

impl Troubles {
    /// Whether content has failed lately.
    pub(crate) fn contains(&self, content: &ContentId) -> bool {
        self.0.contains_key(content)
    }

    /// How long until each is to be tried again.
    pub(crate) fn retries(&self) -> BTreeMap<ContentId, Duration> {
        let now = Instant::now();
        let left = |trouble: &Trouble| trouble.retry_at.saturating_duration_since(now);
        self.0.iter().map(|(content, trouble)| (*content, left(trouble))).collect()
    }

    /// No parent has it yet.
    pub(crate) fn not_yet(&mut self, content: ContentId, rng: &dyn Rng) {
        let trouble = self.0.entry(content).or_default();
        trouble.retry_at = Instant::now() + trouble.not_yet.next_wait(rng).max(NOT_YET.0 / 4);
    }

    /// It failed, and is not to be tried before a moment where that is known. Returns how long
    /// until it is.
    pub(crate) fn failed(
        &mut self,
        content: ContentId,
        not_before: Option<Instant>,
        rng: &dyn Rng,
    ) -> Duration {
        let trouble = self.0.entry(content).or_default();
        let now = Instant::now();
        let next = now + trouble.failed.next_wait(rng).max(FAILED.0 / 4);
        trouble.retry_at = not_before.map_or(next, |earliest| earliest.max(next));
        trouble.retry_at - now
    }

    /// It is here.
    pub(crate) fn over(&mut self, content: &ContentId) {
        self.0.remove(content);
    }

    /// Keeps only what is still missing.
    pub(crate) fn retain(&mut self, is_missing: impl Fn(&ContentId) -> bool) {
        self.0.retain(|content, _| is_missing(content));
    }

    /// Everything may be tried again at once.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

//! How long to wait before the next try.

use std::time::Duration;

use crate::{Rng, random_array};

/// Waits that double from a first to a longest, each drawn evenly between nothing and the whole
/// ("full jitter"), so that many machines that failed together do not return together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// A back-off whose first wait is at most `first` and whose later ones never exceed `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Notes a failure and says how long to wait.
    pub fn next_wait(&mut self, rng: &dyn Rng) -> Duration {
        let ceiling = self.first.saturating_mul(1 << self.failures.min(20)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        let draw = u32::from_le_bytes(random_array(rng));
        ceiling.mul_f64(f64::from(draw) / f64::from(u32::MAX))
    }

    /// Starts again after a success.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    pub const fn failures(&self) -> u32 {
        self.failures
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

    #[test]
    fn waits_double_up_to_the_longest_and_start_again_after_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let waits: Vec<_> = (0..4).map(|_| backoff.next_wait(&Highest).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5]);
        backoff.reset();
        assert_eq!(backoff.next_wait(&Highest).as_secs(), 1);
    }
}

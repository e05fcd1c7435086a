//! How fast bytes may go.
//!
//! A token bucket in the form of the generic cell rate algorithm (ITU-T I.371): one number, the
//! moment from which on the bucket owes nothing, instead of a level that is refilled by a timer.

use std::time::Duration;

/// What may go at once after a pause, as a time at full rate: short, so that a line that is shared
/// with telephones does not notice, and long enough for a frame at common rates.
const BURST: Duration = Duration::from_millis(100);

/// Lets a number of bytes pass each second.
#[derive(Debug, Clone, Default)]
pub struct TokenBucket {
    /// When everything that was let pass will have been paid for, since some fixed moment.
    paid_at: Duration,
}

impl TokenBucket {
    /// Lets `bytes` pass and says how long to wait before they do. `now` is the time since some
    /// fixed moment, by a clock that does not go back; `rate` is in bytes per second, and may be
    /// another each time.
    pub fn take(&mut self, bytes: u64, rate: u64, now: Duration) -> Duration {
        let start = self.paid_at.max(now.saturating_sub(BURST));
        self.paid_at = start.saturating_add(time_for(bytes, rate));
        start.saturating_sub(now)
    }
}

/// How long bytes take at a rate; a rate of 0 is one byte a second, which is as good as none.
fn time_for(bytes: u64, rate: u64) -> Duration {
    let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends pieces as soon as they may go, and says when the last one went.
    fn send(
        bucket: &mut TokenBucket,
        pieces: u64,
        bytes: u64,
        rate: u64,
        from: Duration,
    ) -> Duration {
        let mut now = from;
        for _ in 0..pieces {
            now += bucket.take(bytes, rate, now);
        }
        now
    }

    #[test]
    fn a_long_transfer_takes_as_long_as_its_rate_says() {
        let mut bucket = TokenBucket::default();
        let begin = Duration::from_secs(1000);
        let took = send(&mut bucket, 1000, 16_384, 1_000_000, begin) - begin;
        let exact = 16_384.0 * 1000.0 / 1e6;
        assert!((took.as_secs_f64() - exact).abs() < 0.2, "{took:?}");
    }

    #[test]
    fn a_pause_does_not_save_up_more_than_a_moment() {
        let mut bucket = TokenBucket::default();
        send(&mut bucket, 10, 1000, 1000, Duration::ZERO);
        let later = Duration::from_secs(10_000);
        let took = send(&mut bucket, 11, 1000, 1000, later) - later;
        assert!(took >= Duration::from_millis(9_800), "{took:?}");
    }

    #[test]
    fn a_new_rate_counts_from_the_next_piece_on() {
        let mut bucket = TokenBucket::default();
        let slow = send(&mut bucket, 3, 1000, 1000, Duration::ZERO);
        let fast = send(&mut bucket, 100, 1000, 1_000_000, slow) - slow;
        assert!(fast < Duration::from_millis(1_200), "{fast:?}");
    }

    #[test]
    fn no_number_of_bytes_overflows() {
        let mut bucket = TokenBucket::default();
        bucket.take(u64::MAX, 0, Duration::from_secs(5));
        assert!(bucket.take(u64::MAX, 0, Duration::from_secs(5)) > Duration::from_secs(1 << 33));
    }
}

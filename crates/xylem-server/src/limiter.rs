//! Slows down whoever tries secrets: failed tokens and invitation codes, counted by address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use xylem_api::error::ErrorCode;
use xylem_http::ApiError;
use xylem_model::Timestamp;

/// Failures one address may have in [`WINDOW`].
const MAX_FAILURES: u32 = 30;

/// Failures are forgotten after this long.
const WINDOW: Duration = Duration::from_secs(60);

/// Addresses remembered at once; beyond that the longest known are forgotten first.
const MAX_ADDRESSES: usize = 4_096;

/// Counts failed secrets. Secrets have 120 bits and more, so this is against load and noise, not
/// against luck.
#[derive(Debug, Default)]
pub(crate) struct FailureLimiter(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Timestamp,
    count: u32,
}

impl FailureLimiter {
    /// Refuses an address that has failed too often lately.
    pub(crate) fn check(&self, address: IpAddr, now: Timestamp) -> Result<(), ApiError> {
        match self.lock().get(&address) {
            Some(known) if is_recent(known, now) && known.count >= MAX_FAILURES => {
                Err(ApiError::new(
                    ErrorCode::TooManyRequests,
                    "too many wrong tokens or invitation codes came from this address: wait a \
                     minute",
                ))
            }
            _ => Ok(()),
        }
    }

    /// Notes a failure.
    pub(crate) fn failed(&self, address: IpAddr, now: Timestamp) {
        let mut known = self.lock();
        if known.len() >= MAX_ADDRESSES && !known.contains_key(&address) {
            known.retain(|_, failures| is_recent(failures, now));
            let oldest = known.iter().min_by_key(|(_, failures)| failures.since);
            let oldest = oldest.map(|(address, _)| *address);
            if let Some(oldest) = oldest.filter(|_| known.len() >= MAX_ADDRESSES) {
                known.remove(&oldest);
            }
        }
        let failures = known.entry(address).or_insert(Failures { since: now, count: 0 });
        if !is_recent(failures, now) {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count = failures.count.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_recent(failures: &Failures, now: Timestamp) -> bool {
    now.since(failures.since) < WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn an_address_is_refused_after_its_failures_and_admitted_a_minute_later() {
        let limiter = FailureLimiter::default();
        for _ in 0..MAX_FAILURES {
            limiter.check(address(1), NOW).unwrap();
            limiter.failed(address(1), NOW);
        }
        assert!(limiter.check(address(1), NOW).is_err());
        assert!(limiter.check(address(2), NOW).is_ok());
        assert!(limiter.check(address(1), NOW.plus(WINDOW)).is_ok());
    }

    #[test]
    fn however_many_addresses_fail_the_memory_is_bounded() {
        let limiter = FailureLimiter::default();
        for n in 0..6_000 {
            limiter.failed(address(n), NOW);
        }
        assert!(limiter.lock().len() <= MAX_ADDRESSES);
    }
}

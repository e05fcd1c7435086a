//! Wrong passwords, and how long the next ones wait.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use xylem_http::ApiError;
use xylem_model::MAX_ACCOUNT_NAME_BYTES;

/// The wait after the first wrong password; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(250);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(8);

/// Wrong passwords are forgotten after this long without another.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);

/// How long an address counts as one from which an account's password was right: guessing from
/// elsewhere does not make whoever is there wait.
const TRUSTED: Duration = Duration::from_secs(24 * 3600);

/// Most accounts and addresses that are kept in mind.
const MAX_KEPT: usize = 10_000;

/// Wrong passwords by account and by address.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    kept: Mutex<HashMap<Key, Failures>>,
    /// When an account's password last was right, from an address.
    right: Mutex<HashMap<(String, IpAddr), Instant>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Account(String),
    Address(IpAddr),
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
    /// When the next attempt may be made.
    next: Instant,
}

impl Failures {
    fn delay(&self) -> Duration {
        FIRST.saturating_mul(1 << self.count.saturating_sub(1).min(10)).min(LONGEST)
    }
}

impl Attempts {
    /// Waits as long as an account and an address have to. Of several that wait, each waits for
    /// the one before it.
    ///
    /// # Errors
    /// Where that is longer than the longest wait.
    pub(super) async fn wait(&self, account: &str, address: IpAddr) -> Result<(), ApiError> {
        let (now, address) = (Instant::now(), network(address));
        let mut keys = keys(account, address);
        let right = self.right().get(&(account.to_owned(), address)).copied();
        if right.is_some_and(|right| now - right < TRUSTED) {
            keys.truncate(1);
        }
        let turn = self.take_turn(&keys, now)?;
        sleep_until(turn).await;
        Ok(())
    }

    fn take_turn(&self, keys: &[Key], now: Instant) -> Result<Instant, ApiError> {
        let mut kept = self.kept();
        let failures = |kept: &MutexGuard<'_, HashMap<Key, Failures>>, key| {
            let failures: &Failures = kept.get(key)?;
            (now - failures.last < FORGOTTEN).then_some(failures.next)
        };
        let turn = keys.iter().filter_map(|key| failures(&kept, key)).max().unwrap_or(now).max(now);
        if turn - now > LONGEST {
            return Err(ApiError::too_many(
                "too many wrong passwords came for this account or from this address",
                u32::try_from((turn - now).as_secs()).unwrap_or(u32::MAX),
            ));
        }
        for key in keys {
            if let Some(failures) = kept.get_mut(key) {
                failures.next = turn + failures.delay();
            }
        }
        Ok(turn)
    }

    /// A password was wrong.
    pub(super) fn failed(&self, account: &str, address: IpAddr) {
        let (now, address) = (Instant::now(), network(address));
        let mut kept = self.kept();
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, failures| now - failures.last < FORGOTTEN);
        }
        for key in keys(account, address) {
            if kept.len() >= MAX_KEPT && !kept.contains_key(&key) {
                let oldest = kept.iter().min_by_key(|(_, failures)| failures.last);
                if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                    kept.remove(&oldest);
                }
            }
            let failures = kept.entry(key).or_insert(Failures { count: 0, last: now, next: now });
            if now - failures.last >= FORGOTTEN {
                failures.count = 0;
            }
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
            failures.next = failures.next.max(now + failures.delay());
        }
    }

    /// A password was right.
    pub(super) fn succeeded(&self, account: &str, address: IpAddr) {
        let (now, address) = (Instant::now(), network(address));
        let mut kept = self.kept();
        for key in keys(account, address) {
            kept.remove(&key);
        }
        drop(kept);
        let mut right = self.right();
        if right.len() >= MAX_KEPT {
            right.retain(|_, right| now - *right < TRUSTED);
        }
        if right.len() < MAX_KEPT {
            right.insert((account.to_owned(), address), now);
        }
    }

    fn right(&self) -> MutexGuard<'_, HashMap<(String, IpAddr), Instant>> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Key, Failures>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one address: of IPv6 the first 64 bits, since whoever has one of them has all.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => four.into(),
            None => Ipv6Addr::from_bits(six.to_bits() >> 64 << 64).into(),
        },
    }
}

/// What counts wrong passwords: the address, and the account where the name can be one.
fn keys(account: &str, address: IpAddr) -> Vec<Key> {
    let mut keys = vec![Key::Address(address)];
    if account.len() <= MAX_ACCOUNT_NAME_BYTES {
        keys.push(Key::Account(account.to_owned()));
    }
    keys
}

#[cfg(test)]
mod tests {
    use xylem_api::error::ErrorCode;

    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 4));

    async fn waited(attempts: &Attempts, account: &str, address: IpAddr) -> Duration {
        let begun = Instant::now();
        attempts.wait(account, address).await.unwrap();
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn each_wrong_password_makes_the_next_wait_longer() {
        let attempts = Attempts::default();
        assert_eq!(waited(&attempts, "casper", ADDRESS).await, Duration::ZERO);
        for expected in [250, 500, 1000, 2000, 4000, 8000, 8000] {
            attempts.failed("casper", ADDRESS);
            let waited = waited(&attempts, "casper", ADDRESS).await;
            assert!(waited.as_millis().abs_diff(expected) <= 2, "{waited:?} {expected}");
        }
        attempts.failed("casper", ADDRESS);
        attempts.succeeded("casper", ADDRESS);
        assert_eq!(waited(&attempts, "casper", ADDRESS).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_account_waits_from_anywhere_and_the_address_with_any_account() {
        let attempts = Attempts::default();
        attempts.failed("casper", ADDRESS);
        let (same_account, same_address, neither) = tokio::join!(
            waited(&attempts, "casper", OTHER),
            waited(&attempts, "wendy", ADDRESS),
            waited(&attempts, "winifred", OTHER),
        );
        assert!(same_account >= FIRST && same_address >= FIRST, "{same_account:?}");
        assert_eq!(neither, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_right_before_does_not_wait_for_who_guesses_elsewhere() {
        let attempts = Attempts::default();
        attempts.succeeded("casper", ADDRESS);
        for _ in 0..6 {
            attempts.failed("casper", OTHER);
        }
        assert_eq!(waited(&attempts, "casper", ADDRESS).await, Duration::ZERO);
        assert!(waited(&attempts, "casper", OTHER).await > FIRST);
        let six = |text: &str| text.parse::<IpAddr>().unwrap();
        attempts.failed("wendy", six("2001:db8::1"));
        let neighbour = waited(&attempts, "winifred", six("2001:db8::2")).await;
        assert!(neighbour >= FIRST, "{neighbour:?}");
        assert_eq!(waited(&attempts, "winifred", six("2001:db8:0:1::2")).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn many_at_once_are_turned_away_and_time_heals() {
        let attempts = Attempts::default();
        for _ in 0..6 {
            attempts.failed("casper", ADDRESS);
        }
        let (first, second) =
            tokio::join!(attempts.wait("casper", ADDRESS), attempts.wait("casper", ADDRESS));
        assert!(first.is_ok());
        assert_eq!(second.unwrap_err().code(), ErrorCode::TooManyRequests);
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(waited(&attempts, "casper", ADDRESS).await, Duration::ZERO);
    }

    #[test]
    fn what_is_kept_in_mind_is_bounded() {
        let attempts = Attempts::default();
        for number in 0..MAX_KEPT {
            attempts.failed(&number.to_string(), ADDRESS);
        }
        assert_eq!(attempts.kept().len(), MAX_KEPT);
    }
}

//! Tokens that a double gives in front of a Swift, and the one with which it goes there itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use xylem_model::Timestamp;
use xylem_runtime::{Clock as _, SystemClock};

use super::front::{Asked, Does, Reply, ask_plainly};
use super::swift::{PASSWORD, Swift, USER};

/// How long a token is good for. It is renewed five minutes before its end, so a few times in a life.
pub(super) const TOKEN_LIFE: Duration = Duration::from_secs(420);

/// After how many requests that show one all of them end before their time, as when somebody takes
/// them back. What was refused is sent again long before the next time.
const ENDED_EVERY: u64 = 50;

/// Tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    given: Mutex<Given>,
    /// Swift's own.
    behind: String,
    life: Duration,
    /// Whether they end before their time now and then.
    ends_early: bool,
}

#[derive(Debug, Default)]
struct Given {
    /// When each ends.
    ends: BTreeMap<String, Instant>,
    /// How many were given, and how often all of them ended.
    count: u64,
    ended: u64,
    shown: u64,
}

impl Tokens {
    /// None yet, with the token of Swift's account.
    pub(super) fn before(swift: &Swift, life: Duration, ends_early: bool) -> anyhow::Result<Self> {
        let keys = [("x-auth-user", USER), ("x-auth-key", PASSWORD)];
        let told = ask_plainly(swift.plain_port, "GET", "/auth/v1.0", &keys)?;
        ensure!(told.status == 200, "Swift's tempauth answers {}", told.status);
        let mut headers = told.headers.into_iter();
        let behind =
            headers.find(|(name, _)| name == "x-auth-token").context("it gives no token")?;
        Ok(Self { given: Mutex::default(), behind: behind.1, life, ends_early })
    }

    /// Gives one; tells it with its end.
    pub(super) fn give(&self) -> (String, Timestamp) {
        let mut given = self.given();
        given.count += 1;
        let token = format!("gAAAAAB-of_the_double-{:032}", given.count);
        given.ends.insert(token.clone(), Instant::now() + self.life);
        (token, now().plus(self.life))
    }

    /// Until when a token is good; none where it is not.
    pub(super) fn end_of(&self, token: &str) -> Option<Timestamp> {
        let now_instant = Instant::now();
        let left = self.given().ends.get(token)?.checked_duration_since(now_instant)?;
        Some(now().plus(left))
    }

    /// Whether a request may do what it does: it shows a token, which is counted.
    pub(super) fn lets_in(&self, asked: &Asked) -> bool {
        let shown = asked.header("x-auth-token").unwrap_or_default();
        let is_good = self.end_of(shown).is_some();
        let mut given = self.given();
        given.shown += u64::from(is_good);
        if self.ends_early && is_good && given.shown.is_multiple_of(ENDED_EVERY) {
            given.ended += 1;
            given.ends.clear();
            return false;
        }
        is_good
    }

    /// What becomes of a request for Swift itself: a TempURL as it is, the rest for a good token.
    pub(super) fn storage(&self, asked: &Asked, target: String) -> Does {
        if asked.header("x-auth-token").is_none() && asked.has_parameter("temp_url_sig") {
            return Does::Pass { target, token: None };
        }
        if !self.lets_in(asked) {
            return Does::Answer(Reply::text(401, "the token is not good, or not any more"));
        }
        Does::Pass { target, token: Some(self.behind.clone()) }
    }

    /// The token with which Swift itself is asked.
    pub(super) fn behind(&self) -> &str {
        &self.behind
    }

    /// They were renewed, and asked for again when they ended before their time.
    pub(super) fn were_renewed(&self) -> anyhow::Result<()> {
        let given = self.given();
        let (count, ended) = (given.count, given.ended);
        ensure!(ended > 0, "{} requests showed a token, so none has ended early", given.shown);
        ensure!(count > ended, "all tokens ended {ended} times, and {count} were asked for");
        Ok(())
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time of day.
pub(super) fn now() -> Timestamp {
    SystemClock.now()
}

//! Which passwords were found right lately.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use xylem_model::Timestamp;
use xylem_pki::PasswordDigests;
use xylem_runtime::Environment;

/// How long that is remembered without being used.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Most passwords that are: more than all accounts of a server have.
const MAX_KNOWN: usize = 1_000;

/// Passwords that were compared, as keyed digests, each with the hash that it had.
pub(super) struct Known {
    digests: PasswordDigests,
    found: Mutex<HashMap<[u8; 32], Found>>,
}

struct Found {
    hash: String,
    at: Timestamp,
}

impl Known {
    pub(super) fn new(environment: &Environment) -> Self {
        Self { digests: PasswordDigests::new(&*environment.rng), found: Mutex::default() }
    }

    /// The hash that a password was found to have.
    pub(super) fn hash(&self, name: &str, password: &str, now: Timestamp) -> Option<String> {
        let mut found = self.found();
        let found = found.get_mut(&self.digests.of(name, password))?;
        if now < found.at || now.since(found.at) >= REMEMBERED {
            return None;
        }
        // Whoever is at work is not to wait because others guess meanwhile.
        found.at = now;
        Some(found.hash.clone())
    }

    pub(super) fn remember(&self, name: &str, password: &str, hash: &str, now: Timestamp) {
        let mut found = self.found();
        if found.len() >= MAX_KNOWN {
            found.retain(|_, found| now.since(found.at) < REMEMBERED);
        }
        if found.len() < MAX_KNOWN {
            let known = Found { hash: hash.to_owned(), at: now };
            found.insert(self.digests.of(name, password), known);
        }
    }

    fn found(&self) -> MutexGuard<'_, HashMap<[u8; 32], Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_right_is_known_until_five_minutes_without_use() {
        let known = Known::new(&Environment::real());
        let now = Timestamp::from_unix_ms(1_000_000);
        known.remember("casper", "x", "hash", now);
        let later = now.plus(Duration::from_secs(299));
        assert_eq!(known.hash("casper", "x", later).as_deref(), Some("hash"));
        assert_eq!(known.hash("casper", "y", later), None);
        assert_eq!(known.hash("wendy", "x", later), None);
        let still = later.plus(Duration::from_secs(299));
        assert_eq!(known.hash("casper", "x", still).as_deref(), Some("hash"));
        assert_eq!(known.hash("casper", "x", still.plus(REMEMBERED)), None);
    }
}

//! What is remembered between rounds, and may be lost.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names of others that are remembered as told: whoever has more there is told their number.
const MOST_TOLD: usize = 1000;

/// What is remembered between rounds. Where it is lost, something is said or done once more.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// Names of others' objects that were told.
    told: BTreeSet<String>,
}

impl Memory {
    /// Whether a name of others' was not told before. From then on it was.
    pub(in crate::cloud) fn is_news(&self, name: &str) -> bool {
        let mut remembered = self.lock();
        remembered.told.len() < MOST_TOLD && remembered.told.insert(name.to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

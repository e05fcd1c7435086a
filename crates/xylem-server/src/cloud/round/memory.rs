//! What is remembered between rounds, and may be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use xylem_model::{ContentId, Timestamp};

use crate::cloud::trouble::DELETION_MAY_ARRIVE;

/// Names of others that are remembered as told: whoever has more there is told their number.
const MOST_TOLD: usize = 1000;

/// What is remembered between rounds. Where it is lost, something is said or done once more.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// Names of others' objects that were told.
    told: BTreeSet<String>,
    /// Deletions that got no answer, with when.
    unanswered: BTreeMap<ContentId, Timestamp>,
}

impl Memory {
    /// Whether a name of others' was not told before. From then on it was.
    pub(in crate::cloud) fn is_news(&self, name: &str) -> bool {
        let mut remembered = self.lock();
        remembered.told.len() < MOST_TOLD && remembered.told.insert(name.to_owned())
    }

    /// A deletion got no answer.
    pub(in crate::cloud) fn got_no_answer(&self, content: ContentId, now: Timestamp) {
        let mut remembered = self.lock();
        // A round ends with the first of them, so there are few.
        remembered.unanswered.retain(|_, at| now.since(*at) < DELETION_MAY_ARRIVE);
        remembered.unanswered.insert(content, now);
    }

    /// Whether a deletion of a content may still arrive.
    pub(in crate::cloud) fn may_arrive(&self, content: &ContentId, now: Timestamp) -> bool {
        let unanswered = self.lock().unanswered.get(content).copied();
        unanswered.is_some_and(|at| now.since(at) < DELETION_MAY_ARRIVE)
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

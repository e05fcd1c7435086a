//! Which contents' copies changed lately, for those who watch them.
//!
//! Each change has a number. Whoever has seen all up to one is told what came after it, as long as
//! that is remembered; after that, and in another life of this process, that anything may have
//! changed.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use xylem_model::ContentId;

/// Changes that are remembered: some minutes of a busy system, in 128 KiB.
const REMEMBERED: usize = 4096;

/// The changes of copies in one life of this process.
#[derive(Debug)]
pub(crate) struct CopyLog {
    life: u64,
    recent: Mutex<Recent>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Recent {
    /// The number of the oldest change that is remembered.
    first: u64,
    contents: VecDeque<ContentId>,
}

/// What changed after some number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangedCopies {
    /// The number that this leads to.
    pub(crate) number: u64,
    /// The contents whose copies changed.
    pub(crate) contents: BTreeSet<ContentId>,
    /// Whether others may have changed too.
    pub(crate) all: bool,
}

impl CopyLog {
    /// An empty log. `life` tells this process from those before it.
    pub(crate) fn new(life: u64) -> Self {
        Self { life, recent: Mutex::default(), newest: watch::Sender::new(0) }
    }

    /// Which life of the process the numbers belong to.
    pub(crate) const fn life(&self) -> u64 {
        self.life
    }

    /// The number of the newest change, to be waited on.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Notes that copies of these contents changed.
    pub(crate) fn note(&self, contents: impl IntoIterator<Item = ContentId>) {
        let mut recent = self.lock();
        for content in contents {
            if recent.contents.len() >= REMEMBERED {
                recent.contents.pop_front();
                recent.first += 1;
            }
            recent.contents.push_back(content);
        }
        self.tell(&recent);
    }

    /// Notes that any copy may have changed.
    pub(crate) fn note_all(&self) {
        let mut recent = self.lock();
        // A number that nobody can have seen, and nothing remembered up to it.
        recent.first = recent.newest() + 1;
        recent.contents.clear();
        self.tell(&recent);
    }

    /// What changed after a number; `None` for whoever does not know.
    pub(crate) fn since(&self, seen: Option<u64>) -> ChangedCopies {
        let recent = self.lock();
        let number = recent.newest();
        let known = seen.filter(|seen| (recent.first..=number).contains(seen));
        let passed = known.and_then(|seen| usize::try_from(seen - recent.first).ok());
        match passed {
            Some(passed) => {
                let contents = recent.contents.iter().skip(passed).copied().collect();
                ChangedCopies { number, contents, all: false }
            }
            None => ChangedCopies { number, contents: BTreeSet::new(), all: true },
        }
    }

    fn tell(&self, recent: &Recent) {
        self.newest.send_replace(recent.newest());
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn newest(&self) -> u64 {
        self.first + self.contents.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(n: usize) -> ContentId {
        ContentId::of(&n.to_be_bytes())
    }

    #[test]
    fn each_reader_is_told_what_it_has_not_seen() {
        let log = CopyLog::new(1);
        log.note([content(1), content(2)]);
        let told = log.since(Some(0));
        assert_eq!((told.number, told.all), (2, false));
        assert_eq!(told.contents, BTreeSet::from([content(1), content(2)]));
        log.note([content(2)]);
        assert_eq!(log.since(Some(2)).contents, BTreeSet::from([content(2)]));
        assert!(log.since(Some(3)).contents.is_empty());
        assert_eq!(*log.newest().borrow(), 3);
    }

    #[test]
    fn what_is_forgotten_or_unknown_may_be_anything() {
        let log = CopyLog::new(1);
        assert!(log.since(None).all);
        assert!(log.since(Some(7)).all, "a number of another life");
        log.note((0..=REMEMBERED).map(content));
        assert!(log.since(Some(0)).all);
        assert_eq!(log.since(Some(1)).contents.len(), REMEMBERED);
        let seen = log.since(None).number;
        log.note_all();
        assert!(log.since(Some(seen)).all);
        let seen = log.since(Some(seen)).number;
        log.note([content(5)]);
        assert_eq!(log.since(Some(seen)).contents, BTreeSet::from([content(5)]));
    }
}

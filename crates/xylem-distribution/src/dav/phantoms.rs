//! Names that are seen before there is anything, or though nothing is kept of them.
//!
//! Finder writes an empty file, locks it, writes the bytes, and looks after each step whether it
//! sees what it wrote; beside each file it writes another of its own. None of that is published,
//! and all of it must be seen, or Finder gives up. A phantom is in memory and ends after a while.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use xylem_model::{FileKind, Timestamp};
use xylem_webdav::{Entry, Meta};

/// How long a phantom is seen.
const SEEN: Duration = Duration::from_secs(600);

/// Most of them.
const MAX_PHANTOMS: usize = 1_000;

/// The phantoms of one server.
#[derive(Debug, Default)]
pub(super) struct Phantoms(Mutex<BTreeMap<(FileKind, String), Meta>>);

impl Phantoms {
    /// Has a name seen. Where there are too many, the oldest is not seen any more.
    pub(super) fn show(&self, kind: FileKind, name: &str, len: u64, now: Timestamp) -> Meta {
        let mut phantoms = self.seen(now);
        if phantoms.len() >= MAX_PHANTOMS {
            let oldest = phantoms.iter().min_by_key(|(_, meta)| meta.created);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                phantoms.remove(&oldest);
            }
        }
        let meta = Meta { len, modified: now, created: now, is_folder: false, etag: None };
        phantoms.insert((kind, name.to_owned()), meta.clone());
        meta
    }

    pub(super) fn get(&self, kind: FileKind, name: &str, now: Timestamp) -> Option<Meta> {
        self.seen(now).get(&(kind, name.to_owned())).cloned()
    }

    pub(super) fn forget(&self, kind: FileKind, name: &str, now: Timestamp) -> bool {
        self.seen(now).remove(&(kind, name.to_owned())).is_some()
    }

    pub(super) fn list(&self, kind: FileKind, now: Timestamp) -> Vec<Entry> {
        let phantoms = self.seen(now);
        let of_kind = phantoms.iter().filter(|((of, _), _)| *of == kind);
        of_kind.map(|((_, name), meta)| Entry { name: name.clone(), meta: meta.clone() }).collect()
    }

    fn seen(&self, now: Timestamp) -> MutexGuard<'_, BTreeMap<(FileKind, String), Meta>> {
        let mut phantoms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        phantoms.retain(|_, meta| now.since(meta.created) < SEEN);
        phantoms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phantom_is_seen_for_a_while() {
        let phantoms = Phantoms::default();
        let now = Timestamp::from_unix_ms(1_000_000);
        phantoms.show(FileKind::Package, "a.pkg", 0, now);
        assert!(phantoms.get(FileKind::Package, "a.pkg", now).is_some());
        assert!(phantoms.get(FileKind::App, "a.pkg", now).is_none());
        assert_eq!(phantoms.list(FileKind::Package, now).len(), 1);
        assert!(phantoms.get(FileKind::Package, "a.pkg", now.plus(SEEN)).is_none());
        for number in 0..MAX_PHANTOMS + 5 {
            phantoms.show(FileKind::App, &number.to_string(), 0, now);
        }
        assert_eq!(phantoms.list(FileKind::App, now).len(), MAX_PHANTOMS);
        assert!(phantoms.forget(FileKind::App, "1004", now));
        assert!(!phantoms.forget(FileKind::App, "1004", now));
    }
}

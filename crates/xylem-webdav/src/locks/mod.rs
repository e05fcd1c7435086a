//! Locks: who may write what for a while (RFC 4918 section 6).
//!
//! All of them are in memory and in one file, which is replaced with each change: a restarted
//! server still knows them. A lock ends after its time, whatever its owner does.
//!
//! * [`lock`]: one lock, and whose way it is in.
//! * [`dav`]: what dav-server asks.

mod dav;
mod lock;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;
use xylem_model::Timestamp;
use xylem_runtime::{Environment, read_bounded, replace_file};

use crate::place::Place;
use lock::{Lock, covers, dav_path};

/// Longest file of locks that is read, in bytes: all locks, each as long as may be.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// The locks of one share. Clones share them.
#[derive(Debug, Clone)]
pub struct Locks {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    environment: Environment,
    path: PathBuf,
    locks: Mutex<Vec<Lock>>,
}

impl Locks {
    /// The locks in the file `path`, which may be missing. Blocks.
    ///
    /// # Errors
    /// Where it cannot be read. Locks in it that are not understood are dropped: what they kept
    /// others from is allowed again, and nothing else is lost.
    pub fn open(environment: Environment, path: PathBuf) -> io::Result<Self> {
        let fs = environment.disk.fs();
        let mut locks: Vec<Lock> = match fs.exists(&path)? {
            false => Vec::new(),
            true => serde_json::from_slice(&read_bounded(fs, &path, MAX_FILE_BYTES)?)
                .inspect_err(|error| tracing::warn!(%error, "the file of locks is damaged"))
                .unwrap_or_default(),
        };
        locks.retain_mut(|lock| match dav_path(lock).and_then(|it| Place::of_dav(&it).ok()) {
            Some(place) => {
                lock.place = place;
                true
            }
            None => false,
        });
        Ok(Self { inner: Arc::new(Inner { environment, path, locks: Mutex::new(locks) }) })
    }

    /// Whether a lock covers a place, or something in it.
    pub async fn cover(&self, place: &Place) -> bool {
        let locks = self.inner.locks.lock().await;
        let now = self.inner.environment.clock.now();
        locks
            .iter()
            .any(|lock| lock.expires > now && (covers(lock, place) || lock.place.is_within(place)))
    }

    /// Whose lock has a token.
    pub async fn owner_of(&self, token: &str) -> Option<String> {
        let locks = self.inner.locks.lock().await;
        let lock = locks.iter().find(|lock| lock.token == token)?;
        lock.principal.clone()
    }

    /// Changes the locks, in memory once the file has it. `change` says whether it changed any.
    /// A task of its own: whoever asked may stop waiting between the one and the other.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Vec<Lock>, Timestamp) -> (bool, T) + Send + 'static,
    ) -> io::Result<T> {
        let inner = Arc::clone(&self.inner);
        let changing = tokio::spawn(async move {
            let mut locks = inner.locks.lock().await;
            let now = inner.environment.clock.now();
            let mut next: Vec<Lock> =
                locks.iter().filter(|lock| lock.expires > now).cloned().collect();
            let (has_changed, result) = change(&mut next, now);
            if has_changed {
                let bytes = serde_json::to_vec(&next).map_err(io::Error::other)?;
                let path = inner.path.clone();
                inner.environment.disk.run(move |fs| replace_file(fs, &path, &bytes)).await?;
            }
            *locks = next;
            Ok(result)
        });
        changing.await.map_err(io::Error::other)?
    }

    async fn look<T>(&self, look: impl FnOnce(&[&Lock]) -> T) -> T {
        let locks = self.inner.locks.lock().await;
        let now = self.inner.environment.clock.now();
        let live: Vec<&Lock> = locks.iter().filter(|lock| lock.expires > now).collect();
        look(&live)
    }
}

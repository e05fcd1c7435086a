//! Locks: who may write what for a while (RFC 4918 section 6).
//!
//! All of them are in memory and in one file, which is replaced with each change: a restarted
//! server still knows them. A lock ends after its time, whatever its owner does.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dav_server::davpath::DavPath;
use dav_server::ls::{DavLock, DavLockSystem, LsFuture};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use uuid::Builder;
use xmltree::{Element, Namespace};
use xylem_model::Timestamp;
use xylem_runtime::{Environment, random_array, read_bounded, replace_file};

use crate::place::Place;

/// How long a lock lasts whose owner does not say, or says for ever.
const LIFETIME: Duration = Duration::from_secs(600);

/// Longest a lock may last without being refreshed.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Most locks at once, of all accounts together.
const MAX_LOCKS: usize = 1_000;

/// Most locks of one account.
const MAX_LOCKS_OF_ONE: usize = 200;

/// Longest text that says whose lock it is, in bytes.
const MAX_OWNER_BYTES: usize = 4 << 10;

/// Longest file of locks that is read, in bytes: all locks, each as long as may be.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// One lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Lock {
    token: String,
    /// Its root as it was asked for, encoded, with the share's prefix.
    url: String,
    prefix: String,
    principal: Option<String>,
    /// XML, as it was sent.
    owner: Option<String>,
    expires: Timestamp,
    seconds: u64,
    is_shared: bool,
    is_deep: bool,
    #[serde(skip)]
    place: Place,
}

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

    /// Changes the locks, in memory once the file has it. `change` says whether it changed any.
    async fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<Lock>, Timestamp) -> (bool, T),
    ) -> io::Result<T> {
        let mut locks = self.inner.locks.lock().await;
        let now = self.inner.environment.clock.now();
        let mut next: Vec<Lock> = locks.iter().filter(|lock| lock.expires > now).cloned().collect();
        let (has_changed, result) = change(&mut next, now);
        if has_changed {
            let bytes = serde_json::to_vec(&next).map_err(io::Error::other)?;
            let path = self.inner.path.clone();
            let disk = &self.inner.environment.disk;
            disk.run(move |fs| replace_file(fs, &path, &bytes)).await?;
        }
        *locks = next;
        Ok(result)
    }

    async fn look<T>(&self, look: impl FnOnce(&[&Lock]) -> T) -> T {
        let locks = self.inner.locks.lock().await;
        let now = self.inner.environment.clock.now();
        let live: Vec<&Lock> = locks.iter().filter(|lock| lock.expires > now).collect();
        look(&live)
    }
}

/// Whether a lock keeps others from writing a place.
fn covers(lock: &Lock, place: &Place) -> bool {
    lock.place == *place || (lock.is_deep && place.is_within(&lock.place))
}

/// Who asks, and with which tokens.
struct Claim<'a> {
    principal: Option<&'a str>,
    any_principal: bool,
    tokens: &'a [String],
}

impl Claim<'_> {
    fn holds(&self, lock: &Lock) -> bool {
        self.tokens.contains(&lock.token)
            && (self.any_principal || self.principal == lock.principal.as_deref())
    }

    /// A lock of somebody else on the way to a place. With one shared lock held, those of others
    /// beside it do not matter.
    fn conflict_above<'l>(
        &self,
        locks: &[&'l Lock],
        place: &Place,
        shared_ok: bool,
    ) -> Option<&'l Lock> {
        let above = || locks.iter().copied().filter(|lock| covers(lock, place));
        let exclusive = above().find(|lock| !lock.is_shared && !self.holds(lock));
        let holds_one = above().any(|lock| self.holds(lock));
        exclusive.or_else(|| above().find(|_| !shared_ok && !holds_one))
    }

    /// A lock of somebody else on a place or below it.
    fn conflict_below<'l>(
        &self,
        locks: &[&'l Lock],
        place: &Place,
        shared_ok: bool,
    ) -> Option<&'l Lock> {
        let mut below = locks.iter().copied().filter(|lock| lock.place.is_within(place));
        below.find(|lock| !(self.holds(lock) || (lock.is_shared && shared_ok)))
    }
}

const NOBODY: Claim<'static> = Claim { principal: None, any_principal: true, tokens: &[] };

fn dav_path(lock: &Lock) -> Option<DavPath> {
    let mut path = DavPath::new(&lock.url).ok()?;
    path.set_prefix(&lock.prefix).ok()?;
    Some(path)
}

fn moment(time: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(time.unix_ms()).unwrap_or(0))
}

/// As dav-server wants to have it. A lock whose path is not read any more cannot be among ours.
fn answer(lock: &Lock, path: &DavPath) -> DavLock {
    DavLock {
        token: lock.token.clone(),
        path: Box::new(dav_path(lock).unwrap_or_else(|| path.clone())),
        principal: lock.principal.clone(),
        owner: lock
            .owner
            .as_ref()
            .and_then(|xml| Element::parse(xml.as_bytes()).ok())
            .map(Box::new),
        timeout_at: Some(moment(lock.expires)),
        timeout: Some(Duration::from_secs(lock.seconds)),
        shared: lock.is_shared,
        deep: lock.is_deep,
    }
}

fn lifetime(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(LIFETIME).min(MAX_LIFETIME)
}

fn owner_text(owner: Option<&Element>) -> Option<String> {
    let (mut owner, mut bytes) = (owner?.clone(), Vec::new());
    // dav-server gives it this prefix, whatever its sender called the namespace.
    owner.namespaces.get_or_insert_with(Namespace::empty).put("D", "DAV:");
    owner.write(&mut bytes).ok()?;
    String::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_OWNER_BYTES)
}

impl Locks {
    fn new_lock(&self, path: &DavPath, place: Place, principal: Option<&str>) -> Lock {
        let token = Builder::from_random_bytes(random_array(&*self.inner.environment.rng));
        Lock {
            token: token.into_uuid().urn().to_string(),
            url: path.with_prefix().as_url_string(),
            prefix: path.prefix().to_owned(),
            principal: principal.map(str::to_owned),
            owner: None,
            expires: Timestamp::default(),
            seconds: 0,
            is_shared: false,
            is_deep: false,
            place,
        }
    }
}

impl DavLockSystem for Locks {
    fn lock(
        &self,
        path: &DavPath,
        principal: Option<&str>,
        owner: Option<&Element>,
        timeout: Option<Duration>,
        shared: bool,
        deep: bool,
    ) -> LsFuture<'_, Result<DavLock, DavLock>> {
        let path = path.clone();
        let place = Place::of_dav(&path).unwrap_or_default();
        let lifetime = lifetime(timeout);
        let mut lock = self.new_lock(&path, place, principal);
        (lock.owner, lock.is_shared, lock.is_deep) = (owner_text(owner), shared, deep);
        lock.seconds = lifetime.as_secs();
        Box::pin(async move {
            let locked = self.change(|locks, now| {
                let live: Vec<&Lock> = locks.iter().collect();
                let above = NOBODY.conflict_above(&live, &lock.place, shared);
                let conflict = above.or_else(|| {
                    deep.then(|| NOBODY.conflict_below(&live, &lock.place, shared)).flatten()
                });
                if let Some(conflict) = conflict {
                    return (false, Err(answer(conflict, &path)));
                }
                let own = live.iter().filter(|other| other.principal == lock.principal).count();
                if live.len() >= MAX_LOCKS || own >= MAX_LOCKS_OF_ONE {
                    tracing::warn!(account = ?lock.principal, "there are too many locks");
                    return (false, Err(answer(&lock, &path)));
                }
                lock.expires = now.plus(lifetime);
                let given = answer(&lock, &path);
                locks.push(lock.clone());
                (true, Ok(given))
            });
            locked.await.unwrap_or_else(|error| {
                tracing::warn!(%error, "a lock cannot be written down");
                Err(answer(&lock, &path))
            })
        })
    }

    fn unlock(&self, path: &DavPath, token: &str) -> LsFuture<'_, Result<(), ()>> {
        let (place, token) = (Place::of_dav(path).unwrap_or_default(), token.to_owned());
        Box::pin(async move {
            let unlocked = self.change(|locks, _| {
                let before = locks.len();
                locks.retain(|lock| !(lock.token == token && covers(lock, &place)));
                let has_changed = locks.len() < before;
                (has_changed, has_changed)
            });
            match unlocked.await {
                Ok(true) => Ok(()),
                Ok(false) => Err(()),
                Err(error) => {
                    tracing::warn!(%error, "the end of a lock cannot be written down");
                    Err(())
                }
            }
        })
    }

    fn refresh(
        &self,
        path: &DavPath,
        token: &str,
        timeout: Option<Duration>,
    ) -> LsFuture<'_, Result<DavLock, ()>> {
        let (path, token) = (path.clone(), token.to_owned());
        Box::pin(async move {
            let place = Place::of_dav(&path).map_err(|_| ())?;
            let refreshed = self.change(|locks, now| {
                let found =
                    locks.iter_mut().find(|lock| lock.token == token && covers(lock, &place));
                let Some(lock) = found else { return (false, Err(())) };
                let lifetime = lifetime(timeout);
                (lock.expires, lock.seconds) = (now.plus(lifetime), lifetime.as_secs());
                (true, Ok(answer(lock, &path)))
            });
            refreshed.await.unwrap_or_else(|error| {
                tracing::warn!(%error, "a refreshed lock cannot be written down");
                Err(())
            })
        })
    }

    fn check(
        &self,
        path: &DavPath,
        principal: Option<&str>,
        ignore_principal: bool,
        deep: bool,
        submitted_tokens: &[String],
    ) -> LsFuture<'_, Result<(), DavLock>> {
        let (path, principal) = (path.clone(), principal.map(str::to_owned));
        let tokens = submitted_tokens.to_vec();
        Box::pin(async move {
            let place = Place::of_dav(&path).unwrap_or_default();
            let claim = Claim {
                principal: principal.as_deref(),
                any_principal: ignore_principal,
                tokens: &tokens,
            };
            self.look(|locks| {
                let above = claim.conflict_above(locks, &place, false);
                let conflict = above
                    .or_else(|| deep.then(|| claim.conflict_below(locks, &place, false)).flatten());
                conflict.map_or(Ok(()), |lock| Err(answer(lock, &path)))
            })
            .await
        })
    }

    fn discover(&self, path: &DavPath) -> LsFuture<'_, Vec<DavLock>> {
        let path = path.clone();
        Box::pin(async move {
            let Ok(place) = Place::of_dav(&path) else { return Vec::new() };
            self.look(|locks| {
                let above = locks.iter().filter(|lock| covers(lock, &place));
                above.map(|lock| answer(lock, &path)).collect()
            })
            .await
        })
    }

    fn delete(&self, path: &DavPath) -> LsFuture<'_, Result<(), ()>> {
        let place = Place::of_dav(path);
        Box::pin(async move {
            let Ok(place) = place else { return Ok(()) };
            let deleted = self.change(|locks, _| {
                let before = locks.len();
                locks.retain(|lock| !lock.place.is_within(&place));
                (locks.len() < before, ())
            });
            deleted.await.map_err(|error| {
                tracing::warn!(%error, "the end of a lock cannot be written down");
            })
        })
    }
}

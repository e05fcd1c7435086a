//! What dav-server asks of locks.

use std::time::Duration;

use dav_server::davpath::DavPath;
use dav_server::ls::{DavLock, DavLockSystem, LsFuture};
use uuid::Builder;
use xmltree::Element;
use xylem_model::Timestamp;
use xylem_runtime::random_array;

use super::Locks;
use super::lock::{Claim, Lock, NOBODY, answer, covers, lifetime, owner_text};
use crate::place::Place;

/// Most locks at once, of all accounts together.
const MAX_LOCKS: usize = 1_000;

/// Most locks of one account.
const MAX_LOCKS_OF_ONE: usize = 200;

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
            let unwritten = answer(&lock, &path);
            let locked = self.change(move |locks, now| {
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
                Err(unwritten)
            })
        })
    }

    fn unlock(&self, path: &DavPath, token: &str) -> LsFuture<'_, Result<(), ()>> {
        let (place, token) = (Place::of_dav(path).unwrap_or_default(), token.to_owned());
        Box::pin(async move {
            let unlocked = self.change(move |locks, _| {
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
            let refreshed = self.change(move |locks, now| {
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
                if claim.any_principal && !claim.tokens.is_empty() {
                    // Whether a condition holds that names a token: the lock must be there.
                    let is_held =
                        locks.iter().any(|lock| covers(lock, &place) && claim.holds(lock));
                    let none = || Err(answer(&self.new_lock(&path, place.clone(), None), &path));
                    return if is_held { Ok(()) } else { none() };
                }
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
            let deleted = self.change(move |locks, _| {
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

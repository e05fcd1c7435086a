//! One round of looking after a point: what it is made of, and how the provider is asked.
//!
//! Rounds ([`inventory`](super::inventory), [`remove`](super::remove), [`sweep`](super::sweep)) are
//! idempotent and may end anywhere: what is true is in the [`CloudStore`] and at the provider. What
//! is in [`Memory`] may be lost with the process.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use xylem_client::{ClientError, CloudClient};
use xylem_cloud::{
    Below, CloudAnswer, CloudRequest, Cursor, Fault, FaultKind, FaultScope, Found, Leftover,
    Listed, Marker, Moment, ObjectKey, Page, Provider,
};
use xylem_db::CloudUsage;
use xylem_model::{ContentId, Timestamp};
use xylem_runtime::{Backoff, Environment, random_array};
use xylem_telemetry::chain;

use super::at::Asking;
use super::breaker::Standstill;
use super::store::{CloudStore, OpenPoint};
use super::usage::month_of;
use crate::wish::WishError;

/// How often a request that only asks is sent before a round is given up: the next one is not far.
const TRIES: u32 = 5;
/// Longest wait between two of these.
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// How long a deletion that got no answer may still arrive.
const DELETION_MAY_ARRIVE: Duration = Duration::from_secs(15 * 60);
/// How long what is not wanted stays, where clients' addresses do not live longer.
const KEEP_UNWANTED: Duration = Duration::from_secs(24 * 3600);
/// Names of others that are remembered as told: whoever has more there is told their number.
const MOST_TOLD: usize = 1000;

/// What a round works with.
pub(crate) struct Round<'a> {
    /// What is remembered of the point.
    pub(crate) store: &'a dyn CloudStore,
    /// The point.
    pub(crate) point: &'a OpenPoint,
    /// Its provider.
    pub(crate) provider: &'a dyn Provider,
    /// How that is reached.
    pub(crate) client: &'a CloudClient,
    /// Clock and numbers at random.
    pub(crate) environment: &'a Environment,
    /// What `xylem.json` has to say below the point's prefix.
    pub(crate) marker: Marker,
    /// Whether anything may be deleted: not while a restore is unconfirmed, nor while the point is
    /// paused.
    pub(crate) may_remove: bool,
    /// Whether all that is wanted has a row by now: else an object without one may be wanted.
    pub(crate) is_followed: bool,
    /// Waits, which tests shorten.
    pub(crate) waits: Waits,
    /// What is remembered between rounds.
    pub(crate) memory: &'a Memory,
    /// What this round used; counted at its end.
    pub(crate) used: Mutex<CloudUsage>,
}

/// Waits of a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// Between two looks for an object that seems to be gone: a store may answer with what was true
    /// a moment ago.
    pub(crate) between_looks: Duration,
    /// Longest first wait before a request is sent again.
    pub(crate) first_retry: Duration,
}

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

/// Why a round was given up. It is begun anew after a while.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoundError {
    /// There was no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The provider refused, or its answer cannot be used.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// What is remembered cannot be read or written.
    #[error("what is remembered of the cloud distribution point cannot be read or written")]
    Store(#[from] WishError),
    /// Nothing can succeed at this point, and nothing was asked.
    #[error("{0}")]
    Point(String),
    /// Nothing of it is the provider's affair.
    #[error("{0}")]
    Ours(String),
    /// What lies there may be another's.
    #[error("nothing is deleted there, because of `{key}`: {why}")]
    NotOurs {
        /// The marker's name.
        key: ObjectKey,
        /// Why not, and what to do.
        why: String,
    },
}

impl Default for Waits {
    fn default() -> Self {
        Self { between_looks: Duration::from_secs(10), first_retry: Duration::from_secs(2) }
    }
}

impl Round<'_> {
    pub(super) fn now(&self) -> Timestamp {
        self.environment.clock.now()
    }

    /// The name of a content here.
    pub(super) fn key(&self, content: &ContentId) -> ObjectKey {
        self.point.settings.storage.prefix().content(content)
    }

    /// How long what is not wanted stays: never less than an address that a client may have.
    pub(super) fn grace(&self) -> Duration {
        KEEP_UNWANTED.max(Duration::from_secs(self.point.settings.url_lifetime_seconds))
    }

    fn moment(&self) -> Moment {
        let nonce = u64::from_be_bytes(random_array(&*self.environment.rng));
        Moment { now: self.now(), nonce }
    }

    /// Sends a request once and reads the answer.
    pub(super) async fn once<T>(
        &self,
        asking: Asking,
        make: impl Fn(Moment) -> Result<CloudRequest, Fault>,
        read: impl Fn(&CloudAnswer) -> Result<T, Fault>,
    ) -> Result<T, RoundError> {
        let request = make(self.moment())?;
        self.count(asking);
        let answer = self.client.send(&request).await?;
        Ok(read(&answer)?)
    }

    /// Sends a request that changes nothing, again and again where it may succeed then.
    pub(super) async fn ask<T>(
        &self,
        asking: Asking,
        make: impl Fn(Moment) -> Result<CloudRequest, Fault>,
        read: impl Fn(&CloudAnswer) -> Result<T, Fault>,
    ) -> Result<T, RoundError> {
        let mut backoff = Backoff::new(self.waits.first_retry, LONGEST_RETRY);
        loop {
            let error = match self.once(asking, &make, &read).await {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            let wait = backoff.next_wait(&*self.environment.rng);
            let asked_for = error.retry_after();
            if !error.may_pass() || backoff.failures() >= TRIES || asked_for > LONGEST_RETRY {
                return Err(error);
            }
            tokio::time::sleep(wait.max(asked_for)).await;
        }
    }

    /// What lies under a name.
    pub(super) async fn find(&self, key: &ObjectKey) -> Result<Option<Found>, RoundError> {
        let make = |at| Ok(self.provider.ask(key, at));
        self.ask(Asking::Read, make, |answer| self.provider.found(key, answer)).await
    }

    /// A page of what lies there.
    pub(super) async fn list(
        &self,
        below: Below,
        cursor: &Cursor,
    ) -> Result<Page<Listed>, RoundError> {
        let make = |at| self.provider.list(below, cursor, at);
        self.ask(Asking::List, make, |answer| self.provider.listed(below, cursor, answer)).await
    }

    /// A page of what uploads left, of one object or of all of ours; none where there is nothing
    /// of the kind.
    pub(super) async fn leftovers(
        &self,
        of: Option<&ObjectKey>,
        cursor: &Cursor,
    ) -> Result<Option<Page<Leftover>>, RoundError> {
        if self.provider.leftovers(of, cursor, self.moment())?.is_none() {
            return Ok(None);
        }
        let make = |at| {
            let attempt = "listing what uploads left";
            let none = || Fault::new(FaultKind::Unsupported, attempt, "there is no such listing");
            self.provider.leftovers(of, cursor, at)?.ok_or_else(none)
        };
        let read = |answer: &CloudAnswer| self.provider.leftovers_listed(of, cursor, answer);
        self.ask(Asking::List, make, read).await.map(Some)
    }

    /// Aborts an upload, or deletes a segment.
    pub(super) async fn discard(&self, leftover: &Leftover) -> Result<bool, RoundError> {
        let Some(request) = self.provider.discard(leftover, self.moment()) else {
            return Ok(false);
        };
        self.count(Asking::Write);
        let answer = self.client.send(&request).await?;
        self.provider.removed(leftover.key(), &answer)?;
        Ok(true)
    }

    /// Deletes an object, once: what got no answer is asked for in the next round.
    pub(super) async fn delete(&self, key: &ObjectKey) -> Result<(), RoundError> {
        let make = |at| Ok(self.provider.remove(key, at));
        self.once(Asking::Write, make, |answer| self.provider.removed(key, answer)).await
    }

    /// Has the caches of a delivery network forget objects that are gone. Nobody is given their
    /// addresses any more, so that a cache keeps them for a while is a warning and no more.
    pub(super) async fn purge(&self, keys: &[ObjectKey]) {
        let Some(first) = keys.first() else { return };
        let at = self.moment();
        let reference = format!("xylem-{}-{}-{}", at.now.unix_ms(), keys.len(), at.nonce);
        let purged = async {
            for request in self.provider.purge(keys, &reference, at)? {
                self.count(Asking::Write);
                self.provider.purged(&self.client.send(&request).await?)?;
            }
            Ok::<_, RoundError>(())
        };
        if let Err(error) = purged.await {
            let (error, more) = (chain(&error), keys.len() - 1);
            tracing::warn!("`{first}` and {more} more stay in caches for a while: {error}");
        }
    }

    /// Sees that what lies here is this catalogue's: before anything is deleted.
    pub(super) async fn check_marker(&self) -> Result<(), RoundError> {
        let key = self.point.settings.storage.prefix().marker();
        let make = |at| Ok(self.provider.read(&key, at));
        let read = |answer: &CloudAnswer| {
            let bytes = self.provider.read_answered(&key, answer)?;
            Ok(bytes.map(Marker::parse))
        };
        let why = match self.ask(Asking::Read, make, read).await? {
            Some(Ok(found)) if found == self.marker => return Ok(()),
            Some(Ok(_)) => OTHERS.to_owned(),
            Some(Err(error)) => error.to_string(),
            None => GONE.to_owned(),
        };
        Err(RoundError::NotOurs { key, why })
    }

    fn count(&self, asking: Asking) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, kind) = match asking {
            Asking::List => (&mut used.lists, "list"),
            Asking::Read => (&mut used.reads, "read"),
            Asking::Write => (&mut used.writes, "write"),
        };
        *count = count.saturating_add(1);
        let provider = self.point.settings.storage.provider();
        metrics::counter!("xylem_cloud_requests_total", "provider" => provider, "kind" => kind)
            .increment(1);
    }

    /// Stores what was counted. That it cannot be is no reason to fail what was done.
    pub(crate) async fn settle(&self) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used == CloudUsage::default() {
            return;
        }
        if let Err(error) = self.store.used(self.point.id, month_of(self.now()), &used).await {
            tracing::warn!(error = %chain(&error), "the use of the cloud could not be counted");
        }
    }
}

const OTHERS: &str = "it names another catalogue, whose objects these may be; set the point with \
                      another prefix, or with `--adopt` where the other one is no more";
const GONE: &str = "it is gone, so that whose these objects are is not known; `xylem cloud change \
                    --adopt` writes it again where they are this catalogue's";

impl Memory {
    /// Whether a name of others' was not told before. From then on it was.
    pub(super) fn is_news(&self, name: &str) -> bool {
        let mut remembered = self.lock();
        remembered.told.len() < MOST_TOLD && remembered.told.insert(name.to_owned())
    }

    /// A deletion got no answer.
    pub(super) fn got_no_answer(&self, content: ContentId, now: Timestamp) {
        let mut remembered = self.lock();
        // A round ends with the first of them, so there are few.
        remembered.unanswered.retain(|_, at| now.since(*at) < DELETION_MAY_ARRIVE);
        remembered.unanswered.insert(content, now);
    }

    /// Whether a deletion of a content may still arrive.
    pub(super) fn may_arrive(&self, content: &ContentId, now: Timestamp) -> bool {
        let unanswered = self.lock().unanswered.get(content).copied();
        unanswered.is_some_and(|at| now.since(at) < DELETION_MAY_ARRIVE)
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RoundError {
    /// Whether the same may succeed a little later.
    fn may_pass(&self) -> bool {
        match self {
            Self::Client(_) => true,
            Self::Fault(fault) => fault.scope() == FaultScope::Request,
            Self::Store(_) | Self::Point(_) | Self::Ours(_) | Self::NotOurs { .. } => false,
        }
    }

    fn retry_after(&self) -> Duration {
        match self {
            Self::Fault(fault) => fault.retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    /// Whether others may succeed where this one content did not.
    pub(super) fn is_of_one_content(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.scope() == FaultScope::Content)
    }

    /// Why nothing will succeed until somebody mends it, where that is so.
    pub(super) fn stops_the_point(&self) -> Option<Standstill> {
        match self {
            Self::Fault(fault) if fault.clone().again().scope() == FaultScope::Point => {
                Some(Standstill::of(fault))
            }
            Self::Point(why) => Some(Standstill::untried(why.clone())),
            _ => None,
        }
    }
}

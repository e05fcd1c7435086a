//! One round of looking after a point: what it is made of, and how the provider is asked.
//!
//! Rounds ([`inventory`](super::inventory), [`remove`](super::remove), [`sweep`](super::sweep)) are
//! idempotent and may end anywhere: what is true is in the [`CloudStore`] and at the provider. What
//! is in [`Memory`] may be lost with the process.

mod error;
mod memory;
#[cfg(test)]
mod swift_tests;
#[cfg(test)]
mod tests;

use std::time::Duration;

use xylem_cloud::{
    Below, CloudAnswer, CloudRequest, Cursor, Fault, FaultKind, Found, Leftover, Listed, Marker,
    MarkerError, Moment, ObjectKey, Page, Provider, Upload,
};
use xylem_model::{ContentId, Timestamp};
use xylem_runtime::{Backoff, Environment};
use xylem_telemetry::chain;

pub(crate) use error::{RoundError, unless_of_one};
pub use memory::Memory;

use super::apart::{Apart, Separation};
use super::claim::refusal;
use super::moment;
use super::session::PointClient;
use super::store::{CloudStore, OpenPoint};
use super::used::{Asking, Used};

/// How often a request that only asks is sent before a round is given up: the next one is not far.
const TRIES: u32 = 5;
/// Longest wait between two of these.
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// How long what is not wanted stays, where clients' addresses do not live longer.
const KEEP_UNWANTED: Duration = Duration::from_secs(24 * 3600);

/// What a round works with.
pub(crate) struct Round<'a> {
    /// What is remembered of the point.
    pub(crate) store: &'a dyn CloudStore,
    /// The point.
    pub(crate) point: &'a OpenPoint,
    /// Its provider.
    pub(crate) provider: &'a dyn Provider,
    /// How that is reached.
    pub(crate) client: &'a PointClient,
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
    /// What tells how a point that is being left is to the active one; without it nothing is deleted
    /// at such a point.
    pub(crate) separation: Option<&'a dyn Separation>,
    /// What this round used; counted at its end.
    pub(crate) used: Used,
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

    /// How long what is not wanted stays: never less than an address that a client may have, and of
    /// a point that is being left no longer.
    pub(super) fn grace(&self) -> Duration {
        let least = if self.point.is_active { KEEP_UNWANTED } else { Duration::ZERO };
        least.max(self.point.address_life())
    }

    fn moment(&self) -> Moment {
        moment(self.environment)
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

    /// Sends a request that changes nothing, or nothing more when it is sent again, until it succeeds
    /// or cannot.
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

    /// Whether a segment of a large object is there, asked by its name.
    pub(super) async fn has_segment(
        &self,
        upload: &Upload,
        number: u32,
    ) -> Result<bool, RoundError> {
        let make = |at| {
            let attempt = "asking after a segment";
            let none = || Fault::new(FaultKind::Unsupported, attempt, "objects have none there");
            self.provider.ask_segment(upload, number, at).ok_or_else(none)
        };
        let read = |answer: &CloudAnswer| self.provider.found(&upload.key, answer);
        Ok(self.ask(Asking::Read, make, read).await?.is_some())
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
        // Kept for as long as it is asked: what was taken once, its answer lost, is not taken again.
        let reference = format!("xylem-{}-{}-{}", at.now.unix_ms(), keys.len(), at.nonce);
        let purged = async {
            let requests = self.provider.purge(keys, &reference, at)?.len();
            for number in 0..requests {
                let make = |at| {
                    let request =
                        self.provider.purge(keys, &reference, at)?.into_iter().nth(number);
                    let attempt = "having caches forget what is gone";
                    let fewer =
                        || Fault::new(FaultKind::Unsupported, attempt, "there is less to ask");
                    request.ok_or_else(fewer)
                };
                self.ask(Asking::Write, make, |answer| self.provider.purged(answer)).await?;
            }
            Ok::<_, RoundError>(())
        };
        if let Err(error) = purged.await {
            let (error, more) = (chain(&error), keys.len() - 1);
            tracing::warn!("`{first}` and {more} more stay in caches for a while: {error}");
        }
    }

    /// Sees that the point is what this round began with: its settings, keys and place, whether it is
    /// paused, and what becomes of what is there. A round may take hours, and whoever changes or pauses the point does not wait for it.
    pub(super) async fn require_unchanged(&self) -> Result<(), RoundError> {
        let point = match self.point.is_active {
            true => self.store.active().await?,
            false => self.store.leaving().await?,
        };
        let of = |point: &OpenPoint| (point.id, point.revision, point.paused, point.leaving);
        match point.is_some_and(|point| of(&point) == of(self.point)) {
            true => Ok(()),
            false => Err(RoundError::Changed),
        }
    }

    /// Sees that what lies here is this catalogue's, and of a point that is being left that it is not
    /// the active one's: before anything is deleted.
    pub(super) async fn check_place(&self) -> Result<(), RoundError> {
        self.require_ours(self.read_marker().await?)?;
        self.require_apart().await
    }

    /// Sees that a point that is being left is another place than the active one.
    pub(super) async fn require_apart(&self) -> Result<(), RoundError> {
        if self.point.is_active {
            return Ok(());
        }
        match self.apart().await.refusal() {
            None => Ok(()),
            Some(why) => Err(RoundError::NotApart(why)),
        }
    }

    /// How a point that is being left is to the active one.
    pub(super) async fn apart(&self) -> Apart {
        match self.separation {
            Some(separation) => separation.apart(self.point).await,
            None => Apart::Unknown("nobody looks".to_owned()),
        }
    }

    /// Whether something says that what lies here is this catalogue's. Where it says that it is
    /// another's, that is an error.
    pub(super) async fn has_marker(&self) -> Result<bool, RoundError> {
        match self.read_marker().await? {
            None => Ok(false),
            found => self.require_ours(found).map(|()| true),
        }
    }

    fn require_ours(&self, found: Option<Result<Marker, MarkerError>>) -> Result<(), RoundError> {
        let key = self.point.settings.storage.prefix().marker();
        match refusal(&self.marker, found) {
            None => Ok(()),
            Some(why) => Err(RoundError::NotOurs { key, why }),
        }
    }

    async fn read_marker(&self) -> Result<Option<Result<Marker, MarkerError>>, RoundError> {
        let key = self.point.settings.storage.prefix().marker();
        let make = |at| Ok(self.provider.read(&key, at));
        let read = |answer: &CloudAnswer| {
            let bytes = self.provider.read_answered(&key, answer)?;
            Ok(bytes.map(Marker::parse))
        };
        self.ask(Asking::Read, make, read).await
    }

    fn count(&self, asking: Asking) {
        self.used.count(self.point, asking);
    }

    /// Stores what was counted.
    pub(crate) async fn settle(&self) {
        self.used.settle(self.store, self.point, self.now()).await;
    }
}

//! What is done in a round of looking after the point, wherever it runs: as a job of the server
//! ([`upkeep`](super::upkeep)) or in simulation.

use std::fmt;

use xylem_cloud::provider_of;
use xylem_telemetry::chain;

use super::apart::Separation;
use super::inventory::{Inventoried, inventory};
use super::leave::leave;
use super::recheck::recheck;
use super::remove::remove;
use super::round::{Memory, Round, RoundError, Waits};
use super::service::CloudService;
use super::store::OpenPoint;
use super::sweep::sweep;
use super::used::Used;
use crate::ServerError;
use crate::failure::Failure;

/// What is done in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// What lies there is compared with what is remembered.
    Inventory,
    /// What could be written by others is asked after once more.
    Recheck,
    /// The point is being left.
    Leave,
    /// What is not wanted is deleted.
    Remove,
    /// What crashes left is removed.
    Sweep,
}

/// What a round has to be told beside the point.
#[derive(Debug)]
pub struct RoundTerms<'a> {
    /// Whether anything may be deleted: not while a restore is unconfirmed. While the point is paused
    /// nothing is in any case.
    pub may_remove: bool,
    /// Whether all that is wanted has a row by now: else an object without one may be wanted.
    pub is_followed: bool,
    /// What is remembered between rounds, and may be lost with the process.
    pub memory: &'a Memory,
}

impl CloudService {
    /// Does a round at a point, unless it stands still; says what it did. Of several servers each
    /// would: that one does the day's inventory is the caller's to see to.
    ///
    /// # Errors
    /// When the round was given up, and the next one has to do it: why.
    pub async fn look_after(
        &self,
        duty: Duty,
        point: &OpenPoint,
        terms: &RoundTerms<'_>,
    ) -> Result<String, ServerError> {
        if let Some(why) = waits(duty, point) {
            return Ok(why);
        }
        // Nobody tells here whether two points are two places: at one that is left nothing is deleted.
        let done = self.round(duty, point, terms, None).await;
        self.told_of(point, done).await
    }

    /// Tries the point again where it stands still and it is time; says what was found.
    ///
    /// # Errors
    /// When it cannot be tried: why.
    pub async fn try_again_where_broken(&self) -> Result<String, ServerError> {
        self.try_broken_again().await.map_err(|failure| {
            let reason = failure.0.message().to_owned();
            ServerError::Cloud { reason }
        })
    }

    /// Does a round at a point. `separation` tells how one that is being left is to the active one.
    pub(super) async fn round(
        &self,
        duty: Duty,
        point: &OpenPoint,
        terms: &RoundTerms<'_>,
        separation: Option<&dyn Separation>,
    ) -> Result<Done, RoundError> {
        let client = self.client(point).await.map_err(ours)?;
        let access = client.access().await?;
        let provider = provider_of(&point.settings.storage, &point.keys, access.as_deref());
        let provider = provider.map_err(|error| RoundError::Point(error.to_string()))?;
        let round = Round {
            store: self.store(),
            point,
            provider: &*provider,
            client: &client,
            environment: self.environment(),
            marker: self.marker().clone(),
            may_remove: terms.may_remove && !point.paused,
            is_followed: terms.is_followed,
            waits: Waits::default(),
            memory: terms.memory,
            separation,
            used: Used::default(),
        };
        let done = match duty {
            Duty::Inventory => inventory(&round).await.map(Done::Inventoried),
            Duty::Recheck => {
                recheck(&round).await.map(|rechecked| Done::Told(rechecked.to_string()))
            }
            Duty::Leave => leave(&round).await.map(|step| Done::Told(step.to_string())),
            Duty::Remove => remove(&round).await.map(|removed| Done::Told(removed.to_string())),
            Duty::Sweep => sweep(&round).await.map(|swept| Done::Told(swept.to_string())),
        };
        round.settle().await;
        done
    }

    /// What a round did, for whoever looks at the jobs; what concerns the whole point stops it.
    pub(super) async fn told_of(
        &self,
        point: &OpenPoint,
        done: Result<Done, RoundError>,
    ) -> Result<String, ServerError> {
        let error = match done {
            Ok(done) => return Ok(done.to_string()),
            Err(error) => error,
        };
        if let Some(stop) = error.stops_the_point() {
            self.note_broken(point, &stop).await?;
        }
        Err(ServerError::Cloud { reason: chain(&error).to_string() })
    }
}

/// What came of a round.
pub(super) enum Done {
    Inventoried(Inventoried),
    Told(String),
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inventoried(found) => write!(f, "{found}"),
            Self::Told(told) => f.write_str(told),
        }
    }
}

/// Why nothing is done at present.
pub(super) fn waits(duty: Duty, point: &OpenPoint) -> Option<String> {
    if let Some(broken) = &point.broken {
        return Some(format!("waits: the point stands still: {}", broken.message));
    }
    // To look changes nothing.
    let only_looks = matches!(duty, Duty::Inventory | Duty::Recheck);
    (point.paused && !only_looks).then(|| "waits: the point is paused".to_owned())
}

pub(super) fn ours(failure: Failure) -> RoundError {
    RoundError::Ours(failure.0.message().to_owned())
}

//! Rounds of looking after the point, as jobs and administrators start them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use xylem_api::cloud_files::{CloudInventory, CloudInventoryFound, CloudInventoryState};
use xylem_model::{CloudPointId, Timestamp};
use xylem_telemetry::chain;

use super::apart::SeenApart;
use super::duty::{Done, Duty, RoundTerms, ours, waits};
use super::inventory::Inventoried;
use super::leave::lacking;
use super::round::{Memory, RoundError};
use super::store::OpenPoint;
use crate::ServerError;
use crate::app::App;
use crate::failure::Failure;

/// How often everything is looked through without being asked for.
const BETWEEN_INVENTORIES: Duration = Duration::from_secs(24 * 3600);

/// What jobs and administrators share of looking after the point.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    memory: Memory,
    inventories: Mutex<CloudInventoryState>,
    /// The last one was given up: the next tick begins it anew.
    is_unfinished: AtomicBool,
    /// Wakes the job when an inventory is asked for.
    pub(crate) asked: Notify,
    /// Wakes the job that leaves a point when one is to be left.
    pub(crate) leaving: Notify,
    /// That the point that is left and the active one are two places.
    pub(super) seen_apart: SeenApart,
    /// What that job did last, and at which point.
    left: Mutex<Option<(CloudPointId, String)>>,
}

impl Upkeep {
    /// Asks for an inventory, at once.
    pub(crate) fn ask(&self, now: Timestamp) -> CloudInventoryState {
        let mut inventories = self.inventories();
        inventories.asked_at.get_or_insert(now);
        self.asked.notify_one();
        inventories.clone()
    }

    /// What is under way, and what was found last.
    pub(crate) fn state(&self) -> CloudInventoryState {
        self.inventories().clone()
    }

    /// What a round of leaving this point did last, in this life of the process.
    pub(crate) fn left(&self, point: CloudPointId) -> Option<String> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.as_ref().filter(|(at, _)| *at == point).map(|(_, told)| told.clone())
    }

    fn note_left(&self, point: CloudPointId, told: &str) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = Some((point, told.to_owned()));
    }

    fn is_asked(&self) -> bool {
        self.inventories().asked_at.is_some()
    }

    fn is_to_be_repeated(&self) -> bool {
        self.is_unfinished.load(Ordering::Relaxed)
    }

    fn began(&self, now: Timestamp) {
        let mut inventories = self.inventories();
        inventories.asked_at = None;
        inventories.running_since = Some(now);
    }

    fn ended(&self, last: CloudInventory) {
        self.is_unfinished.store(last.failed.is_some(), Ordering::Relaxed);
        let mut inventories = self.inventories();
        inventories.running_since = None;
        inventories.last = Some(last);
    }

    fn inventories(&self) -> MutexGuard<'_, CloudInventoryState> {
        self.inventories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Does a round at the point that is set, where there is one; says what it did.
    pub(crate) async fn look_after_cloud(&self, duty: Duty) -> Result<String, ServerError> {
        let Some(point) = self.cloud.store().active().await? else {
            let why = "no cloud distribution point is set";
            return Ok(self.cloud_waits(duty, why.to_owned()));
        };
        if let Some(why) = waits(duty, &point) {
            return Ok(self.cloud_waits(duty, why));
        }
        if duty == Duty::Inventory {
            return self.cloud_inventory(&point).await;
        }
        let done = self.cloud_round(duty, &point).await;
        self.cloud.told_of(&point, done).await
    }

    /// Goes on with a point that is being left: where the new one has everything nobody is sent there
    /// any more, then what lies there goes its way, then it is forgotten.
    pub(crate) async fn leave_cloud(&self) -> Result<String, ServerError> {
        let Some(mut point) = self.cloud.store().leaving().await? else {
            return Ok("no cloud distribution point is being left".to_owned());
        };
        let needed = self.still_needed(&point).await?;
        if needed.is_none() && self.cloud.store().left(point.id, self.now()).await? {
            tracing::info!("nobody is sent to the former cloud distribution point any more");
            let Some(left) = self.cloud.store().leaving().await? else {
                return Ok("the former point was forgotten meanwhile".to_owned());
            };
            point = left;
        }
        let done = match waits(Duty::Leave, &point) {
            Some(why) => Ok(why),
            None => {
                let done = self.cloud_round(Duty::Leave, &point).await;
                self.cloud.told_of(&point, done).await
            }
        };
        // Whatever was done, it is in use for as long as it is needed.
        let done = done.map(|told| needed.unwrap_or(told));
        let told = match &done {
            Ok(told) => told.clone(),
            Err(error) => chain(error).to_string(),
        };
        self.upkeep.note_left(point.id, &told);
        done
    }

    /// Why computers are sent to a point that is being left; none where nobody is, or is to be.
    async fn still_needed(&self, former: &OpenPoint) -> Result<Option<String>, ServerError> {
        if former.leaving.is_none_or(|leaving| leaving.left.is_some()) {
            return Ok(None);
        }
        let Some(active) = self.cloud.store().active().await? else {
            return Ok(Some("no other cloud distribution point is set".to_owned()));
        };
        if !self.is_cloud_followed(&active).await.map_err(cloud_error)? {
            return Ok(Some("what the new one is to hold is not known yet".to_owned()));
        }
        let lacking = lacking(self.cloud.store(), active.id).await?;
        Ok((lacking.contents > 0).then(|| lacking.to_string()))
    }

    /// Tries the point again where it stands still; says what was found.
    pub(crate) async fn try_cloud_again(&self) -> Result<String, ServerError> {
        self.cloud.try_again_where_broken().await
    }

    /// Nothing is done, which whoever asked for it is told.
    fn cloud_waits(&self, duty: Duty, why: String) -> String {
        if duty == Duty::Inventory && self.upkeep.is_asked() {
            let (now, failed) = (self.now(), Some(why.clone()));
            let last = CloudInventory { began_at: now, ended_at: now, failed, found: None };
            self.upkeep.began(now);
            self.upkeep.ended(last);
        }
        why
    }

    /// Everything is looked through where that is due or was asked for: by one of several servers.
    async fn cloud_inventory(&self, point: &OpenPoint) -> Result<String, ServerError> {
        let now = self.now();
        let is_due = self.upkeep.is_asked() || self.upkeep.is_to_be_repeated();
        let due_before = if is_due { now } else { now.minus(BETWEEN_INVENTORIES) };
        if !self.database.begin_cloud_inventory(point.id, due_before, now).await? {
            return Ok(
                self.cloud_waits(Duty::Inventory, "another one was begun already".to_owned())
            );
        }
        self.upkeep.began(now);
        let done = self.cloud_round(Duty::Inventory, point).await;
        let (failed, found) = match &done {
            Ok(Done::Inventoried(found)) => (None, Some(wire(*found))),
            Ok(_) => (None, None),
            Err(error) => (Some(chain(error).to_string()), None),
        };
        self.upkeep.ended(CloudInventory { began_at: now, ended_at: self.now(), failed, found });
        self.cloud.told_of(point, done).await
    }

    async fn cloud_round(&self, duty: Duty, point: &OpenPoint) -> Result<Done, RoundError> {
        let restoring = self.database.restore_unconfirmed().await;
        let restoring = restoring.map_err(|error| ours(error.into()))?;
        let terms = RoundTerms {
            may_remove: !restoring,
            // At one that is being left nothing is wanted.
            is_followed: !point.is_active || self.is_cloud_followed(point).await.map_err(ours)?,
            memory: &self.upkeep.memory,
        };
        self.cloud.round(duty, point, &terms, Some(self)).await
    }

    /// Whether all that is wanted at the point has a row by now: not while its wants are followed
    /// from the beginning, after it was set or another selection was made.
    async fn is_cloud_followed(&self, point: &OpenPoint) -> Result<bool, Failure> {
        let stored = self.database.cloud_point().await?.filter(|stored| stored.id == point.id);
        Ok(stored.is_some_and(|stored| point.followed >= stored.stamp.generation))
    }
}

fn cloud_error(failure: Failure) -> ServerError {
    ServerError::Cloud { reason: failure.0.message().to_owned() }
}

fn wire(found: Inventoried) -> CloudInventoryFound {
    let Inventoried { objects, bytes, good, lost, changed, unknown, deleted, foreign } = found;
    CloudInventoryFound { objects, bytes, good, lost, changed, unknown, deleted, foreign }
}

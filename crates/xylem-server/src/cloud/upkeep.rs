//! Rounds of looking after the point, as jobs and administrators start them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use xylem_api::cloud_files::{CloudInventory, CloudInventoryFound, CloudInventoryState};
use xylem_cloud::provider_of;
use xylem_model::Timestamp;
use xylem_telemetry::chain;

use super::inventory::{Inventoried, inventory};
use super::recheck::recheck;
use super::remove::remove;
use super::round::{Memory, Round, RoundError, Waits};
use super::store::OpenPoint;
use super::sweep::sweep;
use super::used::Used;
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
}

/// What is done in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// What lies there is compared with what is remembered.
    Inventory,
    /// What could be written by others is asked after once more.
    Recheck,
    /// What is not wanted is deleted.
    Remove,
    /// What crashes left is removed.
    Sweep,
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
        self.told_of_cloud(&point, done).await
    }

    /// Tries the point again where it stands still; says what was found.
    pub(crate) async fn try_cloud_again(&self) -> Result<String, ServerError> {
        self.cloud.try_broken_again().await.map_err(|failure| {
            let reason = failure.0.message().to_owned();
            ServerError::Cloud { reason }
        })
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
        self.told_of_cloud(point, done).await
    }

    async fn cloud_round(&self, duty: Duty, point: &OpenPoint) -> Result<Done, RoundError> {
        let storage = &point.settings.storage;
        let client = self.cloud.client(point).await.map_err(ours)?;
        let access = client.access().await?;
        let provider = provider_of(storage, &point.keys, access.as_deref());
        let provider = provider.map_err(|error| RoundError::Point(error.to_string()))?;
        let restoring = self.database.restore_unconfirmed().await;
        let restoring = restoring.map_err(|error| ours(error.into()))?;
        let round = Round {
            store: self.cloud.store(),
            point,
            provider: &*provider,
            client: &client,
            environment: &self.environment,
            marker: self.cloud_marker(),
            may_remove: !restoring && !point.paused,
            is_followed: self.is_cloud_followed(point).await.map_err(ours)?,
            waits: Waits::default(),
            memory: &self.upkeep.memory,
            used: Used::default(),
        };
        let done = match duty {
            Duty::Inventory => inventory(&round).await.map(Done::Inventoried),
            Duty::Recheck => {
                recheck(&round).await.map(|rechecked| Done::Told(rechecked.to_string()))
            }
            Duty::Remove => remove(&round).await.map(|removed| Done::Told(removed.to_string())),
            Duty::Sweep => sweep(&round).await.map(|swept| Done::Told(swept.to_string())),
        };
        round.settle().await;
        done
    }

    /// Whether all that is wanted at the point has a row by now: not while its wants are followed
    /// from the beginning, after it was set or another selection was made.
    async fn is_cloud_followed(&self, point: &OpenPoint) -> Result<bool, Failure> {
        let stored = self.database.cloud_point().await?.filter(|stored| stored.id == point.id);
        Ok(stored.is_some_and(|stored| point.followed >= stored.stamp.generation))
    }

    /// What a round did, for whoever looks at the jobs; what concerns the whole point stops it.
    async fn told_of_cloud(
        &self,
        point: &OpenPoint,
        done: Result<Done, RoundError>,
    ) -> Result<String, ServerError> {
        let error = match done {
            Ok(done) => return Ok(done.to_string()),
            Err(error) => error,
        };
        if let Some(stop) = error.stops_the_point() {
            tracing::error!("the cloud distribution point stands still: {}", stop.why);
            let now = self.now();
            let broken = stop.broken(now, now);
            self.cloud.store().set_broken(point.id, point.revision, Some(&broken)).await?;
        }
        Err(ServerError::Cloud { reason: chain(&error).to_string() })
    }
}

/// What came of a round.
enum Done {
    Inventoried(Inventoried),
    Told(String),
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inventoried(found) => write!(f, "{found}"),
            Self::Told(told) => f.write_str(told),
        }
    }
}

/// Why nothing is done at present.
fn waits(duty: Duty, point: &OpenPoint) -> Option<String> {
    if let Some(broken) = &point.broken {
        return Some(format!("waits: the point stands still: {}", broken.message));
    }
    // To look changes nothing.
    let only_looks = matches!(duty, Duty::Inventory | Duty::Recheck);
    (point.paused && !only_looks).then(|| "waits: the point is paused".to_owned())
}

fn ours(failure: Failure) -> RoundError {
    RoundError::Ours(failure.0.message().to_owned())
}

fn wire(found: Inventoried) -> CloudInventoryFound {
    let Inventoried { objects, bytes, good, lost, changed, unknown, deleted, foreign } = found;
    CloudInventoryFound { objects, bytes, good, lost, changed, unknown, deleted, foreign }
}

//! What is remembered of the cloud distribution point, in memory: for simulation, where no database
//! can run.
//!
//! One lock and ordered maps. How a content goes from one state to the next is decided by the same
//! steps as in the database, and the same tests run against both.

mod point;
mod store;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use xylem_db::CloudObjects;
use xylem_model::{CloudPointId, Generation, Timestamp};
use xylem_sync::Choice;

use point::Point;

use super::OpenPoint;

/// A store that forgets everything with its process.
#[derive(Debug, Default)]
pub struct MemoryCloudStore(Mutex<BTreeMap<CloudPointId, Point>>);

impl MemoryCloudStore {
    /// A store without a point.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a point, or what is set for one. Where it is active, any other one is being left from then
    /// on; what failed at it is due, and it is no longer broken.
    pub fn set(&self, point: OpenPoint, now: Timestamp) {
        let mut points = self.lock();
        for other in points.values_mut().filter(|other| other.open.id != point.id) {
            if point.is_active && other.open.is_active {
                other.leave(now);
            }
        }
        let open = OpenPoint { broken: None, ..point };
        match points.get_mut(&open.id) {
            Some(known) => known.change(open, now),
            None => {
                points.insert(open.id, Point::new(open));
            }
        }
    }

    /// Chooses what is to be at a point. Its wants are followed from the beginning.
    pub fn select(&self, point: CloudPointId, selection: Choice) {
        if let Some(point) = self.lock().get_mut(&point) {
            point.open.selection = selection;
            point.open.followed = Generation(0);
        }
    }

    /// Makes a point the principal, or no longer.
    pub fn set_principal(&self, point: CloudPointId, is_principal: bool) {
        if let Some(point) = self.lock().get_mut(&point) {
            point.open.is_principal = is_principal;
        }
    }

    /// Has a point stand still, or go on.
    pub fn pause(&self, point: CloudPointId, paused: bool) {
        if let Some(point) = self.lock().get_mut(&point) {
            point.open.paused = paused;
        }
    }

    /// Says what becomes of a point's objects. If it is active it is being left from then on, and
    /// nobody is sent there any more.
    pub fn remove(&self, point: CloudPointId, objects: CloudObjects, now: Timestamp) {
        self.on(point, |point| {
            if point.open.is_active {
                point.leave(now);
                point.leave_for_good(now);
            }
            point.decide(objects);
        });
    }

    /// Forgets a point and what is there.
    pub fn forget(&self, point: CloudPointId) {
        self.lock().remove(&point);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CloudPointId, Point>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on a point, where there is one.
    fn on<T: Default>(&self, point: CloudPointId, work: impl FnOnce(&mut Point) -> T) -> T {
        self.lock().get_mut(&point).map(work).unwrap_or_default()
    }

    fn open(&self, is_active: bool) -> Option<OpenPoint> {
        let points = self.lock();
        points.values().find(|point| point.open.is_active == is_active).map(|it| it.open.clone())
    }
}

//! Who changes what is set for the cloud distribution point.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use tokio::time::sleep;
use xylem_server::OpenPoint;
use xylem_sync::{Choice, NamePattern, Rule, Selection};

use super::uploader::UPLOADS;
use super::{Person, now};
use crate::cloud::Cloud;
use crate::history::History;
use crate::world::World;

/// Longest pause between two changes.
const PAUSE_MS: u64 = 5_000;

/// How likely a run changes the selection at all: what was chosen all the time must never go.
const SELECTS: f64 = 0.5;

/// How likely a selection leaves a file out, and how likely everything is chosen instead.
const LEAVES_OUT: f64 = 0.3;
const EVERYTHING: f64 = 0.3;

/// Changes things as long as there are faults, and leaves the point unpaused.
pub(crate) async fn administer_cloud(
    world: World,
    history: History,
    seed: u64,
) -> anyhow::Result<()> {
    let Some(cloud) = world.cloud.clone() else { return Ok(()) };
    let mut person = Person::new(world, history, seed)?;
    let selects = person.dice.random_bool(SELECTS);
    while person.faults() {
        sleep(Duration::from_millis(person.dice.random_range(0..PAUSE_MS))).await;
        match person.dice.random_range(0..4) {
            0 if selects => person.select(&cloud)?,
            1 => person.pause(&cloud).await,
            // As after every change, what failed is tried at once, and what stands still too.
            _ => person.set_again(&cloud)?,
        }
        person.wake_everybody();
    }
    cloud.store.pause(cloud.point, false);
    Ok(())
}

impl Person {
    /// Some files, by their names, or everything.
    fn select(&mut self, cloud: &Cloud) -> anyhow::Result<()> {
        let selection: Choice = if self.dice.random_bool(EVERYTHING) {
            None
        } else {
            let chosen = (0..UPLOADS).filter(|_| !self.dice.random_bool(LEAVES_OUT));
            let names = chosen.map(|number| NamePattern::try_from(format!("File-{number}.pkg")));
            let names = names.collect::<Result<Vec<_>, _>>()?;
            let rules =
                if names.is_empty() { Vec::new() } else { vec![Rule { names, ..Rule::default() }] };
            Some(Arc::new(Selection { rules }))
        };
        cloud.seen().selected(selection.clone());
        cloud.store.select(cloud.point, selection);
        let mut record = self.history.lock();
        record.figures.cloud_selections += 1;
        record.note(now(), "cloud: another selection".to_owned());
        Ok(())
    }

    async fn pause(&mut self, cloud: &Cloud) {
        cloud.store.pause(cloud.point, true);
        self.history.lock().note(now(), "cloud: paused".to_owned());
        sleep(Duration::from_millis(self.dice.random_range(0..PAUSE_MS))).await;
        cloud.store.pause(cloud.point, false);
    }

    fn set_again(&mut self, cloud: &Cloud) -> anyhow::Result<()> {
        let open = cloud.open()?;
        let revision = open.revision + 1;
        cloud.store.set(OpenPoint { revision, ..open }, self.environment.clock.now());
        Ok(())
    }

    /// What is set is a change like any other: the root hears of it.
    pub(super) fn wake_everybody(&self) {
        if let Some(member) = self.world.members.first() {
            self.world.store.change_settings(member.id, |_| {});
        }
    }
}

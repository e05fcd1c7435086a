//! Who changes the tree, deletes files and removes servers.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use rand::Rng as _;
use tokio::time::{Instant, sleep};
use xylem_model::DistributionServerId;
use xylem_server::WishStore as _;

use super::{Person, now};
use crate::history::History;
use crate::world::World;

/// Longest pause between two changes.
const PAUSE_MS: u64 = 4_000;

/// How likely a change deletes a file; the others change a parent.
const DELETES: f64 = 0.15;

/// How likely a run removes a server, and when at the latest.
const REMOVES: f64 = 0.4;
const REMOVED_BY_MS: u64 = 20_000;

/// A tree this small loses no server.
const FEWEST_SERVERS: usize = 3;

/// Changes things as long as there are faults.
pub(crate) async fn administer(world: World, history: History, seed: u64) -> anyhow::Result<()> {
    let mut person = Person::new(world, history, seed)?;
    let begun = Instant::now();
    let mut remove_at = person
        .dice
        .random_bool(REMOVES)
        .then(|| Duration::from_millis(person.dice.random_range(0..REMOVED_BY_MS)));
    loop {
        sleep(Duration::from_millis(person.dice.random_range(0..PAUSE_MS))).await;
        if !person.faults() {
            // From here on it is judged what every server should hold.
            return Ok(());
        }
        if remove_at.is_some_and(|at| begun.elapsed() >= at) {
            remove_at = None;
            person.remove_a_leaf().await?;
        } else if person.dice.random_bool(DELETES) {
            person.delete_a_file();
        } else {
            person.change_a_parent();
        }
        person.check_the_tree().await?;
    }
}

impl Person {
    /// Hangs any server below any other. Where that would make a circle, the store refuses.
    fn change_a_parent(&mut self) {
        let count = self.world.members.len();
        let (child, parent) = (self.dice.random_range(1..count), self.dice.random_range(0..count));
        let mut record = self.history.lock();
        if record.is_removed(child) || record.is_removed(parent) {
            return;
        }
        let (Some(child), Some(parent)) =
            (self.world.members.get(child), self.world.members.get(parent))
        else {
            return;
        };
        let changed = self.world.store.set_parent(child.id, parent.id).is_ok();
        if changed {
            record.figures.parent_changes += 1;
            record.note(now(), format!("{} now hangs below {}", child.name, parent.name));
        }
    }

    /// Deletes a file that nobody is uploading.
    fn delete_a_file(&mut self) {
        let mut record = self.history.lock();
        let idle: Vec<_> = record
            .current
            .keys()
            .filter(|name| record.uploading.as_ref() != Some(*name))
            .cloned()
            .collect();
        // One is always kept, or nothing would be left to compare in the end.
        if idle.len() < 2 {
            return;
        }
        let Some(name) = idle.get(self.dice.random_range(0..idle.len())) else { return };
        if self.world.store.delete_file(name) {
            record.current.remove(name);
            record.figures.deleted += 1;
            record.note(now(), format!("{name} is deleted"));
        }
    }

    /// Removes a server that nothing hangs below.
    async fn remove_a_leaf(&mut self) -> anyhow::Result<()> {
        let parents = self.parents().await?;
        if parents.len() <= FEWEST_SERVERS {
            return Ok(());
        }
        let is_leaf =
            |id: &DistributionServerId| !parents.values().any(|parent| *parent == Some(*id));
        let leaf = self.world.members.iter().rposition(|member| is_leaf(&member.id));
        let Some((at, member)) = leaf.and_then(|at| Some((at, self.world.members.get(at)?))) else {
            return Ok(());
        };
        self.world.store.remove_server(member.id)?;
        let mut record = self.history.lock();
        record.removed = Some((at, Instant::now()));
        record.note(now(), format!("{} is removed", member.name));
        drop(record);
        Ok(())
    }

    /// P4: whatever was changed, every server hangs below the one root.
    pub(super) async fn check_the_tree(&self) -> anyhow::Result<()> {
        let parents = self.parents().await?;
        let roots = parents.values().filter(|parent| parent.is_none()).count();
        ensure!(roots == 1, "P4: there are {roots} roots");
        for id in parents.keys() {
            let (mut at, mut steps) = (*id, 0);
            while let Some(parent) = parents.get(&at).copied().flatten() {
                (at, steps) = (parent, steps + 1);
                ensure!(steps <= parents.len(), "P4: {id} hangs in a circle");
            }
            ensure!(parents.contains_key(&at), "P4: {id} hangs below a server that is gone");
        }
        self.history.lock().figures.in_tree += parents.len() as u64;
        Ok(())
    }

    async fn parents(
        &self,
    ) -> anyhow::Result<BTreeMap<DistributionServerId, Option<DistributionServerId>>> {
        let overview = self.world.store.overview().await?;
        Ok(overview.servers.iter().map(|server| (server.id, server.parent)).collect())
    }
}

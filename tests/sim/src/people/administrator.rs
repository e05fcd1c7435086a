//! Who changes the tree, deletes files and removes servers.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use rand::Rng as _;
use tokio::time::{Instant, sleep};
use xylem_model::{DistributionServerId, ParentPolicy};
use xylem_server::WishStore as _;

use super::{Person, now};
use crate::history::History;
use crate::world::{Member, World};

/// Longest pause between two changes.
const PAUSE_MS: u64 = 4_000;

/// How likely a change deletes a file; the others change a parent.
const DELETES: f64 = 0.15;

/// How likely a change is the attempt to hand over the root or the principal.
const HAND_OVERS: f64 = 0.25;

/// How likely a run removes a server, and when at the latest.
const REMOVES: f64 = 0.4;
const REMOVED_BY_MS: u64 = 20_000;

/// How likely a server gets a second parent, and another order to ask them in.
const SECOND_PARENT: f64 = 0.5;
const OTHER_POLICY: f64 = 0.3;

/// All of them.
const POLICIES: [ParentPolicy; 5] = [
    ParentPolicy::FirstAvailable,
    ParentPolicy::Sticky,
    ParentPolicy::ByHash,
    ParentPolicy::RoundRobin,
    ParentPolicy::Random,
];

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
        } else if person.dice.random_bool(HAND_OVERS) {
            person.hand_over();
        } else if person.dice.random_bool(DELETES) {
            person.delete_a_file();
        } else {
            person.change_parents();
        }
        person.check_the_tree().await?;
    }
}

impl Person {
    /// Hangs any server below one or two others. Where that would make a circle, the store refuses.
    fn change_parents(&mut self) {
        let count = self.world.members.len();
        let chosen = self.dice.random_range(1..count);
        let mut parents = vec![self.dice.random_range(0..count)];
        if self.dice.random_bool(SECOND_PARENT) {
            parents.push(self.dice.random_range(0..count));
        }
        parents.dedup();
        let mut record = self.history.lock();
        if record.is_removed(chosen) || parents.iter().any(|parent| record.is_removed(*parent)) {
            return;
        }
        let Some(child) = self.world.members.get(chosen) else { return };
        let named: Vec<&Member> =
            parents.iter().filter_map(|parent| self.world.members.get(*parent)).collect();
        let ids: Vec<DistributionServerId> = named.iter().map(|parent| parent.id).collect();
        if self.world.store.set_parents(child.id, &ids).is_err() {
            return;
        }
        record.figures.parent_changes += 1;
        let names: Vec<&str> = named.iter().map(|parent| parent.name).collect();
        record.note(now(), format!("{} now hangs below {}", child.name, names.join(", ")));
        if self.dice.random_bool(OTHER_POLICY) {
            let policy = POLICIES.get(self.dice.random_range(0..POLICIES.len()));
            let policy = policy.copied().unwrap_or_default();
            self.world.store.change_settings(child.id, |it| it.parent_policy = policy);
            record.note(now(), format!("{} asks its parents: {policy:?}", child.name));
        }
    }

    /// Makes another server the root or the principal, where it is known to hold everything.
    fn hand_over(&mut self) {
        let chosen = self.dice.random_range(0..self.world.members.len());
        let (is_root, keeps) = (self.dice.random_bool(0.5), self.dice.random_bool(0.5));
        let mut record = self.history.lock();
        let Some(member) = self.world.members.get(chosen) else { return };
        // The relay that lies does not look at what it holds.
        if record.is_removed(chosen) || self.world.corrupt == Some(chosen) {
            return;
        }
        let store = &self.world.store;
        let handed_over = match is_root {
            true => store.hand_over_root(member.id, keeps),
            false => store.set_principal(member.id),
        };
        let Ok(epoch) = handed_over else { return };
        // Its copy may be the only one for a while, as the first root's.
        member.machine.set_flip_probability(0.0);
        record.figures.hand_overs += 1;
        if is_root {
            record.roots.insert(member.id);
        }
        let role = if is_root { "root" } else { "principal" };
        record.note(now(), format!("{} is the {role} now, root epoch {epoch}", member.name));
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
        let overview = self.world.store.overview().await?;
        let members = &self.world.members;
        if members.len() <= FEWEST_SERVERS {
            return Ok(());
        }
        let has_role = |id| {
            let mut servers = overview.servers.iter();
            servers.any(|server| server.id == id && (server.is_root || server.is_principal))
        };
        let leaf = members.iter().rposition(|member| {
            overview.tree.children(member.id).is_empty() && !has_role(member.id)
        });
        let Some((at, member)) = leaf.and_then(|at| Some((at, members.get(at)?))) else {
            return Ok(());
        };
        self.world.store.remove_server(member.id)?;
        let mut record = self.history.lock();
        record.removed = Some((at, Instant::now()));
        record.note(now(), format!("{} is removed", member.name));
        Ok(())
    }

    /// P4: whatever was changed, every server hangs below the one root, and nothing in a circle.
    pub(super) async fn check_the_tree(&self) -> anyhow::Result<()> {
        let overview = self.world.store.overview().await?;
        let mut left: Vec<DistributionServerId> =
            overview.servers.iter().map(|server| server.id).collect();
        let count = left.len();
        let roots = left.iter().filter(|id| overview.tree.parents(**id).is_empty()).count();
        ensure!(roots == 1, "P4: there are {roots} roots");
        // From the root down: whoever has only parents that were reached is reached. What is left
        // hangs in a circle, or below a server that is gone.
        let mut reached = BTreeSet::new();
        loop {
            let before = left.len();
            left.retain(|id| {
                let below = overview.tree.parents(*id).iter().all(|one| reached.contains(one));
                if below {
                    reached.insert(*id);
                }
                !below
            });
            if left.len() == before {
                break;
            }
        }
        ensure!(left.is_empty(), "P4: {left:?} do not hang below the root");
        self.history.lock().figures.in_tree += count as u64;
        Ok(())
    }
}

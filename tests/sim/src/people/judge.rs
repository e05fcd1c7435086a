//! Who looks, once the faults have stopped, whether everything is as it must be.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use tokio::time::{Instant, sleep};
use xylem_api::catalogue::PlacementState;
use xylem_model::ContentId;
use xylem_server::WishStore as _;

use super::uploader::UPLOADS;
use super::{CONVERGENCE, Person};
use crate::history::History;
use crate::world::World;

/// Waits between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// One seed in so many waits until unwanted content is collected: that takes a simulated minute.
const COLLECTING_SEEDS: u64 = 3;

/// All clocks go on by this much, so that the grace of unwanted content, a day, is over, also for
/// a server whose clock was a day ahead when it noted what is unwanted.
const PAST_THE_GRACE: Duration = Duration::from_secs(50 * 3600);

/// What was asked for before it became unwanted may still arrive for so long: parents hold an
/// answer back for up to 20 s. Its grace begins when it has come.
const SETTLING: Duration = Duration::from_secs(30);

/// By then every server has looked for what to collect.
const COLLECTION: Duration = Duration::from_secs(130);

/// The contents somebody looks for, with their bytes.
type Contents = std::collections::BTreeMap<ContentId, Arc<[u8]>>;

/// P2 to P8: after the faults.
pub(crate) async fn judge(world: World, history: History, seed: u64) -> anyhow::Result<()> {
    let person = Person::new(world, history, seed)?;
    while person.faults() || person.history.lock().figures.acknowledged < UPLOADS {
        sleep(Duration::from_millis(100)).await;
    }
    let end = Instant::now() + CONVERGENCE;
    person.check_the_tree().await?;
    let wanted = person.history.lock().wanted();
    for server in 0..person.world.members.len() {
        person.look_for_all(server, &wanted, end).await?;
    }
    person.probe_as_removed(seed ^ 0x5e).await?;
    if seed.is_multiple_of(COLLECTING_SEEDS) {
        person.look_after_collection(&wanted).await?;
    }
    person.look_at_the_cloud().await?;
    Ok(())
}

impl Person {
    /// P2 and P3: a server knows the newest state, and holds everything, whole. P8: and says so.
    async fn look_for_all(
        &self,
        server: usize,
        wanted: &Contents,
        end: Instant,
    ) -> anyhow::Result<()> {
        if self.history.lock().is_removed(server) {
            return Ok(());
        }
        let Some(member) = self.world.members.get(server) else { return Ok(()) };
        let name = member.name;
        // What is the newest may change once more: whoever looks after the cloud acts a moment longer.
        let newest = async || self.world.store.stamp().await;
        while self.world.store.news(member.id).map(|news| news.applied) != Some(newest().await?) {
            ensure!(Instant::now() < end, "P3: {name} has not taken over the newest state");
            sleep(LOOK_EVERY).await;
        }
        let is_root = self.world.store.overview().await?.tree.root() == Some(member.id);
        let promise = if is_root { "P2" } else { "P3" };
        for (id, whole) in wanted {
            while !self.check(server, id, whole, 0).await? {
                ensure!(Instant::now() < end, "{promise}: {name} does not hold {id}");
                sleep(LOOK_EVERY).await;
            }
            self.history.lock().figures.copies += 1;
            while self.world.store.copy(member.id, *id).map(|row| row.state)
                != Some(PlacementState::Present)
            {
                ensure!(Instant::now() < end, "P8: {name} holds {id}, but it is not listed");
                sleep(LOOK_EVERY).await;
            }
            self.history.lock().figures.rows += 1;
        }
        Ok(())
    }

    /// P6: a day later what nobody wants is gone from all but the root, and nothing else is.
    async fn look_after_collection(&self, wanted: &Contents) -> anyhow::Result<()> {
        let unwanted = self.history.lock().unwanted();
        if unwanted.is_empty() {
            return Ok(());
        }
        sleep(SETTLING).await;
        let later = i64::try_from(PAST_THE_GRACE.as_millis())?;
        self.world.machines().for_each(|machine| machine.set_clock_error(later));
        let end = Instant::now() + COLLECTION;
        for (server, member) in self.world.members.iter().enumerate() {
            let keeps_longer = {
                let record = self.history.lock();
                // What was unwanted while it was the root stays for a month.
                record.is_removed(server) || server == 0 || record.roots.contains(&member.id)
            };
            if keeps_longer {
                continue;
            }
            for id in unwanted.keys() {
                self.see_it_gone(server, id, end).await?;
            }
        }
        for server in 0..self.world.members.len() {
            if self.history.lock().is_removed(server) {
                continue;
            }
            for (id, whole) in wanted {
                // At the first try: nobody breaks anything any more.
                let kept = self.check(server, id, whole, 0).await?;
                ensure!(kept, "P6: server {server} lost {id}, which is wanted, by collecting");
                self.history.lock().figures.kept += 1;
            }
        }
        Ok(())
    }

    async fn see_it_gone(&self, server: usize, id: &ContentId, end: Instant) -> anyhow::Result<()> {
        let Some(member) = self.world.members.get(server) else { return Ok(()) };
        while self.read(member.name, id, 0).await?.is_ok() {
            ensure!(Instant::now() < end, "P6: {} still holds the unwanted {id}", member.name);
            sleep(LOOK_EVERY * 10).await;
        }
        self.history.lock().figures.collected += 1;
        Ok(())
    }
}

//! What runs for the cloud: the provider, and the management server's part.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use xylem_model::Generation;
use xylem_runtime::Environment;
use xylem_server::{
    CloudDuty, CloudMemory, CloudRoundTerms, CloudService, ControlService, WishStore as _,
};

use super::store::WatchedCloudStore;
use super::{Cloud, PART_RULES, marker};
use crate::environment::environment;
use crate::history::History;
use crate::machine::Planted;
use crate::world::{PORT, World};

/// How often the point is looked after. Real servers take minutes and days: here a day is a jump of
/// all clocks.
const LOOK_AFTER_EVERY: Duration = Duration::from_secs(4);

/// What is done by itself; an inventory takes its time and hinders nothing else.
const DUTIES: [CloudDuty; 3] = [CloudDuty::Recheck, CloudDuty::Remove, CloudDuty::Sweep];

/// The provider.
pub(crate) async fn provider(
    cloud: Arc<Cloud>,
    seed: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    let environment = environment(seed ^ 0xc10d, &cloud.machine);
    let listen = SocketAddr::from(([0, 0, 0, 0], PORT));
    let listener = environment.net.listen(listen).await?;
    cloud.double.serve(listener).await;
    Ok(())
}

/// The management server's part: what answers the root. What looks after the point runs until the
/// host crashes.
pub(crate) fn filling(
    world: &World,
    cloud: &Arc<Cloud>,
    environment: &Environment,
    control: &ControlService,
    history: &History,
) -> CloudService {
    let store = WatchedCloudStore::new(world.clone(), Arc::clone(cloud), history.clone());
    let net = Arc::clone(&environment.net);
    let (environment, control, store) = (environment.clone(), control.clone(), Arc::new(store));
    let service = CloudService::new(environment, control, store, marker(), net).cut_by(PART_RULES);
    for duties in [&DUTIES[..], &[CloudDuty::Inventory]] {
        let upkeep = Upkeep {
            world: world.clone(),
            cloud: Arc::clone(cloud),
            service: service.clone(),
            history: history.clone(),
            memory: CloudMemory::default(),
        };
        tokio::spawn(upkeep.keep_on(duties));
    }
    service
}

/// Looks after the point.
struct Upkeep {
    world: World,
    cloud: Arc<Cloud>,
    service: CloudService,
    history: History,
    memory: CloudMemory,
}

impl Upkeep {
    async fn keep_on(self, duties: &'static [CloudDuty]) {
        loop {
            sleep(LOOK_AFTER_EVERY).await;
            if let Err(error) = self.service.try_again_where_broken().await {
                self.note(&format!("cloud: cannot be tried: {error}"));
            }
            for duty in duties {
                // What a round could not do the next one does.
                if let Err(error) = self.look_after(*duty).await {
                    self.note(&format!("cloud: {duty:?} is given up: {error:#}"));
                }
            }
        }
    }

    async fn look_after(&self, duty: CloudDuty) -> anyhow::Result<()> {
        let leaves = self.world.server_machine.is_planted(Planted::LeavesLeftovers);
        if leaves && duty == CloudDuty::Sweep {
            return Ok(());
        }
        let point = self.cloud.open()?;
        let terms = CloudRoundTerms {
            may_remove: self.world.store.restored_from().await?.is_none(),
            // A selection that was changed is followed from the beginning.
            is_followed: point.followed > Generation(0),
            memory: &self.memory,
        };
        self.service.look_after(duty, &point, &terms).await?;
        Ok(())
    }

    fn note(&self, what: &str) {
        let now = turmoil::sim_elapsed().unwrap_or_default();
        self.history.lock().note(now, what.to_owned());
    }
}

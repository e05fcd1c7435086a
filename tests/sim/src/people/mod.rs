//! Those who use the servers: who uploads, who reads, who administers, and who judges in the end.

mod administrator;
mod cloud_administrator;
mod cloud_judge;
mod judge;
mod removed;
mod uploader;

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::sleep;
use xylem_client::{BaseUrl, ClientError, ContentAuth, ContentClient, Deadlines, Transport};
use xylem_model::ContentId;
use xylem_pki::{Identity, client_config};
use xylem_runtime::Environment;

use crate::environment::environment;
use crate::history::History;
use crate::world::{PORT, World};

pub(crate) use administrator::administer;
pub(crate) use cloud_administrator::administer_cloud;
pub(crate) use judge::judge;
pub(crate) use uploader::upload;

/// How long everybody may take to hold everything after the last fault.
const CONVERGENCE: Duration = Duration::from_secs(60);

/// A reader reads again after so many milliseconds.
const READ_EVERY_MS: std::ops::Range<u64> = 20..250;

/// The moment in the run.
fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// Somebody who calls servers.
struct Person {
    world: World,
    environment: Environment,
    transport: Transport,
    content: ContentClient,
    history: History,
    dice: StdRng,
}

impl Person {
    /// Somebody without a certificate.
    fn new(world: World, history: History, seed: u64) -> anyhow::Result<Self> {
        Self::with_identity(world, history, seed, None)
    }

    fn with_identity(
        world: World,
        history: History,
        seed: u64,
        identity: Option<&Identity>,
    ) -> anyhow::Result<Self> {
        let environment = environment(seed, &world.people_machine);
        let tls = client_config(&world.anchors, identity, environment.clock.clone())?;
        let deadlines = Deadlines {
            connect: Duration::from_secs(2),
            answer: Duration::from_secs(10),
            stall: Duration::from_secs(5),
        };
        let transport = Transport::new(environment.clone(), tls).with_deadlines(deadlines);
        let content = ContentClient::new(transport.clone());
        let dice = StdRng::seed_from_u64(seed);
        Ok(Self { world, environment, transport, content, history, dice })
    }

    fn faults(&self) -> bool {
        self.history.lock().faults
    }

    /// Reads a content from a server, from an offset on, with a ticket.
    async fn read(
        &self,
        server: &str,
        id: &ContentId,
        offset: usize,
    ) -> anyhow::Result<Result<(usize, Vec<u8>), ClientError>> {
        let ticket = self.world.read_ticket(*id, self.environment.clock.now())?;
        self.read_as(server, id, offset, &ContentAuth::Ticket(ticket)).await
    }

    async fn read_as(
        &self,
        server: &str,
        id: &ContentId,
        offset: usize,
        auth: &ContentAuth,
    ) -> anyhow::Result<Result<(usize, Vec<u8>), ClientError>> {
        let server = BaseUrl::new(server, PORT);
        let path = format!("/v1/blob/{id}");
        let answer = match self.content.fetch(&server, &path, id, offset as u64, auth).await {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        let (mut body, start) = (answer.body, usize::try_from(answer.offset)?);
        let mut bytes = Vec::new();
        loop {
            match body.next().await {
                Ok(Some(piece)) => bytes.extend_from_slice(&piece),
                Ok(None) => return Ok(Ok((start, bytes))),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Reads a content, and compares it where it came to its end; whether it did.
    async fn check(
        &self,
        server: usize,
        id: &ContentId,
        whole: &[u8],
        offset: usize,
    ) -> anyhow::Result<bool> {
        let Some(member) = self.world.members.get(server) else { return Ok(false) };
        let Ok((start, bytes)) = self.read(member.name, id, offset).await? else {
            return Ok(false);
        };
        self.compare(server, member.name, id, whole, start, &bytes);
        Ok(true)
    }

    /// P1: what was read to its end must be what was published. The relay that lies does so.
    fn compare(
        &self,
        server: usize,
        name: &str,
        id: &ContentId,
        whole: &[u8],
        start: usize,
        bytes: &[u8],
    ) {
        let mut record = self.history.lock();
        let right = whole.get(start..) == Some(bytes);
        if self.world.corrupt == Some(server) {
            record.figures.lies += u64::from(!right);
            return;
        }
        record.figures.bodies += 1;
        if !right {
            record.violations.push(format!("P1: {name} served wrong bytes of {id} from {start}"));
        }
    }
}

/// Reads parts of acknowledged contents from any server, as long as there are faults.
pub(crate) async fn read(world: World, history: History, seed: u64) -> anyhow::Result<()> {
    let mut person = Person::new(world, history, seed)?;
    while person.faults() {
        sleep(Duration::from_millis(person.dice.random_range(READ_EVERY_MS))).await;
        let chosen = {
            let record = person.history.lock();
            let count = record.acknowledged.len().max(1);
            record
                .acknowledged
                .iter()
                .nth(person.dice.random_range(0..count))
                .map(|(id, bytes)| (*id, Arc::clone(bytes)))
        };
        let Some((id, whole)) = chosen else { continue };
        let server = person.dice.random_range(0..person.world.members.len());
        let offset =
            if person.dice.random_bool(0.5) { 0 } else { person.dice.random_range(0..whole.len()) };
        // A server that is down, or does not have it, gives nothing; that is no fault.
        person.check(server, &id, &whole, offset).await?;
    }
    Ok(())
}

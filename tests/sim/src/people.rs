//! The uploader and the reader.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use tokio::time::{Instant, sleep};
use xylem_client::{BaseUrl, ContentAuth, ContentClient, Deadlines, Transport, full_body};
use xylem_model::{ContentId, FileName, UploadId};
use xylem_pki::client_config;
use xylem_runtime::Environment;

use crate::environment::{DiskFaults, environment};
use crate::history::History;
use crate::world::{PORT, SERVERS, World};

/// Uploads of one run.
const UPLOADS: u64 = 6;

/// Sizes of uploads, in bytes: around a group's edge, and several frames.
const SIZES: [usize; 6] = [1, 16_383, 16_384, 70_000, 300_001, 800_000];

/// Bytes sent with one request.
const PART: usize = 100_000;

/// How long everybody may take to hold everything after the last fault.
pub(crate) const CONVERGENCE: Duration = Duration::from_secs(60);

/// Somebody without a certificate.
struct Person {
    world: World,
    environment: Environment,
    content: ContentClient,
    history: History,
    dice: StdRng,
}

impl Person {
    fn new(world: World, history: History, seed: u64) -> anyhow::Result<Self> {
        let environment = environment(seed, DiskFaults::default());
        let tls = client_config(&world.anchors, None, environment.clock.clone())?;
        let deadlines = Deadlines {
            connect: Duration::from_secs(2),
            answer: Duration::from_secs(10),
            stall: Duration::from_secs(5),
        };
        let transport = Transport::new(environment.clone(), tls).with_deadlines(deadlines);
        let content = ContentClient::new(transport);
        Ok(Self { world, environment, content, history, dice: StdRng::seed_from_u64(seed) })
    }

    /// Reads a content from a server, from an offset on. `None` where the server could not give
    /// it to the end, which is no violation by itself.
    async fn read(
        &self,
        server: &str,
        id: &ContentId,
        offset: usize,
    ) -> anyhow::Result<Option<(usize, Vec<u8>)>> {
        let server = BaseUrl::new(server, PORT);
        let ticket = self.world.read_ticket(*id, self.environment.clock.now())?;
        let path = format!("/v1/blob/{id}");
        let auth = ContentAuth::Ticket(ticket);
        let Ok(answer) = self.content.fetch(&server, &path, id, offset as u64, &auth).await else {
            return Ok(None);
        };
        let (mut body, start) = (answer.body, usize::try_from(answer.offset)?);
        let mut bytes = Vec::new();
        loop {
            match body.next().await {
                Ok(Some(piece)) => bytes.extend_from_slice(&piece),
                Ok(None) => return Ok(Some((start, bytes))),
                Err(_) => return Ok(None),
            }
        }
    }

    /// P1: what was read to its end must be what was published.
    fn compare(&self, server: &str, id: &ContentId, whole: &[u8], start: usize, bytes: &[u8]) {
        let mut record = self.history.lock();
        record.figures.bodies += 1;
        if whole.get(start..) != Some(bytes) {
            record.violations.push(format!("P1: {server} served wrong bytes of {id} from {start}"));
        }
    }
}

/// Uploads one content after another, each until it is acknowledged.
pub(crate) async fn upload(world: World, history: History, seed: u64) -> anyhow::Result<()> {
    let mut person = Person::new(world, history, seed)?;
    for number in 0..UPLOADS {
        sleep(Duration::from_millis(person.dice.random_range(0..6_000))).await;
        let size = SIZES.get(person.dice.random_range(0..SIZES.len())).copied().unwrap_or(1);
        let mut bytes = vec![0; size];
        person.dice.fill_bytes(&mut bytes);
        let name = FileName::new(&format!("File-{number}.pkg"))?;
        let id = UploadId::from_parts(number + 1, &[number as u8; 10]);
        person.world.declare(id, &name, &bytes)?;
        let begun = Instant::now();
        while let Err(error) = person.try_upload(id, &name, &bytes).await {
            ensure!(
                person.history.lock().faults || begun.elapsed() < CONVERGENCE * 2,
                "P3: upload {number} does not get through: {error:#}"
            );
            sleep(Duration::from_millis(500)).await;
        }
        let mut record = person.history.lock();
        record.figures.acknowledged += 1;
        record.acknowledged.insert(ContentId::of(&bytes), Arc::from(bytes));
    }
    Ok(())
}

impl Person {
    async fn try_upload(&self, id: UploadId, name: &FileName, bytes: &[u8]) -> anyhow::Result<()> {
        let root = BaseUrl::new("root", PORT);
        let ticket = self.world.ingest_ticket(id, name, bytes, self.environment.clock.now())?;
        let mut there = self.content.ingest_progress(&root, id, &ticket).await?;
        while !there.published && there.offset < there.size {
            let from = usize::try_from(there.offset)?;
            let part = bytes.get(from..bytes.len().min(from + PART)).unwrap_or_default();
            let body = full_body(part.to_vec());
            let length = part.len() as u64;
            there = self.content.ingest(&root, id, &ticket, there.offset, length, body).await?;
        }
        let done = self.content.complete(&root, id, &ticket).await?;
        ensure!(done.published, "completed, but not published");
        Ok(())
    }
}

/// Reads parts of acknowledged contents from any server, as long as there are faults.
pub(crate) async fn read(world: World, history: History, seed: u64) -> anyhow::Result<()> {
    let mut person = Person::new(world, history, seed)?;
    while person.history.lock().faults {
        sleep(Duration::from_millis(person.dice.random_range(50..800))).await;
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
        let Some((server, _)) = SERVERS.get(person.dice.random_range(0..SERVERS.len())) else {
            continue;
        };
        let offset =
            if person.dice.random_bool(0.5) { 0 } else { person.dice.random_range(0..whole.len()) };
        if let Some((start, bytes)) = person.read(server, &id, offset).await? {
            person.compare(server, &id, &whole, start, &bytes);
        }
    }
    Ok(())
}

/// P2 and P3: after the faults, every server holds everything, whole.
pub(crate) async fn judge(world: World, history: History, seed: u64) -> anyhow::Result<()> {
    let person = Person::new(world, history, seed)?;
    while person.history.lock().faults || person.history.lock().figures.acknowledged < UPLOADS {
        sleep(Duration::from_millis(100)).await;
    }
    let end = Instant::now() + CONVERGENCE;
    let acknowledged = person.history.lock().acknowledged.clone();
    for (server, _) in SERVERS {
        for (id, whole) in &acknowledged {
            loop {
                if let Some((start, bytes)) = person.read(server, id, 0).await? {
                    person.compare(server, id, whole, start, &bytes);
                    person.history.lock().figures.copies += 1;
                    break;
                }
                let promise = if server == "root" { "P2" } else { "P3" };
                ensure!(Instant::now() < end, "{promise}: {server} does not hold {id}");
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
    Ok(())
}

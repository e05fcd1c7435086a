//! Those who upload and read while programs are killed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::{Instant, sleep};
use xylem::access::Access;
use xylem::system::{System, run_to_end};
use xylem_client::{BaseUrl, ContentAuth, ContentClient, Deadlines};
use xylem_model::{ContentId, FileKind};
use xylem_testkit::package_of;
use xylem_trust::Descriptor;

use super::history::{History, Package};
use super::{READERS, UPLOADERS, blows};

/// Sizes of what packages hold, in bytes.
const SIZES: [u64; 4] = [2_000, 30_000, 300_000, 3_000_000];

/// How likely an upload is the next version of a package that is already there.
const REPLACING: f64 = 0.2;

/// How long an upload may need, tries by hand included, while programs are killed.
const UPLOAD_LIMIT: Duration = Duration::from_secs(180);

/// Waits between two tries, and between two reads.
const TRY_EVERY: Duration = Duration::from_millis(300);
const READ_EVERY: Duration = Duration::from_millis(30);

/// Readers do not wait long for a program that may be dead.
const PATIENCE: Deadlines = Deadlines {
    connect: Duration::from_secs(2),
    answer: Duration::from_secs(10),
    stall: Duration::from_secs(5),
};

/// Lets everybody work until all blows have fallen; gives how long each recovery took.
pub(crate) async fn meanwhile(
    seed: u64,
    folder: &Path,
    system: &mut System,
    history: &History,
    kills: u64,
) -> anyhow::Result<Vec<Duration>> {
    let mut people = tokio::task::JoinSet::new();
    for number in 0..UPLOADERS {
        let uploader = Uploader::new(seed, number, folder, system, history)?;
        people.spawn(uploader.work());
    }
    for number in 0..READERS {
        let reader = Reader::new(system.access(), history);
        people.spawn(reader.work(StdRng::seed_from_u64(seed ^ (0xbb00 + number))));
    }
    let recoveries = blows::deal(seed, kills, system, history).await;
    history.lock().over = true;
    while let Some(person) = people.join_next().await {
        person??;
    }
    recoveries
}

/// Uploads one package after another with the command line, each until that says done.
struct Uploader {
    number: u64,
    folder: PathBuf,
    program: PathBuf,
    environment: [(&'static str, String); 3],
    history: History,
    dice: StdRng,
}

impl Uploader {
    fn new(
        seed: u64,
        number: u64,
        folder: &Path,
        system: &System,
        history: &History,
    ) -> anyhow::Result<Self> {
        let folder = folder.join(format!("uploads-{number}"));
        std::fs::create_dir_all(&folder)?;
        Ok(Self {
            number,
            folder,
            program: system.programs().xylem.clone(),
            environment: system.environment(),
            history: history.clone(),
            dice: StdRng::seed_from_u64(seed ^ (0xaa00 + number)),
        })
    }

    async fn work(mut self) -> anyhow::Result<()> {
        for turn in 0_u64.. {
            if self.history.lock().over {
                break;
            }
            let package = self.make(turn)?;
            self.history.begin(&package);
            self.upload(&package).await?;
        }
        Ok(())
    }

    /// A genuine package, since the ingest server inspects it.
    fn make(&mut self, turn: u64) -> anyhow::Result<Arc<Package>> {
        let named = match turn {
            0 => 0,
            _ if self.dice.random_bool(REPLACING) => self.dice.random_range(0..turn),
            _ => turn,
        };
        let name = format!("File-{}-{named}.pkg", self.number);
        let folder = self.folder.join(turn.to_string());
        std::fs::create_dir(&folder)?;
        let size = SIZES.get(self.dice.random_range(0..SIZES.len())).copied().unwrap_or(1);
        let path = package_of(&folder, &name, self.number << 32 | turn, size);
        let content = ContentId::of(&std::fs::read(&path)?);
        Ok(Arc::new(Package { name, path, content }))
    }

    async fn upload(&self, package: &Arc<Package>) -> anyhow::Result<()> {
        let path = package.path.to_str().context("the path is not Unicode")?;
        let words = ["package", "upload", "--replace", path];
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let end = Instant::now() + UPLOAD_LIMIT;
        while let Err(error) = run_to_end(&self.program, &words, &environment).await {
            // Not acknowledged, so nothing is promised; whoever uploads tries again.
            ensure!(
                Instant::now() < end,
                "{} does not get through: {:#}",
                package.name,
                error.into_error()
            );
            sleep(TRY_EVERY).await;
        }
        self.history.acknowledge(package);
        Ok(())
    }
}

/// Reads packages, or their ends, from any server.
pub(crate) struct Reader {
    access: Access,
    client: ContentClient,
    history: History,
}

impl Reader {
    pub(crate) fn new(access: &Access, history: &History) -> Self {
        let client = ContentClient::new(access.transport.with_deadlines(PATIENCE));
        Self { access: access.clone(), client, history: history.clone() }
    }

    async fn work(self, mut dice: StdRng) -> anyhow::Result<()> {
        loop {
            sleep(READ_EVERY).await;
            let name = {
                let record = self.history.lock();
                if record.over {
                    return Ok(());
                }
                let count = record.acknowledged.len().max(1);
                record.acknowledged.keys().nth(dice.random_range(0..count)).cloned()
            };
            let Some(name) = name else { continue };
            let Some((server, address)) =
                self.history.servers.get(dice.random_range(0..self.history.servers.len()))
            else {
                continue;
            };
            let from_its_middle = dice.random_bool(0.5).then(|| dice.random::<u16>());
            // A server that is dead, or does not have it yet, gives nothing; that is no fault.
            self.read(&name, server, address, from_its_middle).await?;
        }
    }

    /// Reads the newest version of a package from a server, and compares it; whether there was
    /// something to compare. `part` chooses where to begin.
    pub(crate) async fn read(
        &self,
        name: &str,
        server: &str,
        address: &BaseUrl,
        part: Option<u16>,
    ) -> anyhow::Result<bool> {
        let Ok(sources) = self.access.admin.sources(FileKind::Package, name).await else {
            return Ok(false);
        };
        let descriptor: Descriptor = serde_json::from_slice(&sources.descriptor.payload)?;
        let package = self.history.lock().known.get(&descriptor.content).cloned();
        let package = package.with_context(|| format!("nobody uploaded what {name} is now"))?;
        // The ticket is for the content, whoever has it.
        let Some(candidate) = sources.candidates.first() else { return Ok(false) };
        let auth = ContentAuth::Ticket(candidate.ticket.clone());
        let offset = part.map_or(0, |part| descriptor.size * u64::from(part) / (1 << 16));
        let path = format!("/v1/blob/{}", descriptor.content);
        let answer = self.client.fetch(address, &path, &descriptor.content, offset, &auth).await;
        let Ok(answer) = answer else { return Ok(false) };
        let (mut body, start) = (answer.body, usize::try_from(answer.offset)?);
        let mut bytes = Vec::new();
        loop {
            match body.next().await {
                Ok(Some(piece)) => bytes.extend_from_slice(&piece),
                Ok(None) => break,
                Err(_) => return Ok(false),
            }
        }
        self.history.compare(server, &package, start, &bytes)?;
        Ok(true)
    }
}

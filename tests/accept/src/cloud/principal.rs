//! The cloud as principal: what is uploaded lies there before the catalogue names it, whoever is killed
//! meanwhile; and a root that lost everything comes back from there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::process::Child;
use tokio::time::sleep;
use xylem_bench::fleet::{Fleet, KIND};
use xylem_bench::publish::write_random;
use xylem_model::ContentId;

use super::gate::Gate;
use super::ground::{Ground, key_of, path};
use super::rows::present;
use super::seaweed::Seaweed;
use super::store::Store as _;
use super::tools::sha256_of;
use crate::pair::{ROOT, sizes, stage};

/// Files that are there before.
const SMALL_FILES: usize = 20;

/// The large file is uploaded while the cloud is the principal. It need not be as large as the one of
/// the other parts: that one is sent by the same code.
const MOST_BYTES: u64 = 1 << 30;

const LARGE: &str = "Large.dmg";
const WAITING: &str = "Waiting.dmg";
const WAITING_BYTES: u64 = 3 << 20;

/// How long something may take, and how often it is looked.
const LIMIT: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long an upload is seen to wait while nothing is sent: longer than it waits for one answer.
const WAITS: Duration = Duration::from_secs(25);

/// SHA-256 of what was sent, by no code of ours.
type All = BTreeMap<ContentId, String>;

/// Everything, on SeaweedFS.
pub(super) fn principal(large: u64) -> anyhow::Result<()> {
    stage(async |scratch| {
        let mut ground = Ground::lay(scratch, Seaweed::start).await?;
        let gate = Gate::to(ground.store.port())?;
        ground.set_cloud(gate.port).await?;
        let mut all = All::new();
        small(&ground, &mut all).await?;
        let told = ground.fleet.xylem(&["cloud", "make-principal", "--fill"]).await?;
        ensure!(told.contains("is the principal"), "it is not: {told}");
        guarded(&ground.fleet).await?;

        let bytes = large.min(MOST_BYTES);
        let began = Instant::now();
        let killed = uploaded(&mut ground, &gate, &mut all, bytes).await?;
        let upload_s = began.elapsed().as_secs_f64();
        waited(&ground, &mut all).await?;
        let restored = emptied(&mut ground, &all).await?;
        let told = ground.fleet.xylem(&["principal", "set", ROOT, "--fill"]).await?;
        ensure!(told.contains(ROOT), "files enter elsewhere: {told}");
        ground.fleet.xylem(&["cloud", "remove"]).await?;
        ground.fleet.stop().await;
        println!(
            "CLOUD principal provider=s3 files={} large_bytes={bytes} upload_s={upload_s:.1} \
             killed={killed} proved_first=1 waited=1 guarded=1 restored={restored} handed_back=1",
            all.len(),
        );
        Ok(())
    })
}

/// Files that are in the cloud before it is the principal.
async fn small(ground: &Ground<Seaweed>, all: &mut All) -> anyhow::Result<()> {
    for (number, size) in sizes(SMALL_FILES).into_iter().enumerate() {
        let name = format!("small-{number}.dmg");
        let (content, sha256) = ground.send(&name, size).await?;
        all.insert(content, sha256);
    }
    let ids: Vec<ContentId> = all.keys().copied().collect();
    present(&ground.fleet, &ids, LIMIT).await?;
    Ok(())
}

/// What the principal may not be is refused.
async fn guarded(fleet: &Fleet) -> anyhow::Result<()> {
    let refused: [&[&str]; 2] =
        [&["cloud", "remove"], &["cloud", "select", "--rule", "name=small-1*"]];
    for words in refused {
        match fleet.xylem(words).await {
            Ok(told) => bail!("`xylem {}` is let through: {told}", words.join(" ")),
            Err(error) => {
                let told = format!("{error:#}");
                ensure!(told.contains("principal"), "`xylem {}`: {told}", words.join(" "));
            }
        }
    }
    Ok(())
}

/// Uploads a large file while both sides are killed; gives how often one was. When the catalogue names
/// it, the bucket has it, byte by byte.
async fn uploaded(
    ground: &mut Ground<Seaweed>,
    gate: &Gate,
    all: &mut All,
    bytes: u64,
) -> anyhow::Result<usize> {
    let file = ground.folder().join(LARGE);
    write_random(&file, 11, bytes)?;
    let sha256 = sha256_of(&file)?;
    let before = gate.sent();
    let mut uploading = begin(&ground.fleet, &file)?;
    let mut killed = 0;
    for part in 1..=2 {
        let enough = before + bytes * part / 3;
        until_sent(gate, enough, &mut uploading).await?;
        let named = ground.fleet.access().admin.file(KIND, LARGE).await;
        ensure!(named.is_err(), "it is in the catalogue, and not in the cloud");
        if part == 1 {
            ground.fleet.kill(ROOT).await?;
            ground.fleet.up(ROOT).await?;
        } else {
            ground.fleet.kill_server().await;
            ground.fleet.restart_server().await?;
        }
        killed += 1;
    }
    let content = until_named(&ground.fleet, LARGE).await?;
    let there = ground.store.read(&key_of(&content))?;
    ensure!(there.is(bytes, &sha256), "what the catalogue names lies there as {there:?}");
    ended(uploading).await?;
    fs::remove_file(&file)?;
    all.insert(content, sha256);
    Ok(killed)
}

/// While nothing is sent an upload waits, and goes on by itself afterwards.
async fn waited(ground: &Ground<Seaweed>, all: &mut All) -> anyhow::Result<()> {
    let file = ground.folder().join(WAITING);
    write_random(&file, 12, WAITING_BYTES)?;
    let sha256 = sha256_of(&file)?;
    ground.fleet.xylem(&["cloud", "pause"]).await?;
    let mut uploading = begin(&ground.fleet, &file)?;
    sleep(WAITS).await;
    ensure!(uploading.try_wait()?.is_none(), "the upload gave up");
    let named = ground.fleet.access().admin.file(KIND, WAITING).await;
    ensure!(named.is_err(), "it is in the catalogue, and not in the cloud");
    // Everything else goes on meanwhile.
    ground.fleet.xylem(&["package", "show", "small-1.dmg"]).await?;
    ground.fleet.xylem(&["cloud", "resume"]).await?;
    ended(uploading).await?;
    let content = until_named(&ground.fleet, WAITING).await?;
    let there = ground.store.read(&key_of(&content))?;
    ensure!(there.is(WAITING_BYTES, &sha256), "it lies there as {there:?}");
    fs::remove_file(&file)?;
    all.insert(content, sha256);
    Ok(())
}

/// The root loses all its content and gets it from the cloud, bit by bit the same; gives how many files.
async fn emptied(ground: &mut Ground<Seaweed>, all: &All) -> anyhow::Result<usize> {
    ground.fleet.kill(ROOT).await?;
    let held = ground.fleet.repository(ROOT).join("content");
    for shelf in fs::read_dir(&held)? {
        for file in fs::read_dir(shelf?.path())? {
            fs::remove_file(file?.path())?;
        }
    }
    ground.fleet.up(ROOT).await?;
    ground.fleet.xylem(&["ds", "fill", ROOT, "--from-cloud"]).await?;
    for (content, sha256) in all {
        let id = content.to_string();
        let shelf: String = id.chars().take(2).collect();
        let file = held.join(shelf).join(&id);
        let found = sha256_of(&file).with_context(|| format!("{id} did not come back"))?;
        ensure!(found == *sha256, "{id} came back as {found}");
    }
    Ok(all.len())
}

/// What an administrator types, running beside the rest.
fn begin(fleet: &Fleet, file: &Path) -> anyhow::Result<Child> {
    Ok(fleet.command(&["package", "upload", path(file)?]).spawn()?)
}

async fn ended(mut uploading: Child) -> anyhow::Result<()> {
    let ended = tokio::time::timeout(LIMIT, uploading.wait()).await;
    let ended = ended.context("the upload does not end")??;
    ensure!(ended.success(), "the upload fails: {ended}");
    Ok(())
}

async fn until_sent(gate: &Gate, enough: u64, uploading: &mut Child) -> anyhow::Result<()> {
    let end = Instant::now() + LIMIT;
    while gate.sent() < enough {
        if let Some(ended) = uploading.try_wait()? {
            bail!("the upload ended ({ended}) before it was sent");
        }
        ensure!(Instant::now() < end, "{} of {enough} bytes were sent", gate.sent());
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn until_named(fleet: &Fleet, name: &str) -> anyhow::Result<ContentId> {
    let end = Instant::now() + LIMIT;
    loop {
        // The management server may have been killed a moment ago.
        let error = match fleet.access().admin.file(KIND, name).await {
            Ok(told) => return Ok(told.file.current.content),
            Err(error) => error,
        };
        ensure!(Instant::now() < end, "the catalogue does not name {name}: {error}");
        sleep(LOOK_EVERY).await;
    }
}

//! From one cloud distribution point to another, while a computer downloads and the management server
//! is killed, and the end of the former.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::Value;
use tokio::time::sleep;
use xylem_bench::fleet::Fleet;
use xylem_bench::publish::write_random;
use xylem_model::{ContentId, Priority};

use super::agent::Mac;
use super::ground::{Ground, PREFIX, key_of};
use super::rows::present;
use super::seaweed::Seaweed;
use super::store::Store;
use super::tools::{Tools, sha256_of};
use crate::pair::{sizes, stage};

/// Small files, so many that deleting them can be hit on the way, and the size of the one that is on its way to a computer when somebody is killed.
const SMALL_FILES: usize = 200;
const LARGE: &str = "Large.dmg";
const LARGE_BYTES: u64 = 256 << 20;

/// How long everything may take to a cloud.
const FILL_LIMIT: Duration = Duration::from_secs(300);
/// How long the former may take to its end after all is at the new one: addresses live for a minute,
/// it is looked once in a minute what is to be done, what was signed to be sent there may arrive for
/// fifteen minutes since it was replaced, and for as long a deletion that was asked for by a server that
/// was killed.
const END_LIMIT: Duration = Duration::from_secs(1_500);
/// How often a computer may be turned away while the management server is away.
const TRIES: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked whether objects begin to go: deleting all of them takes a second or so.
const LOOK_CLOSELY: Duration = Duration::from_millis(20);

/// What is somebody else's at the former.
const FOREIGN: &str = "read me.txt";
/// Objects there that are no files of ours: that one, and the one that says whose the rest is.
const OTHERS: usize = 2;
/// Files that are fetched between the filling and the end: addresses are over a minute after it.
const FETCHED_MEANWHILE: usize = 20;

/// What was published: its name, and SHA-256 of what was sent, by no code of ours.
type All = BTreeMap<ContentId, (String, String)>;

/// Everything.
pub(super) fn change() -> anyhow::Result<()> {
    stage(async |scratch| {
        let mut ground = Ground::lay(scratch, Seaweed::start).await?;
        let folder = ground.folder().join("second");
        let second = Seaweed::start(&Tools::require()?, &folder, &ground.authority).await?;
        ground.set_cloud(ground.store.port()).await?;
        // Computers ask the cloud first, and addresses live for as short as they can.
        let settings = ["cloud", "change", "url-lifetime=1m", "offer=before-root"];
        ground.fleet.xylem(&settings).await?;
        let all = publish(&ground).await?;
        let ids: Vec<ContentId> = all.keys().copied().collect();
        present(&ground.fleet, &ids, FILL_LIMIT).await?;
        let foreign = format!("{PREFIX}/content/{FOREIGN}");
        ground.store.bucket().place(&foreign, "theirs")?;
        Mac::of(&ground).enroll().await?;

        let begun = Instant::now();
        replace(&ground, &second).await?;
        // What becomes of the former's objects is said at once, and holds for when it is left.
        ground.fleet.xylem(&["cloud", "remove", "--former", "--delete-objects"]).await?;
        fetch_while_killed(&mut ground, &all).await?;
        let mut fetched = 1;
        present(&ground.fleet, &ids, FILL_LIMIT).await?;
        let filled_s = begun.elapsed().as_secs_f64();
        // No more of them than can be fetched before objects begin to go.
        for (name, sha256) in all.values().take(FETCHED_MEANWHILE) {
            fetch(&ground, name, sha256).await?;
            fetched += 1;
        }
        let is_between = end(&mut ground, all.len()).await?;
        let seconds = begun.elapsed().as_secs_f64();

        let left = ground.store.names()?;
        let there = second.names()?;
        let lacking = ids.iter().filter(|id| !there.objects.contains(&key_of(id))).count();
        for (name, sha256) in all.values() {
            fetch(&ground, name, sha256).await?;
            fetched += 1;
        }
        ground.fleet.stop().await;
        println!(
            "CLOUD change files={} large_bytes={LARGE_BYTES} fetched={fetched} killed={} \
             filled_s={filled_s:.1} ended_s={seconds:.1} lacking={lacking} objects_left={} \
             uploads_left={} foreign_left={}",
            all.len(),
            1 + u32::from(is_between),
            left.objects.iter().filter(|name| **name != foreign).count(),
            left.uploads.len(),
            u8::from(left.objects.contains(&foreign)),
        );
        ensure!(lacking == 0, "{lacking} files are not at the new one: {:?}", there.objects);
        ensure!(there.uploads.is_empty(), "uploads stay at the new one: {:?}", there.uploads);
        ensure!(left.objects == [foreign.as_str()], "at the former lie {:?}", left.objects);
        ensure!(left.uploads.is_empty(), "uploads stay at the former: {:?}", left.uploads);
        ensure!(is_between, "it was not killed while objects went");
        Ok(())
    })
}

async fn publish(ground: &Ground<Seaweed>) -> anyhow::Result<All> {
    let (mut all, file) = (All::new(), ground.folder().join(LARGE));
    for (number, size) in sizes(SMALL_FILES).into_iter().enumerate() {
        let name = format!("small-{number}.dmg");
        let (content, sha256) = ground.send(&name, size).await?;
        all.insert(content, (name, sha256));
    }
    write_random(&file, 3, LARGE_BYTES)?;
    let sha256 = sha256_of(&file)?;
    let content = ground.fleet.upload(&file, Priority::Normal).await?.content;
    all.insert(content, (LARGE.to_owned(), sha256));
    fs::remove_file(&file)?;
    Ok(all)
}

/// Sets the second one in the place of the first.
async fn replace(ground: &Ground<Seaweed>, second: &Seaweed) -> anyhow::Result<()> {
    let more = ["--replace", "--url-lifetime", "1m", "--offer", "before-root"];
    let told = ground.set(second, second.port(), &more).await?;
    ensure!(told.contains("passed"), "it was set without a test: {told}");
    Ok(())
}

/// The management server is killed while a computer fetches the large file, and the root fills.
async fn fetch_while_killed(ground: &mut Ground<Seaweed>, all: &All) -> anyhow::Result<()> {
    let file = ground.folder().join("fetched-beside");
    let fetching = tokio::spawn(Mac::of(ground).fetching(LARGE, &file)?);
    sleep(LOOK_EVERY).await;
    ground.fleet.kill_server().await;
    ground.fleet.restart_server().await?;
    let sha256 = all.values().find(|(name, _)| name == LARGE).map(|(_, sha256)| sha256.clone());
    let sha256 = sha256.unwrap_or_default();
    match fetching.await? {
        // It had its sources already.
        Ok(()) => is_that(&file, LARGE, &sha256),
        Err(_) => fetch(ground, LARGE, &sha256).await,
    }
}

/// Fetches a file, again where the management server was not there.
async fn fetch(ground: &Ground<Seaweed>, name: &str, sha256: &str) -> anyhow::Result<()> {
    let mut tries = 0;
    let file = loop {
        match Mac::of(ground).fetch(name).await {
            Ok(file) => break file,
            Err(error) => {
                tries += 1;
                ensure!(tries < TRIES, "`{name}` cannot be fetched: {error:#}");
                sleep(LOOK_EVERY).await;
            }
        }
    };
    is_that(&file, name, sha256)
}

fn is_that(file: &Path, name: &str, sha256: &str) -> anyhow::Result<()> {
    let found = sha256_of(file)?;
    ensure!(found == sha256, "`{name}` came with SHA-256 {found} and not {sha256}");
    Ok(())
}

/// Waits for the end of the former, and kills the management server once on the way, as soon as one
/// of `files` is gone. Says whether others were still there then.
async fn end(ground: &mut Ground<Seaweed>, files: usize) -> anyhow::Result<bool> {
    let end = Instant::now() + END_LIMIT;
    while ground.store.names()?.objects.len() >= files + OTHERS {
        ensure!(Instant::now() < end, "nothing goes at the former");
        sleep(LOOK_CLOSELY).await;
    }
    ground.fleet.kill_server().await;
    let is_between = ground.store.names()?.objects.len() > OTHERS;
    ground.fleet.restart_server().await?;
    loop {
        let former = former(&ground.fleet).await?;
        if former.is_null() {
            return Ok(is_between);
        }
        ensure!(Instant::now() < end, "the former is not at its end: {former}");
        sleep(LOOK_EVERY).await;
    }
}

/// How far the former is on its way out; nothing where it is forgotten.
async fn former(fleet: &Fleet) -> anyhow::Result<Value> {
    let told: Value = serde_json::from_str(&fleet.xylem(&["cloud", "show", "--json"]).await?)?;
    Ok(told.get("leaving").cloned().unwrap_or(Value::Null))
}

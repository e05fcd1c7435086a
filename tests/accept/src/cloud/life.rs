//! The whole life of a cloud distribution point: set, tested, filled, fetched from, replaced in,
//! forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use xylem_bench::fleet::KIND;
use xylem_bench::publish::{plain_disk, write_random};
use xylem_model::{ContentId, Priority};
use xylem_testkit::small_package;

use super::agent::{MAC, Mac};
use super::authority::Authority;
use super::bucket::Object;
use super::gate::Gate;
use super::ground::{Ground, PREFIX, key_of, path};
use super::rows::{PRESENT, present, rows};
use super::store::Store;
use super::tools::{Tools, sha256_of};
use crate::pair::{ROOT, sizes, stage};

/// Files beside the large one.
const SMALL_FILES: usize = 100;

/// Names with everything in them that breaks those who sign: every tenth file has one.
const ODD: &str = "a b+é&50%#";

const LARGE: &str = "Large.dmg";
const PACKAGE: &str = "Hello.pkg";

/// One of the small files, which gets other bytes, and how many.
const REPLACED: &str = "small-1.dmg";
const REPLACED_BYTES: u64 = 1 << 20;

/// How soon after its last byte a file must be offered.
const READY_WITHIN: Duration = Duration::from_secs(5);

/// How long the small files may take to the cloud, and how long a byte of the large one.
const SMALL_LIMIT: Duration = Duration::from_secs(300);
const SLOWEST_BYTES_PER_SECOND: u64 = 4 << 20;

/// How long a delivery network may take to write down what it gave.
const GIVEN_LIMIT: Duration = Duration::from_secs(10);

/// What was published: what it is called, and SHA-256 of what was sent, by no code of ours.
#[derive(Debug, Clone)]
struct Sent {
    name: String,
    size: u64,
    sha256: String,
}

type All = BTreeMap<ContentId, Sent>;

/// Everything, on the store that is started by a function.
pub(super) fn life<S, F>(large: u64, start: F) -> anyhow::Result<()>
where
    S: Store,
    F: AsyncFnOnce(&Tools, &Path, &Authority) -> anyhow::Result<S> + Send,
{
    stage(async |scratch| {
        let mut ground = Ground::lay(scratch, start).await?;
        let provider = ground.store.provider();
        let gate = Gate::to(ground.store.port())?;
        let told = ground.set_cloud(gate.port).await?;
        ensure!(told.contains("passed"), "it was set without a test: {told}");
        let failed = ground.tested().await?;
        ensure!(failed.is_none(), "the test fails: {failed:?}");
        let left = ground.store.names()?;
        ensure!(left.uploads.is_empty(), "the test leaves uploads or segments behind: {left:?}");

        let mut all = All::new();
        let began = Instant::now();
        small(&ground, &mut all).await?;
        let ids: Vec<ContentId> = all.keys().copied().collect();
        present(&ground.fleet, &ids, SMALL_LIMIT).await?;
        let small_s = began.elapsed().as_secs_f64();
        let (large_s, ready_s) = send_large(&ground, &gate, &mut all, large).await?;
        let markers = is_all_there(&ground, &all)?;

        Mac::of(&ground).enroll().await?;
        ground.fleet.down(ROOT).await?;
        let fetched = fetched(&ground, &all, &[LARGE, REPLACED, &odd(0)]).await?;
        installed(&ground).await?;
        ground.fleet.up(ROOT).await?;
        replaced(&mut ground, &mut all).await?;
        let selected = selected(&ground).await?;
        removed(&ground, &all).await?;
        ground.fleet.stop().await;
        println!(
            "CLOUD life provider={provider} files={} small_s={small_s:.1} large_bytes={large} \
             large_s={large_s:.1} ready_s={ready_s:.2} markers={markers} fetched={fetched} \
             installed=1 replaced=1 selected={selected} removed=1",
            all.len(),
        );
        ground.store.lived()?;
        ensure!(
            ready_s <= READY_WITHIN.as_secs_f64(),
            "it was offered {ready_s:.2} s after its last byte"
        );
        Ok(())
    })
}

/// What a file with an odd name is called.
fn odd(number: usize) -> String {
    format!("{ODD}-{number}.dmg")
}

/// Publishes the small files, and a package that can be installed.
async fn small<S: Store>(ground: &Ground<S>, all: &mut All) -> anyhow::Result<()> {
    for (number, size) in sizes(SMALL_FILES - 1).into_iter().enumerate() {
        let name = if number % 10 == 0 { odd(number) } else { format!("small-{number}.dmg") };
        let (content, sha256) = ground.send(&name, size).await?;
        all.insert(content, Sent { name, size, sha256 });
    }
    let package = small_package(ground.folder(), PACKAGE);
    let (size, sha256) = (fs::metadata(&package)?.len(), sha256_of(&package)?);
    let content = ground.fleet.upload(&package, Priority::Normal).await?.content;
    all.insert(content, Sent { name: PACKAGE.to_owned(), size, sha256 });
    Ok(())
}

/// Publishes the large file; gives how long it took to the cloud, and how soon after its last byte
/// it was offered, in seconds.
async fn send_large<S: Store>(
    ground: &Ground<S>,
    gate: &Gate,
    all: &mut All,
    size: u64,
) -> anyhow::Result<(f64, f64)> {
    let file = ground.folder().join(LARGE);
    write_random(&file, 1, size)?;
    let sha256 = sha256_of(&file)?;
    let published = ground.fleet.upload(&file, Priority::Normal).await?;
    fs::remove_file(&file)?;
    let limit = SMALL_LIMIT + Duration::from_secs(size / SLOWEST_BYTES_PER_SECOND);
    let known = present(&ground.fleet, &[published.content], limit).await?;
    all.insert(published.content, Sent { name: LARGE.to_owned(), size, sha256 });
    let ready = known.saturating_duration_since(gate.last_content());
    Ok(((known - published.answered).as_secs_f64(), ready.as_secs_f64()))
}

/// What lies in the store is what was published, byte by byte, and nothing else; gives how many
/// marks of ours are there.
fn is_all_there<S: Store>(ground: &Ground<S>, all: &All) -> anyhow::Result<usize> {
    let store = &ground.store;
    let uploads = store.names()?.uploads;
    ensure!(uploads.is_empty(), "uploads or segments stay behind: {uploads:?}");
    let mark = format!("{PREFIX}/xylem.json");
    let (marks, objects): (Vec<Object>, Vec<Object>) =
        store.read_all()?.into_iter().partition(|object| object.key == mark);
    let wanted: BTreeMap<String, &Sent> =
        all.iter().map(|(content, sent)| (key_of(content), sent)).collect();
    let found: BTreeSet<&String> = objects.iter().map(|object| &object.key).collect();
    let expected: BTreeSet<&String> = wanted.keys().collect();
    let differing: Vec<&&String> = found.symmetric_difference(&expected).collect();
    ensure!(differing.is_empty(), "the store differs in {differing:?}");
    for object in &objects {
        let sent = wanted.get(&object.key).context("it was compared")?;
        let name = &sent.name;
        ensure!(object.is(sent.size, &sent.sha256), "{name} is there as {object:?}");
        if !store.keeps_what_was_told() {
            continue;
        }
        let told = object.told_sha256.as_deref();
        ensure!(told == Some(sent.sha256.as_str()), "of {name} there is told {told:?}");
        let disposition = object.disposition.as_deref().unwrap_or_default();
        ensure!(disposition.starts_with("attachment"), "{name} is given out as {disposition}");
    }
    Ok(marks.len())
}

/// The agent gets files while no server of ours gives any: only the cloud can have them. Gives how
/// many.
async fn fetched<S: Store>(ground: &Ground<S>, all: &All, names: &[&str]) -> anyhow::Result<usize> {
    let (before, mut bytes) = (ground.store.given_bytes()?, 0);
    for name in names {
        let sent = all.values().find(|sent| sent.name == *name);
        let sent = sent.with_context(|| format!("{name} was not published"))?;
        let file = Mac::of(ground).fetch(name).await?;
        let sha256 = sha256_of(&file)?;
        ensure!(sha256 == sent.sha256, "{name} came as {sha256}");
        fs::remove_file(file)?;
        bytes += sent.size;
    }
    if let Some(before) = before {
        all_given(&ground.store, before + bytes).await?;
    }
    Ok(names.len())
}

/// Every byte that was fetched came from the delivery network; it writes that down when an answer
/// has ended, which may be a moment later.
async fn all_given(store: &impl Store, bytes: u64) -> anyhow::Result<()> {
    let end = Instant::now() + GIVEN_LIMIT;
    while store.given_bytes()?.is_none_or(|given| given < bytes) {
        let given = store.given_bytes()?;
        ensure!(Instant::now() < end, "the network gave {given:?} B and not {bytes}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// A package is installed from the cloud.
async fn installed<S: Store>(ground: &Ground<S>) -> anyhow::Result<()> {
    let mac = Mac::of(ground);
    mac.install(PACKAGE).await?;
    let read_me = mac.disk.join("Library/Example/read me.txt");
    let text = fs::read_to_string(&read_me)
        .with_context(|| format!("{MAC} installed no {}", read_me.display()))?;
    ensure!(text == PACKAGE, "it installed {text}");
    Ok(())
}

/// A file gets other bytes: they come to the cloud under a name of their own, and to the agent.
async fn replaced<S: Store>(ground: &mut Ground<S>, all: &mut All) -> anyhow::Result<()> {
    let file = ground.folder().join(REPLACED);
    write_random(&file, 2, REPLACED_BYTES)?;
    let sha256 = sha256_of(&file)?;
    ground.fleet.xylem(&["package", "upload", path(&file)?, "--replace"]).await?;
    let told = ground.fleet.access().admin.file(KIND, REPLACED).await?;
    let content = told.file.current.content;
    ensure!(!all.contains_key(&content), "it was not replaced");
    present(&ground.fleet, &[content], SMALL_LIMIT).await?;
    // Nothing there is overwritten, and what was there stays for a while.
    let former = all.values_mut().find(|sent| sent.name == REPLACED).context("it was there")?;
    former.name = format!("{REPLACED}, before");
    all.insert(content, Sent { name: REPLACED.to_owned(), size: REPLACED_BYTES, sha256 });
    is_all_there(ground, all)?;
    ground.fleet.down(ROOT).await?;
    fetched(ground, all, &[REPLACED]).await?;
    ground.fleet.up(ROOT).await
}

/// Only what is chosen is sent from then on. `absent` where there is no such command yet.
async fn selected<S: Store>(ground: &Ground<S>) -> anyhow::Result<&'static str> {
    const CHOSEN: &str = "for-the-cloud";
    let fleet = &ground.fleet;
    if fleet.xylem(&["cloud", "select", "--help"]).await.is_err() {
        return Ok("absent");
    }
    fleet.xylem(&["category", "add", CHOSEN]).await?;
    fleet.xylem(&["cloud", "select", "--rule", &format!("category={CHOSEN}")]).await?;
    let mut sent = Vec::new();
    for name in ["left-out.dmg", "chosen.dmg"] {
        let bytes = plain_disk(name, 64 << 10);
        sent.push(fleet.send(name, bytes, Priority::Normal).await?.content);
    }
    fleet.xylem(&["package", "set", "chosen.dmg", &format!("category={CHOSEN}")]).await?;
    let [left_out, chosen] = *sent.as_slice() else { return Ok("absent") };
    present(fleet, &[chosen], SMALL_LIMIT).await?;
    let told = rows(fleet).await?;
    let other = told.iter().find(|row| row.content == left_out && row.state == PRESENT);
    ensure!(other.is_none(), "what was not chosen is there: {other:?}");
    fleet.xylem(&["cloud", "select", "--everything"]).await?;
    present(fleet, &sent, SMALL_LIMIT).await?;
    let told = rows(fleet).await?;
    let short = told.iter().find(|row| row.state == PRESENT && row.arrived < row.size);
    ensure!(short.is_none(), "not all of it arrived, and it is offered: {short:?}");
    Ok("1")
}

/// The point is forgotten; what lies there stays.
async fn removed<S: Store>(ground: &Ground<S>, all: &All) -> anyhow::Result<()> {
    let before = ground.store.names()?.objects.len();
    ensure!(before >= all.len(), "there are {before} objects");
    ground.fleet.xylem(&["cloud", "remove"]).await?;
    let told = ground.fleet.xylem(&["cloud", "show"]).await?;
    ensure!(told.contains("No cloud"), "it is there still: {told}");
    let after = ground.store.names()?.objects.len();
    ensure!(after == before, "of {before} objects {after} are left");
    Ok(())
}

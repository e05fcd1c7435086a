//! One large file into the cloud, and ten times somebody is killed on the way.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::time::sleep;
use xylem_bench::fleet::Fleet;
use xylem_bench::publish::write_random;
use xylem_model::Priority;

use super::authority::Authority;
use super::gate::Gate;
use super::ground::{Ground, PREFIX, key_of};
use super::rows::present;
use super::store::Store;
use super::tools::{Tools, sha256_of};
use crate::pair::{ROOT, stage};

/// The file.
const NAME: &str = "Large.dmg";

/// How often it is looked how far it is, and how long it may make no headway.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LIMIT: Duration = Duration::from_secs(600);

/// What may be sent twice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Again {
    /// Of the file, as a part of one.
    of_file: f64,
    /// Bytes at each kill.
    at_kill: u64,
}

/// Where a file goes in parts: those that are under way at a kill. A root has four of them at once when
/// it begins, and some more where they go well.
pub(super) const IN_PARTS: Again = Again { of_file: 0.0, at_kill: 8 * (16 << 20) };

/// Where it goes whole and begins again. Each of the six times that the root is killed costs what was
/// sent since the last one, an eleventh or two; at last it is sent whole.
pub(super) const WHOLE: Again = Again { of_file: 1.2, at_kill: 0 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The one that sends.
    Root,
    /// The one that signs.
    Management,
}

/// Who is killed, one after the other, each time another eleventh of the file was sent.
const KILLED: [Kind; 10] = [
    Kind::Root,
    Kind::Management,
    Kind::Root,
    Kind::Root,
    Kind::Management,
    Kind::Root,
    Kind::Management,
    Kind::Root,
    Kind::Management,
    Kind::Root,
];

/// It ends bit-identical, with no more sent twice than may be, and leaves nothing behind: on
/// the store that is started by a function.
pub(super) fn kills<S, F>(bytes: u64, again: Again, start: F) -> anyhow::Result<()>
where
    S: Store,
    F: AsyncFnOnce(&Tools, &Path, &Authority) -> anyhow::Result<S> + Send,
{
    stage(async |scratch| {
        let mut ground = Ground::lay(scratch, start).await?;
        let gate = Gate::to(ground.store.port())?;
        ground.set_cloud(gate.port).await?;
        let file = ground.folder().join(NAME);
        write_random(&file, 3, bytes)?;
        let sha256 = sha256_of(&file)?;
        let (begun, before) = (Instant::now(), gate.sent());
        let published = ground.fleet.upload(&file, Priority::Normal).await?;
        fs::remove_file(&file)?;
        strike(&mut ground.fleet, &gate, before, bytes).await?;
        present(&ground.fleet, &[published.content], LIMIT).await?;
        let (seconds, sent) = (begun.elapsed().as_secs(), gate.sent() - before);

        let (store, key) = (&ground.store, key_of(&published.content));
        let there = store.read(&key)?;
        let is_identical = there.is(bytes, &sha256);
        let (provider, names) = (store.provider(), store.names()?);
        let mark = format!("{PREFIX}/xylem.json");
        let others: Vec<&String> =
            names.objects.iter().filter(|name| **name != key && **name != mark).collect();
        ground.fleet.stop().await;
        let per_byte = sent as f64 / bytes as f64;
        println!(
            "CLOUD kills provider={provider} bytes={bytes} killed={} identical={} \
             sent_per_byte={per_byte:.3} uploads_left={} objects_left={} seconds={seconds}",
            KILLED.len(),
            u8::from(is_identical),
            names.uploads.len(),
            others.len(),
        );
        ensure!(is_identical, "what lies there is not what was published: {there:?}");
        ensure!(names.uploads.is_empty(), "uploads or segments stay behind: {:?}", names.uploads);
        ensure!(others.is_empty(), "objects stay behind: {others:?}");
        let at_kills = (KILLED.len() as u64 * again.at_kill) as f64;
        let most = (1.0 + again.of_file).mul_add(bytes as f64, at_kills);
        ensure!(sent as f64 <= most, "{per_byte:.3} bytes were sent for each");
        Ok(())
    })
}

/// Kills whoever is to be killed while the file is on its way, and starts them again.
async fn strike(fleet: &mut Fleet, gate: &Gate, before: u64, bytes: u64) -> anyhow::Result<()> {
    for (number, kind) in (1..).zip(KILLED) {
        let enough = bytes * number / (KILLED.len() as u64 + 1);
        let (mut most, mut end) = (0, Instant::now() + LIMIT);
        loop {
            let sent = gate.sent() - before;
            if sent >= enough {
                break;
            }
            if sent > most {
                (most, end) = (sent, Instant::now() + LIMIT);
            }
            ensure!(
                Instant::now() < end,
                "{sent} bytes were sent before kill {number}, and no more for {LIMIT:?}"
            );
            sleep(LOOK_EVERY).await;
        }
        match kind {
            Kind::Root => {
                fleet.kill(ROOT).await?;
                fleet.up(ROOT).await?;
            }
            Kind::Management => {
                fleet.kill_server().await;
                fleet.restart_server().await?;
            }
        }
    }
    Ok(())
}

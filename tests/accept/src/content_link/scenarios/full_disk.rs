//! One child's disk is full.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use xylem_api::catalogue::PlacementState;
use xylem_bench::fleet::Fleet;
use xylem_bench::publish::write_random;
use xylem_bench::room::{Host, Room};
use xylem_bench::scratch::Scratch;
use xylem_model::Priority;

use super::{LIMIT, RATE_MBIT, ROOT, stage};

/// Size of each file.
const BYTES: u64 = 256 << 20;

/// The child whose disk fills up, and the others.
const SMALL: &str = "small";
const OTHERS: [&str; 2] = ["one", "two"];

/// Size of the small disk, in MiB: with room for everything, and with room for the first file but
/// not for the second.
const ROOMY_MIB: u64 = 1024;
const TIGHT_MIB: u64 = (BYTES >> 20) + 64;

/// How much slower the others may be.
const SLOWER: f64 = 1.25;

/// How soon the child must have noticed by itself that there is space again.
const RECOVERY: Duration = Duration::from_secs(300);

/// The child says why it has not got the file, recovers by itself, and costs the others nothing.
pub(crate) fn full_disk() -> anyhow::Result<()> {
    let (programs, mut scratch) = stage()?;
    let mut room = Room::open()?;
    let root = room.host(ROOT)?;
    let mut hosts = Vec::new();
    for name in OTHERS.iter().chain([&SMALL]) {
        let host = room.host(name)?;
        room.link(&root, &host, Some(RATE_MBIT))?;
        hosts.push((*name, host));
    }
    let disk = scratch.mount_small(&format!("fleet/{SMALL}"), ROOMY_MIB)?;
    let hub = room.hub();
    hub.inside(async || {
        let folder = scratch.path().join("fleet");
        let mut fleet = Fleet::start(&programs, &folder, hub).await?;
        fleet.add(ROOT, &root, None).await?;
        play(&mut fleet, &scratch, &disk, &hosts).await?;
        fleet.stop().await;
        Ok(())
    })
}

async fn play(
    fleet: &mut Fleet,
    scratch: &Scratch,
    disk: &Path,
    hosts: &[(&str, Host)],
) -> anyhow::Result<()> {
    for (name, host) in hosts {
        fleet.add(name, host, Some(ROOT)).await?;
    }
    let roomy = others(fleet, scratch, "first.dmg").await?;
    fleet.told(SMALL, "first.dmg", LIMIT, |row| row.state == PlacementState::Present).await?;
    scratch.resize(disk, TIGHT_MIB)?;
    let tight = others(fleet, scratch, "second.dmg").await?;
    let full =
        fleet.told(SMALL, "second.dmg", LIMIT, |row| row.state == PlacementState::Failed).await?;
    let reason = full.reason.unwrap_or_default();
    scratch.resize(disk, ROOMY_MIB)?;
    let begun = Instant::now();
    fleet.told(SMALL, "second.dmg", RECOVERY, |row| row.state == PlacementState::Present).await?;
    println!(
        "CONTENT-LINK full-disk others_s={roomy:.2} others_beside_full_disk_s={tight:.2} \
         ratio={:.2} recovered_s={:.1} reason=\"{reason}\"",
        tight / roomy,
        begun.elapsed().as_secs_f64()
    );
    ensure!(reason.contains("no space"), "the reason does not name the disk: {reason}");
    ensure!(tight <= roomy * SLOWER, "the others were slowed: {tight:.2} s after {roomy:.2} s");
    Ok(())
}

/// Publishes a file and waits until the children with room for it have it; gives the seconds until
/// the last of them had.
async fn others(fleet: &Fleet, scratch: &Scratch, name: &str) -> anyhow::Result<f64> {
    let file = scratch.path().join(name);
    write_random(&file, name.len() as u64, BYTES)?;
    let published = fleet.upload(&file, Priority::Normal).await?;
    let mut seconds: f64 = 0.0;
    for other in OTHERS {
        let arrived = fleet.arrival(other, &published.content, LIMIT).await?;
        seconds = seconds.max(arrived.saturating_duration_since(published.answered).as_secs_f64());
    }
    Ok(seconds)
}

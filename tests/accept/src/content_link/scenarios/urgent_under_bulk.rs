//! Something urgent has to pass something large.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use xylem_bench::chain::{HOPS, fleet, name, room};
use xylem_bench::fleet::Fleet;
use xylem_bench::publish::write_random;
use xylem_bench::rows::median;
use xylem_bench::scratch::Scratch;
use xylem_model::Priority;

use super::{LIMIT, RATE_MBIT, stage};

/// Size of what is large, and of what is urgent.
const BULK_BYTES: u64 = 1 << 30;
const URGENT_BYTES: u64 = 1 << 20;

/// How often something urgent is sent through the idle tree, and through the busy one.
const TIMES: u64 = 5;

/// How much of the time on an idle tree it may take, and how much more.
const TIMES_IDLE: f64 = 1.5;
const SECONDS_MORE: f64 = 1.0;

/// How much has arrived on the last hop when the tree counts as busy.
const BUSY_BYTES: u64 = 16 << 20;

const BULK: &str = "bulk.dmg";

/// What is urgent reaches the sixth hop nearly as fast as if nothing else were on its way.
///
/// Its time runs from the beginning of its upload, so that none of it can be lost before the
/// clock starts.
pub(crate) fn urgent_under_bulk() -> anyhow::Result<()> {
    let (programs, scratch) = stage()?;
    let (room, hosts) = room(HOPS, Some(RATE_MBIT))?;
    let hub = room.hub();
    hub.inside(async || {
        let fleet = fleet(&programs, &scratch.path().join("fleet"), hub, &hosts).await?;
        let played = play(&fleet, &scratch).await;
        fleet.stop().await;
        played
    })
}

async fn play(fleet: &Fleet, scratch: &Scratch) -> anyhow::Result<()> {
    let last = name(HOPS);
    let mut idle = Vec::new();
    for number in 0..TIMES {
        idle.push(urgent(fleet, scratch, number).await?);
    }
    let file = scratch.path().join(BULK);
    write_random(&file, 1, BULK_BYTES)?;
    fleet.upload(&file, Priority::Bulk).await?;
    fleet.told(&last, BULK, LIMIT, |row| row.bytes >= BUSY_BYTES).await?;
    let mut busy = Vec::new();
    for number in TIMES..2 * TIMES {
        busy.push(urgent(fleet, scratch, number).await?);
        let row = fleet.placement(&last, BULK).await?.context("nothing is told of the bulk")?;
        ensure!(row.bytes < BULK_BYTES, "the bulk had passed before all that was urgent was sent");
    }
    let idle = median(idle).context("nothing was sent")?;
    let worst = busy.iter().copied().fold(0.0, f64::max);
    let median = median(busy).context("nothing was sent")?;
    let bound = idle * TIMES_IDLE + SECONDS_MORE;
    println!(
        "CONTENT-LINK urgent-under-bulk hops={HOPS} idle_s={idle:.2} under_bulk_s={median:.2} \
         worst_s={worst:.2} bound_s={bound:.2}"
    );
    ensure!(worst <= bound, "it took {worst:.2} s, more than {bound:.2} s");
    Ok(())
}

/// Sends something urgent and waits for it on the last hop; gives the seconds.
async fn urgent(fleet: &Fleet, scratch: &Scratch, number: u64) -> anyhow::Result<f64> {
    let file = scratch.path().join("urgent");
    write_random(&file, 1000 + number, URGENT_BYTES)?;
    let bytes = Bytes::from(std::fs::read(&file)?);
    let sent = fleet.send(&format!("urgent-{number}.dmg"), bytes, Priority::Urgent).await?;
    let arrived = fleet.arrival(&name(HOPS), &sent.content, LIMIT).await?;
    Ok(arrived.saturating_duration_since(sent.begun).as_secs_f64())
}

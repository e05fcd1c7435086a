//! A parent is killed in the middle of a large file.

use std::time::Instant;

use anyhow::ensure;
use xylem::system::Programs;
use xylem_bench::fleet::Fleet;
use xylem_bench::publish::write_random;
use xylem_bench::scratch::Scratch;
use xylem_model::Priority;

use super::{CHILD, LIMIT, PARENT, ROOT, Triangle, require_right, stage};

/// Size of the file.
const BYTES: u64 = 1 << 30;

/// How much the child has, at least, when its parent is killed.
const KILLED_AT: u64 = BYTES / 100 * 60;

/// Most bytes that may be fetched twice.
const TWICE: u64 = 64 << 20;

const FILE: &str = "large.dmg";

/// The child ends with the right bytes, from another parent, and fetches hardly any twice.
pub(crate) fn parent_killed() -> anyhow::Result<()> {
    let (programs, scratch) = stage()?;
    let triangle = Triangle::open()?;
    let hub = triangle.room.hub();
    hub.inside(async || play(&programs, &scratch, &triangle).await)
}

async fn play(programs: &Programs, scratch: &Scratch, room: &Triangle) -> anyhow::Result<()> {
    let folder = scratch.path().join("fleet");
    let mut fleet = Fleet::start(programs, &folder, room.room.hub()).await?;
    fleet.add(ROOT, &room.root, None).await?;
    fleet.add(PARENT, &room.parent, Some(ROOT)).await?;
    fleet.add(CHILD, &room.child, Some(PARENT)).await?;
    let file = scratch.path().join(FILE);
    write_random(&file, 1, BYTES)?;
    let received = room.child.bytes_received()?;
    let content = fleet.upload(&file, Priority::Normal).await?.content;
    let row = fleet.told(CHILD, FILE, LIMIT, |row| row.bytes >= KILLED_AT).await?;
    ensure!(row.bytes < BYTES, "the child was done before its parent could be killed");
    fleet.kill(PARENT).await?;
    let killed = Instant::now();
    fleet.arrival(CHILD, &content, LIMIT).await?;
    let seconds = killed.elapsed().as_secs_f64();
    require_right(&fleet, CHILD, &content)?;
    let fetched = fleet.counted_by(CHILD)?.sum("xylem_distribution_fetched_bytes_total") as u64;
    let received = room.child.bytes_received()? - received;
    fleet.stop().await;
    println!(
        "CONTENT-LINK parent-killed bytes={BYTES} killed_at={} fetched={fetched} \
         received_with_headers={received} rest_seconds={seconds:.1} differing=0",
        row.bytes
    );
    ensure!(fetched >= BYTES, "fewer bytes were counted than the file has: {fetched}");
    // Headers and outboard are in it, so that this is more than what came twice; and it is the
    // kernel's count, not our own.
    let more = received.saturating_sub(BYTES);
    ensure!(fetched <= received, "more bytes were counted than came over the links");
    ensure!(more <= TWICE, "{more} bytes more than the file has came over the links");
    Ok(())
}

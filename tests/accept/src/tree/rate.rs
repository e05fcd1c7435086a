//! Rates that an administrator sets.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use xylem_bench::fleet::Fleet;
use xylem_bench::publish::write_random;
use xylem_model::Priority;

use crate::pair::{CHILD, pair, stage};

/// The limits, in bytes per second: what is measured for a minute, and what is set in the middle.
const SLOW: u64 = 1 << 20;
const FAST: u64 = 4 << 20;

/// How long the first is measured, and how soon a change must be seen.
const MEASURED: Duration = Duration::from_secs(60);
const CHANGE_LIMIT: Duration = Duration::from_secs(2);

/// Over which span the rate after a change is looked at.
const SPAN: Duration = Duration::from_millis(500);

/// How far from the limit the rate may be.
const TOLERANCE: f64 = 0.1;

/// Bytes of the file: more than both measurements take.
const BYTES: u64 = 512 << 20;

/// What is measured is the limit, and another limit counts within two seconds.
pub(crate) fn rate() -> anyhow::Result<()> {
    stage(async |scratch| {
        let (fleet, _) = pair(scratch, &[1024], CHILD).await?;
        let file = scratch.path().join("large.dmg");
        write_random(&file, 1, BYTES)?;
        let set = async |rate: u64| {
            let setting = format!("from-parents={rate}B");
            fleet.xylem(&["ds", "set", CHILD, &setting]).await
        };
        set(SLOW).await?;
        fleet.upload(&file, Priority::Normal).await?;
        let begin = began(&fleet).await?;
        tokio::time::sleep(MEASURED).await;
        let (seconds, bytes) = (begin.0.elapsed().as_secs_f64(), came(&fleet)? - begin.1);
        let measured = bytes as f64 / seconds;
        set(FAST).await?;
        let changed = Instant::now();
        let seen = loop {
            let (moment, before) = (Instant::now(), came(&fleet)?);
            tokio::time::sleep(SPAN).await;
            let rate = (came(&fleet)? - before) as f64 / moment.elapsed().as_secs_f64();
            if rate > (SLOW + FAST) as f64 / 2.0 {
                break changed.elapsed();
            }
            ensure!(changed.elapsed() < MEASURED, "the change is never seen");
        };
        fleet.stop().await;
        let ratio = measured / SLOW as f64;
        println!(
            "TREE rate limit={SLOW} measured={measured:.0} ratio={ratio:.3} seconds={seconds:.0} \
             change_seen_s={:.2}",
            seen.as_secs_f64()
        );
        ensure!((ratio - 1.0).abs() <= TOLERANCE, "the rate is {ratio:.3} of its limit");
        ensure!(seen <= CHANGE_LIMIT, "the change took {seen:?}");
        Ok(())
    })
}

/// Bytes of content that have come to the child.
fn came(fleet: &Fleet) -> anyhow::Result<u64> {
    let staged = std::fs::read_dir(fleet.repository(CHILD).join("staged"))?;
    let part = staged
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "part"));
    Ok(part.context("nothing arrives")?.metadata()?.len())
}

/// When bytes began to come, and how many had.
async fn began(fleet: &Fleet) -> anyhow::Result<(Instant, u64)> {
    let end = Instant::now() + MEASURED;
    while came(fleet).unwrap_or(0) == 0 {
        ensure!(Instant::now() < end, "nothing arrives");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A moment later: what may go at once after a pause has gone.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok((Instant::now(), came(fleet)?))
}

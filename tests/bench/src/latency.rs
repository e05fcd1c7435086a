//! `latency`: 1 MiB from the answered upload to the sixth hop.
//!
//! One machine, everything in memory, links without a limit: what is left is what the programs
//! themselves make one wait. (How long durability takes is another bench's.) Each server reaches
//! only its neighbours: on the loopback interface the sixth would simply ask the root. The clock starts when the request that
//! completes the upload is answered, and stops when the file is there under its name; a file that
//! is there before the answer counts as 0. What others do instead is to poll: every five minutes,
//! over six hops, 15 minutes in the mean.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use xylem::system::Programs;
use xylem_model::Priority;

use crate::chain::{HOPS, fleet, name, room};
use crate::debian;
use crate::fleet::Fleet;
use crate::options::Options;
use crate::publish::{content_of, write_random};
use crate::rows::{Goal, judge_value, quantile};
use crate::scratch::Scratch;

/// Size of each file.
const BYTES: u64 = 1 << 20;

/// How long a file may take before something is wrong.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs the bench; says whether it met what it must.
///
/// # Errors
/// When something breaks.
pub fn run(programs: &Programs, options: &Options) -> anyhow::Result<bool> {
    options.check_rows(&[])?;
    debian::require(debian::ROOM)?;
    let scratch = Scratch::in_memory()?;
    let (room, hosts) = room(HOPS, None)?;
    let hub = room.hub();
    hub.inside(async || {
        let fleet = fleet(programs, &scratch.path().join("fleet"), hub, &hosts).await?;
        let waits = waits(&fleet, options, scratch.path()).await?;
        fleet.stop().await;
        judge(&waits)
    })
}

/// Milliseconds from answer to arrival, of each upload.
async fn waits(fleet: &Fleet, options: &Options, folder: &Path) -> anyhow::Result<Vec<f64>> {
    let (file, last) = (folder.join("small"), name(HOPS));
    let mut waits = Vec::new();
    let per_round = options.uploads.div_ceil(options.rounds);
    for number in 0..options.uploads {
        write_random(&file, number as u64, BYTES)?;
        let bytes = Bytes::from(std::fs::read(&file)?);
        let content = content_of(&bytes);
        let name = format!("small-{number}.dmg");
        let sent = fleet.send(&name, bytes, Priority::Normal);
        // Looked for from before the upload on, so that an early arrival is seen as one.
        let (sent, arrived) = tokio::join!(sent, fleet.arrival(&last, &content, LIMIT));
        waits.push((arrived?.saturating_duration_since(sent?.answered)).as_secs_f64() * 1e3);
        if waits.len() % per_round == 0 {
            let round = waits.len() / per_round;
            let these = waits.get(waits.len() - per_round..).unwrap_or_default();
            print_round(round, these);
        }
    }
    Ok(waits)
}

fn print_round(round: usize, waits: &[f64]) {
    let part = |part| quantile(waits.to_vec(), part).unwrap_or_default();
    println!(
        "ROUND latency {round} uploads={} p50_ms={:.1} p90_ms={:.1} max_ms={:.1}",
        waits.len(),
        part(0.5),
        part(0.9),
        part(1.0)
    );
}

fn judge(waits: &[f64]) -> anyhow::Result<bool> {
    let part = |part| quantile(waits.to_vec(), part).context("no uploads");
    println!(
        "MEDIAN latency uploads={} p50_ms={:.1} p90_ms={:.1} p99_ms={:.1} max_ms={:.1}",
        waits.len(),
        part(0.5)?,
        part(0.9)?,
        part(0.99)?,
        part(1.0)?
    );
    Ok(judge_value("latency/p99", part(0.99)?, Goal { must: 100.0, aim: 30.0 }, " ms"))
}

//! Bits that flip on the disk where nobody reads.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use xylem_api::catalogue::PlacementState;
use xylem_bench::publish::content_of_file;

use crate::client::Client;
use crate::pair::{CHILD, CLIENT, flip, name, pair, sizes, stage};

/// Files, in each of which a bit flips.
const FILES: usize = 100;

/// How long the repair of one may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A scrub finds each, all are repaired, and nobody gets one.
pub(crate) fn scrub() -> anyhow::Result<()> {
    stage(async |scratch| {
        let sizes = sizes(FILES);
        let (fleet, contents) = pair(scratch, &sizes, CHILD).await?;
        for (number, (content, size)) in contents.iter().zip(&sizes).enumerate() {
            let (file, seed) = (fleet.published(CHILD, content), number as u64);
            let outboard = file.with_extension("tree");
            match outboard.metadata() {
                // Of those with an outboard every other one.
                Ok(found) if number / 4 % 2 == 0 => {
                    flip(&outboard, found.len(), seed)?;
                }
                _ => flip(&file, *size, seed)?,
            }
        }
        let begun = Instant::now();
        fleet.xylem(&["ds", "scrub", CHILD, "--wait", "10m"]).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let child = fleet.access().admin.distribution_server(CHILD).await?;
        let pass = child.scrub.and_then(|scrub| scrub.last).context("no pass is told")?;
        let (damaged, mended) = (pass.found.damaged, pass.found.mended);
        let client = Client::new(&fleet, CLIENT, CHILD)?;
        let (mut wrong, mut repaired) = (0, 0);
        for (number, content) in contents.iter().enumerate() {
            fleet
                .told(CHILD, &name(number), LIMIT, |row| row.state == PlacementState::Present)
                .await?;
            fleet.arrival(CHILD, content, LIMIT).await?;
            let is_sound = content_of_file(&fleet.published(CHILD, content))? == *content;
            repaired += usize::from(is_sound);
            wrong += usize::from(client.take(content, Duration::ZERO).await? != *content);
        }
        let kept = std::fs::read_dir(fleet.repository(CHILD).join("quarantine"))?.count();
        fleet.stop().await;
        println!(
            "TREE scrub planted={FILES} damaged={damaged} outboards={mended} quarantined={kept} \
             wrong={wrong} repaired={repaired} seconds={seconds:.1}"
        );
        ensure!(damaged + mended == FILES as u64, "not each planted bit was found");
        ensure!(kept as u64 >= damaged, "not each was kept to be looked at");
        ensure!((wrong, repaired) == (0, FILES), "not each was repaired");
        Ok(())
    })
}

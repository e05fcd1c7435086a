//! Files that are at a site already.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use xylem_bench::fleet::{Fleet, free_port};
use xylem_bench::publish::plain_disk;
use xylem_bench::room::Host;
use xylem_model::Priority;

use crate::pair::{CHILD, ROOT, stage};
use crate::run::programs;

/// Files.
const FILES: usize = 5_000;

/// How long all of them may take to be there.
const LIMIT: Duration = Duration::from_secs(600);

/// A server that was seeded from a folder fetches none of it.
pub(crate) fn seeding() -> anyhow::Result<()> {
    stage(async |scratch| {
        let xylem = programs()?.join("xylem");
        let programs =
            xylem::system::Programs::beside(&xylem).map_err(xylem::Failure::into_error)?;
        let (host, folder) = (Host::loopback(), scratch.path().join("fleet"));
        let mut fleet = Fleet::start(&programs, &folder, &host).await?;
        fleet.add(ROOT, &host, None).await?;
        let old = scratch.path().join("old share/Packages");
        std::fs::create_dir_all(&old)?;
        for number in 0..FILES {
            // Some large enough to have a tree of their own; one in a thousand more than a mebibyte.
            let size = match number % 1000 {
                999 => 3 << 20,
                _ => (2 + number / 73) * 512,
            };
            let bytes = plain_disk(&format!("{number} "), size);
            std::fs::write(old.join(format!("old name {number}")), &bytes)?;
            fleet.send(&format!("file-{number}.dmg"), bytes, Priority::Normal).await?;
        }
        let port = free_port()?;
        fleet.enroll(CHILD, &host, Some(ROOT), (&port, &port)).await?;
        let begun = Instant::now();
        let data = fleet.data_of(CHILD);
        let words = ["distribution", "seed", text(&old)?, "--data", text(&data)?, "--json"];
        let said: serde_json::Value = serde_json::from_str(&fleet.xylem(&words).await?)?;
        let seconds = begun.elapsed().as_secs_f64();
        fleet.up(CHILD).await?;
        let end = Instant::now() + LIMIT;
        let child = loop {
            let child = fleet.access().admin.distribution_server(CHILD).await?;
            if child.files_present == FILES as u64 {
                break child;
            }
            ensure!(Instant::now() < end, "{} of {FILES} are there", child.files_present);
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let counted = fleet.counted_by(CHILD)?;
        // What was never counted has no line.
        let fetched = counted.sum("xylem_distribution_fetched_bytes_total").abs();
        fleet.stop().await;
        let said = |name: &str| said.get(name).and_then(serde_json::Value::as_u64);
        let (taken, missing) = said("taken").zip(said("missing")).context("nothing is said")?;
        println!(
            "TREE seeding files={FILES} taken={taken} missing={missing} seconds={seconds:.1} \
             present={} fetched_bytes={fetched}",
            child.files_present
        );
        ensure!(missing == 0 && fetched == 0.0, "some of it was fetched");
        Ok(())
    })
}

fn text(path: &std::path::Path) -> anyhow::Result<&str> {
    path.to_str().ok_or_else(|| anyhow::anyhow!("the path is not Unicode"))
}

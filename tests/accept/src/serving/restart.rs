//! Restarts in the middle of downloads.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use xylem::Failure;

use crate::client::Client;
use crate::pair::{CLIENT, ROOT, pair, stage};

/// Downloads in all, and over how long their beginnings are spread.
const DOWNLOADS: u32 = 200;
const SPREAD: Duration = Duration::from_secs(6);

/// Size of the file, and the rest after each of its mebibytes: a download takes some seconds.
const BYTES: u64 = 16 << 20;
const REST: Duration = Duration::from_millis(150);

/// When the program is started anew.
const RESTARTS: [Duration; 2] = [Duration::from_millis(1500), Duration::from_millis(4500)];

/// How long a program that gave its port away may go on.
const LEAVE: Duration = Duration::from_secs(60);

/// No download fails.
pub(crate) fn restart() -> anyhow::Result<()> {
    stage(async |scratch| {
        let (mut fleet, contents) = pair(scratch, &[BYTES], ROOT).await?;
        let client = Client::new(&fleet, CLIENT, ROOT)?;
        let content = contents.first().copied().context("one file")?;
        let begin = Instant::now();
        let mut downloads = JoinSet::new();
        for number in 0..DOWNLOADS {
            let client = client.clone();
            downloads.spawn(async move {
                let from = begin + SPREAD * number / DOWNLOADS;
                sleep_until(from).await;
                (from, client.take(&content, REST).await, Instant::now())
            });
        }
        let (mut before, mut moments) = (Vec::new(), Vec::new());
        for at in RESTARTS {
            sleep_until(begin + at).await;
            let asked = Instant::now();
            before.push(fleet.take_over(ROOT).await?);
            moments.push((asked, Instant::now()));
        }
        let (mut failed, mut wrong, mut across) = (Vec::new(), 0, 0);
        while let Some(download) = downloads.join_next().await {
            let (from, taken, to) = download?;
            across += usize::from(moments.iter().any(|(asked, up)| from < *up && *asked < to));
            match taken {
                Ok(id) if id == content => {}
                Ok(_) => wrong += 1,
                Err(error) => failed.push(format!("{error:#}")),
            }
        }
        for process in before {
            process.end(LEAVE).await.map_err(Failure::into_error)?;
        }
        fleet.stop().await;
        println!(
            "SERVING restart downloads={DOWNLOADS} across_a_restart={across} restarts={} failed={} \
             wrong={wrong}",
            moments.len(),
            failed.len()
        );
        ensure!(failed.is_empty() && wrong == 0, "downloads failed: {failed:?}");
        ensure!(across > DOWNLOADS as usize / 4, "too few downloads saw a restart");
        Ok(())
    })
}

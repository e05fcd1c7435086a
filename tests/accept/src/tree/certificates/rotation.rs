//! A change of authorities while everybody works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;
use xylem::Failure;
use xylem::access::Access;
use xylem_api::authorities::AuthorityStep;
use xylem_bench::fleet::Fleet;
use xylem_bench::publish::plain_disk;
use xylem_model::{ContentId, Priority};
use xylem_pki::TrustAnchors;
use xylem_runtime::RealFs;

use super::{TREE, fleet};
use crate::client::Client;
use crate::pair::stage;

/// How long one change may take.
const LIMIT: Duration = Duration::from_secs(180);

/// Size of the file that is downloaded over and over.
const BYTES: usize = 1 << 20;

/// Requests of every kind, each on a connection of its own, while the root changes: none fails.
pub(crate) fn rotation() -> anyhow::Result<()> {
    stage(async |scratch| {
        let fleet = Arc::new(fleet(scratch).await?);
        let large = fleet.send("large.dmg", plain_disk("large", BYTES), Priority::Normal).await?;
        for (name, _) in TREE {
            fleet.arrival(name, &large.content, LIMIT).await?;
        }
        let load = Arc::new(Load::default());
        let mut working = JoinSet::new();
        working.spawn(Arc::clone(&load).peers(Arc::clone(&fleet), large.content));
        working.spawn(Arc::clone(&load).administrator(Arc::clone(&fleet)));
        working.spawn(Arc::clone(&load).publisher(Arc::clone(&fleet)));
        let begun = Instant::now();
        let changed = change(&fleet).await;
        let took = begun.elapsed();
        // And some more with what is in force now.
        tokio::time::sleep(Duration::from_secs(2)).await;
        load.stop.store(true, Ordering::Relaxed);
        let mut failed = 0;
        while let Some(ended) = working.join_next().await {
            if let Err(error) = ended? {
                println!("a request failed: {error:#}");
                failed += 1;
            }
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (downloads, calls, files) =
            (count(&load.downloads), count(&load.calls), count(&load.files));
        println!(
            "TREE rotation seconds={:.1} downloads={downloads} calls={calls} \
             published={files} failed={failed}",
            took.as_secs_f64()
        );
        if let Ok(fleet) = Arc::try_unwrap(fleet) {
            fleet.stop().await;
        }
        changed?;
        ensure!(failed == 0, "{failed} kinds of requests failed");
        ensure!(downloads > 100 && calls > 50 && files > 5, "too little was asked for");
        Ok(())
    })
}

/// Changes the root, from the first step to the last.
async fn change(fleet: &Fleet) -> anyhow::Result<()> {
    let admin = &fleet.access().admin;
    let before = admin.authorities().await?.present.fingerprint;
    fleet.xylem(&["ca", "rotate"]).await?;
    let end = Instant::now() + LIMIT;
    loop {
        let state = admin.authorities().await?;
        if state.step == AuthorityStep::Steady {
            ensure!(state.present.fingerprint != before, "it is the same root");
            return Ok(());
        }
        ensure!(Instant::now() < end, "the change does not end: {state:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[derive(Default)]
struct Load {
    stop: AtomicBool,
    downloads: AtomicU64,
    calls: AtomicU64,
    files: AtomicU64,
}

impl Load {
    /// Downloads from each server with the certificate that one below it has at the moment.
    async fn peers(self: Arc<Self>, fleet: Arc<Fleet>, content: ContentId) -> anyhow::Result<()> {
        let pairs = [("north", "root"), ("hut", "north")];
        for (shown, asked) in pairs.iter().cycle() {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let client = Client::new(&fleet, shown, asked)?;
            let got = client.take(&content, Duration::ZERO).await;
            let got = got.with_context(|| format!("{shown} at {asked}"))?;
            ensure!(got == content, "wrong bytes from {asked}");
            self.downloads.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Asks the management server, believing the root of the beginning alone.
    async fn administrator(self: Arc<Self>, fleet: Arc<Fleet>) -> anyhow::Result<()> {
        let anchors = TrustAnchors::read(&RealFs, &fleet.ca_file())?;
        let token = std::fs::read_to_string(fleet.ca_file().with_file_name("admin.token"))?;
        let url = fleet.access().admin.server().to_string();
        while !self.stop.load(Ordering::Relaxed) {
            let access = Access::new(&url, token.trim(), &anchors);
            let access = access.map_err(Failure::into_error)?;
            access.admin.status().await.context("the administrator's call")?;
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Publishes small files, and waits for each at the end of the tree.
    async fn publisher(self: Arc<Self>, fleet: Arc<Fleet>) -> anyhow::Result<()> {
        for number in 0_u64.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let name = format!("small-{number}.dmg");
            let bytes = plain_disk(&name, 16 << 10);
            let sent = fleet.send(&name, bytes, Priority::Normal).await.context("an upload")?;
            fleet.arrival("hut", &sent.content, LIMIT).await?;
            self.files.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

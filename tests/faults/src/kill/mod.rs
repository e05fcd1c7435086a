//! Programs killed in the middle: a management server, a root and three children below it, all
//! real, with uploads and readers all the time; kill -9 hits one after another, or two at once, at
//! random moments and right after an acknowledgement.
//!
//! ```text
//! server    root ─┬─ a ── b
//!                 └─ c
//! ```
//!
//! Every upload that the command line called done must be on the root, and soon on all; no body
//! that was read to its end may differ. In the end one content is taken off every disk, and the
//! same check must notice that.

mod blows;
mod history;
mod people;
mod verdict;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::ensure;
use clap::Args;
use tempfile::TempDir;
use xylem::Failure;
use xylem::system::{Programs, System};
use xylem_client::BaseUrl;

use history::History;

/// The distribution servers, each with its parent. The root comes first.
const TREE: [(&str, Option<&str>); 4] =
    [("root", None), ("a", Some("root")), ("b", Some("a")), ("c", Some("root"))];

/// Uploads under way at any time.
const UPLOADERS: u64 = 2;

/// Readers at work at any time.
const READERS: u64 = 2;

/// Where the system keeps its files: in memory, because what a sync is worth is shown by `cut`,
/// and a killed process loses nothing that it wrote.
const SHARED_MEMORY: &str = "/dev/shm";

/// What is asked for.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often a program is killed.
    #[arg(long, default_value_t = 10)]
    kills: u64,
    /// Chooses contents, victims and moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the suite.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("xylem-kill-").tempdir_in(SHARED_MEMORY)?;
    let result = tokio::runtime::Runtime::new()?.block_on(suite(options, folder.path()));
    if result.is_err() {
        println!("the programs' logs are in {}/system/logs", keep(folder).display());
    }
    result
}

fn keep(folder: TempDir) -> PathBuf {
    folder.keep()
}

async fn suite(options: &Options, folder: &Path) -> anyhow::Result<()> {
    let xylem = std::env::current_exe()?.with_file_name("xylem");
    let programs = Programs::beside(&xylem).map_err(Failure::into_error)?;
    let mut system =
        System::start(programs, folder.join("system")).await.map_err(Failure::into_error)?;
    let result = with_system(options, folder, &mut system).await;
    // Killed, not asked: after a failure some may not listen.
    system.strike_all();
    result
}

async fn with_system(options: &Options, folder: &Path, system: &mut System) -> anyhow::Result<()> {
    let mut addresses = Vec::new();
    for (name, parent) in TREE {
        let url = system
            .add_distribution_server(name, parent, None, None)
            .await
            .map_err(Failure::into_error)?;
        addresses.push((name, url.parse::<BaseUrl>()?));
    }
    let history = History::new(addresses);
    let begun = Instant::now();
    let recoveries =
        people::meanwhile(options.seed, folder, system, &history, options.kills).await?;
    let verdict = verdict::everything(system, &history).await?;
    let noticed = verdict::notices_a_loss(system, &history).await?;
    let record = history.lock();
    println!(
        "KILL kills={} acked={} bodies={} copies={} lost={} badbytes={} mttr_p50_ms={} \
         mutant_deleted_content_noticed={} wall_s={}",
        recoveries.len(),
        record.acknowledgements,
        record.bodies,
        verdict.copies,
        verdict.lost,
        record.wrong.len(),
        median(recoveries).as_millis(),
        u8::from(noticed),
        begun.elapsed().as_secs(),
    );
    ensure!(record.acknowledgements > 0 && record.bodies > 0, "nothing was checked");
    ensure!(verdict.lost == 0, "acknowledged uploads were lost: {:?}", verdict.missing);
    ensure!(record.wrong.is_empty(), "wrong bytes: {:?}", record.wrong);
    ensure!(noticed, "a content that was taken off every disk was not missed");
    Ok(())
}

fn median(mut spans: Vec<std::time::Duration>) -> std::time::Duration {
    spans.sort_unstable();
    spans.get(spans.len() / 2).copied().unwrap_or_default()
}

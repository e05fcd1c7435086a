//! What must be there in the end.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};
use xylem::Failure;
use xylem::system::System;

use super::TREE;
use super::history::{History, Package};
use super::people::Reader;

/// How long everybody may take to hold everything after the last blow.
const CONVERGENCE: Duration = Duration::from_secs(120);

/// How long a content that is nowhere is looked for.
const VAIN_SEARCH: Duration = Duration::from_secs(3);

/// Waits between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Copies that were read whole and compared.
    pub(crate) copies: u64,
    /// Acknowledged, and not to be had.
    pub(crate) lost: u64,
    /// Where what is missing.
    pub(crate) missing: Vec<String>,
}

/// Reads every acknowledged package from every server.
pub(crate) async fn everything(system: &System, history: &History) -> anyhow::Result<Verdict> {
    let reader = Reader::new(system.access(), history);
    let mut verdict = Verdict::default();
    let acknowledged: Vec<String> = history.lock().acknowledged.keys().cloned().collect();
    let end = Instant::now() + CONVERGENCE;
    for name in &acknowledged {
        look_for(&reader, history, name, end, &mut verdict).await?;
    }
    Ok(verdict)
}

/// Reads one package from every server until `end`.
async fn look_for(
    reader: &Reader,
    history: &History,
    name: &str,
    end: Instant,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    for (server, address) in history.servers.iter() {
        loop {
            if reader.read(name, server, address, None).await? {
                verdict.copies += 1;
                break;
            }
            if Instant::now() >= end {
                verdict.lost += 1;
                verdict.missing.push(format!("{name} on {server}"));
                break;
            }
            sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}

/// Takes one content off every disk, and tells whether the same look misses it: a look that does
/// not is none.
pub(crate) async fn notices_a_loss(system: &mut System, history: &History) -> anyhow::Result<bool> {
    let package = history.lock().acknowledged.values().next().cloned();
    let package = package.context("nothing was acknowledged")?;
    for (server, _) in TREE {
        system.kill(server).await.map_err(Failure::into_error)?;
    }
    for (server, _) in TREE {
        std::fs::remove_file(content_file(system, server, &package))?;
    }
    for (server, _) in TREE {
        system.start_distribution_server(server).await.map_err(Failure::into_error)?;
    }
    let mut verdict = Verdict::default();
    let reader = Reader::new(system.access(), history);
    let end = Instant::now() + VAIN_SEARCH;
    look_for(&reader, history, &package.name, end, &mut verdict).await?;
    Ok(verdict.lost == TREE.len() as u64)
}

/// The file in which a server keeps a package's bytes.
fn content_file(system: &System, server: &str, package: &Package) -> PathBuf {
    let id = package.content.to_hex();
    let shard = id.get(..2).unwrap_or_default();
    system.folder().join(server).join("repo/content").join(shard).join(&id)
}

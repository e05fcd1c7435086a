//! Speed, measured side by side with what administrators use otherwise.
//!
//! `cargo xtask bench NAME` builds the programs as they ship and runs this crate's program.
//! [Measuring](../../../docs/design/benches.md) says what is inside each measured time.
//!
//! * [`room`]: hosts as network namespaces, and links of a known rate between them.
//! * [`scratch`]: folders on disk or in memory that go away with the run.
//! * [`fleet`]: our programs on those hosts; [`publish`] sends them files.
//! * [`peers`]: rsync, rclone and curl with what they need on the other side.
//! * [`ready`]: a machine that is the same for each contender.
//! * [`cpu`], [`rows`]: seconds of processors, rounds, medians and verdicts.
//! * [`replicate`], [`chain`], [`latency`], [`serve`], [`memory`]: the benches themselves.
//!
//! The acceptance runs (`tests/accept`) set their scenes with the first three.

#![expect(clippy::print_stdout, reason = "the lines of a bench are its result")]

pub mod chain;
pub mod cpu;
pub mod debian;
pub mod fleet;
pub mod kib;
pub mod latency;
pub mod memory;
pub mod options;
pub mod peak;
pub mod peers;
pub mod publish;
pub mod put;
pub mod ready;
pub mod replicate;
pub mod room;
pub mod rows;
pub mod scratch;
pub mod serve;
pub mod shell;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

/// How long to wait between two looks at something awaited. A look is one `stat`, so that looking
/// disturbs nothing, and adds at most this much to what is measured.
pub const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Looks until `holds`, at most for `limit`; gives the moment at which it did.
///
/// # Errors
/// When it did not hold in time.
pub async fn until(
    what: &str,
    limit: Duration,
    mut holds: impl FnMut() -> bool,
) -> anyhow::Result<Instant> {
    let end = Instant::now() + limit;
    loop {
        if holds() {
            return Ok(Instant::now());
        }
        anyhow::ensure!(Instant::now() < end, "in vain for {} s: {what}", limit.as_secs());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Makes a file and its name durable, as `sync FILE FOLDER` does for a peer's: costs next to
/// nothing where they are durable already, and whoever says so need not be believed.
///
/// # Errors
/// When the disk refuses.
pub fn sync_named(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    for one in [path, folder] {
        let opened = File::open(one).and_then(|file| file.sync_all());
        opened.with_context(|| format!("cannot sync {}", one.display()))?;
    }
    Ok(())
}

/// Makes everything on the file system of a folder durable, as `sync --file-system` does.
///
/// # Errors
/// When the disk refuses.
pub fn sync_all_of(folder: &Path) -> anyhow::Result<()> {
    let opened = File::open(folder).with_context(|| format!("no {}", folder.display()))?;
    Ok(rustix::fs::syncfs(&opened)?)
}

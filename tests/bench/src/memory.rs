//! `memory`: what a distribution server takes, idle and at work.
//!
//! Measured is the peak of its resident memory (`VmHWM`), its program's own pages included; the
//! peak is reset before each measurement. At work it sends one large file to 64 clients at once,
//! each at its own slow pace, so that all of them are under way together, while a file four times
//! as large is uploaded, hashed and published.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::sleep;
use xylem::system::Programs;
use xylem_model::Priority;

use crate::debian;
use crate::fleet::{Fleet, free_port};
use crate::options::Options;
use crate::peak::peak_kib;
use crate::publish::write_random;
use crate::room::Host;
use crate::rows::{Goal, judge_value, median};
use crate::scratch::Scratch;

const ROOT: &str = "root";

/// Whose certificate the clients show. It never runs.
const CLIENT: &str = "client";

/// Downloads at once.
const DOWNLOADS: usize = 64;

/// How long an idle server is left alone before its memory counts.
const SETTLE: Duration = Duration::from_secs(10);

/// Files of the catalogue: a server that holds none would be flattered.
const FILES: usize = 100;

const IDLE: Goal = Goal { must: 30.0, aim: 20.0 };
const BUSY: Goal = Goal { must: 96.0, aim: 64.0 };

/// Measures both; says whether they met what they must.
///
/// # Errors
/// When something breaks.
pub fn run(programs: &Programs, options: &Options) -> anyhow::Result<bool> {
    options.check_rows(&[])?;
    debian::require(debian::CLIENTS)?;
    let scratch = Scratch::on_disk(&options.folder)?;
    Host::loopback().inside(async || measure(programs, options, scratch.path()).await)
}

async fn measure(programs: &Programs, options: &Options, folder: &Path) -> anyhow::Result<bool> {
    let (host, size) = (Host::loopback(), options.size_mib << 20);
    let mut fleet = Fleet::start(programs, &folder.join("fleet"), &host).await?;
    fleet.add(ROOT, &host, None).await?;
    let port = free_port()?;
    fleet.enroll(CLIENT, &host, Some(ROOT), (&port, &port)).await?;
    for number in 0..FILES {
        let file = folder.join(format!("small-{number}.dmg"));
        write_random(&file, number as u64, 64 << 10)?;
        fleet.upload(&file, Priority::Normal).await?;
    }
    let large = folder.join("large.dmg");
    write_random(&large, 1000, size)?;
    let content = fleet.upload(&large, Priority::Normal).await?.content;
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        fleet.down(ROOT).await?;
        fleet.up(ROOT).await?;
        sleep(SETTLE).await;
        fleet.forget_peak(ROOT)?;
        sleep(SETTLE).await;
        idle.push(fleet.peak_mib(ROOT)?);
        fleet.forget_peak(ROOT)?;
        let upload = folder.join(format!("upload-{round}.dmg"));
        write_random(&upload, 2000 + round as u64, 4 * size)?;
        let downloads = begin_downloads(&fleet, &format!("/v1/blob/{content}"), size)?;
        fleet.upload(&upload, Priority::Normal).await?;
        for download in downloads {
            end_download(download, size)?;
        }
        busy.push(fleet.peak_mib(ROOT)?);
        std::fs::remove_file(&upload)?;
        let last = |figures: &[f64]| figures.last().copied().unwrap_or_default();
        println!("ROUND memory {round} idle_mib={:.1} busy_mib={:.1}", last(&idle), last(&busy));
    }
    fleet.stop().await;
    let idle = judge_value("memory/idle", median(idle).context("no rounds")?, IDLE, " MiB");
    let busy = judge_value("memory/busy", median(busy).context("no rounds")?, BUSY, " MiB");
    Ok(idle && busy)
}

/// Starts all downloads, at a pace at which they take about as long as the upload.
fn begin_downloads(
    fleet: &Fleet,
    path: &str,
    size: u64,
) -> anyhow::Result<Vec<std::process::Child>> {
    let identity = fleet.data_of(CLIENT).join("identity");
    let url = format!("{}{path}", fleet.url_of(ROOT)?);
    let pace = (size / 20).to_string();
    let start = |_| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--http1.1", "--limit-rate", &pace]);
        curl.arg("--cacert").arg(identity.join("ca.pem"));
        curl.arg("--cert").arg(identity.join("identity.pem"));
        curl.args(["--output", "/dev/null", "--write-out", "%{size_download}", &url]);
        curl.stdout(std::process::Stdio::piped());
        curl.spawn().context("cannot start curl")
    };
    (0..DOWNLOADS).map(start).collect()
}

fn end_download(download: std::process::Child, size: u64) -> anyhow::Result<()> {
    let done = download.wait_with_output()?;
    let came = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(done.status.success() && came == size.to_string(), "a download brought {came} bytes");
    Ok(())
}

impl Fleet {
    /// The peak of a distribution server's resident memory since it was last forgotten, in MiB.
    fn peak_mib(&self, name: &str) -> anyhow::Result<f64> {
        let kib = peak_kib(self.pid(name)?).with_context(|| format!("{name} has ended"))?;
        Ok(kib as f64 / 1024.0)
    }

    /// Begins a new peak (proc(5), `clear_refs`).
    fn forget_peak(&self, name: &str) -> anyhow::Result<()> {
        let file = format!("/proc/{}/clear_refs", self.pid(name)?);
        std::fs::write(&file, "5").with_context(|| format!("cannot write {file}"))
    }
}

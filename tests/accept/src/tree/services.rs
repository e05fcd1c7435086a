//! Services as systemd judges them.

use std::process::Command;

use anyhow::{Context as _, ensure};
use xylem_bench::fleet::Fleet;
use xylem_bench::scratch::Scratch;

use crate::pair::{CHILD, pair, stage};
use crate::run::run;

/// The most that a unit may leave open, as `systemd-analyze security` counts it.
const MOST: f64 = 2.0;

/// The units of both servers, printed by the command that installs them.
pub(crate) fn services() -> anyhow::Result<()> {
    stage(async |scratch| {
        let (fleet, _) = pair(scratch, &[], CHILD).await?;
        let config = fleet.ca_file().with_file_name("../server.toml");
        let config = config.to_str().context("the path is Unicode")?;
        let data = fleet.data_of(CHILD);
        let data = data.to_str().context("the path is Unicode")?;
        let server =
            rated(&fleet, scratch, "xylem-server", &["server", "--config", config]).await?;
        let words = ["distribution", "--data", data];
        let distribution = rated(&fleet, scratch, "xylem-distribution", &words).await?;
        // A unit that closes nothing must be found wanting.
        let open = scratch.path().join("open.service");
        std::fs::write(&open, "[Service]\nExecStart=/bin/true\n")?;
        let planted = rate(&open)?;
        fleet.stop().await;
        println!("TREE services server={server} distribution={distribution} planted={planted}");
        ensure!(server <= MOST && distribution <= MOST, "a unit leaves more than {MOST} open");
        ensure!(planted > MOST, "systemd-analyze finds nothing wrong with anything");
        Ok(())
    })
}

async fn rated(
    fleet: &Fleet,
    scratch: &Scratch,
    name: &str,
    words: &[&str],
) -> anyhow::Result<f64> {
    let print = [&["service", "print"], words, &["--for", "systemd"]].concat();
    let unit = scratch.path().join(format!("{name}.service"));
    std::fs::write(&unit, fleet.xylem(&print).await?)?;
    rate(&unit)
}

/// The overall exposure level.
fn rate(unit: &std::path::Path) -> anyhow::Result<f64> {
    let mut analyze = Command::new("systemd-analyze");
    let rated = run(analyze.args(["security", "--offline=true", "--no-pager"]).arg(unit))?;
    let line = rated.stdout.lines().find(|line| line.contains("Overall exposure level"));
    let level = line.and_then(|line| line.rsplit_once(": ")?.1.split_whitespace().next());
    let level =
        level.with_context(|| format!("systemd-analyze says no level: {}", rated.stderr))?;
    Ok(level.parse()?)
}

//! The table of hostile requests, which the project's own tests hold.

use std::process::Command;

use anyhow::ensure;

use crate::run::{project, run};

/// Fewest cases.
const LEAST: u32 = 60;

/// Runs the table against a real server and counts its cases.
pub(crate) fn hostile() -> anyhow::Result<()> {
    let mut tests = Command::new("cargo");
    tests.args(["test", "--package", "xylem-distribution", "--test", "it", "hostile"]);
    let ended = run(tests.args(["--", "--nocapture"]).current_dir(project()?))?;
    let ended = ended.require("the table of hostile requests")?;
    let cases: u32 = ended
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("HOSTILE ")?.split_once('=')?.1.parse::<u32>().ok())
        .sum();
    println!("SERVING hostile cases={cases} refused_as_stated={cases}");
    ensure!(cases >= LEAST, "only {cases} cases");
    Ok(())
}

//! An hour of fuzzing for each target.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::run::project;

/// How long each target runs in all. Runs that were cut short count.
const SECONDS: &str = "3600";

/// Goes on until each target has had its hour; prints the totals of each.
pub(crate) fn fuzz() -> anyhow::Result<()> {
    run(&["--planted"])?;
    run(&["--until", SECONDS])
}

fn run(words: &[&str]) -> anyhow::Result<()> {
    let mut fuzzing = Command::new("cargo")
        .args(["xtask", "fuzz"])
        .args(words)
        .current_dir(project()?)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the fuzzing")?;
    let output = fuzzing.stdout.take().context("the fuzzing has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        match line.strip_prefix("FUZZ ") {
            Some(figures) => println!("SERVING fuzz {figures}"),
            None => println!("{line}"),
        }
    }
    ensure!(fuzzing.wait()?.success(), "an input broke something, or a planted fault was missed");
    Ok(())
}

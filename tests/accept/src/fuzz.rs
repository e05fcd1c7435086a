//! Fuzzing for a while.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::run::project;

/// Has each target find a planted fault, then goes on until it has run so long in all; prints the
/// totals of each. Runs that were cut short count.
pub(crate) fn until(label: &str, targets: &[&str], seconds: u64) -> anyhow::Result<()> {
    for target in targets {
        run(label, &[target, "--planted"])?;
        run(label, &[target, "--until", &seconds.to_string()])?;
    }
    Ok(())
}

fn run(label: &str, words: &[&str]) -> anyhow::Result<()> {
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
            Some(figures) => println!("{label} fuzz {figures}"),
            None => println!("{line}"),
        }
    }
    ensure!(fuzzing.wait()?.success(), "an input broke something, or a planted fault was missed");
    Ok(())
}

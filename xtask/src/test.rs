//! `cargo xtask test`: everything at small sizes, as CI runs it.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Instant;

use crate::accept;
use crate::cargo;
use crate::debian;
use crate::failure::{Attempting, Failure, Outcome, passed_on};
use crate::faults::{self, Suite};
use crate::fuzz;
use crate::layers;
use crate::openapi;
use crate::sim;
use crate::tally::Tally;

/// What lives with real stores of others, in place of a cloud.
const ACCEPT: &str = "xylem-accept";

/// How many simulated seeds every submission runs.
const SEEDS: &str = "100";

/// Stops at the first step that fails. Once tests have run, their sum is the last line printed.
pub(crate) fn run() -> Outcome {
    let run = Run(Instant::now());
    run.step("Debian packages");
    debian::require(debian::FOR_TESTS)?;
    run.step("layers");
    layers::run()?;
    run.step("programs");
    // The end-to-end tests start the real programs, which `cargo test` alone would not build.
    let programs = cargo::build(accept::PROGRAMS)?;
    run.step("API document");
    openapi::check()?;
    run.step("tests");
    let (tally, tests) = cargo_test()?;
    let all = tests.and_then(|()| {
        run.step("simulation");
        sim::run(&["--seeds".to_owned(), SEEDS.to_owned(), "--mutants".to_owned()])?;
        faults_on_the_real_thing(&run)?;
        run.step("clouds of others");
        passed_on(
            Command::new(programs.path(ACCEPT)?)
                .arg("cloud-briefly")
                .status()
                .attempting("start the acceptance run of the cloud")?,
        )?;
        run.step("fuzzing");
        fuzz::briefly()
    });
    println!();
    println!("{tally}");
    all
}

/// The fault suites, at the small sizes that they have by themselves.
fn faults_on_the_real_thing(run: &Run) -> Outcome {
    run.step("failing system calls");
    faults::run(Suite::Nth, &[])?;
    run.step("killed programs");
    faults::run(Suite::Kill, &[])?;
    run.step("power cuts");
    if debian::is_root() {
        faults::run(Suite::Cut, &[])?;
    } else {
        println!("NOT RUN: only root may mount; for this part, run `sudo cargo xtask cut`");
    }
    Ok(())
}

/// A run under way, since when.
struct Run(Instant);

impl Run {
    /// Says what comes next, and when: so a log tells where the time goes.
    fn step(&self, name: &str) {
        println!("== {name} ({} s)", self.0.elapsed().as_secs());
    }
}

/// Runs every test of the workspace, showing the output as it comes.
fn cargo_test() -> Outcome<(Tally, Outcome)> {
    let mut child = cargo::cargo()
        .args(["test", "--workspace", "--tests", "--no-fail-fast"])
        .stdout(Stdio::piped())
        .spawn()
        .attempting("start `cargo test`")?;
    let tally = match child.stdout.take() {
        Some(output) => show_and_count(output)?,
        None => Tally::default(),
    };
    let status = child.wait().attempting("wait for `cargo test`")?;
    Ok((tally, judge(tally, status.success())))
}

fn show_and_count(output: ChildStdout) -> Outcome<Tally> {
    let mut tally = Tally::default();
    let mut terminal = std::io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.attempting("read the output of `cargo test`")?;
        tally.line(&String::from_utf8_lossy(&line));
        terminal.write_all(&line).attempting("print")?;
        terminal.write_all(b"\n").attempting("print")?;
    }
    Ok(tally)
}

/// The exit code decides; the count only explains. A test program that dies prints no summary.
fn judge(tally: Tally, success: bool) -> Outcome {
    match (success, tally.failed) {
        (true, 0) if tally.passed > 0 => Ok(()),
        (true, 0) => Err(Failure::failed("no test ran at all")),
        (false, 0) => Err(Failure::failed(
            "a test program did not build, or died before it could report; see above",
        )),
        (_, failed) => Err(Failure::failed(format!("{failed} tests failed; see above"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_program_that_dies_without_a_summary_fails_the_run() {
        let tally = Tally { passed: 40, ..Tally::default() };
        assert!(judge(tally, true).is_ok());
        assert!(judge(tally, false).is_err());
    }

    #[test]
    fn a_run_without_any_test_is_not_a_success() {
        assert!(judge(Tally::default(), true).is_err());
    }
}

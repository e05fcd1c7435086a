//! Running one target, and what is kept between runs.
//!
//! In the folder of fuzzing, outside the repository:
//!
//! ```text
//! corpus/TARGET/     inputs that each took a way of their own; the next run begins with them
//! crashes/TARGET/    inputs that broke something, until somebody removes them
//! TARGET.json        the totals of all runs
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::build::Targets;
use crate::cargo;
use crate::failure::{Attempting, Failure, Outcome};

/// As a seed: another one each time.
pub(super) const ANY_SEED: u32 = 0;

/// The folder, where it is to be another one.
const FOLDER_VARIABLE: &str = "XYLEM_FUZZ_FOLDER";

/// Has a target break on something that is easily reached: see `fuzz/src/planted.rs`.
const PLANT_VARIABLE: &str = "XYLEM_FUZZ_PLANT";

/// What libFuzzer stops at, beside what the targets themselves look at.
const LIMITS: [&str; 2] = ["-timeout=20", "-rss_limit_mb=1024"];

/// What libFuzzer says at its beginning where there is something that guides it.
const COUNTERS: &str = "inline 8-bit counters";

/// The sum of all runs of a target.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) seconds: u64,
    pub(super) executions: u64,
    /// Inputs that are kept, at the end of the last run.
    pub(super) corpus: usize,
    pub(super) crashes: usize,
}

/// One target, and its folders.
pub(super) struct Campaign<'a> {
    name: &'a str,
    program: &'a Path,
    longest: usize,
    corpus: PathBuf,
    crashes: PathBuf,
    totals: PathBuf,
}

impl<'a> Campaign<'a> {
    /// Goes on where the last run ended. Inputs are at most `longest` bytes long.
    pub(super) fn open(targets: &'a Targets, name: &'a str, longest: usize) -> Outcome<Self> {
        let folder = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from);
        let folder = folder.unwrap_or_else(|| targets.folder.clone());
        let (corpus, crashes) =
            (folder.join("corpus").join(name), folder.join("crashes").join(name));
        make(&corpus)?;
        make(&crashes)?;
        let totals = folder.join(format!("{name}.json"));
        Ok(Self { name, program: targets.path(name)?, longest, corpus, crashes, totals })
    }

    /// What all runs together have done.
    pub(super) fn totals(&self) -> Totals {
        let bytes = fs::read(&self.totals).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Runs for so long, and adds that to the totals.
    pub(super) fn slice(&self, seconds: u64, seed: u32) -> Outcome {
        let begun = Instant::now();
        let crashes_before = count(&self.crashes)?;
        let output = self.fuzz(&self.corpus, &self.crashes, (seconds, seed), &[])?;
        let log = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() && count(&self.crashes)? == crashes_before {
            // Without a word, as when a stack overflows: what was said until then must do.
            let path = self.crashes.join(format!("log-{crashes_before}"));
            fs::write(path, log.as_bytes()).attempting("keep what the target said")?;
        }
        let before = self.totals();
        let totals = Totals {
            seconds: before.seconds + begun.elapsed().as_secs(),
            executions: before.executions + executions(&log),
            corpus: count(&self.corpus)?,
            crashes: count(&self.crashes)?,
        };
        let json = serde_json::to_vec_pretty(&totals).attempting("write the totals down")?;
        let staged = self.totals.with_extension("new");
        fs::write(&staged, json).attempting("write the totals down")?;
        fs::rename(&staged, &self.totals).attempting("write the totals down")?;
        if !output.status.success() {
            return Err(self.broken(&log, &output));
        }
        Ok(())
    }

    /// Prints the totals; fails where anything ever broke and is still there.
    pub(super) fn report(&self) -> Outcome {
        let Totals { seconds, executions, corpus, .. } = self.totals();
        let (name, crashes) = (self.name, count(&self.crashes)?);
        println!(
            "FUZZ target={name} seconds={seconds} executions={executions} corpus={corpus} \
             crashes={crashes}"
        );
        if crashes == 0 {
            return Ok(());
        }
        let at = self.crashes.display();
        Err(Failure::failed(format!("inputs that broke {name} are in {at}: fix, then remove them")))
    }

    /// Runs with a fault in the target, from the seeds alone. It must be found.
    pub(super) fn planted(&self, seconds: u64) -> Outcome {
        let name = self.name;
        let scratch = self.corpus.with_extension("planted");
        let (corpus, crashes) = (scratch.join("corpus"), scratch.join("crashes"));
        let _nothing_there = fs::remove_dir_all(&scratch);
        make(&corpus)?;
        make(&crashes)?;
        let begun = Instant::now();
        let output = self.fuzz(&corpus, &crashes, (seconds, ANY_SEED), &[(PLANT_VARIABLE, "1")])?;
        let took = begun.elapsed().as_millis();
        let log = String::from_utf8_lossy(&output.stderr);
        if !log.contains(COUNTERS) {
            return Err(Failure::failed(format!("{name} is not instrumented: see `fuzz::build`")));
        }
        let is_found = !output.status.success() && log.contains("the planted fault");
        fs::remove_dir_all(&scratch).attempting("remove what the planted fault left")?;
        let (found, executions) = (u8::from(is_found), executions(&log));
        println!(
            "FUZZ target={name} planted=1 found={found} after_ms={took} executions={executions}"
        );
        if is_found {
            return Ok(());
        }
        print_tail(&log);
        Err(Failure::failed(format!("{name} does not find a planted fault in {seconds} seconds")))
    }

    /// Gives one input to the target.
    pub(super) fn replay(&self, input: &Path) -> Outcome {
        let mut command = Command::new(self.program);
        let status = command.args(LIMITS).arg(input).status();
        crate::failure::passed_on(status.attempting("start the target")?)
    }

    fn fuzz(
        &self,
        corpus: &Path,
        crashes: &Path,
        (seconds, seed): (u64, u32),
        variables: &[(&str, &str)],
    ) -> Outcome<Output> {
        let ours = cargo::workspace().join("fuzz");
        let words = ours.join("dictionaries").join(format!("{}.dict", self.name));
        Command::new(self.program)
            .args(LIMITS)
            .arg("-print_final_stats=1")
            .arg(format!("-max_len={}", self.longest))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-seed={seed}"))
            .arg(format!("-dict={}", words.display()))
            .arg(format!("-artifact_prefix={}/", crashes.display()))
            .arg(corpus)
            .arg(ours.join("seeds").join(self.name))
            .env_remove(PLANT_VARIABLE)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .attempting(format!("start the target {}", self.name))
    }

    fn broken(&self, log: &str, output: &Output) -> Failure {
        print_tail(log);
        let (name, at) = (self.name, self.crashes.display());
        Failure::failed(format!(
            "{name} broke ({}); the input is in {at}; `cargo xtask fuzz {name} --replay FILE` runs \
             it again",
            output.status
        ))
    }
}

fn make(folder: &Path) -> Outcome {
    fs::create_dir_all(folder).attempting(format!("make the folder {}", folder.display()))
}

fn count(folder: &Path) -> Outcome<usize> {
    let entries = fs::read_dir(folder).attempting(format!("look into {}", folder.display()))?;
    Ok(entries.count())
}

/// What libFuzzer says at its end, whether good or bad.
fn executions(log: &str) -> u64 {
    let figure = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    figure.and_then(|figure| figure.trim().parse().ok()).unwrap_or(0)
}

fn print_tail(log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    for line in lines.iter().skip(lines.len().saturating_sub(60)) {
        println!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_read_from_the_last_words() {
        let log = "#2\tINITED cov: 9\nstat::number_of_executed_units: 4711\nstat::new_units: 3\n";
        assert_eq!(executions(log), 4711);
        assert_eq!(executions("Killed"), 0);
    }
}

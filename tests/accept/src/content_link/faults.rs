//! The fault suites at full size, and their sums.
//!
//! Each suite is a program of its own and judges itself. Here their lines are read again: what they
//! checked is added up and compared with the least that must be checked, and so are the planted
//! faults that they must have noticed.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::run::{Ended, programs, run};

/// Simulated seeds in all.
const SEEDS: u64 = 1_000;

/// Simulations at once, each with its part of the seeds: one needs one core.
const SIMULATIONS: u64 = 2;

/// Cuts on each file system, and programs killed.
const CUTS: &str = "40";
const KILLS: &str = "200";

/// The least that must be checked in all.
const LEAST_BODIES: u64 = 100_000;
const LEAST_ACKNOWLEDGED: u64 = 2_000;
const LEAST_CRASHES: u64 = 5_000;

/// What the suites checked.
#[derive(Debug, Default)]
struct Sums {
    bodies: u64,
    acknowledged: u64,
    /// Hosts that crashed, volumes that lost their power, programs that were killed.
    crashes: u64,
    /// Places where a system call failed.
    points: u64,
    planted: u64,
    noticed: u64,
}

/// Runs every suite and prints the sums.
pub(crate) fn faults() -> anyhow::Result<()> {
    let mut sums = Sums::default();
    nth(&mut sums)?;
    cut(&mut sums)?;
    kill(&mut sums)?;
    simulate(&mut sums)?;
    let Sums { bodies, acknowledged, crashes, points, planted, noticed } = sums;
    println!(
        "CONTENT-LINK faults bodies={bodies} acked={acknowledged} crashes={crashes} \
         points={points} lost=0 wrong=0 planted={planted} noticed={noticed}"
    );
    for (what, found, least) in [
        ("bodies", bodies, LEAST_BODIES),
        ("acknowledged uploads", acknowledged, LEAST_ACKNOWLEDGED),
        ("crashes", crashes, LEAST_CRASHES),
    ] {
        ensure!(found >= least, "only {found} {what} were checked; {least} are the least");
    }
    ensure!(planted > 0 && noticed == planted, "{noticed} of {planted} planted faults noticed");
    Ok(())
}

/// Runs the simulation alone: trees whose parents, root and principal change under faults.
pub(crate) fn simulation() -> anyhow::Result<()> {
    let mut sums = Sums::default();
    simulate(&mut sums)?;
    let Sums { planted, noticed, .. } = sums;
    ensure!(planted > 0 && noticed == planted, "{noticed} of {planted} planted faults noticed");
    Ok(())
}

fn nth(sums: &mut Sums) -> anyhow::Result<()> {
    let ended = run(program("xylem-faults")?.arg("nth"))?.require("nth")?;
    let line = Line::first(&ended, "NTH ")?;
    ensure!(line.number("bad")? == 0, "nth: promises were broken");
    sums.points += line.number("points")?;
    sums.plant(line.number("mutant_failed_rename_ignored_bad")?);
    Ok(())
}

fn cut(sums: &mut Sums) -> anyhow::Result<()> {
    let ended = run(program("xylem-faults")?.args(["cut", "--cuts", CUTS]))?.require("cut")?;
    for fs in ["ext4", "xfs"] {
        let line = Line::first(&ended, &format!("CUT fs={fs} "))?;
        ensure!(line.number("lost")? == 0 && line.number("torn")? == 0, "cut: {fs} lost something");
        sums.crashes += line.number("cuts")?;
        sums.acknowledged += line.number("acked")?;
        sums.plant(line.number("mutant_no_file_sync_lost")?);
        sums.plant(line.number("mutant_no_folder_sync_lost")?);
    }
    Ok(())
}

fn kill(sums: &mut Sums) -> anyhow::Result<()> {
    let ended = run(program("xylem-faults")?.args(["kill", "--kills", KILLS]))?.require("kill")?;
    let line = Line::first(&ended, "KILL ")?;
    ensure!(line.number("lost")? == 0 && line.number("badbytes")? == 0, "kill: something is wrong");
    sums.crashes += line.number("kills")?;
    sums.acknowledged += line.number("acked")?;
    sums.bodies += line.number("bodies")?;
    sums.plant(line.number("mutant_deleted_content_noticed")?);
    Ok(())
}

/// The simulation, in as many processes as there are cores on the smallest machine; the first also
/// plants its faults.
fn simulate(sums: &mut Sums) -> anyhow::Result<()> {
    let part = SEEDS / SIMULATIONS;
    let parts: Vec<anyhow::Result<Ended>> = std::thread::scope(|scope| {
        let simulations: Vec<_> = (0..SIMULATIONS)
            .map(|number| {
                scope.spawn(move || {
                    let mut command = program("xylem-sim")?;
                    command.arg("--seeds").arg(part.to_string());
                    command.arg("--first").arg((1 + number * part).to_string());
                    if number == 0 {
                        command.arg("--mutants");
                    }
                    run(&mut command)
                })
            })
            .collect();
        let wait = |one: std::thread::ScopedJoinHandle<'_, _>| one.join();
        let fell = || Err(anyhow::anyhow!("a thread that waits for a simulation fell over"));
        simulations.into_iter().map(|one| wait(one).unwrap_or_else(|_| fell())).collect()
    });
    for ended in parts {
        let ended = ended?.require("sim")?;
        let line = Line::first(&ended, "SIM ")?;
        ensure!(line.number("failed")? == 0, "sim: seeds failed");
        sums.crashes += line.number("crashes")?;
        sums.acknowledged += line.number("acked")?;
        sums.bodies += line.number("bodies_checked")?;
        if let Ok(mutants) = Line::first(&ended, "MUTANTS ") {
            sums.planted += mutants.number("planted")?;
            sums.noticed += mutants.number("caught")?;
        }
    }
    Ok(())
}

impl Sums {
    /// Counts a planted fault, by how much it was seen to do.
    fn plant(&mut self, seen: u64) {
        self.planted += 1;
        self.noticed += u64::from(seen > 0);
    }
}

fn program(name: &str) -> anyhow::Result<Command> {
    let path = programs()?.join(name);
    ensure!(path.exists(), "{} is missing: run this through `cargo xtask accept`", path.display());
    Ok(Command::new(path))
}

/// A printed line of `name=value` words.
struct Line<'a> {
    text: &'a str,
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> Line<'a> {
    /// The first line with this beginning; it is printed again.
    fn first(ended: &'a Ended, beginning: &str) -> anyhow::Result<Self> {
        let text = ended.stdout.lines().find(|line| line.starts_with(beginning));
        let text = text.with_context(|| format!("no line begins with `{beginning}`"))?;
        println!("{text}");
        Ok(Self::parse(text))
    }

    fn parse(text: &'a str) -> Self {
        let values = text.split_whitespace().filter_map(|word| word.split_once('=')).collect();
        Self { text, values }
    }

    fn number(&self, name: &str) -> anyhow::Result<u64> {
        let value = self.values.get(name).and_then(|value| value.parse().ok());
        value.with_context(|| format!("no number `{name}` in: {}", self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_whole_name() {
        let line = Line::parse("CUT fs=ext4 cuts=40 acked=12 lost=0 mutant_no_file_sync_lost=3");
        assert_eq!(line.number("lost").unwrap(), 0);
        assert_eq!(line.number("mutant_no_file_sync_lost").unwrap(), 3);
        assert!(line.number("fs").is_err() && line.number("torn").is_err());
    }

    #[test]
    fn a_planted_fault_that_does_nothing_is_not_noticed() {
        let mut sums = Sums::default();
        sums.plant(0);
        sums.plant(7);
        assert_eq!((sums.planted, sums.noticed), (2, 1));
    }
}

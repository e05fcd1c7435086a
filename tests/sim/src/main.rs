//! `xylem-sim`: runs seeds and prints what was checked.

#![expect(clippy::print_stdout, reason = "its lines are its result")]

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context as _, bail};
use xylem_sim::environment::FLIPPED_BITS;
use xylem_sim::{Figures, Mutant, run_seed};

const USAGE: &str = "\
usage: xylem-sim [--seeds N] [--first SEED] [--mutants]

  --seeds N     how many seeds to run (100)
  --first SEED  the first of them (1); to replay one seed: --first SEED --seeds 1
  --mutants     also plant each fault and see that a check notices";

/// Seeds tried until a planted fault is noticed.
const MUTANT_SEEDS: u64 = 40;

fn main() -> ExitCode {
    match simulate() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn simulate() -> anyhow::Result<bool> {
    let (mut seeds, mut first, mut mutants) = (100, 1, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> anyhow::Result<u64> {
            words.next().and_then(|text| text.parse().ok()).context(USAGE)
        };
        match word.as_str() {
            "--seeds" => seeds = number()?,
            "--first" => first = number()?,
            "--mutants" => mutants = true,
            _ => bail!(USAGE),
        }
    }
    let good = run_seeds(first, seeds)?;
    let caught = !mutants || plant_all(first)?;
    Ok(good && caught)
}

fn run_seeds(first: u64, seeds: u64) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let mut total = Figures::default();
    let mut failed = 0;
    for seed in first..first + seeds {
        let outcome = run_seed(seed, None)?;
        total.add(&outcome.figures);
        if let Some(failure) = outcome.failure {
            failed += 1;
            println!("seed {seed}: {failure}; replay: cargo xtask sim --first {seed} --seeds 1");
        }
    }
    println!(
        "SIM seeds={seeds} failed={failed} crashes={} partitions={} flipped_bits={} \
         bodies_checked={} acked={} copies_checked={} lost={} sim_hours={:.2} wall_s={}",
        total.crashes,
        total.partitions,
        FLIPPED_BITS.load(Ordering::Relaxed),
        total.bodies,
        total.acknowledged,
        total.copies,
        if failed == 0 { "0" } else { "see above" },
        total.simulated_ms as f64 / 3_600_000.0,
        begun.elapsed().as_secs(),
    );
    Ok(failed == 0)
}

fn plant_all(first: u64) -> anyhow::Result<bool> {
    let planted =
        [("no-file-sync", Mutant::NoFileSync), ("no-verification", Mutant::NoVerification)];
    let mut caught = 0;
    for (name, mutant) in planted {
        let mut noticed = None;
        for seed in first..first + MUTANT_SEEDS {
            if let Some(failure) = run_seed(seed, Some(mutant))?.failure {
                noticed = Some((seed, failure));
                break;
            }
        }
        match noticed {
            Some((seed, failure)) => {
                caught += 1;
                println!("MUTANT {name} caught seed={seed}: {failure}");
            }
            None => println!("MUTANT {name} NOT CAUGHT in {MUTANT_SEEDS} seeds"),
        }
    }
    println!("MUTANTS planted={} caught={caught}", planted.len());
    Ok(caught == planted.len())
}

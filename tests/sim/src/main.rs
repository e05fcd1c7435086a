//! `xylem-sim`: runs seeds and prints what was checked.

#![expect(clippy::print_stdout, reason = "its lines are its result")]

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, bail};
use xylem_sim::{FLIPPED_BITS, Figures, Outcome, Planted, run_seed};

const USAGE: &str = "\
usage: xylem-sim [--seeds N] [--first SEED] [--mutants]

  --seeds N     how many seeds to run (100)
  --first SEED  the first of them (1); one seed alone shows its course: --first SEED --seeds 1
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

/// Runs each seed, as many at once as there are cores: a simulated world lives on one thread. What
/// each found is told as it ends.
fn run_seeds(first: u64, seeds: u64) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let (mut total, mut failed) = (Figures::default(), 0);
    let next = AtomicU64::new(first);
    let (sender, outcomes) = mpsc::channel();
    let work = |sender: mpsc::Sender<_>| loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        // Nobody listens after a seed that could not be run.
        if seed >= first + seeds || sender.send((seed, run_seed(seed, None))).is_err() {
            return;
        }
    };
    thread::scope(|scope| -> anyhow::Result<()> {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            let sender = sender.clone();
            scope.spawn(|| work(sender));
        }
        drop(sender);
        for (seed, outcome) in outcomes {
            let Outcome { figures, failure, course } = outcome?;
            total.add(&figures);
            if seeds == 1 {
                course.iter().for_each(|line| println!("{line}"));
            }
            if let Some(failure) = failure {
                failed += 1;
                println!(
                    "seed {seed}: {failure}; replay: cargo xtask sim --first {seed} --seeds 1"
                );
            }
        }
        Ok(())
    })?;
    report(seeds, failed, &total, begun.elapsed().as_secs());
    Ok(failed == 0)
}

/// The closing line: what was done to the servers, then what was checked.
fn report(seeds: u64, failed: u64, total: &Figures, wall_s: u64) {
    println!(
        "SIM seeds={seeds} failed={failed} servers={} crashes={} partitions={} flipped_bits={} \
         clock_jumps={} full_disks={} failed_starts={} parent_changes={} hand_overs={} roles_checked={} superseding={} deleted={} lies={} \
         bodies_checked={} acked={} copies_checked={} tree_checked={} refusals_checked={} \
         kept_checked={} collected_checked={} rows_checked={} clouds={} cloud_faults={} \
         cloud_selections={} cloud_parts={} cloud_written={} cloud_kills={} cloud_proved_checked={} \
         cloud_deleted_checked={} cloud_copies_checked={} cloud_kept_checked={} \
         cloud_clean_checked={} lost={} sim_hours={:.2} \
         wall_s={wall_s}",
        total.servers,
        total.crashes,
        total.partitions,
        FLIPPED_BITS.load(Ordering::Relaxed),
        total.clock_jumps,
        total.full_disks,
        total.failed_starts,
        total.parent_changes,
        total.hand_overs,
        total.roles,
        total.superseding,
        total.deleted,
        total.lies,
        total.bodies,
        total.acknowledged,
        total.copies,
        total.in_tree,
        total.refusals,
        total.kept,
        total.collected,
        total.rows,
        total.clouds,
        total.cloud_faults,
        total.cloud_selections,
        total.cloud_parts,
        total.cloud_written,
        total.cloud_kills,
        total.cloud_proved,
        total.cloud_deleted,
        total.cloud_copies,
        total.cloud_kept,
        total.cloud_clean,
        if failed == 0 { "0" } else { "see above" },
        total.simulated_ms as f64 / 3_600_000.0,
    );
}

/// Each planted fault, with the promise whose check must notice it.
const PLANTED: [(&str, Planted, &str); 9] = [
    ("no-file-sync", Planted::NoFileSync, "P2"),
    ("no-folder-sync", Planted::NoFolderSync, "P2"),
    ("no-verification", Planted::NoVerification, "P1"),
    ("collects-the-wanted", Planted::CollectsTheWanted, "P6"),
    ("forgets-removals", Planted::ForgetsRemovals, "P5"),
    ("no-fencing", Planted::NoFencing, "P7"),
    ("offers-before-proof", Planted::OffersBeforeProof, "cloud 3"),
    ("removes-the-wanted", Planted::RemovesTheWanted, "cloud 4"),
    ("leaves-leftovers", Planted::LeavesLeftovers, "cloud 5"),
];

fn plant_all(first: u64) -> anyhow::Result<bool> {
    let mut caught = 0;
    for (name, planted, promise) in PLANTED {
        let mut noticed = None;
        for seed in first..first + MUTANT_SEEDS {
            // What another check says may be so without the planted fault too.
            let failure = run_seed(seed, Some(planted))?.failure;
            if let Some(failure) = failure.filter(|failure| failure.starts_with(promise)) {
                noticed = Some((seed, failure));
                break;
            }
        }
        match noticed {
            Some((seed, failure)) => {
                caught += 1;
                println!("MUTANT {name} caught seed={seed}: {failure}");
            }
            None => println!("MUTANT {name} NOT CAUGHT by {promise} in {MUTANT_SEEDS} seeds"),
        }
    }
    println!("MUTANTS planted={} caught={caught}", PLANTED.len());
    Ok(caught == PLANTED.len())
}

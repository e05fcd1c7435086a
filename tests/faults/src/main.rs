//! Faults on the real thing: what simulation cannot show, because there the file system and the
//! operating system are simulated too.
//!
//! * [`cut`]: the power goes, on a real file system, while a worker publishes;
//! * [`nth`]: the Nth system call of a publish fails, for every N;
//! * [`kill`]: programs of a whole tree of servers are killed, one after another.
//!
//! Each suite prints one line of figures, of what it *checked*, and fails where anything
//! acknowledged was lost or wrong, or where a planted fault went unnoticed. How they work, and what
//! they cannot show, is in `docs/design/fault-suites.md`.
//!
//! `publish` is not for people: it is the worker that the suites start, and cut down.

#![expect(clippy::print_stdout, reason = "its lines are its result")]

mod contents;
mod cut;
mod forgetful;
mod kill;
mod nth;
mod trace;
mod victim;
mod volume;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Faults on the real thing.
#[derive(Debug, Parser)]
#[command(name = "xylem-faults")]
struct Cli {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Debug, Subcommand)]
enum Suite {
    /// Power cuts on ext4 and xfs, while contents are published.
    Cut(cut::Options),
    /// Lets the Nth system call of a publish fail, for every N.
    Nth(nth::Options),
    /// Kills the programs of a tree of servers, while packages are uploaded and read.
    Kill(kill::Options),
    /// The worker: publishes contents, and says so after each.
    #[command(hide = true)]
    Publish(worker::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().suite {
        Suite::Cut(options) => cut::run(&options),
        Suite::Nth(options) => nth::run(&options),
        Suite::Kill(options) => kill::run(&options),
        Suite::Publish(options) => worker::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! The project's own automation: one short menu, the same words on a desk and in CI.
//!
//! `cargo xtask help` prints the menu. Each command is one file; what they share is [`cargo`]
//! (building and starting programs) and [`failure`] (how a command ends). Dependencies stay at
//! serde and serde_json, so that the first `cargo xtask` on a fresh machine answers within
//! seconds.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what this program is for"
)]

mod accept;
mod bench;
mod cargo;
mod debian;
mod demo;
mod failure;
mod faults;
mod fuzz;
mod layers;
mod lint;
mod openapi;
mod sim;
mod tally;
mod test;

use std::process::ExitCode;

use failure::{Failure, Outcome};
use faults::Suite;

const MENU: &str = "\
usage: cargo xtask COMMAND

  test                          all that CI runs: layers, tests, 100 simulated seeds, 10 s
                                of fuzzing for each target
  demo [FILE…] [--keep]         the whole system on this machine, from nothing
  accept NAME [--fixtures DIR]  one of the long or large acceptance runs
                                (the folder may also come from XYLEM_FIXTURES); --only PART
                                runs one part of it
  bench NAME [OPTION…]          speed beside others' (needs root): replicate, chain, latency,
                                serve, put, memory
  sim --seeds N [OPTION…]       the real code on a simulated network, disk and clock
  cut [--cuts N]                power cuts on ext4 and xfs, while contents are published
  kill [--kills N]              kill -9 on a tree of real servers, with uploads and readers
  nth                           the Nth system call of a publish fails, for every N
  fuzz [TARGET] [OPTION…]       what strangers may send, by libFuzzer (targets: see fuzz/targets);
                                10 s each, or --seconds N more, or --until N in all; --planted
                                looks for a planted fault; --replay FILE runs one input;
                                --seed N tries the same each time
  lint                          formatting and clippy, warnings refused
  check-layers                  which crate may lean on which, and on what from outside
  openapi [--check]             writes openapi/xylem-v1.json, or compares it with the code
  help                          this text

exit codes: 0 done, 1 failed, 2 wrong usage; `demo` ends as the demo does";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Cargo calls this program instead of the compiler while it builds the fuzz targets.
    let outcome = match std::env::var_os(fuzz::WRAPPING) {
        Some(_) => fuzz::wrap(&arguments),
        None => run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(arguments: &[String]) -> Outcome {
    let Some((command, rest)) = arguments.split_first() else {
        return Err(Failure::usage("no command given"));
    };
    match command.as_str() {
        "test" => none(rest).and_then(|()| test::run()),
        "demo" => demo::run(rest),
        "accept" => accept::run(rest),
        "bench" => bench::run(rest),
        "sim" => sim::run(rest),
        "cut" => faults::run(Suite::Cut, rest),
        "kill" => faults::run(Suite::Kill, rest),
        "nth" => faults::run(Suite::Nth, rest),
        "fuzz" => fuzz::run(rest),
        "lint" => none(rest).and_then(|()| lint::run()),
        "check-layers" => none(rest).and_then(|()| layers::run()),
        "openapi" => openapi::run(rest),
        "help" | "--help" | "-h" => {
            println!("{MENU}");
            Ok(())
        }
        other => Err(Failure::usage(format!("no such command: {other}"))),
    }
}

/// For commands that take no arguments: says so instead of ignoring what was typed.
fn none(arguments: &[String]) -> Outcome {
    match arguments.first() {
        None => Ok(()),
        Some(extra) => Err(Failure::usage(format!("unexpected argument: {extra}"))),
    }
}

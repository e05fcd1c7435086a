//! `cargo xtask sim --seeds N`: the real code on a simulated network, disk and clock.

use std::process::Command;

use crate::cargo;
use crate::failure::{Attempting, Failure, Outcome, passed_on};

/// Builds `xylem-sim` (`tests/sim`) and runs it; it prints what it checked and, for every failure,
/// the command that replays it. Words after `--seeds N` are handed on to it.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    check(arguments)?;
    let programs = cargo::build(&["xylem-sim"])?;
    let status = Command::new(programs.path("xylem-sim")?)
        .args(arguments)
        .status()
        .attempting("start the simulation")?;
    passed_on(status)
}

fn check(arguments: &[String]) -> Outcome {
    let Some(at) = arguments.iter().position(|word| word == "--seeds") else {
        return Ok(());
    };
    match arguments.get(at + 1).map(|count| count.parse::<u64>()) {
        Some(Ok(count)) if count > 0 => Ok(()),
        _ => Err(Failure::usage("--seeds takes a number from 1 on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_count_of_seeds_is_a_number_from_one_on() {
        assert!(check(&words("--seeds 100")).is_ok());
        for wrong in ["--seeds", "--seeds many", "--seeds 0", "--seeds -1"] {
            assert!(matches!(check(&words(wrong)), Err(Failure::Usage(_))), "{wrong}");
        }
    }
}

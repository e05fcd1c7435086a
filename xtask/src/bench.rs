//! `cargo xtask bench NAME`: speed, side by side with what others use.

use std::process::Command;

use crate::cargo;
use crate::failure::{Attempting, Failure, Outcome, passed_on};

/// The benches there are; `xylem-bench` says more about each.
const NAMES: [&str; 6] = ["replicate", "chain", "latency", "serve", "put", "memory"];

/// Measures what was built in a hurry. For working on a bench; its figures mean nothing.
const UNOPTIMISED: &str = "--unoptimised";

/// Builds the programs as they ship, and `xylem-bench` (`tests/bench`), and runs it. The bench
/// itself is built quickly: it only looks on, and optimising it across crates takes minutes.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let name = arguments.first().map(String::as_str).unwrap_or_default();
    if !NAMES.contains(&name) {
        return Err(Failure::usage(format!("bench needs a NAME: {}", NAMES.join(", "))));
    }
    let profile = match arguments.iter().any(|word| word == UNOPTIMISED) {
        true => cargo::Profile::Dev,
        false => cargo::Profile::Release,
    };
    if profile == cargo::Profile::Dev {
        println!("NOTE built without optimisation: figures mean nothing");
    }
    let measured = cargo::build_as(profile, &["xylem", "xylem-agent"])?;
    let folder = measured.path("xylem")?.with_file_name("");
    let bench = cargo::build(&["xylem-bench"])?;
    let status = Command::new(bench.path("xylem-bench")?)
        .args(arguments.iter().filter(|word| *word != UNOPTIMISED))
        .arg("--programs")
        .arg(folder)
        .status()
        .attempting("start the bench")?;
    passed_on(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_that_does_not_exist_is_wrong_usage() {
        for words in [vec![], vec!["--rounds".to_owned()], vec!["everything".to_owned()]] {
            assert!(matches!(run(&words), Err(Failure::Usage(_))), "{words:?}");
        }
    }
}

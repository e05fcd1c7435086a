//! `cargo xtask cut|nth|kill`: faults on the real thing, by `xylem-faults` (`tests/faults`).

use std::process::Command;

use crate::cargo;
use crate::debian::{self, Package};
use crate::failure::{Attempting, Outcome, passed_on};

/// One of the suites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suite {
    /// Power cuts on real file systems.
    Cut,
    /// Failing system calls.
    Nth,
    /// Killed programs.
    Kill,
}

impl Suite {
    /// Its name here and at `xylem-faults`.
    const fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Nth => "nth",
            Self::Kill => "kill",
        }
    }

    /// What it needs beyond our own programs.
    const fn packages(self) -> &'static [Package] {
        match self {
            Self::Cut => debian::FOR_CUTS,
            Self::Nth => debian::FOR_FAILING_CALLS,
            Self::Kill => &[],
        }
    }
}

/// Installs what the suite needs, builds the programs and hands over; all words but the suite's
/// name are its own.
pub(crate) fn run(suite: Suite, arguments: &[String]) -> Outcome {
    debian::require(suite.packages())?;
    let programs = cargo::build(&["xylem", "xylem-agent", "xylem-faults"])?;
    let status = Command::new(programs.path("xylem-faults")?)
        .arg(suite.name())
        .args(arguments)
        .status()
        .attempting(format!("start the suite `{}`", suite.name()))?;
    passed_on(status)
}

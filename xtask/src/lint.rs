//! `cargo xtask lint`: what review should not have to say.

use crate::cargo;
use crate::failure::{Attempting, Outcome, passed_on};

const FORMAT: &[&str] = &["fmt", "--all", "--check"];
const CLIPPY: &[&str] = &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];

/// Formatting first: it answers at once.
pub(crate) fn run() -> Outcome {
    for words in [FORMAT, CLIPPY] {
        let attempt = format!("run `cargo {}`", words.join(" "));
        passed_on(cargo::cargo().args(words).status().attempting(attempt)?)?;
    }
    Ok(())
}

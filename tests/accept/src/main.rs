//! The long and large runs: one line of figures for each thing that must hold.
//!
//! `cargo xtask accept NAME --fixtures FOLDER` builds the programs and runs this. Everything it
//! needs beyond them it installs from Debian's packages, when it may, or says what to install.

#![expect(clippy::print_stdout, reason = "its lines are its result")]

mod artifacts;
mod client;
mod cloud;
mod content_link;
mod debian;
mod fuzz;
mod main_job;
mod oracle;
mod pair;
mod run;
mod serving;
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

fn main() -> ExitCode {
    match accept() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("NOT ACCEPTED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn accept() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let name = words
        .next()
        .context("usage: xylem-accept NAME --fixtures FOLDER [--only PART] [--mib N]")?;
    let (mut fixtures, mut only, mut mib) = (None, None, None);
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--fixtures" => fixtures = Some(PathBuf::from(value)),
            "--only" => only = Some(value),
            "--mib" => mib = Some(value.parse().context("--mib needs a number")?),
            _ => bail!("unknown option {word}"),
        }
    }
    match name.as_str() {
        "artifacts" => {
            let fixtures = fixtures.context("--fixtures FOLDER is missing")?;
            artifacts::accept(&fixtures, only.as_deref())
        }
        // What the acceptance of artifacts starts again and again, to have it measured.
        artifacts::VARIANTS => artifacts::variants(&fixtures.context("no file is named")?),
        artifacts::DIGESTS => artifacts::digests_of(&fixtures.context("no file is named")?),
        artifacts::SENDING => artifacts::send_generated(&fixtures.context("no file is named")?),
        "cloud" => cloud::accept(only.as_deref(), mib),
        // What every submission runs, without fixtures.
        "cloud-briefly" => cloud::briefly(),
        "content-link" => content_link::accept(only.as_deref()),
        "serving" => serving::accept(only.as_deref()),
        "tree" => tree::accept(only.as_deref()),
        "main-job" => {
            let fixtures = fixtures.context("--fixtures FOLDER is missing")?;
            main_job::accept(&fixtures, only.as_deref())
        }
        _ => bail!(
            "there is no acceptance called {name}; there are: artifacts, cloud, content-link, main-job, serving, tree"
        ),
    }
}

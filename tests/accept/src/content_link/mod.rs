//! The content link under faults, under load and under attack: `cargo xtask accept content-link`.
//!
//! The parts that measure need a quiet machine and release builds; they go last.

mod events;
mod faults;
mod scenarios;

use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::run::project;

/// One thing that must hold: it prints its line of figures, or fails.
type Part = fn() -> anyhow::Result<()>;

/// Everything that must hold, by name.
const PARTS: &[(&str, Part)] = &[
    ("faults", faults::faults),
    ("parent-killed", scenarios::parent_killed),
    ("lying-relay", scenarios::lying_relay),
    ("full-disk", scenarios::full_disk),
    ("urgent-under-bulk", scenarios::urgent_under_bulk),
    ("events", events::event_streams),
    ("replicate", || bench("replicate")),
    ("chain", || bench("chain")),
    ("latency", || bench("latency")),
];

/// Runs every part, or the one that is named.
pub(crate) fn accept(only: Option<&str>) -> anyhow::Result<()> {
    if let Some(only) = only
        && !PARTS.iter().any(|(name, _)| *name == only)
    {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        bail!("there is no part called {only}; there are: {}", names.join(", "));
    }
    let mut failed = Vec::new();
    for (name, part) in PARTS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        if let Err(error) = part() {
            println!("CONTENT-LINK {name} FAILED: {error:#}");
            failed.push(*name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    println!("CONTENT-LINK accepted");
    Ok(())
}

/// Runs a bench of five rounds, which prints its own lines and fails where a *must* is missed.
fn bench(name: &str) -> anyhow::Result<()> {
    let status = Command::new("cargo")
        .args(["xtask", "bench", name])
        .current_dir(project()?)
        .status()
        .with_context(|| format!("cannot start the bench {name}"))?;
    ensure!(status.success(), "the bench {name} missed what it must reach");
    println!("CONTENT-LINK {name} every must is met");
    Ok(())
}

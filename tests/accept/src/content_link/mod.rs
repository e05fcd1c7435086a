//! The content link under faults, under load and under attack: `cargo xtask accept content-link`.
//!
//! The parts that measure need a quiet machine and release builds; they go last.

mod events;
mod faults;
mod scenarios;

use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::run::{Part, project, run_parts};

/// Runs every part, or the one that is named.
pub(crate) fn accept(only: Option<&str>) -> anyhow::Result<()> {
    let parts: &[Part<'_>] = &[
        ("faults", &faults::faults),
        ("parent-killed", &scenarios::parent_killed),
        ("lying-relay", &scenarios::lying_relay),
        ("full-disk", &scenarios::full_disk),
        ("urgent-under-bulk", &scenarios::urgent_under_bulk),
        ("events", &events::event_streams),
        ("replicate", &|| bench("replicate")),
        ("chain", &|| bench("chain")),
        ("latency", &|| bench("latency")),
    ];
    run_parts("CONTENT-LINK", parts, only)
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

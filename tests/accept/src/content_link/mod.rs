//! The content link under faults, under load and under attack: `cargo xtask accept content-link`.
//!
//! The parts that measure need a quiet machine and release builds; they go last.

mod events;
mod faults;
mod scenarios;

pub(crate) use faults::simulation;
pub(crate) use scenarios::stage;

use crate::run::{Part, bench, run_parts};

/// Runs every part, or the one that is named.
pub(crate) fn accept(only: Option<&str>) -> anyhow::Result<()> {
    let parts: &[Part<'_>] = &[
        ("faults", &faults::faults),
        ("parent-killed", &scenarios::parent_killed),
        ("lying-relay", &scenarios::lying_relay),
        ("full-disk", &scenarios::full_disk),
        ("urgent-under-bulk", &scenarios::urgent_under_bulk),
        ("events", &events::event_streams),
        ("replicate", &|| bench("CONTENT-LINK", "replicate")),
        ("chain", &|| bench("CONTENT-LINK", "chain")),
        ("latency", &|| bench("CONTENT-LINK", "latency")),
    ];
    run_parts("CONTENT-LINK", parts, only)
}

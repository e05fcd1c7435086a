//! Serving under faults, attacks and restarts: `cargo xtask accept serving`.

mod flips;
mod fuzz;
mod hostile;
mod restart;
mod slow_heads;
mod webdav;

use crate::run::{Part, bench, run_parts};

/// Runs every part, or the one that is named.
pub(crate) fn accept(only: Option<&str>) -> anyhow::Result<()> {
    let parts: &[Part<'_>] = &[
        ("hostile", &hostile::hostile),
        ("litmus", &webdav::litmus),
        ("tools", &webdav::tools),
        ("flips", &flips::flips),
        ("restart", &restart::restart),
        ("slow-heads", &slow_heads::slow_heads),
        ("fuzz", &fuzz::fuzz),
        ("serve", &|| bench("SERVING", "serve")),
        ("put", &|| bench("SERVING", "put")),
        ("memory", &|| bench("SERVING", "memory")),
    ];
    run_parts("SERVING", parts, only)
}

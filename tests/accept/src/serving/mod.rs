//! Serving under faults, attacks and restarts: `cargo xtask accept serving`.

mod flips;
mod hostile;
mod restart;
mod slow_heads;
mod webdav;

use crate::fuzz;
use crate::run::{Part, bench, run_parts};

/// The fuzz targets of what strangers may send.
const TARGETS: &[&str] = &["dav_xml", "paths_and_ranges"];

/// How long each of them runs in all, in seconds.
const HOUR: u64 = 3600;

/// Runs every part, or the one that is named.
pub(crate) fn accept(only: Option<&str>) -> anyhow::Result<()> {
    let parts: &[Part<'_>] = &[
        ("hostile", &hostile::hostile),
        ("litmus", &webdav::litmus),
        ("tools", &webdav::tools),
        ("flips", &flips::flips),
        ("restart", &restart::restart),
        ("slow-heads", &slow_heads::slow_heads),
        ("fuzz", &|| fuzz::until("SERVING", TARGETS, HOUR)),
        ("serve", &|| bench("SERVING", "serve")),
        ("put", &|| bench("SERVING", "put")),
        ("memory", &|| bench("SERVING", "memory")),
    ];
    run_parts("SERVING", parts, only)
}

//! The tree of distribution servers: `cargo xtask accept tree`.

mod scrub;

use crate::run::{Part, run_parts};

/// Runs every part, or the one that is named.
pub(crate) fn accept(only: Option<&str>) -> anyhow::Result<()> {
    let parts: &[Part<'_>] = &[("scrub", &scrub::scrub)];
    run_parts("TREE", parts, only)
}

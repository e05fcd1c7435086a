//! The tree of distribution servers: `cargo xtask accept tree`.

mod certificates;
mod hand_over;
mod mixed;
mod rate;
mod scrub;
mod seeding;
mod selection;
mod services;

use crate::content_link::simulation;
use crate::run::{Part, run_parts};

/// Runs every part, or the one that is named.
pub(crate) fn accept(only: Option<&str>) -> anyhow::Result<()> {
    let parts: &[Part<'_>] = &[
        ("selection", &selection::selection),
        ("hand-over", &hand_over::hand_over),
        ("sim", &simulation),
        ("rate", &rate::rate),
        ("scrub", &scrub::scrub),
        ("sslyze", &certificates::scan),
        ("forged", &certificates::forged),
        ("rotation", &certificates::rotation),
        ("mixed", &mixed::mixed),
        ("services", &services::services),
        ("seeding", &seeding::seeding),
    ];
    run_parts("TREE", parts, only)
}

//! The content link: from a parent to its children.

pub(crate) mod faults;
//! The content link under load and under attack: `cargo xtask accept content-link`.

pub(crate) mod scenarios;

use anyhow::{bail, ensure};

/// One thing that must hold: it prints its line of figures, or fails.
type Part = fn() -> anyhow::Result<()>;

/// Runs every part, or the one that is named.
pub(crate) fn accept(only: Option<&str>) -> anyhow::Result<()> {
    let parts: [(&str, Part); 4] = [
        ("parent-killed", scenarios::parent_killed),
        ("lying-relay", scenarios::lying_relay),
        ("full-disk", scenarios::full_disk),
        ("urgent-under-bulk", scenarios::urgent_under_bulk),
    ];
    if let Some(only) = only
        && !parts.iter().any(|(name, _)| *name == only)
    {
        bail!("there is no part called {only}");
    }
    let mut failed = Vec::new();
    for (name, part) in parts.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        if let Err(error) = part() {
            println!("CONTENT-LINK {name} FAILED: {error:#}");
            failed.push(*name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    println!("CONTENT-LINK accepted");
    Ok(())
}

//! Waiting until copies are where they should be.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::time::{Instant, timeout_at};
use xylem_api::catalogue::{Placement, PlacementState, ServerPlacement};
use xylem_model::FileKind;

use super::follow::Changes;
use super::placement::{in_short, state_word};
use crate::Failure;
use crate::access::Access;
use crate::output::Output;

/// Waits until `enough` says that the placement is, showing a bar for each server.
pub(crate) async fn wait_for_copies(
    access: &Access,
    output: &Output,
    kind: FileKind,
    name: &str,
    limit: Duration,
    enough: impl Fn(&Placement) -> bool,
) -> Result<Placement, Failure> {
    let end = Instant::now() + limit;
    let mut changes = Changes::of(&access.admin, kind, name);
    let mut bars: HashMap<String, ProgressBar> = HashMap::new();
    loop {
        let placement = access.admin.placement(kind, name).await?;
        for server in &placement.servers {
            let bar = bars
                .entry(server.server.clone())
                .or_insert_with(|| output.copy_bar(&server.server, placement.size));
            show(bar, server, placement.size);
        }
        if enough(&placement) {
            return Ok(placement);
        }
        if timeout_at(end, changes.next()).await.is_err() {
            for bar in bars.values() {
                bar.abandon();
            }
            return Err(Failure::new(still_missing(&placement, limit)));
        }
    }
}

fn show(bar: &ProgressBar, server: &ServerPlacement, size: u64) {
    // A next version while waiting has another size.
    bar.set_length(size);
    bar.set_position(server.bytes);
    bar.set_message(in_short(server));
    if server.state == PlacementState::Present && !bar.is_finished() {
        bar.set_position(size);
        bar.abandon();
    }
}

fn still_missing(placement: &Placement, limit: Duration) -> String {
    let missing: Vec<String> = placement
        .servers
        .iter()
        .filter(|server| server.state != PlacementState::Present)
        .map(|server| match &server.reason {
            Some(reason) => format!("{} ({reason})", server.server),
            None => format!("{} ({})", server.server, state_word(server.state)),
        })
        .collect();
    format!(
        "after {} s {} is on {} of {} distribution servers; missing: {}",
        limit.as_secs(),
        placement.name,
        placement.present,
        placement.wanted,
        missing.join(", ")
    )
}

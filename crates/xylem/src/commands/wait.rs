//! Waiting until copies are where they should be.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::time::Instant;
use xylem_api::catalogue::{Placement, PlacementState, ServerPlacement};
use xylem_model::FileKind;

use crate::Failure;
use crate::access::Access;
use crate::output::Output;

/// How often copies are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Waits until `enough` says that the placement is, showing a bar for each server.
pub(crate) async fn wait_for_copies(
    access: &Access,
    output: &Output,
    kind: FileKind,
    name: &str,
    limit: Duration,
    enough: impl Fn(&Placement) -> bool,
) -> Result<Placement, Failure> {
    let size = access.admin.file(kind, name).await?.file.current.size;
    let end = Instant::now() + limit;
    let mut bars: HashMap<String, ProgressBar> = HashMap::new();
    loop {
        let placement = access.admin.placement(kind, name).await?;
        for server in &placement.servers {
            let bar = bars
                .entry(server.server.clone())
                .or_insert_with(|| output.bar(&server.server, size));
            show(bar, server, size);
        }
        if enough(&placement) {
            return Ok(placement);
        }
        if Instant::now() >= end {
            for bar in bars.values() {
                bar.abandon();
            }
            return Err(Failure::new(still_missing(&placement, limit)));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn show(bar: &ProgressBar, server: &ServerPlacement, size: u64) {
    if server.state == PlacementState::Present {
        if !bar.is_finished() {
            bar.set_position(size);
            bar.finish();
        }
    } else {
        bar.set_position(server.bytes);
    }
}

fn still_missing(placement: &Placement, limit: Duration) -> String {
    let missing: Vec<String> = placement
        .servers
        .iter()
        .filter(|server| server.state != PlacementState::Present)
        .map(|server| match &server.reason {
            Some(reason) => format!("{} ({reason})", server.server),
            None => format!("{} ({})", server.server, super::files::state_word(server.state)),
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

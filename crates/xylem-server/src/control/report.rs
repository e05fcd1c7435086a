//! `POST /v1/control/report`: what a server says of itself and of its copies.
//!
//! Two things in it tell of a management server that was restored from an old backup: a state
//! applied that this store never issued (then a higher epoch begins), and descriptors signed by
//! our own key that the catalogue lacks (then they are adopted, or listed for a person).

use axum::extract::State;
use http::StatusCode;
use xylem_api::control::ServerReport;
use xylem_api::inventory::Inventory;
use xylem_http::{ApiJson, Peer};
use xylem_model::{Stamp, Timestamp};

use super::ControlService;
use crate::failure::Failure;
use crate::permission::Caller;
use crate::wish::ServerNews;

/// A report that is ahead by more epochs than this is not believed: it would let one broken
/// server push the counter to its end. Restores are rarer than that.
const MAX_EPOCHS_AHEAD: u64 = 1_000;

/// Characters of what names a start of a program.
const MAX_LIFE_CHARS: usize = 40;

/// What a machine is, with how far its clock is off.
fn measured(inventory: Inventory, now: Timestamp) -> Inventory {
    let ahead = inventory.clock.map(|clock| clock.unix_ms().saturating_sub(now.unix_ms()));
    Inventory { clock_ahead_ms: ahead, ..inventory }
}

/// Takes in a report.
#[utoipa::path(
    post, path = "/v1/control/report", tag = "control", request_body = ServerReport,
    responses((status = 204, description = "Noted."))
)]
pub(super) async fn report(
    State(service): State<ControlService>,
    caller: Caller,
    peer: Peer,
    ApiJson(report): ApiJson<ServerReport>,
) -> Result<StatusCode, Failure> {
    let server = caller.distribution_server()?;
    let now = service.environment().clock.now();
    let news = ServerNews {
        program_version: report.program_version,
        address: peer.address.ip().to_string(),
        free_bytes: report.free_bytes,
        used_bytes: report.used_bytes,
        applied: report.applied,
        scrub: report.scrub,
        set: report.set,
        gone: report.gone,
        believing: report.believing.unwrap_or_default(),
        shown: report.shown,
        life: report.life.map(|life| life.chars().take(MAX_LIFE_CHARS).collect()),
        inventory: report.inventory.map(|inventory| measured(inventory, now)),
    };
    let (store, copies) = (service.store(), &report.copies);
    store.note_report(server, &news, copies, report.full, now).await?;
    match report.full {
        // It also takes back what it does not name.
        true => service.copies().note_all(),
        false => {
            let changed = copies.iter().map(|copy| copy.content);
            service.copies().note(changed.chain(news.gone.iter().copied()));
        }
    }
    service.rise_above(report.applied, now).await?;
    service.take_unlisted(&report.unlisted, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl ControlService {
    /// Begins a higher epoch where a peer has applied a state that was never issued here.
    async fn rise_above(&self, applied: Stamp, now: Timestamp) -> Result<(), Failure> {
        let ours = self.store().stamp().await?;
        if applied <= ours {
            return Ok(());
        }
        if applied.epoch.0 > ours.epoch.0.saturating_add(MAX_EPOCHS_AHEAD) {
            tracing::error!(
                sync.generation = %applied,
                "a distribution server reports a state that no restore explains; not believed"
            );
            return Ok(());
        }
        let begun = self.store().begin_epoch(applied.epoch, now).await?;
        tracing::warn!(
            seen = %applied, ours = %ours, begun = %begun,
            "a distribution server has applied a state that this database never issued: it was \
             restored from an older backup; a higher epoch begins, and nothing is removed until \
             `xylem confirm-restore`"
        );
        self.refresh().await?;
        Ok(())
    }
}

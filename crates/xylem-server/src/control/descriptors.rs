//! `GET /v1/control/descriptors`: the set in pages, or what changed in it.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use xylem_api::MAX_PAGE;
use xylem_api::control::{DescriptorPage, RemovedVersion};
use xylem_api::error::ErrorCode;
use xylem_model::{Epoch, Generation};
use xylem_sync::Holding;
use xylem_trust::Envelope;

use super::ControlService;
use crate::extract::ApiQuery;
use crate::failure::Failure;
use crate::permission::Caller;
use crate::wish::Changes;

/// From which state on the caller wants to know what changed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Since {
    /// The epoch of the state the caller has; 0 for none.
    epoch: u64,
    /// The generation of the state the caller has, or `next` of the page before; 0 for none.
    since: u64,
}

/// Descriptors that changed after a generation of an epoch.
#[utoipa::path(
    get, path = "/v1/control/descriptors", tag = "control", params(Since),
    responses((status = 200, description = "One page of changes.", body = DescriptorPage))
)]
pub(super) async fn descriptors(
    State(service): State<ControlService>,
    caller: Caller,
    ApiQuery(asked): ApiQuery<Since>,
) -> Result<Json<DescriptorPage>, Failure> {
    let id = caller.distribution_server()?;
    let removed = || Failure::new(ErrorCode::Revoked, "this distribution server was removed");
    let holdings = service.holdings().await?;
    let holding = holdings.of(id).ok_or_else(removed)?;
    let stamp = service.store().stamp().await?;
    let full = asked.since == 0 || Epoch(asked.epoch) != stamp.epoch;
    let since = Generation(if full { 0 } else { asked.since });
    let changes = service.store().changes(since, MAX_PAGE).await?;
    Ok(Json(page(changes, holding, full)?))
}

fn page(changes: Changes, holding: &Holding, full: bool) -> Result<DescriptorPage, Failure> {
    let mut removed = Vec::new();
    let mut descriptors = Vec::new();
    for wanted in changes.wanted {
        let file = wanted.facts.id;
        if !holding.holds(&wanted.facts) {
            removed.push(RemovedVersion { file, version: wanted.version });
            continue;
        }
        descriptors.push(Envelope::from_bytes(&wanted.descriptor)?);
        if wanted.version > 1 {
            // The newest version replaces those before it.
            removed.push(RemovedVersion { file, version: wanted.version - 1 });
        }
    }
    removed.extend(
        changes
            .deleted
            .into_iter()
            .map(|deleted| RemovedVersion { file: deleted.file, version: deleted.version }),
    );
    if full {
        // Whoever begins anew has nothing to forget.
        removed.clear();
    }
    let next = changes.next.map(|generation| generation.0);
    Ok(DescriptorPage { full, descriptors, removed, next, stamp: changes.stamp })
}

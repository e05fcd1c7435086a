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
    /// Whether versions with a mark are meant too: as the state was asked for.
    #[serde(default)]
    marks: bool,
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
    Ok(Json(page(changes, holding, full, asked.marks)?))
}

fn page(
    changes: Changes,
    holding: &Holding,
    full: bool,
    marks: bool,
) -> Result<DescriptorPage, Failure> {
    let mut removed = Vec::new();
    let mut descriptors = Vec::new();
    for wanted in changes.wanted {
        let file = wanted.facts.id;
        let told = wanted.versions.iter().filter(|version| marks || version.mark.is_none());
        let before = descriptors.len();
        if holding.holds(&wanted.facts) {
            for version in told {
                descriptors.push(Envelope::from_bytes(&version.descriptor)?);
            }
        }
        match descriptors.len() > before {
            // What is listed of a file replaces all that was.
            true if wanted.newest > 1 => {
                removed.push(RemovedVersion { file, version: wanted.newest - 1 });
            }
            true => {}
            false => removed.push(RemovedVersion { file, version: wanted.newest }),
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

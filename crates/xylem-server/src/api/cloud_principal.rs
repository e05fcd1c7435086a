//! Making the cloud the principal. Switching back is making a server that
//! ([`hand_over`](super::hand_over)).

use axum::Json;
use axum::extract::State;
use xylem_api::cloud::{CloudMadePrincipal, MakeCloudPrincipal};
use xylem_api::error::ErrorCode;
use xylem_db::{CloudPoint, DbError};
use xylem_http::ApiJson;

use crate::app::App;
use crate::cloud::usage::ceiling_reached;
use crate::failure::Failure;
use crate::permission::Caller;

/// Makes the cloud distribution point the principal: files enter at the root from then on, and are in
/// the catalogue once they are in the cloud.
///
/// Refused until it holds everything. With `fill` everything is chosen for it; the answer says what is
/// missing, and asking again goes on.
#[utoipa::path(
    post, path = "/v1/cloud-distribution-point/make-principal", tag = "cloud",
    request_body = MakeCloudPrincipal,
    responses((status = 200, description = "How far it is.", body = CloudMadePrincipal))
)]
pub(super) async fn make_cloud_principal(
    State(app): State<App>,
    caller: Caller,
    ApiJson(asked): ApiJson<MakeCloudPrincipal>,
) -> Result<Json<CloudMadePrincipal>, Failure> {
    let mut point = app.active_cloud().await?;
    if point.provider == "folder" {
        let told = "a folder is given out to nobody, so it cannot be the principal: set a cloud that \
                    computers can fetch from";
        return Err(Failure::new(ErrorCode::Conflict, told));
    }
    let (actor, now) = (caller.actor(), app.now());
    let is_filled = asked.fill && !point.is_principal;
    if is_filled && point.selection.is_some() {
        point = app.database.set_cloud_selection(point.id, None, &actor, now).await?;
    }
    let (missing, files) = match is_filled {
        // Looked at first without being in anybody's way: filling takes hours, and is asked after
        // every few seconds.
        true => app.database.missing_in_cloud(point.id).await?,
        false => Default::default(),
    };
    let mut done = false;
    let mut waits = None;
    if missing.contents == 0 {
        match app.database.make_cloud_principal(point.id, &actor, now).await {
            Ok(_) => done = true,
            // Told as what it waits for: it goes on where that ends.
            Err(
                error @ (DbError::Incomplete { .. }
                | DbError::Unproven { .. }
                | DbError::WrongState { .. }),
            ) if asked.fill => waits = Some(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    } else {
        waits = app.why_cloud_waits(&point).await?;
    }
    app.control.refresh().await?;
    Ok(Json(CloudMadePrincipal {
        done,
        missing: missing.contents,
        missing_bytes: missing.bytes,
        files,
        waits,
        root_epoch: app.database.root_epoch().await?,
    }))
}

impl App {
    /// Why nothing is sent at present, where nothing is.
    async fn why_cloud_waits(&self, point: &CloudPoint) -> Result<Option<String>, Failure> {
        if point.paused {
            return Ok(Some("it is paused: go on with `xylem cloud resume`".to_owned()));
        }
        if point.broken.is_some() {
            let why = "it stands still: `xylem cloud show` says why, and what to do";
            return Ok(Some(why.to_owned()));
        }
        let store = self.cloud_store();
        let reached = ceiling_reached(&store, point.id, point.month_ceiling, self.now()).await?;
        Ok(reached.map(|reached| reached.to_string()))
    }
}

//! How the server is, and held polls for changes.

use axum::Json;
use axum::extract::State;
use xylem_api::control::StateChanged;
use xylem_api::server::Status;

use crate::app::App;
use crate::control::{LongPoll, wait_for_change};
use crate::extract::ApiQuery;
use crate::failure::Failure;
use crate::jobs::JobStatus;

/// How the server is.
#[utoipa::path(
    get, path = "/v1/status", tag = "server",
    responses((status = 200, description = "How the server is.", body = Status))
)]
pub(super) async fn status(State(app): State<App>) -> Result<Json<Status>, Failure> {
    Ok(Json(Status {
        organization: app.organization.clone(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        stamp: app.database.stamp().await?,
        now: app.now(),
        restore_unconfirmed: app.database.restore_unconfirmed().await?,
        warnings: app.certificate_warnings().await?,
    }))
}

/// Answers with the newest state as soon as it differs from the caller's, or after the wait: for
/// where a proxy breaks event streams.
#[utoipa::path(
    get, path = "/v1/changes", tag = "server", params(LongPoll),
    responses((status = 200, description = "The newest state.", body = StateChanged))
)]
pub(super) async fn changes(
    State(app): State<App>,
    ApiQuery(poll): ApiQuery<LongPoll>,
) -> Result<Json<StateChanged>, Failure> {
    Ok(Json(wait_for_change(&app.control, &poll).await?))
}

/// The background jobs: what each did last, and when it does so again.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "server",
    responses((status = 200, description = "The jobs.", body = Vec<JobStatus>))
)]
pub(super) async fn jobs(State(app): State<App>) -> Json<Vec<JobStatus>> {
    Json(app.jobs.status())
}

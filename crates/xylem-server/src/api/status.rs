//! How the server is, and what changes.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use futures_util::Stream;
use xylem_api::control::StateChanged;
use xylem_api::server::Status;

use crate::app::App;
use crate::control::{LongPoll, event_stream, wait_for_change};
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
    }))
}

/// Streams `state` events, each a `StateChanged`: the present state at once, then every change.
#[utoipa::path(
    get, path = "/v1/events", tag = "server",
    responses((status = 200, description = "A stream of `state` events.",
        content_type = "text/event-stream", body = StateChanged))
)]
pub(super) async fn events(
    State(app): State<App>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    event_stream(&app.control, None).await
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

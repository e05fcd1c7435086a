//! Pages that are not JSON answers of the API: for people, load balancers and Prometheus.

use axum::extract::State;
use axum::response::IntoResponse;
use http::header;
use xylem_http::ApiError;

use crate::app::App;
use crate::failure::{Failure, RETRY_AFTER_SECONDS};
use crate::openapi::openapi_json;

/// What is here, for a person who opens the address in a browser.
#[utoipa::path(
    get, path = "/", tag = "pages",
    responses((status = 200, description = "A page for people.", content_type = "text/plain",
        body = String))
)]
pub(super) async fn index(State(app): State<App>) -> impl IntoResponse {
    format!(
        "Xylem {version}: management server of {organization}\n\n\
         The API is described by {url}/openapi.json\n\
         The root certificate to trust is in {url}/v1/ca\n\n\
         This build has no console. Use the command line: xylem --help\n",
        version = env!("CARGO_PKG_VERSION"),
        organization = app.organization,
        url = app.public_url,
    )
}

/// The API document (OpenAPI 3.1).
#[utoipa::path(
    get, path = "/openapi.json", tag = "pages",
    responses((status = 200, description = "The API document.", body = serde_json::Value))
)]
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json())
}

/// Whether the program answers at all.
#[utoipa::path(
    get, path = "/health/live", tag = "pages",
    responses((status = 200, description = "It does.", content_type = "text/plain",
        body = String))
)]
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// Whether the program can do its work: the database answers.
#[utoipa::path(
    get, path = "/health/ready", tag = "pages",
    responses((status = 200, description = "It can.", content_type = "text/plain",
        body = String))
)]
pub(super) async fn ready(State(app): State<App>) -> Result<&'static str, Failure> {
    match app.database.stamp().await {
        Ok(_) => Ok("ready\n"),
        Err(error) => {
            tracing::error!(%error, "not ready: the database does not answer");
            let told = "the database does not answer at present";
            Err(ApiError::unavailable(told, RETRY_AFTER_SECONDS).into())
        }
    }
}

/// What was measured, in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "pages",
    responses((status = 200, description = "The measurements.", content_type = "text/plain",
        body = String))
)]
pub(super) async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, Failure> {
    let stamp = app.database.stamp().await?;
    metrics::gauge!("xylem_generation").set(stamp.generation.0 as f64);
    metrics::gauge!("xylem_epoch").set(stamp.epoch.0 as f64);
    let servers = app.database.distribution_servers().await?;
    metrics::gauge!("xylem_distribution_servers").set(servers.len() as f64);
    if let Err(failure) = app.cloud.measure().await {
        // Keys that cannot be opened are no reason to measure nothing.
        tracing::warn!("the cloud could not be measured: {}", failure.0.message());
    }
    // The version of the text format is part of the type (Prometheus, exposition formats).
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], app.metrics.render()))
}

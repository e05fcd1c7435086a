//! Answering: contents by id and by name, uploads, health.
//!
//! * [`authorize`]: who may have what; deny by default.
//! * [`headers`]: conditions, ranges, and what an answer says about a content.
//! * [`body`]: verified bytes, as they leave.
//! * [`frames`]: the buffers of those bytes.
//! * [`content`]: the routes of contents.
//! * [`waiting`]: holding back an answer until there is one.
//! * [`many`]: many small files in one answer.
//! * [`health`]: for load balancers and Prometheus.

mod authorize;
mod body;
mod content;
mod frames;
mod headers;
mod health;
mod many;
mod waiting;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use http::HeaderValue;
use http::header::X_CONTENT_TYPE_OPTIONS;
use xylem_http::ApiError;
use xylem_telemetry::Metrics;

use crate::ingest;
use crate::node::Node;

pub(crate) use frames::Frames;

/// All routes of a distribution server.
pub(crate) fn router(node: Arc<Node>, metrics: Metrics) -> Router {
    Router::new()
        .merge(content::routes())
        .merge(ingest::routes())
        .with_state(Arc::clone(&node))
        .merge(health::routes(node, metrics))
        .fallback(async || ApiError::not_found("there is nothing at this address"))
        .layer(middleware::from_fn(no_sniffing))
}

/// What is served is what it says it is, whatever a browser makes of its bytes.
async fn no_sniffing(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let status = response.status().as_u16().to_string();
    metrics::counter!("xylem_distribution_answers_total", "status" => status).increment(1);
    response
}

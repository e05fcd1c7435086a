//! For load balancers and Prometheus.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use xylem_http::{ApiError, Peer};
use xylem_telemetry::Metrics;

use crate::node::Node;

/// When to ask again of a server that is not ready, in seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

#[derive(Clone)]
struct Health {
    node: Arc<Node>,
    metrics: Metrics,
}

/// The routes of health.
pub(crate) fn routes(node: Arc<Node>, metrics: Metrics) -> Router {
    Router::new()
        .route("/health/live", get(async || "alive\n"))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics_text))
        .with_state(Health { node, metrics })
}

/// Ready once there is a head that may be acted on: from then on this server serves, with or
/// without its management server.
async fn ready(State(health): State<Health>) -> Result<&'static str, ApiError> {
    let now = health.node.now();
    let catalogue = health.node.catalogue();
    match catalogue.manifest.head() {
        Some(signed) if signed.head.expires > now => Ok("ready\n"),
        _ => Err(ApiError::unavailable(
            "nothing is served before the management server has been heard",
            RETRY_AFTER_SECONDS,
        )),
    }
}

/// Only for this very machine: counts tell strangers more than they should know.
async fn metrics_text(State(health): State<Health>, peer: Peer) -> Result<String, ApiError> {
    if !peer.address.ip().to_canonical().is_loopback() {
        return Err(ApiError::not_found("there is nothing at this address"));
    }
    let catalogue = health.node.catalogue();
    metrics::gauge!("xylem_distribution_missing_files").set(catalogue.missing().len() as f64);
    metrics::gauge!("xylem_distribution_unwanted_files").set(catalogue.unwanted().len() as f64);
    drop(catalogue);
    Ok(health.metrics.render())
}

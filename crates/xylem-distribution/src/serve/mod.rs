//! Answering: contents by id and by name, uploads, health.
//!
//! * [`authorize`]: who may have what; deny by default.
//! * [`headers`]: conditions, ranges, and what an answer says about a content.
//! * [`heads`]: the part of that which does not change.
//! * [`body`]: verified bytes, as they leave.
//! * [`frames`]: the buffers of those bytes.
//! * [`target`]: what an address means.
//! * [`content`]: answering with contents.
//! * [`waiting`]: holding back an answer until there is one.
//! * [`many`]: many small files in one answer.
//! * [`counts`]: what is counted.
//! * [`health`]: for load balancers and Prometheus.

mod authorize;
mod body;
mod content;
mod counts;
mod frames;
mod headers;
mod heads;
mod health;
mod many;
mod target;
mod waiting;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use http::{Request, Response};
use xylem_api::content::MANY_PATH;
use xylem_http::{Api, ApiError, Handler};
use xylem_telemetry::Metrics;

use crate::ingest;
use crate::node::Node;

pub(crate) use frames::Frames;
pub(crate) use heads::Heads;
use target::Target;

/// All that a distribution server answers.
#[derive(Clone)]
pub(crate) struct Serving {
    node: Arc<Node>,
    api: Api,
}

impl Serving {
    pub(crate) fn new(node: Arc<Node>, metrics: Metrics) -> Self {
        let api = Router::new()
            .route(MANY_PATH, post(many::many))
            .merge(ingest::routes())
            .with_state(Arc::clone(&node))
            .merge(health::routes(Arc::clone(&node), metrics))
            .fallback(async || ApiError::not_found("there is nothing at this address"));
        Self { node, api: Api::new(api) }
    }
}

impl Handler for Serving {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let response = match Target::of(request.uri().path()) {
            Some(target) => content::content(&self.node, target, request).await,
            None => self.api.answer(request).await,
        };
        counts::answered(response.status());
        response
    }
}

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
mod filling;
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
use http::{Method, Request, Response};
use xylem_api::content::MANY_PATH;
use xylem_http::{Api, ApiError, Handler};
use xylem_telemetry::Metrics;

use crate::dav::Share;
use crate::ingest;
use crate::node::Node;

pub(crate) use authorize::ready;
pub(crate) use frames::{Frame, Frames};
pub(crate) use heads::Heads;
pub(crate) use target::Target;

/// All that a distribution server answers.
#[derive(Clone)]
pub(crate) struct Serving {
    node: Arc<Node>,
    share: Share,
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
        Self { share: Share::new(Arc::clone(&node)), node, api: Api::new(api) }
    }
}

impl Handler for Serving {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path();
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let response = match (Target::of(path), Share::prefix_of(path)) {
            // What is published is read by a way of its own, which costs less.
            (Some(target), _) if is_read => content::content(&self.node, target, request).await,
            // Folders are listed by PROPFIND only.
            (None, Some(_)) if is_read && !Share::is_in_drop(path) => {
                self.api.answer(request).await
            }
            // The few who write are not to make the many who read pay for the size of it.
            (_, Some(prefix)) => Box::pin(self.share.answer(prefix, request)).await,
            (Some(target), None) => content::content(&self.node, target, request).await,
            (None, None) => self.api.answer(request).await,
        };
        counts::answered(response.status());
        response
    }
}

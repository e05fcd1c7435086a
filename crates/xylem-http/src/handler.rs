//! What answers the requests of a port.

use std::future::Future;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use http::{Request, Response};
use tower::ServiceExt as _;

use crate::error::MAX_JSON_BODY_BYTES;

/// Answers the requests of a port. Every request holds its [`Peer`](crate::Peer).
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one.
    fn answer(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;
}

/// Put into an answer's extensions: who asked, where the handler knows better than the certificate.
#[derive(Debug, Clone)]
pub struct Principal(pub String);

/// An API: routes whose request bodies are small.
#[derive(Debug, Clone)]
pub struct Api(Router);

impl Api {
    /// Bounds the bodies that its handlers read at once.
    pub fn new(router: Router) -> Self {
        Self(router.layer(DefaultBodyLimit::max(MAX_JSON_BODY_BYTES)))
    }
}

impl Handler for Api {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

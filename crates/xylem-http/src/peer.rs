//! Who is on the other side of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::Extensions;
use http::request::Parts;
use xylem_model::Party;
use xylem_pki::PeerCertificate;

use crate::ApiError;

/// The other side of the connection a request came by.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it connects from.
    pub address: SocketAddr,
    /// The certificate it proved to hold, when it showed one. A name, not a right: whether it
    /// still counts is looked up for each request.
    pub certificate: Option<Arc<PeerCertificate>>,
}

impl Peer {
    /// The other side of the connection by which a request came.
    ///
    /// # Errors
    /// Where it came by none of ours, which is our own fault.
    pub fn of(extensions: &Extensions) -> Result<Self, ApiError> {
        extensions.get::<Self>().cloned().ok_or_else(|| {
            ApiError::internal("finding out who is asking", "no peer in the request")
        })
    }

    /// The party its certificate names.
    pub fn party(&self) -> Option<Party> {
        self.certificate.as_ref().map(|certificate| certificate.party)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of(&parts.extensions)
    }
}

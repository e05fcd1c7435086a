//! The delivery network of Rackspace ("CDN object services operations" in the Cloud Files API
//! guide). A container that it has is open to anybody who knows its address.

use http::Method;

use super::session::CdnEndpoint;
use super::{Swift, TOKEN};
use crate::answer::{Attempt, CloudAnswer};
use crate::encode;
use crate::endpoint::Endpoint;
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::request::CloudRequest;
use crate::secret::Secret;

/// Shortest time that the network keeps an object, seconds.
pub const MIN_TTL_SECONDS: u64 = 900;

impl CdnEndpoint {
    fn request(&self, method: Method, token: &Secret, path: &str) -> CloudRequest {
        let path = format!("{}/{path}", self.0.base());
        CloudRequest::new(method, self.0.clone(), path).with_header(TOKEN, token.reveal())
    }

    /// Takes an object out of the caches. At the storage's address the same request would delete
    /// it, which is why it is made here and nowhere else.
    pub(super) fn purge(&self, token: &Secret, container: &str, key: &ObjectKey) -> CloudRequest {
        let path = format!("{}/{}", encode::component(container), encode::path(key.as_str()));
        self.request(Method::DELETE, token, &path)
    }
}

impl Swift<'_> {
    /// Opens the container to everybody through the network; objects stay there so many seconds.
    ///
    /// # Errors
    /// When the account has no delivery network in this region.
    pub fn enable_cdn(&self, ttl_seconds: u64) -> Result<CloudRequest, Fault> {
        let request = self.at_cdn(Method::PUT)?;
        Ok(request
            .with_header("x-cdn-enabled", "True")
            .with_header("x-ttl", ttl_seconds.max(MIN_TTL_SECONDS).to_string()))
    }

    /// Asks where the network gives the container out.
    ///
    /// # Errors
    /// When the account has no delivery network in this region.
    pub fn ask_cdn(&self) -> Result<CloudRequest, Fault> {
        self.at_cdn(Method::HEAD)
    }

    /// Where clients go.
    ///
    /// # Errors
    /// When it was refused, the network does not have the container, or names no HTTPS address.
    pub fn cdn_address(&self, answer: &CloudAnswer) -> Result<Endpoint, Fault> {
        let attempt = Attempt { doing: "asking the delivery network for", on: self.container };
        if !answer.is_success() {
            return Err(self.fault(answer, attempt));
        }
        let enabled = answer.header("x-cdn-enabled").unwrap_or_default();
        if !enabled.eq_ignore_ascii_case("true") {
            return Err(answer.fault(FaultKind::Place, attempt, "the network does not have it"));
        }
        Endpoint::parse(answer.header("x-cdn-ssl-uri").unwrap_or_default())
            .map_err(|error| answer.fault(FaultKind::Unexpected, attempt, error.to_string()))
    }

    fn at_cdn(&self, method: Method) -> Result<CloudRequest, Fault> {
        let cdn = self.session.cdn.as_ref().ok_or_else(|| {
            let attempt = format!("asking the delivery network for `{}`", self.container);
            Fault::new(FaultKind::Place, attempt, "the account has none in this region")
        })?;
        Ok(cdn.request(method, &self.session.token, &encode::component(self.container)))
    }
}

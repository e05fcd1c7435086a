//! OpenStack Swift ("Object Storage API", version 1), Ceph's gateway and Rackspace Cloud Files.
//!
//! The management server has a token; everybody else gets TempURLs.

mod account;
mod auth;
mod catalogue;
mod cdn;
mod info;
mod large;
mod list;
mod provider;
mod session;
mod temp_url;
#[cfg(test)]
mod vectors;

use http::Method;

pub use account::{KeySlot, OwnKeys};
pub use auth::SwiftLogin;
pub use cdn::MIN_TTL_SECONDS;
pub use info::{SegmentRules, SwiftInfo};
pub use session::{CdnEndpoint, StorageEndpoint, SwiftSession};
pub use temp_url::TempUrlDigest;
use temp_url::temp_url_query;

use crate::answer::{Attempt, CloudAnswer};
use crate::encode;
use crate::endpoint::Endpoint;
use crate::fault::{Fault, FaultKind};
use crate::layout::{ObjectKey, Prefix};
use crate::request::CloudRequest;
use crate::s3::OCTETS;
use crate::secret::SwiftSecrets;
use crate::settings::{KeyScope, RackspaceSettings, SwiftSettings};
use crate::upload::Upload;

/// What a token is shown in.
const TOKEN: &str = "x-auth-token";
/// Metadata: our SHA-256.
const META_SHA256: &str = "x-object-meta-sha256";
/// What 404 says where nothing but the container can be missing.
const NO_CONTAINER: &str = "there is no such container";

/// A container, a token for it, and what is known of the place.
#[derive(Debug)]
pub struct Swift<'a> {
    container: &'a str,
    prefix: &'a Prefix,
    key_scope: KeyScope,
    keys: &'a SwiftSecrets,
    session: &'a SwiftSession,
    info: &'a SwiftInfo,
    /// Where a delivery network gives the container out, to everybody.
    public: Option<&'a Endpoint>,
}

impl<'a> Swift<'a> {
    /// The container of these settings.
    pub const fn new(
        settings: &'a SwiftSettings,
        keys: &'a SwiftSecrets,
        session: &'a SwiftSession,
        info: &'a SwiftInfo,
    ) -> Self {
        let (container, prefix) = (settings.container.as_str(), &settings.prefix);
        Self { container, prefix, key_scope: settings.key_scope, keys, session, info, public: None }
    }

    /// The container of these settings at Rackspace; `public` is what [`Swift::cdn_address`] told,
    /// where the container is given out by the delivery network.
    pub const fn rackspace(
        settings: &'a RackspaceSettings,
        keys: &'a SwiftSecrets,
        session: &'a SwiftSession,
        info: &'a SwiftInfo,
        public: Option<&'a Endpoint>,
    ) -> Self {
        let (container, prefix) = (settings.container.as_str(), &settings.prefix);
        Self { container, prefix, key_scope: KeyScope::Account, keys, session, info, public }
    }

    /// The path as it goes onto the request line.
    fn path(&self, container: &str, key: &ObjectKey) -> String {
        let base = self.session.storage.0.base();
        format!("{base}/{}/{}", encode::component(container), encode::path(key.as_str()))
    }

    fn authorised(&self, method: Method, path: String) -> CloudRequest {
        CloudRequest::new(method, self.session.storage.0.clone(), path)
            .with_header(TOKEN, self.session.token.reveal())
    }

    /// The query of a TempURL. What is signed is the path from the version on, not encoded: what
    /// lies in front of it is the server's own affair (Ceph: `/swift/v1`).
    fn temp_url(
        &self,
        method: &Method,
        container: &str,
        key: &ObjectKey,
        ends: i64,
        filename: Option<&str>,
    ) -> Result<String, Fault> {
        let secret = self.keys.temp_url_key.as_ref().ok_or_else(|| {
            let attempt = format!("signing a TempURL of `{key}`");
            Fault::new(FaultKind::Keys, attempt, "no TempURL key was set there yet")
        })?;
        let base = self.session.storage.0.base();
        let path = format!("{}/{container}/{key}", from_version(base));
        let digest = self.info.digest;
        Ok(temp_url_query(digest, secret.reveal(), method, &path, ends, filename))
    }

    /// The headers that stay with an object.
    fn described(request: CloudRequest, upload: &Upload) -> CloudRequest {
        let request = request
            .with_header("content-type", OCTETS)
            .with_header("content-disposition", upload.disposition.as_str())
            .with_header(META_SHA256, upload.sha256.to_hex());
        match upload.create_only {
            true => request.with_header("if-none-match", "*"),
            false => request,
        }
    }

    fn fault(&self, answer: &CloudAnswer, attempt: Attempt<'_>) -> Fault {
        let mut fault = answer.fault_by_status(attempt);
        match answer.status {
            // What Swift's rate limit closes a line with.
            498 => fault.kind = FaultKind::Busy,
            // The body was not as long as was said.
            499 => fault.kind = FaultKind::Line,
            _ => {}
        }
        fault
    }
}

/// The path of an account from the version on: `/v1` as a step, not as the beginning of one.
fn from_version(base: &str) -> &str {
    base.match_indices("/v1")
        .filter_map(|(at, found)| base.get(at..).zip(base.get(at + found.len()..)))
        .find(|(_, rest)| rest.is_empty() || rest.starts_with('/'))
        .map_or(base, |(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_a_step_of_the_path() {
        let cases = [
            ("/v1/AUTH_a", "/v1/AUTH_a"),
            ("/swift/v1", "/v1"),
            ("/v1-store/v1/AUTH_a", "/v1/AUTH_a"),
            ("/v1.0/v1/v1", "/v1/v1"),
            ("/other", "/other"),
        ];
        for (base, signed) in cases {
            assert_eq!(from_version(base), signed);
        }
    }
}

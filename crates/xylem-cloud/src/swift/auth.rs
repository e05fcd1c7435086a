//! Asking for a token.
//!
//! | how | described in |
//! |---|---|
//! | version 1.0 | OpenStack Swift, "Auth System", TempAuth |
//! | Keystone 3 | OpenStack Identity API v3, "Password authentication", "Application credentials" |
//! | Identity 2.0 | Rackspace Cloud Identity API v2.0, `RAX-KSKEY:apiKeyCredentials` |

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::catalogue;
use super::session::{MAX_TOKEN_BYTES, StorageEndpoint, SwiftSession};
use crate::answer::{Attempt, CloudAnswer};
use crate::endpoint::{Endpoint, EndpointError};
use crate::fault::{Fault, FaultKind};
use crate::request::{Body, CloudRequest};
use crate::secret::{Secret, SwiftSecrets};
use crate::settings::{RackspaceSettings, SwiftAuth, SwiftSettings};

/// The identity service of Rackspace in the United States.
const RACKSPACE_IDENTITY: &str = "https://identity.api.rackspacecloud.com";

/// Where and as whom a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwiftLogin<'a> {
    url: Endpoint,
    region: Option<&'a str>,
    how: How<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum How<'a> {
    Version1 { user: &'a str },
    Keystone3(&'a SwiftAuth),
    Identity2 { user: &'a str },
}

impl<'a> SwiftLogin<'a> {
    /// The login of a Swift.
    pub fn swift(settings: &'a SwiftSettings) -> Self {
        let how = match &settings.auth {
            SwiftAuth::Tempauth { user } => How::Version1 { user },
            keystone => How::Keystone3(keystone),
        };
        Self { url: settings.auth_url.clone(), region: settings.region.as_deref(), how }
    }

    /// The login of Rackspace.
    ///
    /// # Errors
    /// Never, as long as the address of Rackspace is one.
    pub fn rackspace(settings: &'a RackspaceSettings) -> Result<Self, EndpointError> {
        let url = match &settings.auth_url {
            Some(url) => url.clone(),
            None => Endpoint::parse(RACKSPACE_IDENTITY)?,
        };
        let how = How::Identity2 { user: &settings.user };
        Ok(Self { url, region: Some(&settings.region), how })
    }

    /// Asks for a token.
    pub fn request(&self, keys: &SwiftSecrets) -> CloudRequest {
        let password = keys.password.reveal();
        match &self.how {
            How::Version1 { user } => self
                .at(Method::GET, "/v1.0", "")
                .with_header("x-auth-user", *user)
                .with_header("x-auth-key", password),
            How::Keystone3(auth) => {
                let body = keystone3(auth, password);
                with_json(self.at(Method::POST, "/v3", "/auth/tokens"), &body)
            }
            How::Identity2 { user } => {
                let credentials = json!({ "username": user, "apiKey": password });
                let body = json!({ "auth": { "RAX-KSKEY:apiKeyCredentials": credentials } });
                with_json(self.at(Method::POST, "/v2.0", "/tokens"), &body)
            }
        }
    }

    /// An address that names the version itself is taken with it: clouds print it so.
    fn at(&self, method: Method, version: &str, rest: &str) -> CloudRequest {
        let base = self.url.base().strip_suffix(version).unwrap_or(self.url.base());
        CloudRequest::new(method, self.url.clone(), format!("{base}{version}{rest}"))
            .with_header("accept", "application/json")
    }

    /// The token, and where it leads.
    ///
    /// # Errors
    /// When the keys are wrong, or the catalogue has no storage in the region.
    pub fn session(&self, answer: &CloudAnswer) -> Result<SwiftSession, Fault> {
        let host = self.url.to_string();
        let attempt = Attempt { doing: "asking for a token at", on: &host };
        if !answer.is_success() {
            return Err(refused(answer, attempt));
        }
        match &self.how {
            How::Version1 { .. } => version1(answer, attempt),
            How::Keystone3(_) => {
                let token = answer.header("x-subject-token");
                catalogue::keystone3(answer, token, self.region, attempt)
            }
            How::Identity2 { .. } => catalogue::identity2(answer, self.region, attempt),
        }
    }
}

fn refused(answer: &CloudAnswer, attempt: Attempt<'_>) -> Fault {
    let mut fault = answer.fault_without_words(attempt);
    match answer.status {
        401 | 403 => fault.kind = FaultKind::Keys,
        404 => fault.kind = FaultKind::Place,
        _ => {}
    }
    fault
}

fn with_json(request: CloudRequest, body: &serde_json::Value) -> CloudRequest {
    request
        .with_header("content-type", "application/json")
        .with_body(Body::Bytes(body.to_string().into_bytes()))
}

fn keystone3(auth: &SwiftAuth, password: &str) -> serde_json::Value {
    match auth {
        SwiftAuth::Keystone3Password { user, user_domain, project, project_domain } => json!({
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": { "user": {
                        "name": user,
                        "domain": { "name": user_domain },
                        "password": password,
                    } },
                },
                "scope": { "project": { "name": project, "domain": { "name": project_domain } } },
            }
        }),
        SwiftAuth::Keystone3Application { id } => json!({
            "auth": { "identity": {
                "methods": ["application_credential"],
                "application_credential": { "id": id, "secret": password },
            } }
        }),
        SwiftAuth::Tempauth { .. } => serde_json::Value::Null,
    }
}

fn version1(answer: &CloudAnswer, attempt: Attempt<'_>) -> Result<SwiftSession, Fault> {
    let token = token(answer, answer.header("x-auth-token"), attempt)?;
    let storage = answer.header("x-storage-url").unwrap_or_default();
    let storage = Endpoint::parse(storage)
        .map_err(|error| answer.fault(FaultKind::Place, attempt, error.to_string()))?;
    let ends = answer.number("x-auth-token-expires").map(Duration::from_secs);
    Ok(SwiftSession {
        token,
        storage: StorageEndpoint(storage),
        cdn: None,
        ends: ends.map(|life| answer.received.plus(life)),
    })
}

/// A token is put into a header, so it has to fit there.
pub(super) fn token(
    answer: &CloudAnswer,
    text: Option<&str>,
    attempt: Attempt<'_>,
) -> Result<Secret, Fault> {
    let good = |text: &&str| {
        (1..=MAX_TOKEN_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    text.filter(good)
        .map(Secret::new)
        .ok_or_else(|| answer.fault(FaultKind::Unexpected, attempt, "the answer has no token"))
}

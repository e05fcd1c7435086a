//! What a token opens: the addresses of an account, each a type of its own.

use std::fmt;
use std::time::Duration;

use xylem_model::Timestamp;

use super::TOKEN;
use crate::endpoint::Endpoint;
use crate::request::CloudRequest;
use crate::secret::Secret;

/// Longest token that is taken, bytes: what most servers take as one header.
pub(super) const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// How long before its end a token is not used any more.
const RENEWED_EARLY: Duration = Duration::from_secs(5 * 60);

/// A token with the addresses that came with it. The management server's alone, in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct SwiftSession {
    pub(super) token: Secret,
    pub(super) storage: StorageEndpoint,
    pub(super) cdn: Option<CdnEndpoint>,
    pub(super) ends: Option<Timestamp>,
}

/// Where the objects of an account are: `…/v1/ACCOUNT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageEndpoint(pub(super) Endpoint);

/// Where the delivery network of an account is managed. `DELETE` of an object takes it out of the
/// caches here and away for good at the [`StorageEndpoint`]: never one for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdnEndpoint(pub(super) Endpoint);

impl SwiftSession {
    /// Whether a new token is to be asked for before the next request.
    pub fn is_ending(&self, now: Timestamp) -> bool {
        self.ends.is_some_and(|ends| ends <= now.plus(RENEWED_EARLY))
    }

    /// Whether a request shows a token: what a TempURL asks for does not.
    pub fn is_shown_by(request: &CloudRequest) -> bool {
        request.header(TOKEN).is_some()
    }

    /// A request that shows another session's token, with the token of this one; none where it shows
    /// none or this very one, or goes to an address that this session does not open.
    pub fn renewed(&self, request: &CloudRequest) -> Option<CloudRequest> {
        let shown = request.header(TOKEN)?;
        if shown == self.token.reveal() || !self.opens(request) {
            return None;
        }
        let mut renewed = request.clone();
        for header in renewed.headers.iter_mut().filter(|header| header.name == TOKEN) {
            self.token.reveal().clone_into(&mut header.value);
        }
        Some(renewed)
    }

    fn opens(&self, request: &CloudRequest) -> bool {
        let is_below = |endpoint: &Endpoint| {
            let rest = request.path.strip_prefix(endpoint.base());
            request.endpoint == *endpoint
                && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        is_below(&self.storage.0) || self.cdn.as_ref().is_some_and(|cdn| is_below(&cdn.0))
    }

    /// Where the objects are.
    pub const fn storage(&self) -> &StorageEndpoint {
        &self.storage
    }

    /// Where the delivery network is managed, if there is one.
    pub const fn cdn(&self) -> Option<&CdnEndpoint> {
        self.cdn.as_ref()
    }
}

impl StorageEndpoint {
    /// The address, to be shown.
    pub const fn address(&self) -> &Endpoint {
        &self.0
    }
}

impl CdnEndpoint {
    /// The address, to be shown.
    pub const fn address(&self) -> &Endpoint {
        &self.0
    }
}

impl fmt::Debug for SwiftSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwiftSession")
            .field("storage", &self.storage)
            .field("cdn", &self.cdn)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

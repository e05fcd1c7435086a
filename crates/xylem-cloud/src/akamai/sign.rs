//! How a request to NetStorage is signed ("NetStorage Usage API", "Example authentication
//! headers"; version 5, which is SHA-256).

use http::Method;

use super::Akamai;
use crate::digest::{base64, hmac_sha256};
use crate::request::CloudRequest;
use crate::upload::Moment;

/// The version of the signature: 3 is MD5, 4 is SHA-1.
const VERSION: u32 = 5;

/// The two headers that prove who asks: the data, and the signature over data, path and action.
///
/// `path` is what stands on the request line. The signature is good once, and for 60 s.
pub(super) fn netstorage_headers(
    key: &str,
    account: &str,
    path: &str,
    action: &str,
    at: Moment,
) -> (String, String) {
    // Akamai's own libraries draw 32 bits.
    let unique = at.nonce & u64::from(u32::MAX);
    let seconds = at.now.unix_seconds();
    let data = format!("{VERSION}, 0.0.0.0, 0.0.0.0, {seconds}, {unique}, {account}");
    let signed = format!("{data}{path}\nx-akamai-acs-action:{action}\n");
    let signature = base64(&hmac_sha256(key.as_bytes(), signed.as_bytes()));
    (data, signature)
}

impl Akamai<'_> {
    /// A signed request; `action` without the version.
    pub(super) fn signed(
        &self,
        method: Method,
        path: String,
        action: &str,
        at: Moment,
    ) -> CloudRequest {
        let action = format!("version=1&action={action}");
        let (key, account) = (self.keys.key.reveal(), &self.settings.account);
        let (data, signature) = netstorage_headers(key, account, &path, &action, at);
        CloudRequest::new(method, self.settings.upload_host.clone(), path)
            .with_header("x-akamai-acs-action", action)
            .with_header("x-akamai-acs-auth-data", data)
            .with_header("x-akamai-acs-auth-sign", signature)
    }
}

//! Edge Auth Token 2.0: what Akamai's edge lets a client in by.
//!
//! Fields are joined by `~` and signed by HMAC-SHA256 with the secret, whose text is hexadecimal;
//! the salt is signed and not sent. The exact path is given as an access list: tokens for a URL
//! depend on how either side escapes, and Akamai's own libraries differ there.

use crate::digest::hmac_sha256;
use crate::secret::Secret;

/// A secret that is not an even number of hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the edge token's secret is no even number of hexadecimal digits: copy it from the property"
)]
pub(crate) struct EdgeTokenError;

/// A token, good from `starts` to `ends`, seconds since 1970, for paths of the pattern `acl`: `*`
/// is any number of characters, `?` is one.
///
/// # Errors
/// When the secret is not hexadecimal.
pub(super) fn edge_token(
    secret: &Secret,
    salt: Option<&Secret>,
    acl: &str,
    starts: i64,
    ends: i64,
) -> Result<String, EdgeTokenError> {
    let key = hex::decode(secret.reveal()).map_err(|_| EdgeTokenError)?;
    let token = format!("st={starts}~exp={ends}~acl={acl}");
    let signed = match salt {
        Some(salt) => format!("{token}~salt={}", salt.reveal()),
        None => token.clone(),
    };
    let signature = hex::encode(hmac_sha256(&key, signed.as_bytes()));
    Ok(format!("{token}~hmac={signature}"))
}

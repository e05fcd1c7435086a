//! Edge Auth Token 2.0: what Akamai's edge lets a client in by.
//!
//! Fields are joined by `~` and signed by HMAC-SHA256 with the secret, whose text is hexadecimal;
//! the salt is signed and not sent. The exact path is given as an access list: tokens for a URL
//! depend on how either side escapes, and Akamai's own libraries differ there.

use std::fmt::Write as _;

use crate::digest::hmac_sha256;
use crate::secret::Secret;

/// A secret that is not an even number of hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the edge token's secret is no even number of hexadecimal digits: copy it from the property"
)]
pub struct EdgeTokenError;

/// What a token lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeTokenFor<'a> {
    /// Paths of this pattern: `*` is any number of characters, `?` is one. It is in the token.
    Acl(&'a str),
    /// This path, which is signed and not sent.
    Url(&'a str),
}

/// A token, good from `starts` to `ends`, seconds since 1970.
///
/// # Errors
/// When the secret is not hexadecimal.
pub fn edge_token(
    secret: &Secret,
    salt: Option<&Secret>,
    what: EdgeTokenFor<'_>,
    starts: i64,
    ends: i64,
) -> Result<String, EdgeTokenError> {
    let key = hex::decode(secret.reveal()).map_err(|_| EdgeTokenError)?;
    let mut token = format!("st={starts}~exp={ends}");
    if let EdgeTokenFor::Acl(acl) = what {
        // Writing to a string cannot fail.
        let _ = write!(token, "~acl={acl}");
    }
    let mut signed = token.clone();
    if let EdgeTokenFor::Url(url) = what {
        let _ = write!(signed, "~url={url}");
    }
    if let Some(salt) = salt {
        let _ = write!(signed, "~salt={}", salt.reveal());
    }
    let signature = hex::encode(hmac_sha256(&key, signed.as_bytes()));
    Ok(format!("{token}~hmac={signature}"))
}

//! Edge Auth Token 2.0: what Akamai's edge lets a client in by.
//!
//! Fields are joined by `~` and signed by HMAC-SHA256 with the secret, whose text is hexadecimal;
//! the salt is signed and not sent. The path is given as an access list: tokens for a URL depend on
//! how either side escapes, and Akamai's own libraries differ there.

use crate::digest::hmac_sha256;
use crate::secret::Secret;

/// A secret that is not an even number of hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the edge token's secret is no even number of hexadecimal digits: copy it from the property"
)]
pub(crate) struct EdgeTokenError;

/// The pattern for one path as it is sent. Whether an edge compares that or the decoded path is a
/// setting of the property ("escape token input"), so what is encoded is any text to the pattern, as are
/// the marks that part fields (`~`) and patterns (`!`): of our own names that is nothing but the odd ones
/// of a test.
pub(super) fn acl_of(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((plain, marked)) = rest.split_once(['%', '~', '!']) {
        let is_encoded = rest.as_bytes().get(plain.len()) == Some(&b'%');
        pattern.push_str(plain);
        if !pattern.ends_with('*') {
            pattern.push('*');
        }
        rest = if is_encoded { marked.get(2..).unwrap_or_default() } else { marked };
    }
    pattern.push_str(rest);
    pattern
}

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

#[cfg(test)]
mod tests {
    use super::acl_of;

    #[test]
    fn what_is_encoded_is_any_text_and_what_is_plain_stays() {
        for (path, acl) in [
            ("/macs/content/ab/abcd", "/macs/content/ab/abcd"),
            ("/macs/probe/1-a%20b%2B%C3%A9%2650%25%23", "/macs/probe/1-a*b*50*"),
            ("/%20", "/*"),
            ("/a~b!c", "/a*b*c"),
            ("/~!%20~", "/*"),
        ] {
            assert_eq!(acl_of(path), acl);
        }
    }
}

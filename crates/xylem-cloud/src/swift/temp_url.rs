//! TempURL: an address that is good for one method on one object ("Temporary URL middleware" in
//! Swift's documentation), and the keys of an account that sign it.

use http::Method;
use serde::{Deserialize, Serialize};

use crate::digest::{base64_url, hmac_sha1, hmac_sha256, hmac_sha512};
use crate::encode;

/// The digests that addresses are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TempUrlDigest {
    /// In hexadecimal.
    Sha256,
    /// As `sha512:` and base64 for URLs: in hexadecimal it is refused.
    Sha512,
    /// In hexadecimal; all that servers know that do not say which they allow.
    Sha1,
}

impl TempUrlDigest {
    /// The best of those that are allowed; servers that do not say know SHA-1 alone.
    pub(super) fn choose(allowed: Option<&[String]>) -> Option<Self> {
        let Some(allowed) = allowed else { return Some(Self::Sha1) };
        let has = |name: &str| allowed.iter().any(|digest| digest == name);
        [("sha256", Self::Sha256), ("sha512", Self::Sha512), ("sha1", Self::Sha1)]
            .into_iter()
            .find(|(name, _)| has(name))
            .map(|(_, digest)| digest)
    }

    fn sign(self, key: &[u8], message: &[u8]) -> String {
        match self {
            Self::Sha256 => hex::encode(hmac_sha256(key, message)),
            Self::Sha512 => format!("sha512:{}", base64_url(&hmac_sha512(key, message))),
            Self::Sha1 => hex::encode(hmac_sha1(key, message)),
        }
    }
}

/// The query that lets `method` do its work on `path`, which is not encoded and begins with `/v1`,
/// until `ends`, seconds since 1970. `filename` is what a client saves it as.
pub(super) fn temp_url_query(
    digest: TempUrlDigest,
    key: &str,
    method: &Method,
    path: &str,
    ends: i64,
    filename: Option<&str>,
) -> String {
    let signed = format!("{method}\n{ends}\n{path}");
    let signature = digest.sign(key.as_bytes(), signed.as_bytes());
    let ends = ends.to_string();
    let mut pairs = vec![("temp_url_sig", signature.as_str()), ("temp_url_expires", &ends)];
    pairs.extend(filename.map(|filename| ("filename", filename)));
    encode::query(&pairs)
}

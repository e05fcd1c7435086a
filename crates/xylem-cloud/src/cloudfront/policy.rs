//! What a signed URL of CloudFront allows.
//!
//! The text of a policy is signed byte by byte, without white space. Base64 has `-`, `_` and `~`
//! in the place of `+`, `=` and `/`, which a query would have to encode.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use xylem_model::Timestamp;

use super::key::{CloudFrontKey, CloudFrontKeyError};
use crate::settings::CloudFrontHash;

/// Who may fetch what, and until when a request may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    /// The URL as the client sends it, without what signing adds.
    pub(super) resource: String,
    /// Until when.
    pub(super) until: Timestamp,
    /// The only address it is good for; none: any.
    pub(super) source: Option<Ipv4Addr>,
}

impl Policy {
    /// Whether the edge makes the same text by itself, from the URL alone.
    const fn is_canned(&self) -> bool {
        self.source.is_none()
    }

    /// The text that is signed.
    pub(super) fn text(&self) -> String {
        // What JSON escapes is in no URL of ours: paths are encoded.
        let resource = &self.resource;
        let until = self.until.unix_seconds();
        let mut conditions = format!(r#""DateLessThan":{{"AWS:EpochTime":{until}}}"#);
        if let Some(source) = self.source {
            conditions.push_str(&format!(r#","IpAddress":{{"AWS:SourceIp":"{source}/32"}}"#));
        }
        format!(r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{{conditions}}}}}]}}"#)
    }

    /// The query that is appended to the URL.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub(super) fn signed_query(
        &self,
        key: &CloudFrontKey,
        key_pair_id: &str,
        hash: CloudFrontHash,
    ) -> Result<String, CloudFrontKeyError> {
        let text = self.text();
        let signature = in_url(&key.sign(hash, text.as_bytes())?);
        let first = match self.is_canned() {
            true => format!("Expires={}", self.until.unix_seconds()),
            false => format!("Policy={}", in_url(text.as_bytes())),
        };
        let named = match hash {
            CloudFrontHash::Sha256 => "&Hash-Algorithm=SHA256",
            CloudFrontHash::Sha1 => "",
        };
        Ok(format!("{first}&Signature={signature}&Key-Pair-Id={key_pair_id}{named}"))
    }
}

fn in_url(bytes: &[u8]) -> String {
    STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

//! Signature Version 4 in headers.
//!
//! Amazon's description: "Authenticating Requests: Using the Authorization Header (AWS Signature
//! Version 4)" in the S3 API reference. Every header that the request has is signed, `host` too, so
//! whoever sends it can change none of them.

use std::fmt::Write as _;

use xylem_model::{Sha256, Timestamp};

use crate::digest::{hmac_sha256, sha256};
use crate::request::CloudRequest;
use crate::secret::S3Secrets;
use crate::stamp::Stamp;

/// The method of signing.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The header whose value is the SHA-256 of the body.
const CONTENT_SHA256: &str = "x-amz-content-sha256";

/// What a signature is good for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The region.
    pub(crate) region: &'a str,
    /// The service: `s3`, or `cloudfront`, whose region is `us-east-1`.
    pub(crate) service: &'a str,
}

/// Signs a request whose body has this SHA-256; headers that are there already are signed too.
/// It has to arrive within 15 minutes of `now`.
pub(crate) fn sign(
    request: CloudRequest,
    body: &Sha256,
    keys: &S3Secrets,
    scope: Scope<'_>,
    now: Timestamp,
) -> CloudRequest {
    let stamp = Stamp::of(now);
    let request = request
        .with_header(CONTENT_SHA256, body.to_hex())
        .with_header("x-amz-date", stamp.amazon());
    let headers = signed_headers(&request);
    let names = names(&headers);
    let canonical = canonical_request(&request, &headers, &names, &body.to_hex());
    let signature = signature(&canonical, keys, scope, &stamp);
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders={names}, Signature={signature}",
        keys.key_id,
        scope.written(&stamp),
    );
    request.with_header("authorization", authorization)
}

impl Scope<'_> {
    pub(super) fn written(&self, stamp: &Stamp) -> String {
        format!("{}/{}/{}/aws4_request", stamp.day, self.region, self.service)
    }
}

/// Names and values of the headers that are signed, sorted.
fn signed_headers(request: &CloudRequest) -> Vec<(&str, String)> {
    let mut headers: Vec<_> =
        request.headers.iter().map(|header| (&*header.name, collapsed(&header.value))).collect();
    headers.push(("host", request.endpoint.authority()));
    headers.sort();
    headers
}

/// Without blanks at the ends, and single ones within.
fn collapsed(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn names(headers: &[(&str, String)]) -> String {
    headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";")
}

fn canonical_request(
    request: &CloudRequest,
    headers: &[(&str, String)],
    names: &str,
    body: &str,
) -> String {
    let mut lines = format!("{}\n{}\n{}\n", request.method, request.path, request.query);
    for (name, value) in headers {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{name}:{value}");
    }
    format!("{lines}\n{names}\n{body}")
}

/// The signature over a canonical request, in hexadecimal.
pub(super) fn signature(
    canonical: &str,
    keys: &S3Secrets,
    scope: Scope<'_>,
    stamp: &Stamp,
) -> String {
    let text = format!(
        "{ALGORITHM}\n{}\n{}\n{}",
        stamp.amazon(),
        scope.written(stamp),
        sha256(canonical.as_bytes()).to_hex()
    );
    let secret = format!("AWS4{}", keys.secret.reveal());
    let steps = [stamp.day.as_str(), scope.region, scope.service, "aws4_request", &text];
    let signature = steps
        .iter()
        .fold(secret.into_bytes(), |key, message| hmac_sha256(&key, message.as_bytes()));
    hex::encode(signature)
}

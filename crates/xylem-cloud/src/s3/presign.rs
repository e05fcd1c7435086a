//! Signature Version 4 in a query: an address that is good for one GET of one object.
//!
//! Amazon's description: "Authenticating Requests: Using Query Parameters (AWS Signature Version
//! 4)". `Range` is not signed, so a client resumes with the same address.

use std::time::Duration;

use xylem_model::Timestamp;

use super::sign::{ALGORITHM, Scope, signature};
use crate::encode;
use crate::endpoint::Endpoint;
use crate::request::SecretUrl;
use crate::secret::S3Secrets;
use crate::stamp::Stamp;

/// Longest life of a presigned address that Amazon takes.
const MAX_PRESIGNED: Duration = Duration::from_secs(7 * 24 * 3600);

/// An address for GET of `path`, which is encoded, with these further parameters, from `now` on
/// for `life`, at least a second and at most seven days.
pub(super) fn presign(
    endpoint: &Endpoint,
    path: &str,
    parameters: &[(&str, &str)],
    keys: &S3Secrets,
    scope: Scope<'_>,
    now: Timestamp,
    life: Duration,
) -> SecretUrl {
    let stamp = Stamp::of(now);
    let credential = format!("{}/{}", keys.key_id, scope.written(&stamp));
    let date = stamp.amazon();
    let seconds = life.min(MAX_PRESIGNED).as_secs().max(1).to_string();
    let mut all = vec![
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &date),
        ("X-Amz-Expires", &seconds),
        ("X-Amz-SignedHeaders", "host"),
    ];
    all.extend_from_slice(parameters);
    let query = encode::query(&all);
    let host = endpoint.authority();
    let canonical = format!("GET\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
    let signature = signature(&canonical, keys, scope, &stamp);
    SecretUrl::new(endpoint, path, &format!("{query}&X-Amz-Signature={signature}"))
}

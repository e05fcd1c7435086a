//! How the edge asks the bucket: by SigV4 in a query, as an origin access control does. By Amazon's
//! "Authenticating Requests: Using Query Parameters", and no code of ours.

use aws_lc_rs::{digest, hmac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use time::OffsetDateTime;

use super::super::seaweed::{BUCKET, KEY_ID, REGION, SECRET};

/// All but what RFC 3986 calls unreserved; and in a path, but `/`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// How long it is good for, seconds: a download takes its slices one after the other.
const LIFE_SECONDS: u32 = 24 * 3600;

/// Path and query at the bucket for a path at the edge.
pub(super) fn presigned(host: &str, path: &str, now: OffsetDateTime) -> String {
    let day = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
    let date = format!("{day}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
    let scope = format!("{day}/{REGION}/s3/aws4_request");
    let name = percent_decode_str(path).decode_utf8_lossy();
    let path = format!("/{BUCKET}{}", utf8_percent_encode(&name, RESERVED_IN_PATH));
    let credential = format!("{KEY_ID}/{scope}");
    let credential = utf8_percent_encode(&credential, RESERVED);
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={date}\
         &X-Amz-Expires={LIFE_SECONDS}&X-Amz-SignedHeaders=host"
    );
    let canonical = format!("GET\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
    let canonical = hex::encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}");
    let key = format!("AWS4{SECRET}").into_bytes();
    let steps = [day.as_str(), REGION, "s3", "aws4_request", &text];
    let signature = steps.iter().fold(key, |key, step| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), step.as_bytes()).as_ref().to_vec()
    });
    format!("{path}?{query}&X-Amz-Signature={}", hex::encode(signature))
}

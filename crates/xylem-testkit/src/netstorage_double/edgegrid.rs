//! The signature of Akamai's APIs, checked ("Authenticate with EdgeGrid").

use std::collections::BTreeSet;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{Method, header};
use xylem_model::Timestamp;

use super::refusal::{Refusal, refused};
use super::{EDGEGRID_ACCESS_TOKEN, EDGEGRID_CLIENT_SECRET, EDGEGRID_CLIENT_TOKEN};

/// The algorithm, and with a blank what begins the header.
const ALGORITHM: &str = "EG1-HMAC-SHA256 ";
/// How far clocks may be apart, seconds.
const MAX_SKEW_SECONDS: u64 = 30;
/// Most bytes of a body that are signed: those in front.
const MAX_SIGNED_BYTES: usize = 131_072;

/// Refuses a request that is not signed as is described, or was seen before.
pub(super) fn check(
    head: &Parts,
    body: &[u8],
    now: Timestamp,
    nonces: &mut BTreeSet<String>,
) -> Result<(), Refusal> {
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = text(header::AUTHORIZATION).unwrap_or_default();
    let none = || refused(401, "the Authorization header is none");
    let claims = authorization.strip_prefix(ALGORITHM).ok_or_else(none)?;
    let fields: Vec<(&str, &str)> =
        claims.split(';').filter_map(|field| field.split_once('=')).collect();
    let [
        ("client_token", EDGEGRID_CLIENT_TOKEN),
        ("access_token", EDGEGRID_ACCESS_TOKEN),
        ("timestamp", stamp),
        ("nonce", nonce),
        ("signature", signature),
    ] = fields[..]
    else {
        return Err(refused(401, "a token is another, or a field lacks"));
    };
    let data = authorization.strip_suffix(&format!("signature={signature}")).ok_or_else(none)?;
    let host = text(header::HOST).unwrap_or_default();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let hashed = match head.method == Method::POST && !body.is_empty() {
        true => {
            let front = body.get(..MAX_SIGNED_BYTES).unwrap_or(body);
            STANDARD.encode(digest::digest(&digest::SHA256, front))
        }
        false => String::new(),
    };
    let signed = format!("{}\thttps\t{host}\t{target}\t\t{hashed}\t{data}", head.method);
    let key = mac(EDGEGRID_CLIENT_SECRET, stamp);
    if mac(&key, &signed) != signature {
        return Err(refused(401, "the signature does not match"));
    }
    let time = moment(stamp).ok_or_else(|| refused(400, "the timestamp is none"))?;
    if now.unix_seconds().abs_diff(time.unix_seconds()) > MAX_SKEW_SECONDS {
        return Err(refused(400, "the timestamp is too far off"));
    }
    match nonces.insert(nonce.to_owned()) {
        true => Ok(()),
        false => Err(refused(400, "the nonce was used before")),
    }
}

fn mac(key: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

/// `20260131T08:00:00+0000` as a moment.
fn moment(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix("+0000")?.split_once('T')?;
    let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..8)?);
    format!("{year}-{month}-{day}T{time}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read() {
        assert_eq!(moment("20260131T08:00:00+0000"), "2026-01-31T08:00:00Z".parse().ok());
        assert!(moment("2026-01-31T08:00:00Z").is_none() && moment("").is_none());
    }
}

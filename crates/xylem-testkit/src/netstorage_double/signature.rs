//! The headers that prove who asks, checked ("Each call needs signature header authentication").

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use xylem_model::Timestamp;

use super::refusal::{Refusal, refused};
use super::{NETSTORAGE_ACCOUNT, NETSTORAGE_KEY};

/// What is to be done.
pub(super) const ACTION: &str = "x-akamai-acs-action";
/// Who asks, when, and a number.
pub(super) const DATA: &str = "x-akamai-acs-auth-data";
/// The signature over the data, the path and the action.
pub(super) const SIGN: &str = "x-akamai-acs-auth-sign";

/// HMAC-SHA256; 3 is MD5 and 4 is SHA-1, which are taken no more.
const VERSION: &str = "5";
/// What stands for two addresses that nobody needs any more.
const RESERVED: &str = "0.0.0.0";
/// How far clocks may be apart, seconds.
const MAX_SKEW_SECONDS: u64 = 60;

/// Refuses a request that is not signed as is described, or was seen before; gives the action that
/// was signed. `path` is the one on the request line.
pub(super) fn check(
    path: &str,
    headers: &HeaderMap,
    now: Timestamp,
    seen: &mut BTreeSet<(i64, u64)>,
) -> Result<String, Refusal> {
    let known = [ACTION, DATA, SIGN];
    let mut names = headers.keys().map(http::HeaderName::as_str);
    if names.any(|name| name.starts_with("x-akamai-") && !known.contains(&name)) {
        return Err(refused(400, "an X-Akamai header is unknown"));
    }
    let (action, data) = (one(headers, ACTION)?, one(headers, DATA)?);
    let (time, number) = claims(data)?;
    if sign(data, path, action) != one(headers, SIGN)? {
        return Err(refused(403, "the signature is another"));
    }
    if now.unix_seconds().abs_diff(time) > MAX_SKEW_SECONDS {
        return Err(refused(403, "the clocks are more than 60 s apart"));
    }
    match seen.insert((time, number)) {
        true => Ok(action.to_owned()),
        false => Err(refused(403, "the number was used before")),
    }
}

/// The signature of a request.
pub(super) fn sign(data: &str, path: &str, action: &str) -> String {
    sign_with(NETSTORAGE_KEY, data, path, action)
}

fn sign_with(key: &str, data: &str, path: &str, action: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let text = format!("{data}{path}\n{ACTION}:{action}\n");
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

/// A header that is there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        (Some(Ok(value)), None) => Ok(value),
        _ => Err(refused(403, format!("there is not one {name}"))),
    }
}

/// Time and number of the six fields of data.
fn claims(data: &str) -> Result<(i64, u64), Refusal> {
    let fields: Vec<&str> = data.split(", ").collect();
    let [version, RESERVED, RESERVED, time, number, account] = fields[..] else {
        return Err(refused(403, "the data has not its six fields"));
    };
    if version != VERSION {
        return Err(refused(403, "only version 5 of the signature is taken"));
    }
    if account != NETSTORAGE_ACCOUNT {
        return Err(refused(403, "there is no such account"));
    }
    match (time.parse(), number.parse()) {
        (Ok(time), Ok(number)) => Ok((time, number)),
        _ => Err(refused(403, "time or number is none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Example authentication headers".
    #[test]
    fn the_documented_signature_is_met() {
        let data = "5, 0.0.0.0, 0.0.0.0, 1280000000, 382644692, UploadAccountMedia";
        let digest = "0123456789abcdef0123456789abcdef";
        let action = format!("version=1&action=upload&md5={digest}&mtime=1260000000");
        let path = "/123456/files_baseball/sweep.m4a";
        let signed = sign_with("abcdefghij", data, path, &action);
        assert_eq!(signed, "yh1MXm/rv7RKZhfKlTuSUBV69Acph5IyOWCU0/nFjms=");
    }
}

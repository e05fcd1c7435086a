//! Signature Version 4, checked: in headers and in a query.
//!
//! By "Authenticating Requests (AWS Signature Version 4)" of Amazon's S3 API reference.

use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use xylem_model::Timestamp;

use super::{Asked, Refusal, refused};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far clocks may be apart.
const MAX_SKEW: Duration = Duration::from_secs(15 * 60);
/// Longest life of an address, seconds.
const MAX_EXPIRES: u64 = 7 * 24 * 3600;

/// Whose signatures are taken, and for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Realm {
    pub(crate) key_id: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) region: &'static str,
    pub(crate) service: &'static str,
}

/// What a signature says of itself.
struct Claim {
    credential: String,
    signed_headers: String,
    signature: String,
    date: String,
    payload: String,
    /// The query without the signature.
    query: String,
}

/// Refuses a request that is not signed, or otherwise than Amazon describes.
pub(crate) fn check(asked: &Asked, realm: &Realm, now: Timestamp) -> Result<(), Refusal> {
    let claim = match asked.header("authorization") {
        Some(authorization) => in_headers(asked, authorization)?,
        None => in_query(asked)?,
    };
    let moment = moment(&claim.date)?;
    match asked.parameter("X-Amz-Expires") {
        Some(expires) => not_expired(moment, &expires, now)?,
        None if apart(moment, now) >= MAX_SKEW => {
            let told = "the difference between the request time and the current time is too large";
            return Err(refused(403, "RequestTimeTooSkewed", told));
        }
        None => {}
    }
    let scope = scope(&claim, realm)?;
    let text = format!("{ALGORITHM}\n{}\n{scope}\n{}", claim.date, canonical(asked, &claim)?);
    let day = claim.date.get(..8).unwrap_or_default();
    let steps = [day, realm.region, realm.service, "aws4_request", &text];
    let key = format!("AWS4{}", realm.secret).into_bytes();
    let expected = steps.iter().fold(key, |key, step| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), step.as_bytes()).as_ref().to_vec()
    });
    match hex::encode(expected) == claim.signature {
        true => Ok(()),
        false => Err(refused(403, "SignatureDoesNotMatch", "the signature is another")),
    }
}

fn in_headers(asked: &Asked, authorization: &str) -> Result<Claim, Refusal> {
    let denied = || refused(403, "AccessDenied", "the Authorization header is none");
    let fields = authorization.strip_prefix(ALGORITHM).ok_or_else(denied)?;
    let field = |name: &str| {
        let found = fields.split(',').find_map(|field| field.trim().strip_prefix(name));
        found.map(str::to_owned).ok_or_else(denied)
    };
    let payload = asked.header("x-amz-content-sha256").ok_or_else(denied)?.to_owned();
    if payload != hex::encode(digest::digest(&digest::SHA256, &asked.body)) {
        let told = "the body is another than the one that was signed";
        return Err(refused(400, "XAmzContentSHA256Mismatch", told));
    }
    Ok(Claim {
        credential: field("Credential=")?,
        signed_headers: field("SignedHeaders=")?,
        signature: field("Signature=")?,
        date: asked.header("x-amz-date").ok_or_else(denied)?.to_owned(),
        payload,
        query: asked.query.clone(),
    })
}

fn in_query(asked: &Asked) -> Result<Claim, Refusal> {
    let denied = || refused(403, "AccessDenied", "the request is not signed");
    let parameter = |name: &str| asked.parameter(name).ok_or_else(denied);
    if parameter("X-Amz-Algorithm")? != ALGORITHM {
        return Err(denied());
    }
    let others = asked.query.split('&').filter(|pair| !pair.starts_with("X-Amz-Signature="));
    Ok(Claim {
        credential: parameter("X-Amz-Credential")?,
        signed_headers: parameter("X-Amz-SignedHeaders")?,
        signature: parameter("X-Amz-Signature")?,
        date: parameter("X-Amz-Date")?,
        payload: "UNSIGNED-PAYLOAD".to_owned(),
        query: others.collect::<Vec<_>>().join("&"),
    })
}

/// The scope of the one key, region and service there is.
fn scope(claim: &Claim, realm: &Realm) -> Result<String, Refusal> {
    let (id, scope) = claim.credential.split_once('/').unwrap_or_default();
    if id != realm.key_id {
        return Err(refused(403, "InvalidAccessKeyId", "the access key id does not exist"));
    }
    let day = claim.date.get(..8).unwrap_or_default();
    let Realm { region, service, .. } = realm;
    if scope != format!("{day}/{region}/{service}/aws4_request") {
        let told = format!("the region is wrong; expecting {region}");
        return Err(refused(400, "AuthorizationHeaderMalformed", told));
    }
    Ok(scope.to_owned())
}

/// The digest of the canonical request. Everything that is of Amazon's must be signed, and the host.
fn canonical(asked: &Asked, claim: &Claim) -> Result<String, Refusal> {
    let signed: Vec<&str> = claim.signed_headers.split(';').collect();
    let must = |name: &str| name == "host" || name.starts_with("x-amz-") || name == "content-md5";
    let mut names = asked.headers.keys().map(http::HeaderName::as_str);
    if names.any(|name| must(name) && !signed.contains(&name)) || !signed.is_sorted() {
        return Err(refused(403, "AccessDenied", "there are headers that were not signed"));
    }
    let mut pairs: Vec<&str> = claim.query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    let mut text = format!("{}\n{}\n{}\n", asked.method, asked.path, pairs.join("&"));
    for name in signed {
        let value = asked.header(name).unwrap_or_default();
        let value = value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        text.push_str(&format!("{name}:{value}\n"));
    }
    text.push_str(&format!("\n{}\n{}", claim.signed_headers, claim.payload));
    Ok(hex::encode(digest::digest(&digest::SHA256, text.as_bytes())))
}

/// `20130524T000000Z` as a moment.
fn moment(text: &str) -> Result<Timestamp, Refusal> {
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or("?");
    let date = format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8));
    let time = format!("{}:{}:{}Z", part(9, 11), part(11, 13), part(13, 15));
    let read = format!("{date}T{time}").parse();
    read.map_err(|_| refused(403, "AccessDenied", "the date is none"))
}

fn not_expired(moment: Timestamp, expires: &str, now: Timestamp) -> Result<(), Refusal> {
    let denied = |told| refused(403, "AccessDenied", told);
    let seconds: u64 = expires.parse().map_err(|_| denied("the life is no number"))?;
    if !(1..=MAX_EXPIRES).contains(&seconds) {
        return Err(denied("the life is too long"));
    }
    if now >= moment.plus(Duration::from_secs(seconds)) {
        return Err(denied("the request has expired"));
    }
    match moment > now.plus(MAX_SKEW) {
        true => Err(denied("the request is not valid yet")),
        false => Ok(()),
    }
}

fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        let read = moment("20130524T010203Z").ok();
        assert_eq!(read, "2013-05-24T01:02:03Z".parse().ok());
        assert!(moment("yesterday").is_err() && moment("").is_err());
    }
}

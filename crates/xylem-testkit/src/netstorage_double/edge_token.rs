//! The token that lets a client in, checked ("Auth Token 2.0 Verification").
//!
//! Whether a property compares the path as it was sent or decoded is a setting of it ("escape token
//! input"). A token passes here only where it would pass under either one.

use aws_lc_rs::hmac;
use xylem_model::Timestamp;

use super::{EDGE_TOKEN_NAME, EDGE_TOKEN_SALT, EDGE_TOKEN_SECRET};

/// The fields, in the one order that is signed; the signature comes last.
const ORDER: [&str; 6] = ["ip", "st", "exp", "acl", "id", "data"];

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path<'a> {
    /// As it was sent.
    pub(super) sent: &'a str,
    pub(super) decoded: &'a str,
}

/// Refuses a query without a token that opens this path now, by saying why.
pub(super) fn check(
    query: Option<&str>,
    path: Path<'_>,
    now: Timestamp,
) -> Result<(), &'static str> {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let mut tokens = pairs.filter(|(name, _)| *name == EDGE_TOKEN_NAME);
    let (Some((_, token)), None) = (tokens.next(), tokens.next()) else {
        return Err("there is not one token");
    };
    let (signed, signature) = token.rsplit_once("~hmac=").ok_or("the token is not signed")?;
    let mut fields = Vec::new();
    for field in signed.split('~') {
        let (name, value) = field.split_once('=').ok_or("a field has no value")?;
        let place = ORDER.iter().position(|known| *known == name);
        fields.push((place.ok_or("there is no such field")?, value));
    }
    if !fields.windows(2).all(|two| two[0].0 < two[1].0) {
        return Err("the fields are not in order, or one is there twice");
    }
    let field = |name: &str| {
        let at = ORDER.iter().position(|known| *known == name);
        fields.iter().find(|(place, _)| Some(*place) == at).map(|(_, value)| *value)
    };
    check_time(field("st"), field("exp"), now)?;
    if field("ip").is_some() {
        return Err("the client's address is another");
    }
    let text = match field("acl") {
        Some(acl) if !opens(acl, path.sent) || !opens(acl, path.decoded) => {
            return Err("the access list has another path");
        }
        Some(_) => signed.to_owned(),
        None if path.sent != path.decoded => {
            return Err("whether the path is escaped is not known");
        }
        None => format!("{signed}~url={}", path.sent),
    };
    match sign(&text) == signature {
        true => Ok(()),
        false => Err("the signature is another"),
    }
}

/// The signature over fields, and a path where the token is for a URL.
pub(super) fn sign(fields: &str) -> String {
    sign_with(EDGE_TOKEN_SALT, fields)
}

fn sign_with(salt: &str, fields: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &hex::decode(EDGE_TOKEN_SECRET).unwrap());
    hex::encode(hmac::sign(&key, format!("{fields}~salt={salt}").as_bytes()))
}

fn check_time(
    starts: Option<&str>,
    ends: Option<&str>,
    now: Timestamp,
) -> Result<(), &'static str> {
    let seconds = |text: &str| text.parse::<i64>().map_err(|_| "a time is no number");
    let starts = starts.map(seconds).transpose()?;
    let ends = seconds(ends.ok_or("the token has no end")?)?;
    let now = now.unix_seconds();
    if starts.is_some_and(|starts| starts >= ends) {
        return Err("the token ends before it starts");
    }
    if starts.is_some_and(|starts| now < starts) {
        return Err("the token is not valid yet");
    }
    match now < ends {
        true => Ok(()),
        false => Err("the token has ended"),
    }
}

/// Whether one of the patterns, which `!` parts, is a path.
fn opens(acl: &str, path: &str) -> bool {
    acl.split('!').any(|pattern| matches(pattern.as_bytes(), path.as_bytes()))
}

/// `*` is any number of bytes, `?` is one. Where a `*` was taken too short, it is taken longer.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let (mut at, mut read, mut star) = (0, 0, None);
    while read < path.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(byte) if *byte == b'?' || Some(byte) == path.get(read) => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((from, taken)) => {
                    star = Some((from, taken + 1));
                    (at, read) = (from + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What both of Akamai's own libraries make of this secret.
    #[test]
    fn the_golden_vectors_are_met() {
        let times = "st=1700000000~exp=1700003600";
        assert_eq!(
            sign_with("s", &format!("{times}~url=/Packages/a b.pkg")),
            "a7aea6ddecc7661ebd5b46512d75cc8c96400a834fbea3e53afe3ffd906f6d64"
        );
        assert_eq!(
            sign_with("s", &format!("{times}~acl=/Packages/*")),
            "fac3024b596f47681585b893c7116d4f4418f4357370a4625fa55459038e1266"
        );
    }

    #[test]
    fn patterns_are_those_of_the_documents() {
        for (pattern, path, is) in [
            ("/a/*", "/a/b/c", true),
            ("/a/*", "/b/a/c", false),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("/*b*d", "/abcbd", true),
            ("/*b*d", "/abcb", false),
            ("*", "", true),
            ("/a", "/a/b", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), is, "{pattern} {path}");
        }
        assert!(opens("/x!/a*", "/ab") && !opens("/x!/b*", "/ab"));
    }
}

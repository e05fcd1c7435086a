//! What a signed URL of CloudFront says, read strictly, by Amazon's descriptions "Creating a signed
//! URL using a canned policy" and "… a custom policy". It shares no code with ours.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::judge::Why;
use super::keys::Hash;

/// The parameters that are the signature's and no part of the resource.
const OWN: [&str; 5] = ["Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm"];

/// A URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signed {
    /// The path and every other parameter, as they came.
    pub(super) rest: String,
    pub(super) said: Said,
    pub(super) key_pair_id: String,
    pub(super) hash: Hash,
    pub(super) signature: Vec<u8>,
}

/// What is signed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Until when; the edge makes the text by itself.
    Canned(i64),
    /// The text.
    Custom(String),
}

/// A policy that holds for one statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) resource: String,
    pub(super) until: i64,
    pub(super) from: Option<i64>,
    pub(super) source: Option<Network>,
}

/// Addresses with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    first: u32,
    mask: u32,
}

impl Signed {
    /// Reads what stands on a request line.
    pub(super) fn read(target: &str) -> Result<Self, Why> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match OWN.contains(&name) {
                true if own.iter().any(|(other, _)| *other == name) => return Err(Why::Repeated),
                true => own.push((name, value)),
                false => others.push(pair),
            }
        }
        if own.is_empty() {
            return Err(Why::MissingKey);
        }
        let value = |name: &str| own.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
        let said = match (value("Expires"), value("Policy")) {
            (Some(until), None) => Said::Canned(number(until)?),
            (None, Some(policy)) => {
                Said::Custom(String::from_utf8(decoded(policy)?).map_err(|_| Why::Policy)?)
            }
            _ => return Err(Why::BothOrNeither),
        };
        let hash = match value("Hash-Algorithm") {
            None | Some("SHA1") => Hash::Sha1,
            Some("SHA256") => Hash::Sha256,
            Some(_) => return Err(Why::Hash),
        };
        let join = if others.is_empty() { "" } else { "?" };
        Ok(Self {
            rest: format!("{path}{join}{}", others.join("&")),
            said,
            key_pair_id: value("Key-Pair-Id").ok_or(Why::MissingKey)?.to_owned(),
            hash,
            signature: decoded(value("Signature").ok_or(Why::MissingKey)?)?,
        })
    }
}

impl Policy {
    /// Reads a custom policy.
    pub(super) fn read(text: &str) -> Result<Self, Why> {
        if text.contains(char::is_whitespace) {
            return Err(Why::Policy);
        }
        let document: Document = serde_json::from_str(text).map_err(|_| Why::Policy)?;
        let [Statement { resource, condition }] =
            <[Statement; 1]>::try_from(document.statements).map_err(|_| Why::Statements)?;
        let source = condition.source.map(|source| Network::read(&source.network));
        Ok(Self {
            resource,
            until: condition.until.seconds,
            from: condition.from.map(|from| from.seconds),
            source: source.transpose()?,
        })
    }

    /// The policy that a canned URL stands for, and its text.
    pub(super) fn canned(resource: &str, until: i64) -> (Self, String) {
        let text = format!(
            "{{\"Statement\":[{{\"Resource\":\"{resource}\",\"Condition\":{{\"DateLessThan\":\
             {{\"AWS:EpochTime\":{until}}}}}}}]}}"
        );
        (Self { resource: resource.to_owned(), until, from: None, source: None }, text)
    }

    /// Whether it is for a URL: `*` stands for any characters, `?` for one.
    pub(super) fn is_for(&self, url: &str) -> bool {
        is_like(self.resource.as_bytes(), url.as_bytes())
    }
}

impl Network {
    fn read(text: &str) -> Result<Self, Why> {
        let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
        let address: Ipv4Addr = address.parse().map_err(|_| Why::Policy)?;
        let bits: u32 = bits.parse().map_err(|_| Why::Policy)?;
        if bits > 32 {
            return Err(Why::Policy);
        }
        // None of 32 bits is kept where the shift would be by all of them.
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        Ok(Self { first: u32::from(address) & mask, mask })
    }

    pub(super) fn has(&self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask == self.first
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "Statement")]
    statements: Vec<Statement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Resource")]
    resource: String,
    #[serde(rename = "Condition")]
    condition: Condition,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    #[serde(rename = "DateLessThan")]
    until: Epoch,
    #[serde(rename = "DateGreaterThan")]
    from: Option<Epoch>,
    #[serde(rename = "IpAddress")]
    source: Option<Source>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Epoch {
    #[serde(rename = "AWS:EpochTime")]
    seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    #[serde(rename = "AWS:SourceIp")]
    network: String,
}

/// Seconds, in digits alone.
fn number(text: &str) -> Result<i64, Why> {
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().map_err(|_| Why::Policy),
        false => Err(Why::Policy),
    }
}

/// Base64 with `-`, `_` and `~` in the place of `+`, `=` and `/`.
fn decoded(text: &str) -> Result<Vec<u8>, Why> {
    let is_own = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_own) {
        return Err(Why::Alphabet);
    }
    let plain = text.replace('-', "+").replace('_', "=").replace('~', "/");
    STANDARD.decode(plain).map_err(|_| Why::Alphabet)
}

fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', after)), _) => {
            is_like(after, text)
                || text.split_first().is_some_and(|(_, rest)| is_like(pattern, rest))
        }
        (Some((wanted, after)), Some((is, rest))) if wanted == is || *wanted == b'?' => {
            is_like(after, rest)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str = "&Signature=YQ__&Key-Pair-Id=K1";

    #[test]
    fn a_url_is_taken_apart_and_what_is_not_the_signatures_stays() {
        let signed = Signed::read(&format!("/a%20b?x=1&Expires=7{TAIL}&y&Hash-Algorithm=SHA256"));
        let expected = Signed {
            rest: "/a%20b?x=1&y".to_owned(),
            said: Said::Canned(7),
            key_pair_id: "K1".to_owned(),
            hash: Hash::Sha256,
            signature: b"a".to_vec(),
        };
        assert_eq!(signed, Ok(expected));
        assert_eq!(Signed::read(&format!("/a?Expires=7{TAIL}")).unwrap().hash, Hash::Sha1);
    }

    #[test]
    fn what_is_written_otherwise_is_refused_and_why_is_told() {
        for (query, why) in [
            ("", Why::MissingKey),
            ("?x=1", Why::MissingKey),
            ("?Expires=7&Signature=YQ__", Why::MissingKey),
            ("?Expires=7&Key-Pair-Id=K1", Why::MissingKey),
            ("?Signature=YQ__&Key-Pair-Id=K1", Why::BothOrNeither),
            ("?Expires=7&Policy=YQ__&Signature=YQ__&Key-Pair-Id=K1", Why::BothOrNeither),
            ("?Expires=7&Expires=7&Signature=YQ__&Key-Pair-Id=K1", Why::Repeated),
            ("?Expires=-7&Signature=YQ__&Key-Pair-Id=K1", Why::Policy),
            ("?Expires=7&Signature=YQ==&Key-Pair-Id=K1", Why::Alphabet),
            ("?Expires=7&Signature=YQ_&Key-Pair-Id=K1", Why::Alphabet),
            ("?Expires=7&Signature=&Key-Pair-Id=K1", Why::Alphabet),
            ("?Expires=7&Signature=YQ__&Key-Pair-Id=K1&Hash-Algorithm=SHA512", Why::Hash),
        ] {
            assert_eq!(Signed::read(&format!("/a{query}")), Err(why), "{query}");
        }
    }

    #[test]
    fn a_policy_has_one_statement_and_nothing_that_is_not_known() {
        let statement = r#"{"Resource":"u","Condition":{"DateLessThan":{"AWS:EpochTime":7}}}"#;
        let one = format!(r#"{{"Statement":[{statement}]}}"#);
        let (canned, text) = Policy::canned("u", 7);
        assert_eq!((Policy::read(&one).unwrap(), text), (canned, one.clone()));
        let two = format!(r#"{{"Statement":[{statement},{statement}]}}"#);
        assert_eq!(Policy::read(&two), Err(Why::Statements));
        assert_eq!(Policy::read(r#"{"Statement":[]}"#), Err(Why::Statements));
        for other in [
            one.replace("DateLessThan", "DateGreaterThan"),
            one.replace("Condition", "Conditions"),
            one.replace(":7", ": 7"),
            one.replace(":7", ":\"7\""),
            "{".to_owned(),
        ] {
            assert_eq!(Policy::read(&other), Err(Why::Policy), "{other}");
        }
    }

    #[test]
    fn resources_and_addresses_are_compared_as_amazon_does() {
        let is_for = |resource: &str, url| Policy::canned(resource, 7).0.is_for(url);
        assert!(is_for("https://h/a", "https://h/a") && !is_for("https://h/a", "https://h/ab"));
        assert!(is_for("https://h/*", "https://h/a/b") && !is_for("https://h/*", "https://i/a"));
        assert!(is_for("h/?b", "h/ab") && !is_for("h/?b", "h/b") && is_for("*", ""));
        let has = |network: &str, address: [u8; 4]| {
            Network::read(network).unwrap().has(Ipv4Addr::from(address))
        };
        assert!(has("10.1.0.0/16", [10, 1, 2, 3]) && !has("10.1.0.0/16", [10, 2, 0, 0]));
        assert!(has("10.1.2.3", [10, 1, 2, 3]) && !has("10.1.2.3/32", [10, 1, 2, 4]));
        assert!(has("0.0.0.0/0", [1, 2, 3, 4]) && Network::read("1.2.3.4/33").is_err());
    }
}

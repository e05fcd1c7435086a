//! URLs, good and wrong. The good ones are ours, but for policies that our code never makes; the
//! wrong ones are good ones with one thing changed, or signed by `openssl` with one thing wrong.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::judge::Why;
use super::keys::{Algorithm, Hash, KeyPair};
use super::ours::Signer;
use super::refusals::{HERE, LIFE, Scene};

/// Somebody else's address.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

/// How long ago, or ahead, what is of another time is.
const LONG: Duration = Duration::from_secs(3600);

/// A URL, and what is to come of it.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) expected: Result<(), Why>,
}

/// Everything that is to be let through.
pub(super) fn good(scene: &Scene<'_>) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for algorithm in [Algorithm::Rsa, Algorithm::P256] {
        for hash in [Hash::Sha256, Hash::Sha1] {
            for source in [None, Some(HERE)] {
                let url = ours(scene, algorithm, hash, source).url(&scene.object)?;
                let name = format!("ours, {algorithm:?}, {hash:?}, for {source:?}");
                cases.push(Case { name, url, expected: Ok(()) });
            }
        }
    }
    let (distribution, until) = (scene.edge.url(), until(scene));
    let before = scene.now.minus(LONG).unix_seconds();
    let policies = [
        ("any object", policy(&format!("{distribution}/*"), &until)),
        ("one letter of a host", policy("https://?ocalhost*", &until)),
        (
            "from an hour ago on, from here",
            policy(
                &resource(scene)?,
                &format!(
                    r#"{until},"DateGreaterThan":{{"AWS:EpochTime":{before}}},"IpAddress":{{"AWS:SourceIp":"127.0.0.0/8"}}"#
                ),
            ),
        ),
    ];
    for (name, text) in policies {
        let url = custom(scene, &text)?;
        cases.push(Case { name: name.to_owned(), url, expected: Ok(()) });
    }
    Ok(cases)
}

/// Everything that is to be refused.
pub(super) fn wrong(scene: &Scene<'_>) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut add = |name: &str, url: String, why| {
        cases.push(Case { name: name.to_owned(), url, expected: Err(why) });
    };
    for algorithm in [Algorithm::Rsa, Algorithm::P256] {
        for (name, url, why) in changed(scene, algorithm)? {
            add(&format!("{name}, {algorithm:?}"), url, why);
        }
    }
    for (name, url, why) in otherwise(scene)? {
        add(name, url, why);
    }
    Ok(cases)
}

type Wrong = (&'static str, String, Why);

/// URLs of ours with one thing changed, or made at another time, or for somebody else.
fn changed(scene: &Scene<'_>, algorithm: Algorithm) -> anyhow::Result<Vec<Wrong>> {
    let signer = |hash, source| ours(scene, algorithm, hash, source);
    let canned = signer(Hash::Sha256, None).url(&scene.object)?;
    let bound = signer(Hash::Sha256, Some(HERE)).url(&scene.object)?;
    let older = signer(Hash::Sha1, None).url(&scene.object)?;
    let foreign = signer(Hash::Sha256, Some(ELSEWHERE));
    let past = |source| Signer { now: scene.now.minus(LONG), ..signer(Hash::Sha256, source) };
    let place = |key| anyhow::Ok(path(&signer(Hash::Sha256, None).url(key)?)?.to_owned());
    let (here, there) = (place(&scene.object)?, place(&scene.other)?);
    let (signature, id) = (value(&canned, "Signature")?, value(&canned, "Key-Pair-Id")?);
    let of_its =
        |name: &str, other: &str| anyhow::Ok(canned.replacen(value(&canned, name)?, other, 1));
    let cut = signature.get(..signature.len() - 8).context("a signature is longer")?;
    let other_id = match algorithm {
        Algorithm::Rsa => &scene.edge.p256.id,
        Algorithm::P256 => &scene.edge.rsa.id,
    };
    let later = (scene.now.plus(LONG).unix_seconds() + 1).to_string();
    let plain = signature.replace('-', "+").replace('~', "/").replace('_', "=");
    let in_full = match plain == signature {
        // Where chance had it that there is nothing to change.
        true => format!("{plain}="),
        false => plain,
    };
    let rewritten = {
        let url = foreign.url(&scene.object)?;
        let text = String::from_utf8(read(value(&url, "Policy")?)?)?;
        let text = text.replace(&ELSEWHERE.to_string(), &HERE.to_string());
        url.replacen(value(&url, "Policy")?, &written(text.as_bytes()), 1)
    };
    Ok(vec![
        (
            "no signature at all",
            canned.split('?').next().unwrap_or_default().to_owned(),
            Why::MissingKey,
        ),
        ("expired", past(None).url(&scene.object)?, Why::Expired),
        ("expired, custom", past(Some(HERE)).url(&scene.object)?, Why::Expired),
        ("another object", canned.replacen(&here, &there, 1), Why::Signature),
        ("another object, custom", bound.replacen(&here, &there, 1), Why::Resource),
        ("another time", of_its("Expires", &later)?, Why::Signature),
        ("another policy", rewritten, Why::Signature),
        ("another address", foreign.url(&scene.object)?, Why::Address),
        ("a signature that is cut", of_its("Signature", cut)?, Why::Signature),
        ("a signature that is empty", of_its("Signature", "")?, Why::Alphabet),
        ("a signature in the plain alphabet", of_its("Signature", &in_full)?, Why::Alphabet),
        ("no signature", without(&canned, "Signature")?, Why::MissingKey),
        ("no key pair's id", without(&canned, "Key-Pair-Id")?, Why::MissingKey),
        ("a key pair's id that there is not", canned.replacen(id, "KNOBODY", 1), Why::UnknownKey),
        ("the other key pair's id", canned.replacen(id, other_id, 1), Why::Signature),
        ("the hash is not told", without(&canned, "Hash-Algorithm")?, Why::Signature),
        ("another hash is told", format!("{older}&Hash-Algorithm=SHA256"), Why::Signature),
        ("a hash that there is not", canned.replacen("SHA256", "SHA512", 1), Why::Hash),
        ("until when twice", format!("{canned}&Expires={later}"), Why::Repeated),
        ("a signature twice", format!("{canned}&Signature={signature}"), Why::Repeated),
        ("a key pair's id twice", format!("{canned}&Key-Pair-Id={id}"), Why::Repeated),
        ("until when and a policy", format!("{bound}&Expires={later}"), Why::BothOrNeither),
        ("neither of both", without(&canned, "Expires")?, Why::BothOrNeither),
        ("a parameter more", format!("{canned}&x=1"), Why::Signature),
        ("a parameter more, custom", format!("{bound}&x=1"), Why::Resource),
        ("until when is no number", of_its("Expires", "1e12")?, Why::Policy),
        ("encoded otherwise", canned.replacen("%2B", "%2b", 1), Why::Signature),
    ])
}

/// What our code never signs, signed by the right key, and what a stranger signs.
fn otherwise(scene: &Scene<'_>) -> anyhow::Result<Vec<Wrong>> {
    let (resource, until) = (resource(scene)?, until(scene));
    let ahead = scene.now.plus(LONG).unix_seconds();
    let right = policy(&resource, &until);
    let statement = right.trim_start_matches(r#"{"Statement":["#).trim_end_matches("]}");
    let signed = |text: &str| custom(scene, text);
    let stranger = KeyPair::make(scene.folder, "KSTRANGER", Algorithm::Rsa)?;
    let by_stranger = by(scene, &stranger, &scene.edge.rsa.id, &right)?;
    let not_before = format!(r#"{until},"DateGreaterThan":{{"AWS:EpochTime":{ahead}}}"#);
    Ok(vec![
        ("not yet", signed(&policy(&resource, &not_before))?, Why::NotYet),
        ("another key", by_stranger, Why::Signature),
        ("another host", signed(&policy("https://d.example/*", &until))?, Why::Resource),
        (
            "two statements",
            signed(&format!(r#"{{"Statement":[{statement},{statement}]}}"#))?,
            Why::Statements,
        ),
        ("no statement", signed(r#"{"Statement":[]}"#)?, Why::Statements),
        ("no end", signed(&right.replace("DateLessThan", "DateGreaterThan"))?, Why::Policy),
        ("white space", signed(&right.replace(",", ", "))?, Why::Policy),
        ("no policy", signed("anything")?, Why::Policy),
    ])
}

fn ours<'a>(
    scene: &'a Scene<'_>,
    algorithm: Algorithm,
    hash: Hash,
    source: Option<Ipv4Addr>,
) -> Signer<'a> {
    let (distribution, key) = (scene.distribution.as_str(), scene.edge.key(algorithm));
    Signer { distribution, key, hash, source, now: scene.now, life: LIFE }
}

/// The URL of the object without what signing adds.
fn resource(scene: &Scene<'_>) -> anyhow::Result<String> {
    let url = ours(scene, Algorithm::Rsa, Hash::Sha256, None).url(&scene.object)?;
    Ok(url.split('?').next().unwrap_or_default().to_owned())
}

fn until(scene: &Scene<'_>) -> String {
    let until = scene.now.plus(LIFE).unix_seconds();
    format!(r#""DateLessThan":{{"AWS:EpochTime":{until}}}"#)
}

fn policy(resource: &str, conditions: &str) -> String {
    format!(r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{{conditions}}}}}]}}"#)
}

/// The object's URL with a policy, signed by the RSA key of the key group.
fn custom(scene: &Scene<'_>, text: &str) -> anyhow::Result<String> {
    by(scene, &scene.edge.rsa, &scene.edge.rsa.id, text)
}

fn by(scene: &Scene<'_>, key: &KeyPair, id: &str, text: &str) -> anyhow::Result<String> {
    let (resource, signature) = (resource(scene)?, key.sign(Hash::Sha256, text.as_bytes())?);
    let (policy, signature) = (written(text.as_bytes()), written(&signature));
    Ok(format!(
        "{resource}?Policy={policy}&Signature={signature}&Key-Pair-Id={id}&Hash-Algorithm=SHA256"
    ))
}

/// The path of a URL.
fn path(url: &str) -> anyhow::Result<&str> {
    let (_, rest) = url.split_once("://").context("it has a scheme")?;
    let (_, rest) = rest.split_once('/').context("it has a path")?;
    Ok(rest.split('?').next().unwrap_or_default())
}

/// The value of a parameter.
fn value<'a>(url: &'a str, name: &str) -> anyhow::Result<&'a str> {
    let (_, query) = url.split_once('?').context("it has a query")?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(is, _)| *is == name).map(|(_, value)| value);
    found.with_context(|| format!("it has no {name}"))
}

/// The same URL without a parameter.
fn without(url: &str, name: &str) -> anyhow::Result<String> {
    let (place, query) = url.split_once('?').context("it has a query")?;
    let kept: Vec<&str> =
        query.split('&').filter(|pair| !pair.starts_with(&format!("{name}="))).collect();
    Ok(format!("{place}?{}", kept.join("&")))
}

fn written(bytes: &[u8]) -> String {
    STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

fn read(text: &str) -> anyhow::Result<Vec<u8>> {
    Ok(STANDARD.decode(text.replace('-', "+").replace('_', "=").replace('~', "/"))?)
}

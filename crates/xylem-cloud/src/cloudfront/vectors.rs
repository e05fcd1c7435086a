//! CloudFront against Amazon's two signers (`tests/vectors`), and the forms that keys come in.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA1_ASN1, ECDSA_P256_SHA256_ASN1, EcdsaVerificationAlgorithm, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use xylem_model::Timestamp;

use super::key::{CloudFrontKey, CloudFrontKeyError};
use super::policy::Policy;
use crate::settings::CloudFrontHash;

const RSA: &str = include_str!("../../tests/vectors/cloudfront-rsa.pem");
const P256: &str = include_str!("../../tests/vectors/cloudfront-p256.pem");

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn now() -> Timestamp {
    "2026-01-31T08:00:00Z".parse().unwrap()
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/cloudfront-botocore.json")).unwrap()
}

fn seconds(value: &Value) -> Timestamp {
    Timestamp::from_unix_ms(value.as_i64().unwrap() * 1000)
}

#[test]
fn botocores_urls_are_met_byte_by_byte() {
    let all = vectors();
    let key = CloudFrontKey::parse(RSA).unwrap();
    let cases = all["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 16);
    for case in cases {
        let url = text(case, "url");
        let policy = Policy {
            resource: url.to_owned(),
            until: seconds(&case["expires"]),
            source: case["ip"].as_str().map(|ip| ip.parse().unwrap()),
        };
        if let Some(expected) = case["policy"].as_str() {
            assert_eq!(policy.text(), expected);
        }
        let join = if url.contains('?') { '&' } else { '?' };
        let ours = |hash| {
            let query = policy.signed_query(&key, text(&all, "key_pair_id"), hash).unwrap();
            format!("{url}{join}{query}")
        };
        let expected = format!("{}&Hash-Algorithm=SHA256", text(case, "signed"));
        assert_eq!(ours(CloudFrontHash::Sha256), expected);
        assert_eq!(ours(CloudFrontHash::Sha1), text(case, "signed_sha1"));
    }
}

#[test]
fn amazons_own_signer_names_the_hash_in_the_same_way() {
    let text_of_all = include_str!("../../tests/vectors/cloudfront-sdk-js.json");
    let all: Value = serde_json::from_str(text_of_all).unwrap();
    let key = CloudFrontKey::parse(RSA).unwrap();
    let cases = all["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 12);
    for case in cases {
        let policy = Policy {
            resource: text(case, "url").to_owned(),
            until: seconds(&case["expires"]),
            source: case["ip"].as_str().map(|ip| ip.parse().unwrap()),
        };
        let hash = CloudFrontHash::Sha256;
        let ours = policy.signed_query(&key, text(&all, "key_pair_id"), hash).unwrap();
        let (place, theirs) = text(case, "signed").split_once('?').unwrap();
        assert_eq!(place, policy.resource);
        // The order of parameters means nothing, and the two of Amazon's signers differ in it.
        let sorted = |query: &str| {
            let mut pairs: Vec<_> = query.split('&').map(str::to_owned).collect();
            pairs.sort();
            pairs
        };
        assert_eq!(sorted(&ours), sorted(theirs), "{case}");
    }
}

#[test]
fn a_p256_key_signs_what_its_public_half_verifies() {
    let key = CloudFrontKey::parse(P256).unwrap();
    assert_eq!(hex::encode(key.public()), text(&vectors(), "p256_public"));
    let policy = Policy { resource: "https://h/k".to_owned(), until: now(), source: None };
    let kinds: [(_, &'static EcdsaVerificationAlgorithm, _); 2] = [
        (CloudFrontHash::Sha256, &ECDSA_P256_SHA256_ASN1, &ECDSA_P256_SHA1_ASN1),
        (CloudFrontHash::Sha1, &ECDSA_P256_SHA1_ASN1, &ECDSA_P256_SHA256_ASN1),
    ];
    for (hash, its, other) in kinds {
        let query = policy.signed_query(&key, "K1", hash).unwrap();
        assert_eq!(query.contains("Hash-Algorithm=SHA256"), hash == CloudFrontHash::Sha256);
        let signature = query.split('&').find_map(|pair| pair.strip_prefix("Signature=")).unwrap();
        assert!(!signature.contains(['+', '/', '=']), "{signature}");
        let plain = signature.replace('-', "+").replace('_', "=").replace('~', "/");
        let signature = STANDARD.decode(plain).unwrap();
        let is_good = |algorithm: &'static EcdsaVerificationAlgorithm| {
            let public = UnparsedPublicKey::new(algorithm, key.public());
            public.verify(policy.text().as_bytes(), &signature).is_ok()
        };
        assert_eq!((is_good(its), is_good(other)), (true, false), "{hash:?}");
    }
}

#[test]
fn keys_are_taken_in_the_forms_that_tools_write() {
    let same = |one: &str, other: &str| {
        let (one, other) =
            (CloudFrontKey::parse(one).unwrap(), CloudFrontKey::parse(other).unwrap());
        assert_eq!(one.public(), other.public());
    };
    let pkcs1 = include_str!("../../tests/vectors/cloudfront-rsa-pkcs1.pem");
    same(RSA, pkcs1);
    let by_sha1 = |text| CloudFrontKey::parse(text).unwrap().sign(CloudFrontHash::Sha1, b"m");
    assert_eq!(by_sha1(RSA), by_sha1(pkcs1));
    same(P256, include_str!("../../tests/vectors/cloudfront-p256-sec1.pem"));
    let bare: String = RSA.lines().filter(|line| !line.starts_with('-')).collect();
    same(RSA, &bare);
    let parameters =
        format!("-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n{P256}");
    same(P256, &parameters);
    assert_eq!(format!("{:?}", CloudFrontKey::parse(RSA).unwrap()), "CloudFrontKey(RSA)");

    let refused = |text: &str| CloudFrontKey::parse(text).unwrap_err();
    let encrypted = RSA.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    assert_eq!(refused(&encrypted), CloudFrontKeyError::Encrypted);
    let half = &RSA[..RSA.len() / 2];
    for text in ["", "x", half, &"A".repeat(20_000), "-----BEGIN CERTIFICATE-----\nAAAA"] {
        assert_eq!(refused(text), CloudFrontKeyError::Unknown);
    }
}

//! CloudFront against botocore's signer and the forms that keys come in.

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use xylem_cloud::cloudfront::{CloudFrontKey, CloudFrontKeyError, Policy};
use xylem_cloud::s3::S3;
use xylem_cloud::{
    Below, Body, CloudSettings, Cursor, FaultKind, Provider, S3Secrets, Secret, SecretUrl, UrlFor,
};
use xylem_model::Timestamp;

use crate::common::{answer, content, moment, name, now, prefix};
use crate::s3_vectors::{example_keys, text};

const RSA: &str = include_str!("../vectors/cloudfront-rsa.pem");
const P256: &str = include_str!("../vectors/cloudfront-p256.pem");

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/cloudfront-botocore.json")).unwrap()
}

fn seconds(value: &Value) -> Timestamp {
    Timestamp::from_unix_ms(value.as_i64().unwrap() * 1000)
}

#[test]
fn botocores_urls_are_met_byte_by_byte() {
    let all = vectors();
    let key = CloudFrontKey::parse(RSA).unwrap();
    let cases = all["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 24);
    for case in cases {
        let url = text(case, "url");
        let policy = Policy {
            resource: url.to_owned(),
            until: seconds(&case["expires"]),
            from: case.get("begins").filter(|begins| !begins.is_null()).map(seconds),
            source: case["ip"].as_str().map(|ip| ip.parse().unwrap()),
        };
        if let Some(expected) = case["policy"].as_str() {
            assert_eq!(policy.text(), expected);
        }
        let query = policy.signed_query(&key, text(&all, "key_pair_id")).unwrap();
        let join = if url.contains('?') { '&' } else { '?' };
        let expected = format!("{}&Hash-Algorithm=SHA256", text(case, "signed"));
        assert_eq!(format!("{url}{join}{query}"), expected);
    }
}

#[test]
fn amazons_own_signer_names_the_hash_in_the_same_way() {
    let text_of_all = include_str!("../vectors/cloudfront-sdk-js.json");
    let all: Value = serde_json::from_str(text_of_all).unwrap();
    let key = CloudFrontKey::parse(RSA).unwrap();
    let cases = all["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 12);
    for case in cases {
        let policy = Policy {
            resource: text(case, "url").to_owned(),
            until: seconds(&case["expires"]),
            from: None,
            source: case["ip"].as_str().map(|ip| ip.parse().unwrap()),
        };
        let ours = policy.signed_query(&key, text(&all, "key_pair_id")).unwrap();
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
    let policy =
        Policy { resource: "https://h/k".to_owned(), until: now(), from: None, source: None };
    let query = policy.signed_query(&key, "K1").unwrap();
    let signature = query.split('&').find_map(|pair| pair.strip_prefix("Signature=")).unwrap();
    assert!(!signature.contains(['+', '/', '=']), "{signature}");
    let plain = signature.replace('-', "+").replace('_', "=").replace('~', "/");
    let signature = STANDARD.decode(plain).unwrap();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public());
    assert!(public.verify(policy.text().as_bytes(), &signature).is_ok());
}

#[test]
fn keys_are_taken_in_the_forms_that_tools_write() {
    let same = |one: &str, other: &str| {
        let (one, other) =
            (CloudFrontKey::parse(one).unwrap(), CloudFrontKey::parse(other).unwrap());
        assert_eq!(one.public(), other.public());
    };
    same(RSA, include_str!("../vectors/cloudfront-rsa-pkcs1.pem"));
    same(P256, include_str!("../vectors/cloudfront-p256-sec1.pem"));
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

fn with<T>(more: &str, keys: &S3Secrets, act: impl FnOnce(&S3<'_>) -> T) -> T {
    let text = format!(
        r#"{{"provider":"s3","bucket":"packages","region":"r","prefix":"macs","cloudfront":
            {{"url":"https://d.cloudfront.net","key_pair_id":"K1"{more}}}}}"#
    );
    let CloudSettings::S3(settings) = serde_json::from_str(&text).unwrap() else { panic!() };
    act(&S3::new(&settings, keys).unwrap())
}

fn keys() -> S3Secrets {
    S3Secrets { cloudfront_key: Some(Secret::new(RSA)), ..example_keys() }
}

fn url(s3: &S3<'_>, size: u64, client: Option<&str>) -> Result<SecretUrl, FaultKind> {
    let (key, name) = (prefix().content(&content()), name());
    let client = client.map(|client| client.parse().unwrap());
    let life = Duration::from_secs(600);
    let wanted = UrlFor { key: &key, size, name: &name, client, at: moment(), life };
    s3.url(&wanted).map_err(|fault| fault.kind)
}

#[test]
fn a_client_is_sent_to_the_edge_and_never_past_it() {
    let keys = keys();
    with("", &keys, |s3| {
        let canned = url(s3, 5, Some("192.0.2.7")).unwrap();
        let place = format!("https://d.cloudfront.net/{}?", prefix().content(&content()));
        assert!(canned.reveal().starts_with(&format!("{place}Expires=1769847000&Signature=")));
        assert!(canned.reveal().ends_with("&Key-Pair-Id=K1&Hash-Algorithm=SHA256"));
        assert!(url(s3, 20_000_000_000, None).is_ok());
        assert_eq!(url(s3, 20_000_000_001, None), Err(FaultKind::TooLarge));
    });
    with(r#","bind_address":true"#, &keys, |s3| {
        assert!(url(s3, 5, Some("192.0.2.7")).unwrap().reveal().contains("?Policy=eyJT"));
        assert_eq!(url(s3, 5, None), Err(FaultKind::Unsupported));
    });
    with("", &example_keys(), |s3| assert_eq!(url(s3, 5, None), Err(FaultKind::Keys)));
}

#[test]
fn an_invalidation_is_what_botocore_signs() {
    let case: Value =
        serde_json::from_str(include_str!("../vectors/cloudfront-invalidation.json")).unwrap();
    let listed = |s3: &S3<'_>, key: &str| {
        let body = format!(
            "<ListBucketResult><Contents><Key>{key}</Key><Size>1</Size></Contents></ListBucketResult>"
        );
        s3.listed(Below::Contents, &Cursor::START, &answer(200, &[], &body)).unwrap().items[0]
            .key
            .clone()
    };
    with(r#","distribution_id":"EDFDVBD6EXAMPLE""#, &example_keys(), |s3| {
        let keys = [listed(s3, "macs/content/ab/abcd"), listed(s3, "macs/probe/a b")];
        let request = s3.purge(&keys, "ref-1", moment()).unwrap().remove(0);
        let Body::Bytes(body) = &request.body else { panic!() };
        assert_eq!(std::str::from_utf8(body).unwrap(), text(&case, "body"));
        assert_eq!(request.header("authorization"), case["authorization"].as_str());
        assert_eq!(request.path, text(&case, "path"));
        assert_eq!(request.endpoint.authority(), text(&case, "host"));
        assert_eq!(s3.purge(&[], "ref-1", moment()), Ok(vec![]));
        let many = vec![keys[0].clone(); 3_001];
        let requests = s3.purge(&many, "ref-1", moment()).unwrap();
        let bodies = requests.iter().map(|request| match &request.body {
            Body::Bytes(body) => std::str::from_utf8(body).unwrap(),
            _ => panic!(),
        });
        let told: Vec<_> = bodies
            .map(|body| {
                let reference = body.split("<CallerReference>").nth(1).unwrap();
                (body.matches("<Path>").count(), reference.split('<').next().unwrap())
            })
            .collect();
        assert_eq!(told, [(3_000, "ref-1"), (1, "ref-1-2")]);
    });
}

#[test]
fn china_has_an_edge_of_its_own() {
    let text = r#"{"provider":"s3","bucket":"packages","region":"cn-north-1","cloudfront":
        {"url":"https://d.cloudfront.cn","key_pair_id":"K1","distribution_id":"E1"}}"#;
    let CloudSettings::S3(settings) = serde_json::from_str(text).unwrap() else { panic!() };
    let keys = keys();
    let s3 = S3::new(&settings, &keys).unwrap();
    let purge = s3.purge(&[prefix().content(&content())], "r", moment()).unwrap().remove(0);
    assert_eq!(purge.endpoint.host(), "cloudfront.cn-northwest-1.amazonaws.com.cn");
    let signed = purge.header("authorization").unwrap();
    assert!(signed.contains("/cn-northwest-1/cloudfront/aws4_request"), "{signed}");
}

#[test]
fn refusals_of_an_invalidation_are_told_apart() {
    let keys = keys();
    with("", &keys, |s3| {
        assert_eq!(s3.purged(&answer(201, &[], "<Invalidation/>")), Ok(()));
        let refused = |status, code: &str| {
            let body = format!(
                "<ErrorResponse xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Error>\
                 <Type>Sender</Type><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>"
            );
            s3.purged(&answer(status, &[], &body)).unwrap_err().kind
        };
        assert_eq!(refused(400, "TooManyInvalidationsInProgress"), FaultKind::Busy);
        assert_eq!(refused(400, "InvalidationBatchAlreadyExists"), FaultKind::Exists);
        assert_eq!(refused(404, "NoSuchDistribution"), FaultKind::Place);
        assert_eq!(refused(403, "AccessDenied"), FaultKind::Rights);
    });
}

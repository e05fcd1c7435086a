//! CloudFront in front of a bucket: who is sent there, and what is taken out of its caches.

use std::time::Duration;

use serde_json::Value;
use xylem_cloud::s3::S3;
use xylem_cloud::{
    Below, Body, CloudSettings, Cursor, FaultKind, Provider, S3Secrets, Secret, SecretUrl, UrlFor,
};

use crate::common::{answer, content, example_keys, moment, name, prefix, text};

const RSA: &str = include_str!("../vectors/cloudfront-rsa.pem");

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
    with(r#","hash":"sha1""#, &keys, |s3| {
        let older = url(s3, 5, None).unwrap();
        assert!(older.reveal().ends_with("&Key-Pair-Id=K1"), "the edge is told no hash");
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

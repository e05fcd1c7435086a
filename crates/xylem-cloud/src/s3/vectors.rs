//! Signatures against Amazon's published examples and botocore's (`tests/vectors`).

use std::time::Duration;

use serde_json::Value;
use xylem_model::Timestamp;

use super::{Scope, presign, sign};
use crate::endpoint::Endpoint;
use crate::request::{Body, CloudRequest, Header};
use crate::secret::{S3Secrets, Secret};

fn now() -> Timestamp {
    "2026-01-31T08:00:00Z".parse().unwrap()
}

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn keys(id: &str, secret: &str) -> S3Secrets {
    S3Secrets { key_id: id.to_owned(), secret: Secret::new(secret), cloudfront_key: None }
}

/// The keys that the vectors of botocore were made with.
fn example_keys() -> S3Secrets {
    keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
}

fn request(case: &Value) -> CloudRequest {
    let headers = case["headers"].as_object().unwrap().iter().map(|(name, value)| Header {
        name: name.clone().into(),
        value: value.as_str().unwrap().to_owned(),
    });
    CloudRequest {
        method: text(case, "method").parse().unwrap(),
        endpoint: Endpoint::parse(&format!("https://{}", text(case, "host"))).unwrap(),
        path: text(case, "path").to_owned(),
        query: text(case, "query").to_owned(),
        headers: headers.collect(),
        body: Body::None,
    }
}

#[test]
fn amazons_examples_are_met() {
    let all = vectors(include_str!("../../tests/vectors/s3-amazon.json"));
    let keys = keys(text(&all, "key_id"), text(&all, "secret"));
    let scope = Scope { region: "us-east-1", service: "s3" };
    let then = "2013-05-24T00:00:00Z".parse().unwrap();
    for case in all["headers"].as_array().unwrap() {
        let body = text(case, "body_sha256").parse().unwrap();
        let signed = sign(request(case), &body, &keys, scope, then);
        let signature = signed.header("authorization").unwrap().rsplit('=').next();
        assert_eq!(signature, Some(text(case, "signature")), "{case}");
    }
    let case = &all["presigned"];
    let endpoint = Endpoint::parse("https://examplebucket.s3.amazonaws.com").unwrap();
    let life = Duration::from_secs(case["seconds"].as_u64().unwrap());
    let url = presign(&endpoint, text(case, "path"), &[], &keys, scope, then, life);
    assert_eq!(url.reveal(), text(case, "url"));
}

#[test]
fn botocores_headers_are_met_for_names_that_break_signers() {
    let all = vectors(include_str!("../../tests/vectors/s3-headers.json"));
    let cases = all["signed"].as_array().unwrap();
    assert_eq!(cases.len(), 16);
    for case in cases {
        let keys = example_keys();
        let scope = Scope { region: "eu-central-1", service: "s3" };
        let body = text(case, "body_sha256").parse().unwrap();
        let mut request = request(case);
        // We have none; to the signature it is one more header.
        request.headers.extend(
            case["token"].as_str().map(|token| Header {
                name: "x-amz-security-token".into(),
                value: token.to_owned(),
            }),
        );
        let signed = sign(request, &body, &keys, scope, now());
        assert_eq!(signed.header("authorization"), case["authorization"].as_str(), "{case}");
        assert_eq!(signed.header("x-amz-date"), case["date"].as_str());
    }
}

#[test]
fn botocores_presigned_addresses_are_met() {
    let all = vectors(include_str!("../../tests/vectors/s3-presigned.json"));
    let cases = all["presigned"].as_array().unwrap();
    assert_eq!(cases.len(), 16);
    let endpoint = Endpoint::parse("https://packages.s3.eu-central-1.amazonaws.com").unwrap();
    for case in cases {
        let keys = example_keys();
        let scope = Scope { region: "eu-central-1", service: "s3" };
        let mut parameters = vec![("response-content-disposition", text(case, "disposition"))];
        parameters.extend(case["token"].as_str().map(|token| ("X-Amz-Security-Token", token)));
        let life = Duration::from_secs(600);
        let path = text(case, "path");
        let ours = presign(&endpoint, path, &parameters, &keys, scope, now(), life);
        // The order on the line means nothing: parameters are signed sorted.
        let sorted = |url: &str| {
            let (place, query) = url.split_once('?').unwrap();
            let mut pairs: Vec<_> = query.split('&').map(str::to_owned).collect();
            pairs.sort();
            (place.to_owned(), pairs)
        };
        assert_eq!(sorted(ours.reveal()), sorted(text(case, "url")), "{case}");
    }
}

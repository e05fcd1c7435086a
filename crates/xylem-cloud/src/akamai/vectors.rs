//! Signatures against Akamai's own libraries and documentation (`tests/vectors`).

use serde_json::Value;
use xylem_model::Timestamp;

use super::edge_token::edge_token;
use super::purge::edgegrid_sign;
use super::sign::netstorage_headers;
use crate::endpoint::Endpoint;
use crate::request::{Body, CloudRequest};
use crate::secret::{EdgeGridSecrets, Secret};
use crate::upload::Moment;

fn moment() -> Moment {
    Moment { now: "2026-01-31T08:00:00Z".parse().unwrap(), nonce: 382_644_692 }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

#[test]
fn the_documented_headers_of_netstorage_are_met() {
    let all: Value =
        serde_json::from_str(include_str!("../../tests/vectors/netstorage.json")).unwrap();
    let then = Timestamp::from_unix_ms(1_280_000_000_000);
    let cases = all["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 28);
    let documented = (&all["documented"], Moment { now: then, nonce: 382_644_692 });
    for (case, at) in std::iter::once(documented).chain(cases.iter().map(|case| (case, moment()))) {
        let (key, account) = (text(&all, "key"), text(&all, "account"));
        let (path, action) = (text(case, "path"), text(case, "action"));
        let (data, signature) = netstorage_headers(key, account, path, action, at);
        assert_eq!((&*data, &*signature), (text(case, "data"), text(case, "signature")), "{case}");
    }
}

#[test]
fn edge_tokens_are_those_of_akamais_library() {
    let all: Value =
        serde_json::from_str(include_str!("../../tests/vectors/edge-token.json")).unwrap();
    let secret = Secret::new(text(&all, "secret"));
    let (starts, ends) = (all["starts"].as_i64().unwrap(), all["ends"].as_i64().unwrap());
    let cases = all["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let salt = case["salt"].as_str().map(Secret::new);
        let token = edge_token(&secret, salt.as_ref(), text(case, "acl"), starts, ends).unwrap();
        assert_eq!(token, text(case, "token"));
    }
    for odd in ["abc", "xy", "0x00"] {
        let error = edge_token(&Secret::new(odd), None, "/*", 1, 2).unwrap_err();
        assert!(error.to_string().contains("hexadecimal") && !error.to_string().contains(odd));
    }
}

#[test]
fn requests_of_akamais_apis_are_signed_as_its_library_signs() {
    let case: Value =
        serde_json::from_str(include_str!("../../tests/vectors/edgegrid.json")).unwrap();
    let client = EdgeGridSecrets {
        host: "akab-host.luna.akamaiapis.net".to_owned(),
        client_token: Secret::new("akab-client-token-xxx"),
        client_secret: Secret::new("client-secret="),
        access_token: Secret::new("akab-access-token-xxx"),
    };
    let request = CloudRequest {
        method: "POST".parse().unwrap(),
        endpoint: Endpoint::parse(&format!("https://{}", client.host)).unwrap(),
        path: "/ccu/v3/delete/url/production".to_owned(),
        query: String::new(),
        headers: Vec::new(),
        body: Body::Bytes(text(&case, "body").as_bytes().to_vec()),
    };
    let signed = edgegrid_sign(request, &client, moment());
    assert_eq!(signed.header("authorization"), case["authorization"].as_str());
}

//! TempURLs against python-swiftclient (`tests/vectors`).

use serde_json::Value;

use super::temp_url::{TempUrlDigest, temp_url_query};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

#[test]
fn swiftclients_addresses_are_met() {
    let all: Value =
        serde_json::from_str(include_str!("../../tests/vectors/swift-temp-url.json")).unwrap();
    let cases = all["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 42);
    for case in cases {
        let digest: TempUrlDigest = serde_json::from_value(case["digest"].clone()).unwrap();
        let method = text(case, "method").parse().unwrap();
        let ends = case["ends"].as_i64().unwrap();
        let (key, path) = (text(&all, "key"), text(case, "path"));
        let query = temp_url_query(digest, key, &method, path, ends, None);
        let signature = text(case, "signature").replace(':', "%3A");
        assert_eq!(query, format!("temp_url_expires={ends}&temp_url_sig={signature}"), "{case}");
    }
}

//! The API document that is checked in.

use std::collections::BTreeMap;

use xylem_server::{Permission, openapi_json, route_table};

const CHECKED_IN: &str = include_str!("../../../../openapi/xylem-v1.json");

#[test]
fn the_checked_in_api_document_is_what_is_served() {
    assert!(
        CHECKED_IN.strip_suffix('\n') == Some(openapi_json()),
        "openapi/xylem-v1.json differs from the routes: run `cargo xtask openapi` and review the \
         change"
    );
}

#[test]
fn no_two_routes_have_the_same_name() {
    let document: serde_json::Value = serde_json::from_str(openapi_json()).unwrap();
    let mut named = BTreeMap::new();
    for (method, path, _) in route_table() {
        let name = document["paths"][&path][method.to_lowercase()]["operationId"].clone();
        let name = name.as_str().unwrap().to_owned();
        if let Some(other) = named.insert(name.clone(), format!("{method} {path}")) {
            panic!("{method} {path} and {other} are both called {name}: rename a handler");
        }
    }
    assert!(named.len() > 100, "{named:?}");
}

#[test]
fn every_route_is_described_with_who_may_call_it() {
    let document: serde_json::Value = serde_json::from_str(openapi_json()).unwrap();
    for (method, path, permission) in route_table() {
        let operation = &document["paths"][&path][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not described");
        assert!(operation["operationId"].is_string(), "{method} {path} has no name");
        let security = operation["security"].as_array().unwrap();
        assert_eq!(security.is_empty(), permission == Permission::Public, "{method} {path}");
    }
}

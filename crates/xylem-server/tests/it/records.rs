//! Sites, categories, audit, and the pages around the API.

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;
use xylem_api::error::{ErrorBody, ErrorCode};
use xylem_client::NamedKind;
use xylem_http::Peer;

use crate::harness::{Harness, refusal};

async fn get(
    harness: &Harness,
    path: &str,
    token: Option<&str>,
) -> (http::response::Parts, String) {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let mut request = request.body(Body::empty()).unwrap();
    let address = ([127, 0, 0, 1], 1).into();
    request.extensions_mut().insert(Peer { address, certificate: None });
    let (parts, body) = harness.router.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn sites_and_categories_are_added_renamed_and_removed() {
    let harness = Harness::start().await;
    let admin = harness.admin();
    for kind in [NamedKind::Site, NamedKind::Category] {
        admin.add_name(kind, "North & South/1").await.unwrap();
        assert_eq!(refusal(admin.add_name(kind, "north & south/1").await).0, ErrorCode::Conflict);
        assert_eq!(refusal(admin.add_name(kind, " ").await).0, ErrorCode::BadRequest);
        admin.rename(kind, "North & South/1", "East").await.unwrap();
        let names = admin.names(kind).await.unwrap();
        assert_eq!(names.iter().map(|named| &*named.name).collect::<Vec<_>>(), ["East"]);
        admin.remove_name(kind, "East").await.unwrap();
        assert_eq!(refusal(admin.remove_name(kind, "East").await).0, ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn what_was_done_by_whom_is_in_the_audit_log_and_the_chain_holds() {
    let harness = Harness::start().await;
    let admin = harness.admin();
    let root = harness.server("root").await;
    admin.add_name(NamedKind::Site, "North").await.unwrap();
    harness.publish(&root, "a.pkg", b"a").await;
    let page = admin.audit(None).await.unwrap();
    assert!(page.intact);
    let find = |action: &str| {
        let found = page.items.iter().find(|record| record.action == action);
        found.unwrap_or_else(|| panic!("{action} is missing")).clone()
    };
    assert_eq!(find("site.add").actor, "token:first administrator");
    assert_eq!(find("upload.declare").object, "a.pkg");
    assert!(find("server.enroll").actor.starts_with("invitation:"));
    assert!(page.items.is_sorted_by_key(|record| std::cmp::Reverse(record.number)));
    let older = admin.audit(Some(3)).await.unwrap();
    assert_eq!(older.items.iter().map(|record| record.number).collect::<Vec<_>>(), [2, 1]);
    let shown = serde_json::to_string(&page.items).unwrap();
    assert!(!shown.contains(&harness.token), "a secret is in the log");
}

#[tokio::test]
async fn pages_for_people_and_probes_answer_without_credentials() {
    let harness = Harness::start().await;
    let (parts, page) = get(&harness, "/", None).await;
    assert_eq!(parts.status, StatusCode::OK);
    assert!(page.contains("/openapi.json") && page.contains("no console"), "{page}");
    assert!(parts.headers["content-security-policy"].to_str().unwrap().contains("'none'"));
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(get(&harness, path, None).await.0.status, StatusCode::OK, "{path}");
    }
    let (_, document) = get(&harness, "/openapi.json", None).await;
    assert_eq!(document, xylem_server::openapi_json());
    let (parts, measured) = get(&harness, "/metrics", Some(&harness.token)).await;
    assert_eq!(parts.status, StatusCode::OK);
    assert!(measured.contains("xylem_generation"), "{measured}");
}

#[tokio::test]
async fn a_server_without_its_database_says_that_it_is_not_ready() {
    let harness = Harness::start().await;
    harness.database.close().await.unwrap();
    let (parts, _) = get(&harness, "/health/ready", None).await;
    assert_eq!(parts.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(parts.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(get(&harness, "/health/live", None).await.0.status, StatusCode::OK);
    let (parts, told) = get(&harness, "/v1/status", Some(&harness.token)).await;
    assert_eq!(parts.status, StatusCode::INTERNAL_SERVER_ERROR);
    let told: ErrorBody = serde_json::from_str(&told).unwrap();
    assert!(told.message.contains("log"), "{told:?}");
}

#[tokio::test]
async fn unknown_routes_and_bad_parameters_are_answered_in_the_apis_own_form() {
    let harness = Harness::start().await;
    for (path, status) in [
        ("/v2/nothing", StatusCode::NOT_FOUND),
        ("/v1/uploads/7", StatusCode::BAD_REQUEST),
        ("/v1/files?kind=thing", StatusCode::BAD_REQUEST),
        ("/v1/audit?after=1", StatusCode::BAD_REQUEST),
    ] {
        let (parts, body) = get(&harness, path, Some(&harness.token)).await;
        assert_eq!(parts.status, status, "{path}");
        serde_json::from_str::<ErrorBody>(&body).unwrap();
    }
}

#[tokio::test]
async fn each_job_shows_what_it_did_last() {
    let harness = Harness::start().await;
    let names = loop {
        let (_, text) = get(&harness, "/v1/jobs", Some(&harness.token)).await;
        let jobs: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        if jobs.len() == 14 {
            assert!(jobs.iter().all(|job| job["ok"] == true), "{jobs:?}");
            break jobs.iter().map(|job| job["name"].to_string()).collect::<Vec<_>>();
        }
        tokio::task::yield_now().await;
    };
    assert!(names.iter().any(|name| name.contains("purge-deleted")), "{names:?}");
}

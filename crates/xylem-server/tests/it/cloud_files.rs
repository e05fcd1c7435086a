//! What lies in the cloud, as administrators see it and choose it; whose a prefix is.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;
use xylem_api::cloud::{ChangeCloud, SetCloud};
use xylem_api::cloud_files::{AskCloudEstimate, CloudFileState};
use xylem_api::control_cloud::CloudNext;
use xylem_api::error::ErrorCode;
use xylem_api::selection::{SelectFiles, SelectionRule};
use xylem_api::server::Scope;
use xylem_cloud::Marker;
use xylem_http::Peer;
use xylem_model::{ContentId, FileKind};
use xylem_testkit::S3Double;

use crate::cloud::{forgetting, set, start};
use crate::events::placements;
use crate::harness::{FakeServer, Harness, refusal};

/// A cloud that is set, and two files of which the first one goes first.
async fn with_files() -> (Harness, S3Double, FakeServer) {
    let (harness, double) = start().await;
    let root = harness.server("root").await;
    harness.admin().set_cloud(&set(&double)).await.unwrap();
    harness.publish(&root, "a.pkg", b"a").await;
    harness.publish(&root, "b.pkg", b"bb").await;
    (harness, double, root)
}

/// What the root is told to send.
async fn next(harness: &Harness, root: &FakeServer) -> Option<ContentId> {
    let request =
        Request::post("/v1/control/cloud/next").header("content-type", "application/json");
    let mut request = request.body(Body::from("{}")).unwrap();
    let certificate = Some(Arc::new(root.identity.current().certificate().clone()));
    let address = SocketAddr::from(([10, 0, 0, 1], 1));
    request.extensions_mut().insert(Peer { address, certificate });
    let answer = harness.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let next: CloudNext = serde_json::from_slice(&body).unwrap();
    next.job.map(|job| job.content)
}

fn by_name(pattern: &str) -> SelectFiles {
    let rule = SelectionRule { names: vec![pattern.to_owned()], ..SelectionRule::default() };
    SelectFiles { rules: vec![rule], add: false }
}

#[tokio::test]
async fn files_are_listed_by_their_state_and_counted() {
    let (harness, _double, root) = with_files().await;
    let admin = harness.admin();
    let placed = admin.placement(FileKind::Package, "a.pkg").await.unwrap();
    assert_eq!(placed.cloud.unwrap().state, CloudFileState::Wanted, "the root was not asked yet");
    assert_eq!(next(&harness, &root).await, Some(ContentId::of(b"a")));

    let all = admin.cloud_files(None, None).await.unwrap();
    assert_eq!((all.items.len(), all.next), (2, None));
    let sent = admin.cloud_files(Some(CloudFileState::Transferring), None).await.unwrap().items;
    assert_eq!((sent[0].name.as_str(), sent[0].size, sent.len()), ("a.pkg", 1, 1));
    let after = admin.cloud_files(None, Some(all.items[1].content)).await.unwrap();
    assert!(after.items.is_empty());
    let counts = admin.cloud().await.unwrap().progress.unwrap().counts;
    let told: Vec<_> = counts.iter().map(|it| (it.state, it.contents, it.bytes)).collect();
    let expected = [(CloudFileState::Wanted, 1, 2), (CloudFileState::Transferring, 1, 1)];
    assert_eq!(told, expected);
    let placed = admin.placement(FileKind::Package, "a.pkg").await.unwrap();
    assert_eq!(placed.cloud.unwrap().state, CloudFileState::Transferring);
    assert!(admin.cloud_usage().await.unwrap().months[0].list_requests > 0);
}

#[tokio::test]
async fn whoever_watches_hears_of_a_file_on_its_way_into_the_cloud() {
    let (harness, _double, root) = with_files().await;
    let mut events = harness.admin().events(None).await.unwrap();
    assert_eq!(next(&harness, &root).await, Some(ContentId::of(b"a")));
    assert_eq!(placements(&mut events).await, (vec!["a.pkg".to_owned()], false));
}

#[tokio::test]
async fn the_ceiling_of_a_month_stops_filling_and_says_until_when() {
    let (harness, _double, root) = with_files().await;
    let admin = harness.admin();
    let progress = admin.set_cloud_ceiling(Some(0)).await.unwrap();
    let until = progress.ceiling_until.unwrap();
    assert!(until > harness.environment.clock.now());
    assert_eq!(next(&harness, &root).await, None);
    let queued = admin.cloud_files(Some(CloudFileState::Queued), None).await.unwrap().items;
    assert_eq!((queued.len(), queued[0].next_try), (2, Some(until)));
    assert!(queued[0].reason.as_ref().unwrap().contains("ceiling"), "{queued:?}");
    let wanted = admin.cloud_files(Some(CloudFileState::Wanted), None).await.unwrap().items;
    assert!(wanted.is_empty());
    let progress = admin.set_cloud_ceiling(None).await.unwrap();
    assert_eq!((progress.month_ceiling_bytes, progress.ceiling_until), (None, None));
    assert!(next(&harness, &root).await.is_some());
}

#[tokio::test]
async fn a_point_is_paused_and_goes_on() {
    let (harness, _double, root) = with_files().await;
    let admin = harness.admin();
    assert!(admin.pause_cloud(true).await.unwrap().paused);
    assert_eq!(next(&harness, &root).await, None);
    assert!(admin.cloud().await.unwrap().progress.unwrap().paused);
    assert!(!admin.pause_cloud(false).await.unwrap().paused);
    assert!(next(&harness, &root).await.is_some());
    let audit = harness.database.audit_records(None, 20).await.unwrap();
    assert!(audit.iter().any(|it| it.action == "cloud.change" && it.detail["paused"] == true));
}

#[tokio::test]
async fn what_is_chosen_is_there_and_nothing_else() {
    let (harness, _double, root) = with_files().await;
    let admin = harness.admin();
    assert!(next(&harness, &root).await.is_some());
    let progress = admin.select_for_cloud(&by_name("A*")).await.unwrap();
    assert_eq!(progress.selection.as_deref(), Some(&by_name("A*").rules[..]));
    next(&harness, &root).await;
    let items = admin.cloud_files(None, None).await.unwrap().items;
    assert_eq!((items.len(), items[0].name.as_str()), (1, "a.pkg"));
    assert!(admin.placement(FileKind::Package, "b.pkg").await.unwrap().cloud.is_none());

    let more = SelectFiles { add: true, ..by_name("b*") };
    let progress = admin.select_for_cloud(&more).await.unwrap();
    assert_eq!(progress.selection.map(|rules| rules.len()), Some(2));
    assert_eq!(admin.select_everything_for_cloud().await.unwrap().selection, None);
    assert_eq!(refusal(admin.select_for_cloud(&more).await).0, ErrorCode::Conflict);
    let empty = SelectFiles { rules: vec![SelectionRule::default()], add: false };
    assert_eq!(refusal(admin.select_for_cloud(&empty).await).0, ErrorCode::BadRequest);
}

#[tokio::test]
async fn an_inventory_is_asked_for_and_tells_what_it_found() {
    let (harness, double, _root) = with_files().await;
    let admin = harness.admin();
    double.place("macs/content/of somebody", "else");
    let asked = admin.ask_cloud_inventory().await.unwrap().asked_at.unwrap();
    let last = loop {
        let state = admin.cloud_inventory().await.unwrap();
        match state.last {
            Some(last) if state.running_since.is_none() => break last,
            _ => tokio::task::yield_now().await,
        }
    };
    assert!(last.began_at >= asked && last.failed.is_none(), "{last:?}");
    assert_eq!(last.found.unwrap().foreign, 1);
    let progress = admin.cloud().await.unwrap().progress.unwrap();
    assert_eq!(progress.last_inventory, Some(last.began_at));
    let audit = harness.database.audit_records(None, 20).await.unwrap();
    assert!(audit.iter().any(|it| it.action == "cloud.inventory"));
}

#[tokio::test]
async fn an_estimate_needs_no_point() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    harness.publish(&root, "a.pkg", b"a").await;
    harness.publish(&root, "b.pkg", b"bb").await;
    harness.publish(&root, "same as b.pkg", b"bb").await;
    let admin = harness.admin();
    let asked = AskCloudEstimate {
        rate_bytes_per_second: Some(2),
        devices: Some(100),
        price_per_gib: Some(1.0),
        ..AskCloudEstimate::default()
    };
    let told = admin.cloud_estimate(&asked).await.unwrap();
    assert_eq!((told.contents, told.bytes, told.write_requests), (2, 3, 2));
    assert_eq!((told.seconds, told.egress_bytes), (Some(2), Some(300)));
    assert!(told.egress_price.is_some());
    let rules = Some(by_name("a*").rules);
    let told = admin.cloud_estimate(&AskCloudEstimate { rules, ..asked.clone() }).await.unwrap();
    assert_eq!((told.contents, told.bytes), (1, 1));
    let wrong = AskCloudEstimate { price_per_gib: Some(-1.0), ..asked };
    assert_eq!(refusal(admin.cloud_estimate(&wrong).await).0, ErrorCode::BadRequest);
    assert_eq!(refusal(admin.cloud_files(None, None).await).0, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_prefix_of_others_is_refused_unless_it_is_taken_over() {
    let (harness, double) = start().await;
    let admin = harness.admin();
    let adopting = || SetCloud { adopt: true, ..set(&double) };
    double.place("macs/content/of nobody knows whom", "else");
    let (code, told) = refusal(admin.set_cloud(&set(&double)).await);
    assert_eq!(code, ErrorCode::Refused);
    assert!(told.contains("of nobody knows whom") && told.contains("--adopt"), "{told}");
    assert!(double.bytes("macs/xylem.json").is_none());
    admin.set_cloud(&adopting()).await.unwrap();
    let ours = double.bytes("macs/xylem.json").unwrap();

    // Once more the same catalogue: nothing is asked.
    admin.remove_cloud(forgetting()).await.unwrap();
    admin.set_cloud(&set(&double)).await.unwrap();
    admin.remove_cloud(forgetting()).await.unwrap();
    double.place("macs/xylem.json", Marker::of("another").to_json());
    let (_, told) = refusal(admin.set_cloud(&set(&double)).await);
    assert!(told.contains("another catalogue"), "{told}");
    let point = admin.set_cloud(&adopting()).await.unwrap();
    assert_eq!(double.bytes("macs/xylem.json").unwrap(), ours);

    double.place("others/xylem.json", &br#"{"layout":2}"#[..]);
    let patch = json!({ "storage": { "prefix": "others" } });
    let change = ChangeCloud {
        revision: point.revision,
        settings: Some(patch),
        adopt: true,
        ..ChangeCloud::default()
    };
    let (_, told) = refusal(admin.change_cloud(&change).await);
    assert!(told.contains("layout 2"), "what is of a later version is nobody's to take: {told}");
}

#[tokio::test]
async fn whoever_may_read_lists_and_changes_nothing() {
    let (harness, _double, _root) = with_files().await;
    let read = harness.with_token(&harness.token_for(&[Scope::Read]).await);
    read.cloud_files(None, None).await.unwrap();
    read.cloud_usage().await.unwrap();
    read.cloud_inventory().await.unwrap();
    read.cloud_estimate(&AskCloudEstimate::default()).await.unwrap();
    for refused in [
        refusal(read.ask_cloud_inventory().await),
        refusal(read.select_for_cloud(&by_name("a*")).await),
        refusal(read.select_everything_for_cloud().await),
        refusal(read.pause_cloud(true).await),
        refusal(read.pause_cloud(false).await),
        refusal(read.set_cloud_ceiling(None).await),
    ] {
        assert_eq!(refused.0, ErrorCode::Forbidden);
    }
}

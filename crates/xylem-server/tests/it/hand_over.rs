//! Moving the root and the principal, through the API and the control link.

use xylem_api::control::{CopyReport, ServerReport};
use xylem_api::error::ErrorCode;
use xylem_api::tree::HandOver;
use xylem_client::ClientError;
use xylem_model::SetCount;

use crate::harness::{FakeServer, Harness, found, present, refusal, report};

/// A server says that it holds everything that it is to hold in the newest state.
async fn complete(harness: &Harness, server: &FakeServer, copies: Vec<CopyReport>) {
    let applied = harness.admin().status().await.unwrap().stamp;
    let report = ServerReport { set: Some(SetCount::default()), ..report(applied, copies) };
    server.control.report(&report).await.unwrap();
}

#[tokio::test]
async fn a_server_is_filled_and_becomes_root_and_principal() {
    let harness = Harness::start().await;
    let (root, north) = (harness.server("root").await, harness.server("north").await);
    let admin = harness.admin();
    harness.publish(&root, "a.pkg", b"aa").await;
    let (at_once, fill) = (HandOver::default(), HandOver { fill: true, ..HandOver::default() });
    let (code, told) = refusal(admin.make_root("north", &at_once).await);
    assert!(code == ErrorCode::Conflict && told.contains("1 contents, 2 B"), "{told}");
    let told = admin.make_root("north", &fill).await.unwrap();
    assert_eq!((told.done, told.missing, told.missing_bytes), (false, 1, 2));
    complete(&harness, &north, vec![present(b"aa")]).await;
    let told = admin.make_root("north", &fill).await.unwrap();
    assert!(told.done && told.root_epoch == 2);
    let (north_state, root_state) =
        (north.control.state().await.unwrap(), root.control.state().await.unwrap());
    assert!(north_state.is_root && !north_state.is_principal && !root_state.is_root);
    assert_eq!((north_state.root_epoch, root_state.root_epoch), (Some(2), Some(2)));
    let sources = |state: &xylem_api::control::ControlState| {
        let sources = state.parents.iter().map(|it| (it.id, it.fallback));
        sources.collect::<Vec<_>>()
    };
    assert_eq!(sources(&root_state), [(north.id, false)]);
    assert_eq!(sources(&north_state), [(root.id, false)], "where new files still enter");

    assert_eq!(admin.principal().await.unwrap().name, "root");
    let (code, told) = refusal(admin.make_principal("north", &at_once).await);
    assert!(code == ErrorCode::Conflict && told.contains("has not said"), "{told}");
    complete(&harness, &north, Vec::new()).await;
    assert!(admin.make_principal("north", &at_once).await.unwrap().done);
    assert_eq!(admin.principal().await.unwrap().name, "north");
    let north_state = north.control.state().await.unwrap();
    assert_eq!(sources(&north_state), [(root.id, true)], "only what it lost");
}

#[tokio::test]
async fn the_former_principal_cannot_commit_what_it_was_still_sent() {
    let harness = Harness::start().await;
    let (root, north) = (harness.server("root").await, harness.server("north").await);
    let admin = harness.admin();
    let upload = harness.declare("a.pkg", b"a").await;
    complete(&harness, &north, Vec::new()).await;
    admin.make_principal("north", &HandOver::default()).await.unwrap();
    let behind = xylem_api::ingest::Ingested { root_epoch: Some(1), ..found(b"a") };
    match north.control.ingested(upload.id, &behind).await {
        Err(ClientError::Answer { status: 503, .. }) => {}
        other => panic!("503 was expected: {other:?}"),
    }
    let heard = xylem_api::ingest::Ingested { root_epoch: Some(2), ..found(b"a") };
    let (code, told) = refusal(root.control.ingested(upload.id, &heard).await);
    assert!(code == ErrorCode::Forbidden && told.contains("another server"), "{told}");
    let moved = admin.upload(upload.id).await.unwrap();
    assert_ne!(moved.ingest.unwrap().url, upload.ingest.unwrap().url, "it goes on at the new one");
    north.control.ingested(upload.id, &heard).await.unwrap();
}

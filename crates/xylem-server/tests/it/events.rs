//! What administrators' event streams tell.

use std::time::{Duration, Instant};

use xylem_api::catalogue::PlacementState;
use xylem_api::control::CopyReport;
use xylem_api::server::ServerEvent;
use xylem_client::{EventStream, NamedKind};
use xylem_model::{FileKind, Stamp};

use crate::harness::{Harness, present, report};

async fn next(events: &mut EventStream) -> ServerEvent {
    let event = tokio::time::timeout(Duration::from_secs(20), events.next()).await;
    event.unwrap().unwrap().unwrap()
}

/// The next event about copies: the files it names, and whether others may have changed too.
pub(crate) async fn placements(events: &mut EventStream) -> (Vec<String>, bool) {
    loop {
        if let ServerEvent::Placements { files, all } = next(events).await {
            return (files.into_iter().map(|file| file.name.to_string()).collect(), all);
        }
    }
}

fn moving(bytes: &[u8], arrived: u64) -> CopyReport {
    CopyReport {
        state: PlacementState::Transferring,
        bytes: arrived,
        rate: Some(2),
        verified_at: None,
        ..present(bytes)
    }
}

#[tokio::test]
async fn copies_that_move_are_told_with_the_names_of_their_files() {
    let harness = Harness::start().await;
    let (root, north) = (harness.server("root").await, harness.server("north").await);
    harness.publish(&root, "a.pkg", b"a's bytes").await;
    harness.publish(&root, "b.pkg", b"b").await;
    let admin = harness.admin();
    let mut events = admin.events(None).await.unwrap();
    assert!(matches!(next(&mut events).await, ServerEvent::State { .. }), "the state at once");

    north.report(Stamp::default(), vec![moving(b"a's bytes", 3)]).await;
    assert_eq!(placements(&mut events).await, (vec!["a.pkg".to_owned()], false));
    let placement = admin.placement(FileKind::Package, "a.pkg").await.unwrap();
    let row = placement.servers.iter().find(|row| row.server == "north").unwrap();
    assert_eq!((placement.size, row.bytes, row.rate, row.seconds_left), (9, 3, Some(2), Some(3)));
    let silent = placement.servers.iter().find(|row| row.server == "root").unwrap();
    assert_eq!(silent.state, PlacementState::Present, "the ingest server published it");

    // A full report takes back what it does not name, so anything may have changed.
    let mut full = report(Stamp::default(), vec![present(b"b")]);
    full.full = true;
    north.control.report(&full).await.unwrap();
    assert_eq!(placements(&mut events).await, (Vec::new(), true));
    let placement = admin.placement(FileKind::Package, "a.pkg").await.unwrap();
    let row = placement.servers.iter().find(|row| row.server == "north").unwrap();
    assert_eq!((row.state, row.bytes, row.rate), (PlacementState::Wanted, 0, None));
}

#[tokio::test]
async fn many_reports_make_few_events() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    harness.publish(&root, "a.pkg", b"a's bytes").await;
    let mut events = harness.admin().events(None).await.unwrap();
    next(&mut events).await;
    let begun = Instant::now();
    for arrived in 0..40 {
        root.report(Stamp::default(), vec![moving(b"a's bytes", arrived % 9)]).await;
    }
    root.report(Stamp::default(), vec![present(b"a's bytes")]).await;
    let mut told = 0;
    loop {
        placements(&mut events).await;
        told += 1;
        let copies = harness.admin().placement(FileKind::Package, "a.pkg").await.unwrap();
        if copies.present == 1 {
            break;
        }
    }
    let most = begun.elapsed().as_millis() / 250 + 1;
    assert!(told <= most, "{told} events in {most} quarters of a second");
}

#[tokio::test]
async fn a_stream_that_broke_goes_on_after_the_last_event_that_arrived() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    harness.publish(&root, "a.pkg", b"a").await;
    harness.publish(&root, "b.pkg", b"b").await;
    let admin = harness.admin();
    let mut events = admin.events(None).await.unwrap();
    next(&mut events).await;
    root.report(Stamp::default(), vec![present(b"a")]).await;
    placements(&mut events).await;
    let last = events.last_id().unwrap().to_owned();
    drop(events);

    root.report(Stamp::default(), vec![present(b"b")]).await;
    let mut resumed = admin.events(Some(&last)).await.unwrap();
    let event = next(&mut resumed).await;
    let ServerEvent::Placements { files, all: false } = event else {
        panic!("the state is known: {event:?}");
    };
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(files[0].name.as_str(), "b.pkg");
    drop(resumed);

    admin.add_name(NamedKind::Site, "North").await.unwrap();
    let mut resumed = admin.events(Some(&last)).await.unwrap();
    assert!(matches!(next(&mut resumed).await, ServerEvent::State { .. }), "it changed meanwhile");

    // An id of a server that was started again says nothing of copies.
    let mut foreign: Vec<&str> = last.split('.').collect();
    foreign[2] = "7";
    let mut resumed = admin.events(Some(&foreign.join("."))).await.unwrap();
    assert_eq!(placements(&mut resumed).await, (Vec::new(), true));
}

//! The control link when things change below it.

use http::StatusCode;
use xylem_api::catalogue::PlacementState;
use xylem_api::error::ErrorCode;
use xylem_trust::Descriptor;

use crate::disk::Cramped;
use crate::fleet::{Fleet, noise};
use crate::parent::{Manner, Parent};

#[tokio::test]
async fn new_signing_keys_are_followed() {
    let mut fleet = Fleet::chain(1).await;
    fleet.upload("Before.pkg", b"before").await;
    fleet.caught_up(0).await;
    fleet.management.rotate();
    fleet.caught_up(0).await;
    fleet.upload("After.pkg", b"after").await;
    fleet.caught_up(0).await;
    fleet.stop(0).await;
    fleet.management.world().away = true;
    fleet.start(0).await;
    let computer = fleet.asker(Some(fleet.computer()));
    for (path, bytes) in
        [("/Packages/Before.pkg", b"before".as_slice()), ("/Packages/After.pkg", b"after")]
    {
        assert_eq!(fleet.get(0, &computer, path).await.bytes(), bytes, "after a restart, alone");
    }
}

#[tokio::test]
async fn a_restored_management_server_is_followed_and_told_what_it_forgot() {
    let fleet = Fleet::chain(1).await;
    let kept = fleet.upload("Kept.pkg", b"kept").await;
    let forgotten = fleet.upload("Forgotten.pkg", b"forgotten").await;
    fleet.caught_up(0).await;
    fleet.management.world().copies.clear();
    fleet.management.restore_without("Forgotten.pkg");
    fleet.caught_up(0).await;
    fleet
        .until("it is told what it forgot", async || {
            let world = fleet.management.world();
            let mut told = world.unlisted.iter().map(|envelope| {
                serde_json::from_slice::<Descriptor>(&envelope.payload).unwrap().content
            });
            told.any(|content| content == forgotten)
        })
        .await;
    let id = fleet.server(0).id;
    let world = fleet.management.world();
    assert_eq!(world.copies[&(id, kept)].state, PlacementState::Present, "everything is told anew");
    assert!(fleet.file(0, &forgotten).exists());
}

#[tokio::test]
async fn where_a_proxy_breaks_events_held_polls_take_their_place() {
    let mut fleet = Fleet::new().await;
    let root = fleet.add("root").await;
    fleet.management.place(root, &[]);
    fleet.management.world().no_events = true;
    fleet.start(0).await;
    fleet.caught_up(0).await;
    let bytes = b"listed while a poll was held";
    fleet.management.publish("Polled.pkg", bytes);
    fleet.caught_up(0).await;
    assert!(fleet.management.world().held_polls > 0);
}

#[tokio::test]
async fn where_a_proxy_holds_answers_back_until_they_end_held_polls_take_their_place() {
    let mut fleet = Fleet::new().await;
    let root = fleet.add("root").await;
    fleet.management.place(root, &[]);
    fleet.management.world().is_buffered = true;
    fleet.start(0).await;
    fleet.caught_up(0).await;
    fleet.until("a poll is held", async || fleet.management.world().held_polls > 0).await;
    let asked = fleet.management.world().state_calls;
    fleet.management.publish("Polled.pkg", b"published while a poll was held");
    // The slow poll would come too late for the patience of tests.
    fleet.caught_up(0).await;
    assert!(fleet.management.world().state_calls > asked);
}

#[tokio::test]
async fn a_full_disk_fails_the_large_file_alone_and_only_until_there_is_room() {
    let cramped = Cramped::new(1 << 20);
    let mut fleet = Fleet::on(cramped.disk()).await;
    let child = fleet.add("child").await;
    let (large, small) = (noise(1, 3 << 20), noise(2, 1_000));
    let has_large = Parent::start(&fleet, &large, Manner::Good, None).await;
    let has_small = Parent::start(&fleet, &small, Manner::Good, None).await;
    fleet.management.place(has_large.id, &[]);
    fleet.management.place(child, &[has_large.id, has_small.id]);
    let large = fleet.management.publish("Large.pkg", &large).content;
    let small = fleet.management.publish("Small.pkg", &small).content;
    fleet.start(0).await;
    fleet.held(0, &small).await;
    fleet
        .until("the failure is reported", async || {
            let world = fleet.management.world();
            let failed = world.copies.get(&(child, large)).and_then(|copy| copy.reason.clone());
            failed.is_some_and(|reason| reason.starts_with("no space: needs 3.1 MiB, has"))
        })
        .await;
    cramped.make_room(1 << 30);
    fleet.held(0, &large).await;
}

#[tokio::test]
async fn an_upload_that_does_not_fit_is_told_so_before_it_is_sent() {
    let cramped = Cramped::new(1 << 20);
    let fleet = Fleet::on(cramped.disk()).await.with_chain(1).await;
    fleet.caught_up(0).await;
    let bytes = noise(3, 2 << 20);
    let (upload, ticket) = fleet.management.declare("Large.pkg", &bytes, true);
    let (client, url) = (fleet.client(None), &fleet.server(0).url);
    let error = client.ingest_progress(url, upload, &ticket).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NoSpace), "{error}");
    cramped.make_room(1 << 30);
    assert_eq!(client.ingest_progress(url, upload, &ticket).await.unwrap().offset, 0);
}

#[tokio::test]
async fn names_are_told_to_nobody_who_may_not_read_them() {
    let fleet = Fleet::chain(1).await;
    let content = fleet.upload("Known.pkg", b"known").await;
    fleet.upload("Other.pkg", b"other").await;
    fleet.caught_up(0).await;
    let read = xylem_trust::Operation::Read { content };
    let ticket = fleet.management.sign(&fleet.management.ticket(read)).to_header();
    let bearer = fleet.asker(None).with("authorization", format!("Xylem-Ticket {ticket}"));
    let stranger = {
        let id = xylem_model::DistributionServerId::from_parts(1, &[9; 10]);
        fleet.asker(Some(xylem_model::Party::DistributionServer(id)))
    };
    for (asker, path, expected) in [
        (&bearer, "/Packages/Known.pkg", StatusCode::OK),
        (&bearer, "/Packages/Other.pkg", StatusCode::NOT_FOUND),
        (&bearer, "/Packages/Nothing.pkg", StatusCode::NOT_FOUND),
        (&stranger, "/Packages/Known.pkg", StatusCode::NOT_FOUND),
        (&stranger, "/Packages/Nothing.pkg", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(fleet.get(0, asker, path).await.status, expected, "{path}");
    }
}

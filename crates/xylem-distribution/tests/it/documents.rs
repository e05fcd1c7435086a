//! What a management server, or somebody in its place, may not do.

use http::StatusCode;

use crate::fleet::Fleet;
use crate::management::{Cheat, DAY};

/// A cheat is refused: the state before stays in force, is served, and the next honest state is
/// taken over.
async fn refused(cheat: impl FnOnce(&Fleet) -> Cheat) {
    let fleet = Fleet::chain(1).await;
    fleet.upload("Before.pkg", b"before").await;
    fleet.caught_up(0).await;
    let id = fleet.server(0).id;
    let before = fleet.management.world().applied[&id];

    let cheat = cheat(&fleet);
    fleet.management.world().cheat = Some(cheat.clone());
    fleet.management.publish("After.pkg", b"after");
    let after = fleet.management.publish("More.pkg", b"more");
    let asked = fleet.management.world().state_calls;
    fleet
        .until("it has asked twice more", async || {
            fleet.management.world().state_calls >= asked + 2
        })
        .await;
    assert_eq!(fleet.management.world().applied[&id], before, "{cheat:?}");
    let computer = fleet.asker(Some(fleet.computer()));
    let answer = fleet.get(0, &computer, "/Packages/Before.pkg").await;
    assert_eq!(answer.bytes(), b"before", "{cheat:?}");

    fleet.management.world().cheat = None;
    fleet.management.announce();
    fleet.caught_up(0).await;
    assert!(fleet.management.world().applied[&id] >= after.stamp, "{cheat:?}");
}

#[tokio::test]
async fn an_older_head_is_refused() {
    refused(|fleet| {
        let mut head = fleet.management.head(fleet.server(0).id);
        head.stamp.generation.0 -= 1;
        Cheat::Head(fleet.management.sign(&head))
    })
    .await;
}

#[tokio::test]
async fn a_left_out_descriptor_is_noticed() {
    refused(|_| Cheat::LeaveOut).await;
}

#[tokio::test]
async fn the_head_of_another_server_is_refused() {
    refused(|_| Cheat::ForeignHead).await;
}

#[tokio::test]
async fn the_grants_of_another_server_are_refused() {
    refused(|_| Cheat::ForeignGrants).await;
}

#[tokio::test]
async fn an_expired_head_is_refused() {
    refused(|_| Cheat::ExpiredHead).await;
}

#[tokio::test]
async fn what_no_trusted_key_signed_is_refused() {
    refused(|_| Cheat::RogueKey).await;
    refused(|_| Cheat::RogueDescriptors).await;
}

#[tokio::test]
async fn an_older_state_is_refused_after_a_restart_too() {
    let mut fleet = Fleet::chain(1).await;
    fleet.upload("Before.pkg", b"before").await;
    fleet.caught_up(0).await;
    let content = fleet.upload("After.pkg", b"after").await;
    fleet.caught_up(0).await;
    fleet.stop(0).await;
    // Whole, rightly signed, but of yesterday; and all that could be fetched again was lost.
    let newest = fleet.management.roll_back("After.pkg");
    std::fs::remove_file(fleet.server(0).data.join("state/manifest.log")).unwrap();
    let asked = fleet.management.world().state_calls;
    fleet.start(0).await;
    fleet
        .until("it has asked twice", async || fleet.management.world().state_calls >= asked + 2)
        .await;
    let computer = fleet.asker(Some(fleet.computer()));
    let answer = fleet.get(0, &computer, &format!("/v1/blob/{content}")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    fleet.management.change(|world| world.generation = newest + 1);
    fleet.caught_up(0).await;
    let answer = fleet.get(0, &computer, "/Packages/Before.pkg").await;
    assert_eq!(answer.bytes(), b"before");
}

#[tokio::test]
async fn a_server_alone_serves_for_fourteen_days_and_no_longer() {
    let mut fleet = Fleet::chain(1).await;
    fleet.upload("Kept.pkg", b"kept").await;
    fleet.caught_up(0).await;
    fleet.stop(0).await;
    fleet.management.world().away = true;
    fleet.start(0).await;
    fleet.clock.advance(13 * DAY);
    let computer = fleet.asker(Some(fleet.computer()));
    let answer = fleet.get(0, &computer, "/Packages/Kept.pkg").await;
    assert_eq!(answer.bytes(), b"kept", "after a restart without the management server");
    fleet.clock.advance(2 * DAY);
    let answer = fleet.get(0, &computer, "/Packages/Kept.pkg").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.message.contains("until it hears"), "{}", answer.message);
}

/// A root and a child that knows of a file which it could not fetch yet, because the root was down
/// when it heard of it; then the management server goes away.
async fn wished_and_not_fetched() -> (Fleet, xylem_model::ContentId) {
    let mut fleet = Fleet::chain(2).await;
    fleet.stop(1).await;
    let content = fleet.upload("Late.pkg", b"late").await;
    fleet.stop(0).await;
    fleet.start(1).await;
    fleet.caught_up(1).await;
    fleet.management.world().away = true;
    (fleet, content)
}

#[tokio::test]
async fn what_was_wished_is_replicated_for_fourteen_days_without_the_management_server() {
    let (mut fleet, content) = wished_and_not_fetched().await;
    fleet.clock.advance(13 * DAY);
    fleet.start(0).await;
    fleet.held(1, &content).await;
}

#[tokio::test]
async fn after_fourteen_days_alone_nothing_is_replicated_and_whoever_asks_is_told_why() {
    let (mut fleet, content) = wished_and_not_fetched().await;
    fleet.clock.advance(15 * DAY);
    fleet.start(0).await;
    let child = xylem_model::Party::DistributionServer(fleet.server(1).id);
    let answer = fleet.get(0, &fleet.asker(Some(child)), &format!("/v1/blob/{content}")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.message.contains("until it hears"), "{}", answer.message);
    assert!(!fleet.file(1, &content).exists());
    // Heard again, everything goes on; a start asks at once.
    fleet.management.world().away = false;
    fleet.stop(1).await;
    fleet.start(1).await;
    fleet.held(1, &content).await;
}

//! Files moving down the tree.

use std::collections::HashMap;
use std::time::Duration;

use http::StatusCode;
use xylem_api::catalogue::PlacementState;
use xylem_model::{ContentId, DistributionServerId, Party};

use crate::fleet::{Fleet, noise};
use crate::management::DAY;
use crate::parent::{Manner, Parent};

/// Several groups, several frames, no round number.
const BIG: usize = (3 << 20) + 12_345;

fn states(fleet: &Fleet, content: &ContentId) -> HashMap<DistributionServerId, PlacementState> {
    let world = fleet.management.world();
    let rows = world.copies.iter().filter(|((_, id), _)| id == content);
    rows.map(|((server, _), copy)| (*server, copy.state)).collect()
}

async fn reported(fleet: &Fleet, index: usize, content: &ContentId, state: PlacementState) {
    let id = fleet.server(index).id;
    fleet
        .until(&format!("server {index} reports {state:?}"), async || {
            states(fleet, content).get(&id) == Some(&state)
        })
        .await;
}

#[tokio::test]
async fn an_upload_passes_from_the_root_to_its_child_and_its_grandchild() {
    let fleet = Fleet::chain(3).await;
    let mut contents = Vec::new();
    for (index, len) in [0, 1, 16 << 10, (16 << 10) + 1, BIG].into_iter().enumerate() {
        let bytes = noise(index as u64, len);
        contents.push(fleet.upload(&format!("File-{index}.pkg"), &bytes).await);
    }
    for (index, content) in contents.iter().enumerate() {
        for server in 0..3 {
            fleet.held(server, content).await;
            reported(&fleet, server, content, PlacementState::Present).await;
        }
        let computer = fleet.asker(Some(fleet.computer()));
        let path = format!("/Packages/File-{index}.pkg");
        fleet.caught_up(2).await;
        let answer = fleet.get(2, &computer, &path).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(ContentId::of(answer.bytes()), *content);
    }
    let world = fleet.management.world();
    let row = &world.copies[&(fleet.server(2).id, contents[4])];
    assert_eq!(row.source, Some(fleet.server(1).id));
    assert!(row.verified_at.is_some() && row.took_ms.is_some());
}

#[tokio::test]
async fn a_new_version_replaces_the_old_one_under_its_name() {
    let fleet = Fleet::chain(2).await;
    fleet.upload("Depot.pkg", b"first").await;
    let second = fleet.upload("Depot.pkg", b"second").await;
    fleet.held(1, &second).await;
    fleet.caught_up(1).await;
    let computer = fleet.asker(Some(fleet.computer()));
    for server in 0..2 {
        let answer = fleet.get(server, &computer, "/CasperShare/Packages/Depot.pkg").await;
        assert_eq!(answer.bytes(), b"second");
    }
    let full_listings = fleet.management.world().descriptor_calls.clone();
    let after_start = full_listings.iter().filter(|since| **since == 0).count();
    assert!(after_start <= 2, "only differences are fetched: {full_listings:?}");
}

#[tokio::test]
async fn a_child_that_was_stopped_half_way_goes_on_from_there() {
    let mut fleet = Fleet::new().await;
    let child = fleet.add("child").await;
    let bytes = noise(1, BIG);
    let parent = Parent::start(&fleet, &bytes, Manner::StallAt(BIG / 2), None).await;
    fleet.management.place(parent.id, &[]);
    fleet.management.place(child, &[parent.id]);
    let content = fleet.management.publish("Big.pkg", &bytes).content;
    fleet.start(0).await;
    let part = fleet.server(0).data.join(format!("repo/staged/{content}.part"));
    fleet
        .until("a megabyte is staged", async || {
            part.metadata().is_ok_and(|file| file.len() >= 1 << 20)
        })
        .await;
    fleet.stop(0).await;
    parent.behave(Manner::Good);
    fleet.start(0).await;
    fleet.held(0, &content).await;
    let offsets = parent.offsets();
    assert_eq!(offsets.len(), 2, "{offsets:?}");
    assert!(offsets[1] >= 1 << 20, "{offsets:?}");
}

#[tokio::test]
async fn another_parent_goes_on_where_one_broke_off() {
    let mut fleet = Fleet::new().await;
    let child = fleet.add("child").await;
    let bytes = noise(2, BIG);
    let broken = Parent::start(&fleet, &bytes, Manner::BreakAt(2 << 20), None).await;
    let good = Parent::start(&fleet, &bytes, Manner::Good, None).await;
    fleet.management.place(good.id, &[]);
    fleet.management.place(child, &[broken.id, good.id]);
    let content = fleet.management.publish("Big.pkg", &bytes).content;
    fleet.start(0).await;
    fleet.held(0, &content).await;
    let from = good.offsets();
    assert!(from[0] >= 1 << 20, "kept what the first parent gave: {from:?}");
}

#[tokio::test]
async fn a_lying_parent_is_passed_over_and_its_bytes_are_never_published() {
    let lies =
        [Manner::WrongByte(0), Manner::WrongByte(BIG - 1), Manner::WrongTree, Manner::OtherFile];
    for lie in lies {
        let mut fleet = Fleet::new().await;
        let child = fleet.add("child").await;
        let bytes = noise(3, BIG);
        let liar = Parent::start(&fleet, &bytes, lie, None).await;
        fleet.management.place(liar.id, &[]);
        fleet.management.place(child, &[liar.id]);
        let content = fleet.management.publish("Big.pkg", &bytes).content;
        fleet.start(0).await;
        reported(&fleet, 0, &content, PlacementState::Failed).await;
        let reason = {
            let world = fleet.management.world();
            world.copies[&(child, content)].reason.clone().unwrap()
        };
        assert!(reason.contains("wrong bytes"), "{lie:?}: {reason}");
        assert!(!fleet.file(0, &content).exists(), "{lie:?}");

        let good = Parent::start(&fleet, &bytes, Manner::Good, None).await;
        fleet.management.change(|world| world.parents.insert(child, vec![liar.id, good.id]));
        fleet.held(0, &content).await;
        assert_eq!(std::fs::read(fleet.file(0, &content)).unwrap(), bytes, "{lie:?}");
    }
}

#[tokio::test]
async fn a_parent_whose_certificate_names_another_is_not_asked() {
    let mut fleet = Fleet::new().await;
    let child = fleet.add("child").await;
    let bytes = noise(4, 1000);
    let other = Party::DistributionServer(DistributionServerId::from_parts(1, &[1; 10]));
    let impostor = Parent::start(&fleet, &bytes, Manner::Good, Some(other)).await;
    fleet.management.place(impostor.id, &[]);
    fleet.management.place(child, &[impostor.id]);
    let content = fleet.management.publish("Small.pkg", &bytes).content;
    fleet.start(0).await;
    reported(&fleet, 0, &content, PlacementState::Failed).await;
    assert!(impostor.offsets().is_empty());
}

#[tokio::test]
async fn child_keeps_serving_when_parent_is_down_and_catches_up_later() {
    let mut fleet = Fleet::chain(2).await;
    let first = fleet.upload("First.pkg", &noise(5, BIG)).await;
    fleet.held(1, &first).await;
    fleet.caught_up(1).await;
    let second = fleet.upload("Second.pkg", &noise(6, 1000)).await;
    fleet.held(1, &second).await;
    fleet.stop(0).await;
    // Published while the root is away: nobody has it yet.
    let bytes = noise(7, 1000);
    let third = fleet.management.publish("Third.pkg", &bytes);
    fleet.caught_up(1).await;
    let computer = fleet.asker(Some(fleet.computer()));
    let answer = fleet.get(1, &computer, "/Packages/First.pkg").await;
    assert_eq!(ContentId::of(answer.bytes()), first);
    assert_eq!(fleet.get(1, &computer, "/Packages/Third.pkg").await.status, StatusCode::NOT_FOUND);
    fleet.start(0).await;
    let fourth = fleet.upload("Fourth.pkg", &noise(8, 1000)).await;
    fleet.held(1, &fourth).await;
    assert!(!fleet.file(1, &third.content).exists());
}

#[tokio::test]
async fn a_damaged_copy_is_withdrawn_and_fetched_again() {
    let fleet = Fleet::chain(2).await;
    let bytes = noise(9, BIG);
    let content = fleet.upload("Big.pkg", &bytes).await;
    fleet.held(1, &content).await;
    fleet.caught_up(1).await;
    let path = fleet.file(1, &content);
    let mut damaged = bytes.clone();
    damaged[BIG - 5] ^= 1;
    std::fs::write(&path, &damaged).unwrap();

    let computer = fleet.asker(Some(fleet.computer()));
    let answer = fleet.get(1, &computer, "/Packages/Big.pkg").await;
    assert!(answer.body.is_err(), "a broken answer is visibly broken");
    fleet
        .until("the copy is fetched again", async || {
            std::fs::read(&path).is_ok_and(|found| found == bytes)
        })
        .await;
    fleet
        .until("it is served again", async || {
            fleet.get(1, &computer, "/Packages/Big.pkg").await.body.is_ok_and(|b| b == bytes)
        })
        .await;
}

#[tokio::test]
async fn a_byte_flipped_on_the_parent_reaches_nobody() {
    let mut fleet = Fleet::chain(2).await;
    fleet.stop(1).await;
    let bytes = noise(10, BIG);
    let content = fleet.upload("Big.pkg", &bytes).await;
    let mut damaged = bytes.clone();
    damaged[BIG / 2] ^= 1;
    std::fs::write(fleet.file(0, &content), &damaged).unwrap();
    fleet.start(1).await;
    let quarantined = fleet.server(0).data.join(format!("repo/quarantine/{content}"));
    fleet.until("the parent withdraws it", async || quarantined.exists()).await;
    reported(&fleet, 0, &content, PlacementState::Failed).await;
    assert!(!fleet.file(1, &content).exists());
}

#[tokio::test]
async fn what_is_deleted_loses_its_name_at_once_and_its_bytes_after_a_day() {
    let fleet = Fleet::chain(2).await;
    let bytes = noise(11, 1000);
    let content = fleet.upload("Old.pkg", &bytes).await;
    fleet.held(1, &content).await;
    fleet.caught_up(1).await;
    let descriptor = {
        let world = fleet.management.world();
        let row = world.uploads.values().next().unwrap();
        serde_json::from_slice(&row.committed.as_ref().unwrap().payload).unwrap()
    };
    let computer = fleet.asker(Some(fleet.computer()));
    assert_eq!(fleet.get(1, &computer, "/Packages/Old.pkg").await.bytes(), bytes);
    fleet.management.delete(&descriptor);
    fleet.caught_up(1).await;
    assert_eq!(fleet.get(1, &computer, "/Packages/Old.pkg").await.status, StatusCode::NOT_FOUND);
    let by_id = format!("/v1/blob/{content}");
    assert_eq!(fleet.get(1, &computer, &by_id).await.status, StatusCode::NOT_FOUND);
    assert!(fleet.file(1, &content).exists(), "a day of grace");

    fleet.management.world().hold_removal = true;
    fleet.clock.advance(DAY + Duration::from_secs(60));
    fleet.management.change(|_| ());
    fleet.caught_up(1).await;
    assert!(fleet.file(1, &content).exists(), "not while a restore is unconfirmed");

    fleet.management.change(|world| world.hold_removal = false);
    let path = fleet.file(1, &content);
    fleet.until("the child removes it", async || !path.exists()).await;
    assert!(fleet.file(0, &content).exists(), "the root keeps it for thirty days");
}

#[tokio::test]
async fn a_certificate_is_renewed_while_the_server_runs() {
    let mut fleet = Fleet::chain(1).await;
    fleet.stop(0).await;
    fleet.clock.advance(11 * DAY);
    fleet.start(0).await;
    fleet.until("it renews", async || fleet.management.world().renewals == 1).await;
    let content = fleet.upload("After.pkg", b"after the renewal").await;
    fleet.held(0, &content).await;
}

#[tokio::test]
async fn in_maintenance_nothing_new_comes_and_what_is_here_is_served() {
    let fleet = Fleet::chain(2).await;
    let old = noise(21, 1000);
    let held = fleet.upload("Old.pkg", &old).await;
    fleet.held(1, &held).await;
    let child = fleet.server(1).id;
    fleet.management.change(|world| world.maintenance.extend([child]));
    fleet.caught_up(1).await;
    // One that is fetched in a stream of many, and one by itself.
    let small = fleet.upload("Small.pkg", &noise(22, 1000)).await;
    let large = fleet.upload("Large.pkg", &noise(23, 2 << 20)).await;
    for content in [small, large] {
        fleet
            .until("it says why it waits", async || {
                let world = fleet.management.world();
                let copy = world.copies.get(&(child, content));
                copy.is_some_and(|copy| {
                    copy.state == PlacementState::Queued
                        && copy.reason.as_ref().is_some_and(|it| it.contains("maintenance"))
                })
            })
            .await;
        assert!(!fleet.file(1, &content).exists());
    }
    let computer = fleet.asker(Some(fleet.computer()));
    assert_eq!(fleet.get(1, &computer, "/Packages/Old.pkg").await.bytes(), old);
    fleet.management.change(|world| world.maintenance.clear());
    fleet.held(1, &small).await;
    fleet.held(1, &large).await;
}

//! The content link: cut-through, fail-over, waiting.

use std::fs;

use http::StatusCode;
use xylem_api::content::PATH_HEADER;
use xylem_model::{ContentId, DistributionServerId, ParentPolicy, Party};
use xylem_sync::ServerSettings;

use crate::fleet::{Fleet, noise};
use crate::parent::{Manner, Parent};

/// Several groups, several frames, no round number.
const BIG: usize = (3 << 20) + 12_345;

/// A parent that holds one content, a child of it, and a grandchild; none running yet.
async fn parent_child_grandchild(bytes: &[u8], manner: Manner) -> (Fleet, Parent) {
    let mut fleet = Fleet::new().await;
    let (child, grandchild) = (fleet.add("child").await, fleet.add("grandchild").await);
    let parent = Parent::start(&fleet, bytes, manner, None).await;
    fleet.management.place(parent.id, &[]);
    fleet.management.place(child, &[parent.id]);
    fleet.management.place(grandchild, &[child]);
    (fleet, parent)
}

fn staged_len(fleet: &Fleet, index: usize, content: &ContentId) -> u64 {
    let part = fleet.server(index).data.join(format!("repo/staged/{content}.part"));
    part.metadata().map_or(0, |part| part.len())
}

async fn staged(fleet: &Fleet, index: usize, content: &ContentId, least: u64) {
    fleet
        .until(&format!("server {index} has staged {least} bytes"), async || {
            staged_len(fleet, index, content) >= least
        })
        .await;
}

#[tokio::test]
async fn a_file_flows_on_while_it_is_still_arriving() {
    let bytes = noise(1, BIG);
    let (mut fleet, parent) = parent_child_grandchild(&bytes, Manner::HoldAt(2 << 20)).await;
    let content = fleet.management.publish("Big.pkg", &bytes).content;
    fleet.start(0).await;
    fleet.start(1).await;
    staged(&fleet, 1, &content, 2 << 20).await;
    assert!(!fleet.file(0, &content).exists(), "the child itself has not got it yet");
    // To a computer it does not exist before it is published.
    let computer = fleet.asker(Some(fleet.computer()));
    let answer = fleet.get(0, &computer, &format!("/v1/blob/{content}")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    // A server hears through whom the bytes come.
    let peer = fleet.asker(Some(Party::DistributionServer(fleet.server(1).id)));
    let mut head = peer;
    head.headers.insert("range", "bytes=0-9".parse().unwrap());
    let answer = fleet.get(0, &head, &format!("/v1/blob/{content}")).await;
    assert_eq!(answer.header(PATH_HEADER), parent.id.to_string());
    parent.release();
    fleet.held(0, &content).await;
    fleet.held(1, &content).await;
    assert_eq!(fs::read(fleet.file(1, &content)).unwrap(), bytes);
    let answer = fleet.get(0, &head, &format!("/v1/blob/{content}")).await;
    assert_eq!(answer.header(PATH_HEADER), "", "it comes from nowhere else any more");
}

#[tokio::test]
async fn readers_notice_nothing_when_their_parent_changes_its_own() {
    let bytes = noise(2, BIG);
    let (mut fleet, broken) = parent_child_grandchild(&bytes, Manner::BreakAt(1 << 20)).await;
    let good = Parent::start(&fleet, &bytes, Manner::HoldAt(2 << 20), None).await;
    fleet.management.change(|world| {
        world.parents.insert(fleet.server(0).id, vec![broken.id, good.id]);
    });
    let content = fleet.management.publish("Big.pkg", &bytes).content;
    fleet.start(0).await;
    fleet.start(1).await;
    staged(&fleet, 1, &content, 2 << 20).await;
    assert_eq!(broken.offsets(), [0]);
    let offsets = good.offsets();
    assert!(offsets.len() == 1 && offsets[0] >= 512 << 10, "{offsets:?}");
    good.release();
    fleet.held(1, &content).await;
    assert_eq!(fs::read(fleet.file(1, &content)).unwrap(), bytes);
}

#[tokio::test]
async fn parents_that_change_in_the_middle_of_a_file_cost_no_bytes() {
    let bytes = noise(9, BIG);
    let (mut fleet, first) = parent_child_grandchild(&bytes, Manner::HoldAt(1 << 20)).await;
    let second = Parent::start(&fleet, &bytes, Manner::Good, None).await;
    let content = fleet.management.publish("Big.pkg", &bytes).content;
    fleet.start(0).await;
    staged(&fleet, 0, &content, 1 << 20).await;
    for parents in [vec![second.id, first.id], vec![second.id]] {
        let child = fleet.server(0).id;
        fleet.management.change(|world| world.parents.insert(child, parents));
        fleet.caught_up(0).await;
    }
    first.release();
    fleet.held(0, &content).await;
    assert_eq!(fs::read(fleet.file(0, &content)).unwrap(), bytes);
    let asked = (first.offsets(), second.offsets());
    assert_eq!(asked, (vec![0], vec![]), "whoever had begun went on to the end");
}

#[tokio::test]
async fn a_superseded_version_is_given_up_in_the_middle() {
    let first = noise(3, BIG);
    let (mut fleet, parent) = parent_child_grandchild(&first, Manner::HoldAt(1 << 20)).await;
    let second = noise(4, BIG);
    let other = Parent::start(&fleet, &second, Manner::Good, None).await;
    fleet.management.change(|world| {
        world.parents.insert(fleet.server(0).id, vec![parent.id, other.id]);
    });
    let old = fleet.management.publish("Big.pkg", &first).content;
    fleet.start(0).await;
    staged(&fleet, 0, &old, 1 << 20).await;
    let new = fleet.management.publish("Big.pkg", &second).content;
    fleet.held(0, &new).await;
    fleet
        .until("what there was of the old version is gone", async || {
            staged_len(&fleet, 0, &old) == 0 && !fleet.file(0, &old).exists()
        })
        .await;
    assert_eq!(parent.offsets(), [0], "it was asked once and never again");
}

#[tokio::test]
async fn another_rate_counts_for_what_is_under_way() {
    let bytes = noise(41, BIG);
    let (mut fleet, parent) = parent_child_grandchild(&bytes, Manner::Good).await;
    let limit = |rate: u64| {
        let patch = serde_json::json!({ "rates": {
            "from_parents": { "server": { "bytes_per_second": rate } }
        } });
        ServerSettings::default().changed(&patch).unwrap()
    };
    // At this rate it would take an hour.
    fleet.management.change(|world| world.settings = limit(1024));
    fleet.start(0).await;
    fleet.caught_up(0).await;
    let content = fleet.management.publish("Big.pkg", &bytes).content;
    fleet.until("it was asked for", async || parent.offsets() == [0]).await;
    fleet.caught_up(0).await;
    assert!(!fleet.file(0, &content).exists());
    fleet.management.change(|world| world.settings = limit(1 << 30));
    fleet.held(0, &content).await;
    assert_eq!(parent.offsets(), [0], "nothing was begun anew");
}

#[tokio::test]
async fn a_child_that_asks_before_its_parent_has_a_file_gets_it_when_it_comes() {
    let (small, big) = (noise(6, 1000), noise(7, BIG));
    let (mut fleet, parent) = parent_child_grandchild(&big, Manner::Good).await;
    let other = Parent::start(&fleet, &small, Manner::Good, None).await;
    let contents = [
        fleet.management.publish("Small.pkg", &small).content,
        fleet.management.publish("Big.pkg", &big).content,
    ];
    // The grandchild knows of both, and asks a child that has nobody to ask itself.
    let nobody = DistributionServerId::from_parts(9, &[9; 10]);
    fleet.management.change(|world| world.parents.insert(fleet.server(0).id, vec![nobody]));
    fleet.start(0).await;
    fleet.start(1).await;
    fleet.caught_up(0).await;
    fleet.caught_up(1).await;
    fleet.management.change(|world| {
        world.parents.insert(fleet.server(0).id, vec![parent.id, other.id]);
    });
    for content in &contents {
        fleet.held(1, content).await;
    }
}

#[tokio::test]
async fn parents_share_the_work_by_turns() {
    let mut fleet = Fleet::new().await;
    let child = fleet.add("child").await;
    let bytes = noise(8, BIG);
    let one = Parent::start(&fleet, &bytes, Manner::Good, None).await;
    let two = Parent::start(&fleet, &bytes, Manner::Good, None).await;
    fleet.management.place(one.id, &[]);
    fleet.management.place(child, &[one.id, two.id]);
    fleet.management.change(|world| world.policy = ParentPolicy::RoundRobin);
    let content = fleet.management.publish("Big.pkg", &bytes).content;
    fleet.start(0).await;
    for _ in 0..3 {
        fleet.held(0, &content).await;
        // The copy is damaged, so that it is fetched again.
        let path = fleet.file(0, &content);
        let mut damaged = bytes.clone();
        damaged[BIG / 2] ^= 1;
        fs::write(&path, damaged).unwrap();
        fleet.caught_up(0).await;
        let computer = fleet.asker(Some(fleet.computer()));
        assert!(fleet.get(0, &computer, "/Packages/Big.pkg").await.body.is_err());
        fleet
            .until("the copy is good again", async || fs::read(&path).is_ok_and(|b| b == bytes))
            .await;
    }
    let asked = (one.offsets().len(), two.offsets().len());
    assert_eq!(asked, (2, 2));
}

//! Looking through what is held: what is damaged is found, told and fetched again.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use xylem_api::catalogue::PlacementState;
use xylem_model::{ContentId, ScrubReport, Timestamp};
use xylem_runtime::Clock;

use crate::fleet::{Fleet, noise};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Content without an outboard, with one, and of several steps.
const SIZES: [usize; 4] = [1000, 200_000, 300_000, (9 << 20) + 7];

fn flip(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

/// Files on a server and its child.
async fn held_by_two() -> (Fleet, Vec<(ContentId, Vec<u8>)>) {
    let fleet = Fleet::chain(2).await;
    let mut contents = Vec::new();
    for (seed, size) in SIZES.into_iter().enumerate() {
        let bytes = noise(seed as u64, size);
        let content = fleet.upload(&format!("{seed}.pkg"), &bytes).await;
        fleet.held(1, &content).await;
        contents.push((content, bytes));
    }
    (fleet, contents)
}

/// Damages each on the child, where nobody reads it: at its last byte, and one in its outboard.
fn damage(fleet: &Fleet, contents: &[(ContentId, Vec<u8>)]) {
    for (content, bytes) in contents {
        flip(&fleet.file(1, content), bytes.len() as u64 - 1);
    }
    flip(&fleet.file(1, &contents[3].0).with_extension("tree"), 100);
}

async fn all_mended(fleet: &Fleet, contents: &[(ContentId, Vec<u8>)]) {
    for (content, bytes) in contents {
        let path = fleet.file(1, content);
        fleet
            .until("it is whole again", async || std::fs::read(&path).is_ok_and(|b| b == *bytes))
            .await;
        let child = fleet.server(1).id;
        fleet
            .until("it is told", async || {
                let world = fleet.management.world();
                let copy = world.copies.get(&(child, *content));
                copy.is_some_and(|copy| copy.state == PlacementState::Present)
            })
            .await;
    }
}

fn told(fleet: &Fleet, index: usize) -> ScrubReport {
    let world = fleet.management.world();
    world.scrubs.get(&fleet.server(index).id).copied().unwrap_or_default()
}

fn ask(fleet: &Fleet) -> Timestamp {
    let now = fleet.clock.now();
    fleet.management.change(|world| world.scrub_asked = Some(now));
    now
}

#[tokio::test]
async fn what_is_asked_for_finds_and_mends_every_damaged_copy() {
    let (fleet, contents) = held_by_two().await;
    damage(&fleet, &contents);
    let asked = ask(&fleet);
    let has_ended = |index| told(&fleet, index).last.is_some_and(|pass| pass.asked == Some(asked));
    fleet.until("both have looked", async || has_ended(0) && has_ended(1)).await;
    let (root, child) = (told(&fleet, 0).last.unwrap(), told(&fleet, 1).last.unwrap());
    assert_eq!((root.found.files, root.found.damaged, root.thousandths), (4, 0, 1000));
    assert_eq!(root.found.bytes, SIZES.iter().sum::<usize>() as u64);
    assert_eq!((child.found.damaged, child.found.unreadable), (4, 0));
    all_mended(&fleet, &contents).await;

    fleet.clock.advance(Duration::from_secs(1));
    let again = ask(&fleet);
    let has_ended = || told(&fleet, 1).last.filter(|pass| pass.asked == Some(again));
    fleet.until("it has looked again", async || has_ended().is_some()).await;
    assert_eq!((has_ended().unwrap().found.files, has_ended().unwrap().found.damaged), (4, 0));
}

#[tokio::test]
async fn what_comes_in_the_middle_of_a_pass_and_an_outboard_alone_are_seen_to() {
    let (mut fleet, contents) = held_by_two().await;
    let late = noise(77, 400_000);
    let content = fleet.upload("Late.pkg", &late).await;
    fleet.held(1, &content).await;
    for content in [&content, &contents[3].0] {
        flip(&fleet.file(1, content).with_extension("tree"), 100);
    }
    fleet.stop(1).await;
    fleet.clock.advance(6 * DAY + Duration::from_secs(60));
    fleet.start(1).await;
    fleet.until("the pass has ended", async || told(&fleet, 1).last.is_some()).await;
    let found = told(&fleet, 1).last.unwrap().found;
    assert_eq!((found.files, found.mended, found.damaged), (5, 2, 0));
    let quarantine = fleet.server(1).data.join("repo/quarantine");
    assert_eq!(std::fs::read_dir(quarantine).unwrap().count(), 0, "sound content stays");
}

#[tokio::test]
async fn a_copy_that_somebody_removed_from_the_disk_is_missed_and_fetched_again() {
    let (fleet, contents) = held_by_two().await;
    std::fs::remove_file(fleet.file(1, &contents[2].0)).unwrap();
    let asked = ask(&fleet);
    let ended = || told(&fleet, 1).last.filter(|pass| pass.asked == Some(asked));
    fleet.until("it has looked", async || ended().is_some()).await;
    let found = ended().unwrap().found;
    assert_eq!((found.files, found.unreadable), (3, 1));
    all_mended(&fleet, &contents).await;
}

#[tokio::test]
async fn each_copy_is_looked_at_within_a_week_by_itself_and_over_restarts() {
    let (mut fleet, contents) = held_by_two().await;
    damage(&fleet, &contents);
    for _ in 0..2 {
        fleet.stop(1).await;
        fleet.clock.advance(3 * DAY);
        fleet.start(1).await;
    }
    all_mended(&fleet, &contents).await;
    let asked_by_nobody = |it: ScrubReport| it.last.is_some_and(|pass| pass.asked.is_none());
    fleet.until("the pass has ended", async || asked_by_nobody(told(&fleet, 1))).await;
    // A file of one group is hashed whenever a server starts, and was found by that.
    assert_eq!(told(&fleet, 1).last.unwrap().found.damaged, 3);
}

#[tokio::test]
async fn a_pass_that_is_not_due_leaves_the_disk_alone() {
    let (fleet, contents) = held_by_two().await;
    // By their ids, at least one of these is not due within the first minutes of a pass.
    damage(&fleet, &contents);
    tokio::time::sleep(Duration::from_millis(500)).await;
    fleet.until("it is told", async || told(&fleet, 1).current.is_some()).await;
    let current = told(&fleet, 1).current.unwrap();
    assert!(current.found.files + current.found.damaged < 4, "{current:?}");
    assert_eq!(told(&fleet, 1).last, None);
}

//! The content link: many small files in one stream.

use std::fs;

use http::StatusCode;
use xylem_api::catalogue::PlacementState;
use xylem_api::content::{MANY_PATH, MAX_FRAME_BYTES};
use xylem_model::{ContentId, Party};

use crate::fleet::{Fleet, noise};
use crate::parent::{Manner, Parent};

#[tokio::test]
async fn many_small_files_travel_together() {
    let mut fleet = Fleet::chain(2).await;
    fleet.stop(1).await;
    let mut contents = Vec::new();
    for number in 0..60 {
        let bytes = noise(100 + number, 20_000 + number as usize);
        contents.push(fleet.upload(&format!("Small-{number}.pkg"), &bytes).await);
    }
    fleet.start(1).await;
    for content in &contents {
        fleet.held(1, content).await;
    }
    let peer = fleet.asker(Some(Party::DistributionServer(fleet.server(1).id)));
    assert_eq!(fleet.get(0, &peer, MANY_PATH).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_wrong_small_file_is_refused_and_fetched_from_another_parent() {
    let mut fleet = Fleet::new().await;
    let child = fleet.add("child").await;
    let bytes = noise(5, 50_000);
    let liar = Parent::start(&fleet, &bytes, Manner::WrongByte(40_000), None).await;
    let good = Parent::start(&fleet, &bytes, Manner::Good, None).await;
    fleet.management.place(good.id, &[]);
    fleet.management.place(child, &[liar.id, good.id]);
    let content = fleet.management.publish("Small.pkg", &bytes).content;
    fleet.start(0).await;
    fleet.held(0, &content).await;
    assert_eq!(fs::read(fleet.file(0, &content)).unwrap(), bytes);
    assert_eq!((liar.batches(), good.batches()), (1, 1));
    assert_eq!(fs::read_dir(fleet.server(0).data.join("repo/staged")).unwrap().count(), 0);
}

#[tokio::test]
async fn what_came_right_beside_a_wrong_file_is_here_and_told() {
    let mut fleet = Fleet::new().await;
    let child = fleet.add("child").await;
    // In a stream files go by their ids: the wrong one first.
    let mut files = [noise(31, 9000), noise(32, 9000)];
    files.sort_by_key(|bytes| ContentId::of(bytes));
    let [wrong, right] = files;
    let liar = Parent::start(&fleet, &wrong, Manner::WrongByte(100), None).await;
    liar.give_besides(&right);
    fleet.management.place(liar.id, &[]);
    fleet.management.place(child, &[liar.id]);
    fleet.management.publish("Wrong.pkg", &wrong);
    let content = fleet.management.publish("Right.pkg", &right).content;
    fleet.start(0).await;
    fleet.held(0, &content).await;
    let told = || fleet.management.world().copies.get(&(child, content)).map(|copy| copy.state);
    fleet.until("it is told", async || told() == Some(PlacementState::Present)).await;
    assert_eq!(liar.batches(), 1, "nobody asked for it again");
}

#[tokio::test]
async fn a_parent_that_repeats_itself_keeps_no_other_file_waiting() {
    let mut fleet = Fleet::new().await;
    let child = fleet.add("child").await;
    let (repeated, other) = (noise(41, 9000), noise(42, 9000));
    let liar = Parent::start(&fleet, &repeated, Manner::Repeat, None).await;
    let good = Parent::start(&fleet, &other, Manner::Good, None).await;
    fleet.management.place(good.id, &[]);
    fleet.management.place(child, &[liar.id, good.id]);
    let first = fleet.management.publish("Repeated.pkg", &repeated).content;
    let second = fleet.management.publish("Other.pkg", &other).content;
    fleet.start(0).await;
    fleet.held(0, &first).await;
    fleet.held(0, &second).await;
    assert_eq!(fs::read(fleet.file(0, &second)).unwrap(), other);
    assert_eq!(liar.batches(), 1, "it is set aside");
}

#[tokio::test]
async fn a_small_file_that_a_parent_finds_damaged_keeps_no_other_back() {
    let mut fleet = Fleet::chain(2).await;
    fleet.stop(1).await;
    // Several in one frame, some over several frames, the largest that travels so.
    let sizes = [1, 20_000, 256 << 10, 300_000, 700_000, MAX_FRAME_BYTES as usize];
    let (mut sent, mut damaged) = (Vec::new(), Vec::new());
    for (number, size) in sizes.into_iter().flat_map(|size| [size; 3]).enumerate() {
        let bytes = noise(200 + number as u64, size);
        let content = fleet.upload(&format!("Small-{number}.pkg"), &bytes).await;
        match number % 3 {
            0 => sent.push((content, bytes)),
            1 => damaged.push((content, bytes)),
            _ => {}
        }
    }
    for (content, bytes) in &mut damaged {
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(fleet.file(0, content), &*bytes).unwrap();
    }
    fleet.start(1).await;
    for (content, bytes) in &sent {
        fleet.held(1, content).await;
        assert_eq!(fs::read(fleet.file(1, content)).unwrap(), *bytes);
    }
    for (content, _) in &damaged {
        let quarantined = fleet.server(0).data.join(format!("repo/quarantine/{content}"));
        fleet.until("the parent withdraws it", async || quarantined.exists()).await;
        assert!(!fleet.file(1, content).exists());
    }
}

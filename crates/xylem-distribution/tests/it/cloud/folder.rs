//! The root's own folder in the place of a cloud: what lies in it is read back.

use std::path::PathBuf;

use serde_json::{Value, json};
use xylem_cloud::Marker;

use super::*;

/// A root that runs, with a folder in which nothing is written by it.
async fn start() -> (Fleet, tempfile::TempDir) {
    let (mut fleet, folder) = (root_alone().await, tempfile::tempdir().unwrap());
    let settings = fleet.server(0).data.join("server.json");
    let mut own: Value = serde_json::from_slice(&std::fs::read(&settings).unwrap()).unwrap();
    own["cloud_folder"] = json!(folder.path());
    std::fs::write(&settings, own.to_string()).unwrap();
    std::fs::create_dir(folder.path().join("macs")).unwrap();
    let marker = folder.path().join("macs/xylem.json");
    std::fs::write(marker, Marker::of("a").to_json()).unwrap();

    let mut world = CloudWorld::new("https://cloud-folder.invalid", "");
    let storage = serde_json::from_value(json!({ "provider": "folder", "prefix": "macs" }));
    let keys = serde_json::from_value(json!({ "provider": "folder" }));
    world.provider = Some((storage.unwrap(), keys.unwrap()));
    world.stands_still = Some("the test lays the copies there".to_owned());
    fleet.management.world().cloud = Some(world);
    fleet.start(0).await;
    (fleet, folder)
}

/// Where a content is to lie.
fn copy_of(folder: &tempfile::TempDir, content: &ContentId) -> PathBuf {
    let hex = content.to_hex();
    let parent = folder.path().join("macs/content").join(&hex[..2]);
    std::fs::create_dir_all(&parent).unwrap();
    parent.join(hex)
}

#[tokio::test]
async fn what_lies_in_the_folder_is_read_back_whole() {
    let (fleet, folder) = start().await;
    // More than one answer has.
    let bytes = noise(30, 2_500_000);
    let content = fleet.upload("A.pkg", &bytes).await;
    let copy = copy_of(&folder, &content);
    std::fs::write(&copy, &bytes).unwrap();
    assert_eq!(read_back(&fleet, content).await, (ReadBackFound::Same, 2_500_000));
}

#[tokio::test]
async fn a_damaged_copy_in_the_folder_is_told() {
    let (fleet, folder) = start().await;
    let bytes = noise(31, 1_500_000);
    let content = fleet.upload("A.pkg", &bytes).await;
    let mut damaged = bytes.clone();
    damaged[1_200_000] ^= 1;
    std::fs::write(copy_of(&folder, &content), &damaged).unwrap();
    assert_eq!(read_back(&fleet, content).await, (ReadBackFound::Other, 3_000_000));
}

#[tokio::test]
async fn a_copy_in_the_folder_that_goes_on_is_another() {
    let (fleet, folder) = start().await;
    let bytes = noise(32, 1 << 20);
    let content = fleet.upload("A.pkg", &bytes).await;
    let longer = [&bytes[..], b"more"].concat();
    std::fs::write(copy_of(&folder, &content), longer).unwrap();
    assert_eq!(read_back(&fleet, content).await.0, ReadBackFound::Other);
}

#[tokio::test]
async fn of_a_folder_whose_disk_is_away_nothing_is_told_but_that() {
    let (fleet, folder) = start().await;
    let content = fleet.upload("A.pkg", &noise(33, 1000)).await;
    std::fs::remove_dir_all(folder.path().join("macs")).unwrap();
    let (found, bytes) = read_back(&fleet, content).await;
    let ReadBackFound::Unread { why } = found else { panic!("{found:?}") };
    assert!(why.contains("mounted") && bytes == 0, "{why}");
}

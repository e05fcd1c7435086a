//! Filling NetStorage: files go as a whole, one after the other, and begin again where they break.

use serde_json::json;
use xylem_api::control_cloud::SampleFound;
use xylem_model::ContentId;
use xylem_testkit::{
    EDGE_TOKEN_SALT, EDGE_TOKEN_SECRET, NETSTORAGE_ACCOUNT, NETSTORAGE_CP_CODE, NETSTORAGE_KEY,
    NetStorageDouble, NetStorageFault,
};

use crate::cloud::{root_alone, until_found};
use crate::fleet::{Fleet, noise};
use crate::management::CloudWorld;

/// A root that runs, and Akamai.
async fn start() -> (Fleet, NetStorageDouble) {
    let mut fleet = root_alone().await;
    let double = NetStorageDouble::start(&fleet.environment).await;
    let settings = json!({
        "provider": "akamai",
        "upload_host": double.upload_host(),
        "account": NETSTORAGE_ACCOUNT,
        "cp_code": NETSTORAGE_CP_CODE,
        "directory": "macs",
        "delivery_url": double.delivery_url(),
    });
    let keys = json!({
        "provider": "akamai",
        "key": NETSTORAGE_KEY,
        "token_secret": EDGE_TOKEN_SECRET,
        "token_salt": EDGE_TOKEN_SALT,
    });
    let mut world = CloudWorld::new(&double.upload_host(), double.ca_pem());
    world.at_once = 1;
    world.part_bytes = u64::MAX;
    let read = (serde_json::from_value(settings).unwrap(), serde_json::from_value(keys).unwrap());
    world.provider = Some(read);
    fleet.management.world().cloud = Some(world);
    fleet.start(0).await;
    (fleet, double)
}

/// The name of a content there, whose folder is made, as the management server does.
fn place(double: &NetStorageDouble, bytes: &[u8]) -> String {
    let id = ContentId::of(bytes).to_hex();
    let folder = format!("macs/content/{}", &id[..2]);
    let other = format!("{folder}/made");
    if double.bytes(&other).is_none() {
        double.place(&other, b"");
    }
    format!("{folder}/{id}")
}

#[tokio::test]
async fn at_netstorage_files_go_whole_and_one_by_one() {
    let (fleet, double) = start().await;
    let mut all = Vec::new();
    for (seed, size) in [1, 5_000, 300_000, 1_000_003, 2_000_000].into_iter().enumerate() {
        let bytes = noise(seed as u64, size);
        let name = place(&double, &bytes);
        let content = fleet.upload(&format!("{seed}.pkg"), &bytes).await;
        all.push((content, name, bytes));
    }
    for (content, name, bytes) in &all {
        until_found(&fleet, content, &SampleFound::Same).await;
        assert_eq!(double.bytes(name).unwrap(), *bytes);
        assert_eq!(double.times("upload", name), 1);
    }
    assert_eq!(double.uploads(), (0, 1), "two would cost two where the line breaks");
}

#[tokio::test]
async fn at_netstorage_an_upload_that_breaks_begins_again() {
    let (fleet, double) = start().await;
    let bytes = noise(20, 3_000_000);
    let name = place(&double, &bytes);
    double.misbehave(NetStorageFault::BreakAfter(1_000_000));
    let content = fleet.upload("A.pkg", &bytes).await;
    fleet.until("it broke twice", async || double.times("upload", &name) >= 2).await;
    assert_eq!(double.bytes(&name), None, "there is no half of a file");
    double.misbehave(NetStorageFault::None);
    until_found(&fleet, &content, &SampleFound::Same).await;
    assert_eq!(double.bytes(&name).unwrap(), bytes);
}

#[tokio::test]
async fn at_netstorage_a_root_that_was_killed_begins_again() {
    let (mut fleet, double) = start().await;
    let bytes = noise(21, 2_000_000);
    let name = place(&double, &bytes);
    double.hold_uploads(true);
    let content = fleet.upload("A.pkg", &bytes).await;
    fleet.until("it is under way", async || double.uploads().0 > 0).await;
    fleet.kill(0).await;
    double.hold_uploads(false);
    fleet.start(0).await;
    until_found(&fleet, &content, &SampleFound::Same).await;
    assert_eq!(double.bytes(&name).unwrap(), bytes);
    assert_eq!(double.times("upload", &name), 2);
}

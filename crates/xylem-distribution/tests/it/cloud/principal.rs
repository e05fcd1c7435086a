//! The cloud as principal: what enters is there first, and a root that lost everything gets it from
//! there.

use xylem_api::error::ErrorCode;
use xylem_client::ClientError;
use xylem_model::UploadId;

use super::*;
use crate::ingest::{Sender, code};
use crate::management::UploadRow;

impl Cloud {
    /// A root whose uploads are in this cloud first.
    async fn principal() -> (Fleet, Self) {
        let (mut fleet, cloud) = Self::beside_a_root().await;
        known(&fleet, |cloud| cloud.is_principal = true);
        fleet.start(0).await;
        (fleet, cloud)
    }
}

fn row(fleet: &Fleet, upload: UploadId) -> UploadRow {
    fleet.management.world().uploads[&upload].clone()
}

/// All of a file is at the root.
async fn sent<'a>(fleet: &'a Fleet, name: &str, bytes: &[u8]) -> Sender<'a> {
    let sender = Sender::new(fleet, name, bytes).await;
    sender.send_rest(bytes).await;
    sender
}

#[tokio::test]
async fn an_upload_is_committed_once_it_is_in_the_cloud() {
    let (fleet, cloud) = Cloud::principal().await;
    cloud.store().is_held = true;
    let bytes = noise(1, 700_000);
    let content = ContentId::of(&bytes);
    let sender = sent(&fleet, "A.pkg", &bytes).await;
    let completing = sender.complete();
    let looking = async {
        fleet.until("parts are under way", async || cloud.store().under_way > 0).await;
        assert!(row(&fleet, sender.upload).committed.is_none(), "nothing is proved yet");
        let computer = fleet.asker(Some(fleet.computer()));
        let told = fleet.get(0, &computer, "/Packages/A.pkg").await;
        assert_eq!(told.status, StatusCode::NOT_FOUND, "nobody is given what has no name");
        cloud.store().is_held = false;
    };
    let (completed, ()) = tokio::join!(completing, looking);
    assert!(completed.unwrap());
    assert_eq!((cloud.object(&content), found(&fleet, &content)), (bytes, Some(SampleFound::Same)));
    let row = row(&fleet, sender.upload);
    assert!(row.published && row.commits == 1);
    fleet.held(0, &content).await;
}

#[tokio::test]
async fn what_takes_longer_is_said_and_goes_on_when_asked_again() {
    let (fleet, _cloud) = Cloud::principal().await;
    known(&fleet, |cloud| cloud.stands_still = Some("no such bucket".to_owned()));
    let sender = sent(&fleet, "A.pkg", &noise(2, 300_000)).await;
    match sender.complete().await.unwrap_err() {
        ClientError::Answer { status: 503, body, retry_after: Some(_), .. } => {
            assert_eq!(body.code, ErrorCode::Waiting);
            assert!(body.message.contains("no such bucket"), "{}", body.message);
        }
        other => panic!("{other}"),
    }
    let there = sender.progress().await.unwrap();
    assert!(there.offset == there.size && !there.published, "nothing is sent again");
    assert!(row(&fleet, sender.upload).committed.is_none());
    known(&fleet, |cloud| cloud.stands_still = None);
    assert!(sender.complete().await.unwrap());
    assert_eq!(row(&fleet, sender.upload).commits, 1);
}

#[tokio::test]
async fn a_root_that_is_killed_in_between_goes_on() {
    let (mut fleet, cloud) = Cloud::principal().await;
    cloud.store().is_held = true;
    let bytes = noise(3, 900_000);
    let content = ContentId::of(&bytes);
    let (upload, ticket) = {
        let sender = sent(&fleet, "A.pkg", &bytes).await;
        let under_way = fleet.until("parts are under way", async || cloud.store().under_way > 0);
        tokio::select! {
            done = sender.complete() => panic!("{done:?}"),
            () = under_way => {}
        }
        (sender.upload, sender.ticket.clone())
    };
    fleet.kill(0).await;
    cloud.store().is_held = false;
    assert!(row(&fleet, upload).committed.is_none());
    fleet.start(0).await;
    let sender = Sender { fleet: &fleet, client: fleet.client(None), upload, ticket };
    sender.ready().await;
    assert!(sender.complete().await.unwrap(), "nothing of it is sent again by its sender");
    assert_eq!((cloud.object(&content), row(&fleet, upload).commits), (bytes, 1));
}

#[tokio::test]
async fn what_will_never_be_there_is_refused() {
    let (fleet, _cloud) = Cloud::principal().await;
    known(&fleet, |cloud| cloud.never = Some("larger than it takes".to_owned()));
    let sender = sent(&fleet, "A.pkg", &noise(4, 10_000)).await;
    assert_eq!(code(sender.complete().await), ErrorCode::Refused);
    let row = row(&fleet, sender.upload);
    assert!(row.committed.is_none() && row.refused.unwrap().contains("larger"));
}

#[tokio::test]
async fn an_upload_that_waits_can_be_given_up() {
    let (fleet, _cloud) = Cloud::principal().await;
    known(&fleet, |cloud| cloud.stands_still = Some("paused".to_owned()));
    let sender = sent(&fleet, "A.pkg", &noise(5, 10_000)).await;
    let asked = || known(&fleet, |cloud| cloud.asked_of_uploads);
    tokio::select! {
        done = sender.complete() => panic!("{done:?}"),
        () = fleet.until("it is asked", async || asked() > 0) => {}
    }
    let url = &fleet.server(0).url;
    sender.client.give_up(url, sender.upload, &sender.ticket).await.unwrap();
    assert!(row(&fleet, sender.upload).committed.is_none());
}

/// A root that had these files, and has lost them all; they are in the cloud.
async fn emptied(files: &[&[u8]]) -> (Fleet, Cloud) {
    let (mut fleet, cloud) = Cloud::start().await;
    for (number, bytes) in files.iter().enumerate() {
        let content = fleet.upload(&format!("{number}.pkg"), bytes).await;
        until_found(&fleet, &content, &SampleFound::Same).await;
    }
    fleet.caught_up(0).await;
    fleet.stop(0).await;
    for bytes in files {
        let path = fleet.file(0, &ContentId::of(bytes));
        for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
    known(&fleet, |cloud| cloud.gives = true);
    cloud.store().asked_from.clear();
    (fleet, cloud)
}

fn reason(fleet: &Fleet, content: &ContentId) -> Option<String> {
    let (world, root) = (fleet.management.world(), fleet.server(0).id);
    world.copies.get(&(root, *content))?.reason.clone()
}

#[tokio::test]
async fn an_emptied_root_comes_back_from_the_cloud_bit_by_bit_the_same() {
    let (small, large) = (noise(6, 5_000), noise(7, 9_000_000));
    let (mut fleet, cloud) = emptied(&[&small, &large]).await;
    cloud.store().cuts = 1;
    fleet.start(0).await;
    let asked = || cloud.store().asked_from.len();
    let told = async || reason(&fleet, &ContentId::of(&large)).is_some();
    fleet.until("it is told what fails", told).await;
    assert_eq!(asked(), 0, "nobody asked for that yet");
    fleet.management.change(|world| world.settings.fill_from_cloud = true);
    for bytes in [&small, &large] {
        let content = ContentId::of(bytes);
        fleet.held(0, &content).await;
        assert!(std::fs::read(fleet.file(0, &content)).unwrap() == *bytes);
    }
    let asked = cloud.store().asked_from.clone();
    assert_eq!(asked.len(), 3, "one broke off and went on: {asked:?}");
    let computer = fleet.asker(Some(fleet.computer()));
    let given = async || fleet.get(0, &computer, "/Packages/1.pkg").await.bytes() == large;
    fleet.until("it is served, with an outboard of its own", given).await;
}

#[tokio::test]
async fn other_bytes_in_the_cloud_are_refused_and_said() {
    let bytes = noise(8, 400_000);
    let (mut fleet, cloud) = emptied(&[&bytes]).await;
    cloud.store().lies = true;
    fleet.management.world().settings.fill_from_cloud = true;
    fleet.start(0).await;
    let content = ContentId::of(&bytes);
    let is_said = async || reason(&fleet, &content).is_some_and(|why| why.contains("other bytes"));
    fleet.until("it is said", is_said).await;
    assert!(!fleet.file(0, &content).exists(), "nothing of it is kept");
}

#[tokio::test]
async fn a_cloud_that_cannot_be_reached_is_said_and_asked_again() {
    let bytes = noise(9, 400_000);
    let (mut fleet, cloud) = emptied(&[&bytes]).await;
    let lost = std::mem::take(&mut cloud.store().parts);
    fleet.management.world().settings.fill_from_cloud = true;
    fleet.start(0).await;
    let content = ContentId::of(&bytes);
    let is_said =
        async || reason(&fleet, &content).is_some_and(|why| why.contains("from the cloud"));
    fleet.until("it is said", is_said).await;
    cloud.store().parts = lost;
    fleet.held(0, &content).await;
}

//! The cloud as principal: what an upload wants there before the catalogue names it.

use super::*;

const UPLOAD: u8 = 9;

impl World {
    async fn principal() -> Self {
        let world = Self::new().await;
        world.copies.set_principal(point_id(), true);
        world.wishes.set_cloud_principal(true);
        world
    }

    /// Declares an upload that is all at the root.
    fn declare(&self, name: &str, bytes: &[u8]) -> AskCloudUpload {
        let upload = UploadId::from_parts(u64::from(UPLOAD), &[UPLOAD; 10]);
        self.wishes.declare_upload(MemoryUpload {
            id: upload,
            name: FileName::new(name).unwrap(),
            kind: FileKind::Package,
            size: bytes.len() as u64,
            priority: Priority::Normal,
            blake3: None,
            sha256: None,
            replace: false,
            server: id(1),
        });
        let (content, size) = (ContentId::of(bytes), bytes.len() as u64);
        AskCloudUpload { upload, content, size, sha256: sha256(bytes) }
    }

    async fn upload(&self, server: u8, asked: &AskCloudUpload) -> Result<CloudUpload, Refused> {
        self.call(server, "/v1/control/cloud/upload", asked).await
    }

    async fn on_its_way(&self, asked: &AskCloudUpload) -> String {
        match self.upload(1, asked).await.unwrap() {
            CloudUpload::OnItsWay { told } => told,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_upload_is_sent_before_anything_names_it() {
    let world = World::principal().await;
    let asked = world.declare("c.pkg", b"small");
    let refused = world.upload(2, &asked).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::FORBIDDEN, "it enters at another server");
    assert!(world.on_its_way(&asked).await.contains("waits to be sent"));
    world.root(1).fill(b"small", &digests(b"small"), 4).await;
    assert!(world.on_its_way(&asked).await.contains("5 B of 5 B"));
    world.root(1).fill(b"small", &digests(b"small"), ALL).await;
    assert_eq!(world.upload(1, &asked).await.unwrap(), CloudUpload::There);
    world.is_there(asked.content, b"small").await;
    assert_eq!(world.row(asked.content).await.unwrap().name.as_str(), "c.pkg");
}

#[tokio::test]
async fn a_management_server_that_is_killed_in_between_goes_on() {
    let mut world = World::principal().await;
    let asked = world.declare("c.pkg", &LARGE);
    world.on_its_way(&asked).await;
    for steps in 2..ALL {
        world.root(1).fill(&LARGE, &LARGE_PARTS, steps).await;
        world.restart();
        world.on_its_way(&asked).await;
    }
    world.root(1).fill(&LARGE, &LARGE_PARTS, ALL).await;
    assert_eq!(world.upload(1, &asked).await.unwrap(), CloudUpload::There);
    world.is_there(asked.content, &LARGE).await;
}

#[tokio::test]
async fn where_it_is_not_the_principal_nothing_waits_for_it() {
    let world = World::new().await;
    let asked = world.declare("c.pkg", b"small");
    assert_eq!(world.upload(1, &asked).await.unwrap(), CloudUpload::There);
    assert_eq!(world.row(asked.content).await, None);
}

#[tokio::test]
async fn what_an_upload_wants_stays_until_it_is_not_spoken_of_any_more() {
    let world = World::principal().await;
    let asked = world.declare("c.pkg", b"small");
    world.on_its_way(&asked).await;
    world.root(1).fill(b"small", &digests(b"small"), ALL).await;
    // Everything is walked through once more, since something else changed.
    world.clock.advance(Duration::from_secs(11 * 60));
    let other = world.publish(1, "a.pkg", b"a").await;
    world.root(1).fill(b"a", &digests(b"a"), ALL).await;
    world.is_there(asked.content, b"small").await;
    assert_eq!(world.row(asked.content).await.unwrap().unwanted, None);
    // An hour later nobody has spoken of it: it goes, though nothing changed.
    world.clock.advance(Duration::from_secs(3601));
    assert_eq!(world.root(1).next().await.job, None);
    let row = world.row(asked.content).await.unwrap();
    assert!(row.unwanted.is_some() && row.upload_until.is_none(), "{row:?}");
    assert_eq!(world.row(other).await.unwrap().unwanted, None);
    // It is there still, and wanted again by the next upload of it.
    assert_eq!(world.upload(1, &asked).await.unwrap(), CloudUpload::There);
    assert_eq!(world.row(asked.content).await.unwrap().unwanted, None);
}

#[tokio::test]
async fn an_upload_that_was_begun_and_given_up_leaves_nothing_behind() {
    let world = World::principal().await;
    let asked = world.declare("c.pkg", &LARGE);
    world.on_its_way(&asked).await;
    world.root(1).fill(&LARGE, &LARGE_PARTS, 2).await;
    assert_eq!(world.double.uploads().len(), 1);
    world.clock.advance(Duration::from_secs(3601));
    assert_eq!(world.root(1).next().await.job, None);
    assert_eq!(world.double.uploads(), Vec::<String>::new());
    let state = world.row(asked.content).await.map(|row| row.state);
    assert_eq!(state, Some(CloudCopyState::Removing));
}

#[tokio::test]
async fn the_uploader_is_told_why_nothing_goes_on() {
    let world = World::principal().await;
    let asked = world.declare("c.pkg", b"small");
    world.copies.pause(point_id(), true);
    assert!(world.on_its_way(&asked).await.contains("cloud resume"));
    world.copies.pause(point_id(), false);
    world.double.misbehave(S3Fault::BucketGone);
    assert_eq!(world.root(1).next().await.job, None);
    let told = world.on_its_way(&asked).await;
    assert!(told.contains("stands still") && told.contains("bucket"), "{told}");
}

#[tokio::test]
async fn what_the_provider_never_takes_is_refused() {
    let world = World::principal().await;
    let asked = world.declare("c.pkg", b"small");
    world.on_its_way(&asked).await;
    world.root(1).job().await;
    let work = xylem_server::Work { point: point_id(), content: asked.content, server: id(1) };
    let why = "larger than the provider takes";
    assert!(world.copies.failed(work, why, false, world.now(), None).await.unwrap());
    match world.upload(1, &asked).await.unwrap() {
        CloudUpload::Refused { why } => assert!(why.contains("larger"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_a_server_that_is_filled_from_there_gets_an_address() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"a").await;
    let asked = AskCloudAddress { content };
    let path = "/v1/control/cloud/address";
    let refused = world.call::<CloudAddress>(2, path, &asked).await.unwrap_err();
    assert!(
        refused.0 == StatusCode::FORBIDDEN && refused.1.contains("--from-cloud"),
        "{refused:?}"
    );
    world.wishes.change_settings(id(2), |settings| settings.fill_from_cloud = true);
    let refused = world.call::<CloudAddress>(2, path, &asked).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::NOT_FOUND, "it is not there yet");
    world.root(1).fill(b"a", &digests(b"a"), ALL).await;
    let given = world.call::<CloudAddress>(2, path, &asked).await.unwrap();
    assert_eq!((given.point, given.ca_pem.as_deref()), (point_id(), Some(world.double.ca_pem())));
    assert!(given.url.contains(&World::key(content)), "an address of this object");
    assert!(!format!("{given:?}").contains("http"), "and a secret");
}

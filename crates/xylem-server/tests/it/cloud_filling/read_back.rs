//! What is there is read back whole.

use xylem_api::control_read_back::{
    AskCloudReadBack, CloudReadBack, ReadBackFound, ReadBackJob, TellCloudReadBack,
};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

impl World {
    /// A file that is in the cloud.
    async fn filled(&self, n: u8, bytes: &[u8]) -> ContentId {
        let content = self.publish(n, &format!("{n}.pkg"), bytes).await;
        self.root(1).fill(bytes, &digests(bytes), ALL).await;
        content
    }

    async fn doubt(&self, content: ContentId) {
        let before = self.now().minus(DAY);
        assert!(self.copies.doubt(point_id(), content, before, self.now()).await.unwrap());
    }

    /// Everything is read back every ten days.
    fn verify_all(&self) {
        self.set_point_that(S3_SECRET, json!({ "verify": "all", "verify_days": 10 }));
    }

    async fn read_back(&self) -> u64 {
        let usage = self.copies.usage(point_id()).await.unwrap();
        usage.iter().map(|(_, used)| used.read_back).sum()
    }
}

impl Root<'_> {
    async fn read_back(&self, going_on: Option<ContentId>) -> CloudReadBack {
        let going_on = going_on.map(|content| CloudContent { point: point_id(), content });
        let asked = AskCloudReadBack { going_on };
        self.world.call(self.server, "/v1/control/cloud/read-back", &asked).await.unwrap()
    }

    async fn to_read(&self) -> Option<ReadBackJob> {
        self.read_back(None).await.job
    }

    async fn has_read(&self, content: ContentId, found: ReadBackFound) -> Result<(), Refused> {
        let told = TellCloudReadBack { point: point_id(), content, bytes: 5, found };
        self.world.call(self.server, "/v1/control/cloud/read-back-ended", &told).await
    }
}

#[tokio::test]
async fn only_what_is_doubted_is_read_back_unless_everything_is_to_be() {
    let world = World::new().await;
    let (root, one) = (world.root(1), world.filled(1, b"first").await);
    let two = world.filled(2, b"second").await;
    world.clock.advance(DAY * 300);
    assert_eq!(root.to_read().await, None);
    world.doubt(two).await;
    let job = root.to_read().await.unwrap();
    assert_eq!((job.content, job.size, job.sha256), (two, 6, sha256(b"second")));
    assert!(job.url.contains(&World::key(two)) && job.ca_pem.is_some());
    let before = world.read_back().await;
    root.has_read(two, ReadBackFound::Same).await.unwrap();
    assert_eq!(world.read_back().await, before + 5, "it counts for the month");
    let row = world.row(two).await.unwrap();
    assert_eq!((row.verified(), row.is_doubted()), (Some(world.now()), false));
    assert_eq!(root.to_read().await, None);

    world.verify_all();
    let job = root.to_read().await.unwrap();
    assert_eq!(job.content, one, "which never was read");
    root.has_read(one, ReadBackFound::Same).await.unwrap();
    world.clock.advance(DAY * 9);
    assert_eq!(root.to_read().await, None, "it is read every ten days");
}

#[tokio::test]
async fn everything_is_read_back_in_its_days_and_not_at_once() {
    let world = World::new().await;
    let root = world.root(1);
    world.filled(1, b"first").await;
    world.filled(2, b"other").await;
    world.clock.advance(DAY * 11);
    world.verify_all();
    let one = root.to_read().await.unwrap().content;
    root.has_read(one, ReadBackFound::Same).await.unwrap();
    assert_eq!(root.to_read().await, None, "half of the days are for half of the bytes");
    world.clock.advance(DAY * 4);
    assert_eq!(root.to_read().await, None);
    world.clock.advance(DAY / 2);
    let two = root.to_read().await.unwrap().content;
    assert_ne!(one, two);
    // Whoever doubts something does not wait for that.
    root.has_read(two, ReadBackFound::Same).await.unwrap();
    world.clock.advance(DAY + Duration::from_secs(1));
    world.doubt(two).await;
    assert_eq!(root.to_read().await.unwrap().content, two);
}

#[tokio::test]
async fn other_bytes_are_withdrawn_and_wanted_and_nobody_but_the_reader_is_heard() {
    let world = World::new().await;
    let (root, content) = (world.root(1), world.filled(1, b"first").await);
    let refused = root.has_read(content, ReadBackFound::Other).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::CONFLICT, "it was not to read it");
    world.doubt(content).await;
    root.to_read().await.unwrap();
    let refused = world.root(2).has_read(content, ReadBackFound::Other).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::CONFLICT);
    assert_eq!(world.state(content).await, CloudCopyState::Present);
    world.double.misbehave(S3Fault::Busy);
    let refused = root.has_read(content, ReadBackFound::Other).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::SERVICE_UNAVAILABLE, "it is asked after before");
    assert_eq!(world.state(content).await, CloudCopyState::Present);
    world.double.misbehave(S3Fault::None);
    root.has_read(content, ReadBackFound::Other).await.unwrap();
    let row = world.row(content).await.unwrap();
    assert_eq!(row.state, CloudCopyState::Removing, "nobody is sent there");
    assert!(row.reason.unwrap().contains("read back whole"));
}

#[tokio::test]
async fn what_is_gone_or_another_by_its_name_is_found_before_it_is_read() {
    let world = World::new().await;
    let root = world.root(1);
    let (gone, other) = (world.filled(1, b"first").await, world.filled(2, b"other").await);
    world.double.take_away(&World::key(gone));
    world.double.place(&World::key(other), b"OTHER".as_slice());
    for content in [gone, other] {
        world.doubt(content).await;
    }
    assert_eq!(root.to_read().await, None, "there is nothing to read");
    assert_eq!(world.state(gone).await, CloudCopyState::Wanted);
    assert_eq!(world.state(other).await, CloudCopyState::Removing);
}

#[tokio::test]
async fn of_a_bucket_that_is_gone_nothing_is_read_back_and_nothing_is_lost() {
    let world = World::new().await;
    let (root, content) = (world.root(1), world.filled(1, b"first").await);
    world.doubt(content).await;
    world.double.misbehave(S3Fault::BucketGone);
    assert_eq!(root.to_read().await, None);
    assert_eq!(world.state(content).await, CloudCopyState::Present);
    let broken = world.copies.active().await.unwrap().unwrap().broken.unwrap();
    assert!(broken.message.contains("NoSuchBucket"), "{}", broken.message);
}

#[tokio::test]
async fn what_is_read_is_kept_for_its_reader_with_a_fresh_address() {
    let world = World::new().await;
    let (root, content) = (world.root(1), world.filled(1, b"first").await);
    world.doubt(content).await;
    let job = root.to_read().await.unwrap();
    world.clock.advance(Duration::from_secs(100));
    let fresh = root.read_back(Some(content)).await.job.unwrap();
    assert!(fresh.content == content && fresh.url != job.url);
    world.clock.advance(Duration::from_secs(100));
    // Another root would not read it now, and does once this one leaves.
    world.hand_over(b"first").await;
    assert_eq!(world.root(2).to_read().await, None);
    root.has_read(content, ReadBackFound::Leaving).await.unwrap();
    assert_eq!(world.root(2).to_read().await.unwrap().content, content);
    world.copies.pause(point_id(), true);
    assert_eq!(world.root(2).read_back(Some(content)).await.job, None, "a pause ends it");
    assert_eq!(world.row(content).await.unwrap().lease, None);
    world.copies.pause(point_id(), false);
    let told = ReadBackFound::Unread { why: "GET https://h/k?sig=planted: no line".to_owned() };
    world.root(2).to_read().await.unwrap();
    world.root(2).has_read(content, told).await.unwrap();
    let row = world.row(content).await.unwrap();
    assert_eq!(row.state, CloudCopyState::Present, "that it cannot be read is no proof");
    let reason = row.reason.unwrap();
    assert!(reason.contains("no line") && !reason.contains("planted"), "{reason}");
    assert_eq!(world.root(2).to_read().await, None, "it waits");
    world.clock.advance(Duration::from_secs(3601));
    assert!(world.root(2).to_read().await.is_some());
}

#[tokio::test]
async fn above_the_months_ceiling_nothing_is_read_back() {
    let world = World::new().await;
    let (root, content) = (world.root(1), world.filled(1, b"first").await);
    world.doubt(content).await;
    let point = world.copies.active().await.unwrap().unwrap();
    world.copies.set(OpenPoint { month_ceiling: Some(1), ..point.clone() }, world.now());
    assert_eq!(root.to_read().await, None);
    world.copies.set(OpenPoint { month_ceiling: None, ..point }, world.now());
    assert_eq!(root.to_read().await.unwrap().content, content);
}

//! Rounds against a strict S3: what is found, what goes, and what never does.

mod edge;
mod leaving;

use std::sync::Arc;

use serde_json::{Value, json};
use xylem_client::CloudClient;
use xylem_cloud::{PointSettings, Secrets, provider_of};
use xylem_db::{CloudCopy, CloudCopyState as State, CloudWant};
use xylem_model::{CloudPointId, DistributionServerId, FileName, Generation, Priority, Sha256};
use xylem_pki::{PublicRoots, public_client_config};
use xylem_runtime::ManualClock;
use xylem_testkit::{S3_BUCKET, S3_KEY_ID, S3_REGION, S3_SECRET, S3Double, S3Fault};

use super::*;
use crate::cloud::inventory::{Inventoried, inventory};
use crate::cloud::remove::remove;
use crate::cloud::store::{MemoryCloudStore, Work};
use crate::cloud::sweep::{Swept, sweep};
use crate::cloud::trouble::DELETION_MAY_ARRIVE;
use crate::cloud::usage::month_of;

const START: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);
const MARKER: &str = "macs/xylem.json";
const PROBE: &str = "macs/probe/0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000-plain";
/// Longer than every grace.
const LONG: Duration = Duration::from_secs(25 * 3600);

/// A point, its provider, and what is remembered.
struct World {
    clock: Arc<ManualClock>,
    environment: Environment,
    double: S3Double,
    client: PointClient,
    store: MemoryCloudStore,
    point: OpenPoint,
    memory: Memory,
}

fn server() -> DistributionServerId {
    DistributionServerId::from_parts(1, &[1; 10])
}

pub(super) fn marker() -> Marker {
    Marker::of("this catalogue")
}

/// A round in a test's world, that may remove and hardly waits.
pub(super) fn a_round<'a>(
    environment: &'a Environment,
    client: &'a PointClient,
    provider: &'a dyn Provider,
    store: &'a MemoryCloudStore,
    point: &'a OpenPoint,
    memory: &'a Memory,
) -> Round<'a> {
    let short = Duration::from_millis(1);
    Round {
        store,
        point,
        provider,
        client,
        environment,
        marker: marker(),
        may_remove: true,
        is_followed: true,
        waits: Waits { between_looks: short, first_retry: short },
        memory,
        separation: None,
        used: Used::default(),
    }
}

fn name_of(content: &ContentId) -> String {
    let hex = content.to_hex();
    format!("macs/content/{}/{hex}", &hex[..2])
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let environment = Environment { clock: clock.clone(), ..Environment::real() };
        let double = S3Double::start(&environment).await;
        let pem = double.ca_pem().to_owned();
        let keys = json!({ "provider": "s3", "key_id": S3_KEY_ID, "secret": S3_SECRET });
        Self::with(clock, environment, double, &pem, Value::Null, keys)
    }

    /// The same with CloudFront in front of the bucket, or with none.
    fn with(
        clock: Arc<ManualClock>,
        environment: Environment,
        double: S3Double,
        pem: &str,
        cloudfront: Value,
        keys: Value,
    ) -> Self {
        let roots = PublicRoots::from_pem(pem.as_bytes()).unwrap();
        let tls = public_client_config(&roots, clock.clone()).unwrap();
        let settings = json!({
            "storage": {
                "provider": "s3",
                "bucket": S3_BUCKET,
                "region": S3_REGION,
                "endpoint": double.endpoint(),
                "prefix": "macs",
                "cloudfront": cloudfront,
            },
        });
        let keys: Secrets = serde_json::from_value(keys).unwrap();
        let point = OpenPoint::just_set(
            CloudPointId::from_parts(7, &[7; 10]),
            PointSettings::read(settings).unwrap(),
            keys,
        );
        let store = MemoryCloudStore::new();
        store.set(point.clone(), START);
        double.place(MARKER, marker().to_json());
        let client = PointClient::plain(CloudClient::new(environment.clone(), tls));
        let memory = Memory::default();
        Self { clock, environment, double, client, store, point, memory }
    }

    fn provider(&self) -> Box<dyn Provider + '_> {
        provider_of(&self.point.settings.storage, &self.point.keys, None).unwrap()
    }

    fn round<'a>(&'a self, provider: &'a dyn Provider) -> Round<'a> {
        let Self { environment, client, store, point, memory, .. } = self;
        a_round(environment, client, provider, store, point, memory)
    }

    fn now(&self) -> Timestamp {
        self.environment.clock.now()
    }

    fn pass(&self, span: Duration) {
        self.clock.set(self.now().plus(span));
    }

    async fn want(&self, bytes: &[u8]) -> ContentId {
        let content = ContentId::of(bytes);
        let want = CloudWant {
            content,
            size: bytes.len() as u64,
            sha256: Sha256::from_bytes([7; 32]),
            name: FileName::new("A.pkg").unwrap(),
            priority: Priority::Normal,
        };
        let seen = self.store.active().await.unwrap().unwrap();
        assert!(self.store.want(&seen, &[want], Generation(1), self.now()).await.unwrap());
        content
    }

    async fn unwant(&self, content: ContentId) {
        let seen = self.store.active().await.unwrap().unwrap();
        assert!(self.store.unwant(&seen, &[content], self.now()).await.unwrap());
    }

    /// A content that the root has begun to send.
    async fn send(&self, bytes: &[u8], upload: Option<&str>) -> Work {
        let content = self.want(bytes).await;
        let until = self.now().plus(Duration::from_secs(60));
        let taken = self.store.take(self.point.id, server(), &[], self.now(), until).await;
        assert_eq!(taken.unwrap().unwrap().content, content);
        let work = Work { point: self.point.id, content, server: server() };
        assert!(self.store.begun(work, None, upload).await.unwrap());
        work
    }

    /// A content that is there.
    async fn fill(&self, bytes: &[u8]) -> ContentId {
        let work = self.send(bytes, None).await;
        self.double.place(&name_of(&work.content), bytes.to_vec());
        let provider = self.provider();
        let round = self.round(&*provider);
        let found = round.find(&round.key(&work.content)).await.unwrap().unwrap();
        assert!(self.store.proving(work).await.unwrap());
        let etag = found.etag.as_deref();
        assert!(etag.is_some() && self.store.present(work, etag, self.now()).await.unwrap());
        work.content
    }

    async fn row(&self, content: ContentId) -> Option<CloudCopy> {
        self.store.copy(self.point.id, content).await.unwrap()
    }

    async fn state(&self, content: ContentId) -> Option<State> {
        self.row(content).await.map(|row| row.state)
    }

    fn is_there(&self, content: ContentId) -> bool {
        self.double.bytes(&name_of(&content)).is_some()
    }
}

#[tokio::test]
async fn what_is_as_it_is_to_be_is_noted_and_what_is_of_others_is_left_alone_and_told_once() {
    let world = World::new().await;
    let contents = [world.fill(b"one").await, world.fill(b"two").await, world.fill(b"3").await];
    let foreign = "macs/content/read me.txt";
    world.double.place(foreign, "hello");
    world.pass(LONG);
    let provider = world.provider();
    let round = world.round(&*provider);
    assert!(world.memory.is_news("macs/content/another"));
    let expected =
        Inventoried { objects: 3, bytes: 7, good: 3, foreign: 1, ..Inventoried::default() };
    assert_eq!(inventory(&round).await.unwrap(), expected);
    assert!(!world.memory.is_news(foreign), "it was told");
    assert_eq!(inventory(&round).await.unwrap(), expected);
    assert!(world.double.bytes(foreign).is_some());
    for content in contents {
        assert_eq!(world.row(content).await.unwrap().looked_at, Some(world.now()));
    }
    let used = world.store.usage(world.point.id).await.unwrap();
    let [(month, used)] = &used[..] else { panic!("{used:?}") };
    assert_eq!((*month, used.lists), (month_of(START), 2));
}

#[tokio::test]
async fn a_lost_object_is_asked_after_and_a_page_is_listed_before_it_is_wanted_again() {
    let world = World::new().await;
    let (lost, kept) = (world.fill(b"lost").await, world.fill(b"kept").await);
    world.double.take_away(&name_of(&lost));
    let before = world.double.asked().len();
    let provider = world.provider();
    let found = inventory(&world.round(&*provider)).await.unwrap();
    assert_eq!((found.lost, found.good, found.changed), (1, 1, 0));
    let asked = world.double.asked().split_off(before);
    let head = format!("HEAD /{S3_BUCKET}/{}", name_of(&lost));
    assert_eq!(asked.iter().filter(|it| **it == head).count(), 3, "{asked:?}");
    let last = asked.last().unwrap();
    assert!(last.starts_with("GET") && !last.contains("content"), "a page: {asked:?}");
    let row = world.row(lost).await.unwrap();
    assert_eq!((row.state, row.etag), (State::Wanted, None));
    assert!(row.reason.unwrap().contains("gone"));
    assert_eq!(world.state(kept).await, Some(State::Present));
}

#[tokio::test]
async fn of_a_bucket_that_is_gone_nothing_counts_as_lost() {
    let world = World::new().await;
    let content = world.fill(b"one").await;
    world.double.misbehave(S3Fault::BucketGone);
    let provider = world.provider();
    let mut round = world.round(&*provider);
    round.may_remove = false;
    let error = inventory(&round).await.unwrap_err();
    assert!(error.stops_the_point().unwrap().why.contains("NoSuchBucket"), "{error}");
    assert_eq!(world.state(content).await, Some(State::Present));
}

#[tokio::test]
async fn a_changed_object_is_withdrawn_deleted_and_wanted_again() {
    let world = World::new().await;
    let (one, two) = (world.fill(b"one").await, world.fill(b"two").await);
    world.double.place(&name_of(&one), "ONE");
    world.double.place(&name_of(&two), "longer");
    let provider = world.provider();
    let found = inventory(&world.round(&*provider)).await.unwrap();
    assert_eq!((found.changed, found.lost, found.good), (2, 0, 0));
    for content in [one, two] {
        assert!(!world.is_there(content));
        let row = world.row(content).await.unwrap();
        assert_eq!(row.state, State::Wanted);
        assert!(row.reason.unwrap().contains("somebody else changed"));
    }
}

#[tokio::test]
async fn while_nothing_may_be_removed_a_changed_object_is_withdrawn_and_goes_later() {
    let world = World::new().await;
    let content = world.fill(b"one").await;
    world.double.place(&name_of(&content), "ONE");
    let provider = world.provider();
    let mut round = world.round(&*provider);
    round.may_remove = false;
    assert_eq!(inventory(&round).await.unwrap().changed, 1);
    assert_eq!(remove(&round).await.unwrap().gone, 0);
    assert_eq!(world.state(content).await, Some(State::Removing), "nobody is sent there");
    assert!(world.is_there(content));
    round.may_remove = true;
    assert_eq!(remove(&round).await.unwrap().gone, 1);
    assert_eq!((world.is_there(content), world.state(content).await), (false, Some(State::Wanted)));
}

#[tokio::test]
async fn a_round_ends_where_the_point_was_paused_or_changed_meanwhile() {
    let world = World::new().await;
    let (one, two) = (world.fill(b"one").await, world.fill(b"two").await);
    world.unwant(one).await;
    world.pass(LONG);
    let provider = world.provider();
    let round = world.round(&*provider);
    let changed = |told: Result<(), RoundError>| matches!(told, Err(RoundError::Changed));
    world.store.pause(world.point.id, true);
    assert!(changed(remove(&round).await.map(drop)));
    assert!(world.is_there(one), "whoever pauses it has nothing more deleted");
    world.store.pause(world.point.id, false);
    let moved = OpenPoint { revision: 2, ..world.point.clone() };
    world.store.set(moved, world.now());
    world.double.take_away(&name_of(&two));
    assert!(changed(inventory(&round).await.map(drop)));
    assert!(changed(sweep(&round).await.map(drop)));
    assert!(world.is_there(one));
}

#[tokio::test]
async fn an_object_in_no_row_goes_when_it_is_old_and_everything_was_followed() {
    let world = World::new().await;
    let stray = ContentId::of(b"stray");
    world.double.place(&name_of(&stray), "stray");
    let provider = world.provider();
    let mut round = world.round(&*provider);
    assert_eq!(inventory(&round).await.unwrap().unknown, 1);
    assert!(world.is_there(stray), "it is young");
    world.pass(LONG);
    (round.may_remove, round.is_followed) = (false, true);
    assert_eq!(inventory(&round).await.unwrap().deleted, 0);
    (round.may_remove, round.is_followed) = (true, false);
    assert_eq!(inventory(&round).await.unwrap().deleted, 0);
    assert!(world.is_there(stray));
    round.is_followed = true;
    let found = inventory(&round).await.unwrap();
    assert_eq!((found.unknown, found.deleted, world.is_there(stray)), (1, 1, false));
    assert_eq!(world.row(stray).await, None, "its row went with it");
}

#[tokio::test]
async fn what_is_unwanted_goes_after_its_grace_with_all_that_its_uploads_left() {
    let world = World::new().await;
    let (gone, again) = (world.fill(b"gone").await, world.fill(b"again").await);
    world.double.begin_upload(&name_of(&gone));
    let other = format!("{}0", name_of(&gone));
    world.double.begin_upload(&other);
    world.unwant(gone).await;
    world.unwant(again).await;
    let provider = world.provider();
    let round = world.round(&*provider);
    assert_eq!(remove(&round).await.unwrap().gone, 0, "its grace is not over");
    world.want(b"again").await;
    world.pass(LONG);
    assert_eq!(remove(&round).await.unwrap().gone, 1);
    assert_eq!((world.is_there(gone), world.state(gone).await), (false, None));
    assert_eq!((world.is_there(again), world.state(again).await), (true, Some(State::Present)));
    assert_eq!(world.double.uploads(), [other]);
}

#[tokio::test]
async fn a_deletion_that_was_refused_is_tried_again() {
    let world = World::new().await;
    let content = world.fill(b"gone").await;
    world.unwant(content).await;
    world.pass(LONG);
    let provider = world.provider();
    let round = world.round(&*provider);
    world.double.misbehave(S3Fault::Busy);
    assert!(remove(&round).await.is_err());
    assert_eq!(world.state(content).await, Some(State::Removing));
    world.double.misbehave(S3Fault::None);
    assert_eq!(remove(&round).await.unwrap().gone, 1);
    assert_eq!(world.state(content).await, None);
}

#[tokio::test]
async fn what_a_lost_answer_may_still_delete_is_not_written_for_a_while() {
    let world = World::new().await;
    let content = world.fill(b"gone").await;
    world.unwant(content).await;
    world.pass(LONG);
    let provider = world.provider();
    let round = world.round(&*provider);
    // Whoever began this was killed before it was answered.
    let (now, point) = (world.now(), world.point.id);
    assert_eq!(world.store.to_remove(point, now, now, 9).await.unwrap().len(), 1);
    let until = now.plus(DELETION_MAY_ARRIVE);
    assert!(world.store.deleting(point, content, None, until).await.unwrap().is_some());
    world.want(b"gone").await;
    let removed = remove(&round).await.unwrap();
    assert_eq!((removed.gone, removed.waiting), (0, 1));
    assert_eq!(world.state(content).await, Some(State::Removing));
    let until = world.now().plus(LONG);
    let taken = world.store.take(point, server(), &[], world.now(), until).await.unwrap();
    assert_eq!(taken, None, "nothing is written there");
    world.pass(DELETION_MAY_ARRIVE);
    assert_eq!(remove(&round).await.unwrap().gone, 1);
    assert_eq!(world.state(content).await, Some(State::Wanted));
    let row = world.row(content).await.unwrap();
    assert!(row.may_be_written(world.now()), "every deletion was answered: {row:?}");
}

#[tokio::test]
async fn uploads_that_nobody_ends_and_probes_go_when_they_are_a_day_old() {
    let world = World::new().await;
    let stray = name_of(&ContentId::of(b"stray"));
    world.double.begin_upload("macs/content/read me.txt");
    world.double.begin_upload(&stray);
    // Uploads are numbered there: this is the one that the row names.
    let work = world.send(b"on its way", Some("upload-3")).await;
    world.double.begin_upload(&name_of(&work.content));
    world.double.begin_upload(&name_of(&work.content));
    world.double.place(PROBE, "probe");
    world.double.place("macs/probe/of somebody", "else");
    let provider = world.provider();
    let round = world.round(&*provider);
    assert_eq!(sweep(&round).await.unwrap(), Swept::default(), "all of it is young");
    world.pass(LONG);
    world.double.begin_upload(&stray);
    let swept = sweep(&round).await.unwrap();
    assert_eq!(swept, Swept { uploads: 2, segments: 0, probes: 1 });
    let left = world.double.uploads();
    let expected = ["macs/content/read me.txt", &name_of(&work.content), &stray];
    assert_eq!(left, expected);
    assert_eq!(world.double.bytes(PROBE), None);
    assert!(world.double.bytes("macs/probe/of somebody").is_some());
}

#[tokio::test]
async fn below_another_catalogues_marker_or_none_nothing_is_deleted() {
    let world = World::new().await;
    let content = world.fill(b"one").await;
    let stray = ContentId::of(b"stray");
    world.double.place(&name_of(&stray), "stray");
    world.double.begin_upload(&name_of(&stray));
    world.double.place(PROBE, "probe");
    world.unwant(content).await;
    world.pass(LONG);
    let provider = world.provider();
    let round = world.round(&*provider);
    let others = Marker::of("another catalogue").to_json();
    for marker in [Some(others), Some(b"{}".to_vec()), None] {
        match &marker {
            Some(bytes) => world.double.place(MARKER, bytes.clone()),
            None => world.double.take_away(MARKER),
        }
        let refused = [
            remove(&round).await.unwrap_err(),
            inventory(&round).await.unwrap_err(),
            sweep(&round).await.unwrap_err(),
        ];
        for error in refused {
            let told = error.to_string();
            assert!(told.contains(MARKER) && error.stops_the_point().is_none(), "{told}");
        }
        assert!(world.is_there(content) && world.is_there(stray));
        assert!(world.double.bytes(PROBE).is_some());
        assert_eq!(world.double.uploads().len(), 1);
    }
    world.double.place(MARKER, marker().to_json());
    assert_eq!(remove(&round).await.unwrap().gone, 1);
}

#[tokio::test]
async fn while_a_restore_is_unconfirmed_nothing_is_deleted() {
    let world = World::new().await;
    let content = world.fill(b"one").await;
    world.unwant(content).await;
    world.double.begin_upload(&name_of(&ContentId::of(b"stray")));
    world.pass(LONG);
    let provider = world.provider();
    let mut round = world.round(&*provider);
    round.may_remove = false;
    assert_eq!(remove(&round).await.unwrap().gone, 0);
    assert_eq!(sweep(&round).await.unwrap(), Swept::default());
    assert_eq!(inventory(&round).await.unwrap().good, 1);
    assert!(world.is_there(content) && world.double.uploads().len() == 1);
    assert_eq!(world.state(content).await, Some(State::Present));
}

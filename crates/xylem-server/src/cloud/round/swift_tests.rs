//! Rounds against a strict Swift: a large object is its manifest and its segments, caches are told,
//! and what could be written by others is asked after once more.

use std::num::NonZeroU64;
use std::sync::Arc;

use serde_json::{Value, json};
use xylem_client::{CloudClient, full_body};
use xylem_cloud::{
    PartPlan, Piece, PointSettings, Secrets, StoredPiece, SwiftAccess, Upload, provider_of,
};
use xylem_db::{CloudCopyState as State, CloudPart, CloudWant};
use xylem_model::{CloudPointId, DistributionServerId, FileName, Generation, Priority};
use xylem_pki::{PublicRoots, public_client_config};
use xylem_runtime::ManualClock;
use xylem_testkit::{
    SWIFT_CONTAINER, SWIFT_PASSWORD, SWIFT_REGION, SWIFT_USER, SwiftDouble, SwiftFault,
};

use super::tests::{a_round, marker};
use super::*;
use crate::cloud::inventory::inventory;
use crate::cloud::recheck::{Rechecked, recheck};
use crate::cloud::remove::remove;
use crate::cloud::session::{Account, Sessions};
use crate::cloud::store::{MemoryCloudStore, Work};
use crate::cloud::sweep::sweep;

const START: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);
const KEY: &str = "a key of ours";
const SEGMENTS: &str = "packages_segments";
/// How long a segment is.
const PART: usize = 8;
const LARGE: &[u8] = b"three segments of it";
/// Longer than every grace.
const LONG: Duration = Duration::from_secs(25 * 3600);
/// How long a request for a part can be used.
const UNBOUND: Duration = Duration::from_secs(15 * 60);

/// A point at a Swift, and what is remembered.
struct World {
    clock: Arc<ManualClock>,
    environment: Environment,
    double: SwiftDouble,
    client: PointClient,
    line: CloudClient,
    access: Arc<SwiftAccess>,
    store: MemoryCloudStore,
    point: OpenPoint,
    memory: Memory,
}

fn tempauth(double: &SwiftDouble) -> Value {
    json!({
        "provider": "swift",
        "auth": { "tempauth": { "user": SWIFT_USER } },
        "auth_url": double.tempauth_url(),
        "container": SWIFT_CONTAINER,
        "prefix": "macs",
    })
}

fn public(double: &SwiftDouble) -> Value {
    json!({
        "provider": "rackspace",
        "auth_url": double.rackspace_url(),
        "user": SWIFT_USER,
        "region": SWIFT_REGION,
        "container": SWIFT_CONTAINER,
        "prefix": "macs",
        "public": true,
    })
}

impl World {
    async fn new(storage: fn(&SwiftDouble) -> Value) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let environment = Environment { clock: clock.clone(), ..Environment::real() };
        let double = SwiftDouble::start(&environment).await;
        double.set_account_key(0, KEY);
        // So that the listing of a large object tells no digest of it.
        double.take_at_most(PART as u64);
        double.enable_cdn(SWIFT_CONTAINER);
        double.place(SEGMENTS, "somebody else's", "");
        let keys = json!({ "provider": "swift", "password": SWIFT_PASSWORD, "temp_url_key": KEY });
        let keys: Secrets = serde_json::from_value(keys).unwrap();
        let settings = PointSettings::read(json!({ "storage": storage(&double) })).unwrap();
        let point = OpenPoint::just_set(CloudPointId::from_parts(7, &[7; 10]), settings, keys);
        let store = MemoryCloudStore::new();
        store.set(point.clone(), START);
        double.place(SWIFT_CONTAINER, "macs/xylem.json", marker().to_json());
        let roots = PublicRoots::from_pem(double.ca_pem().as_bytes()).unwrap();
        let tls = public_client_config(&roots, clock.clone()).unwrap();
        let line = CloudClient::new(environment.clone(), tls);
        let sessions = Arc::new(Sessions::new(environment.clone()));
        let client = PointClient::new(line.clone(), &sessions, Account::of(&point));
        let access = client.access().await.unwrap().unwrap();
        let memory = Memory::default();
        Self { clock, environment, double, client, line, access, store, point, memory }
    }

    fn provider(&self) -> Box<dyn Provider + '_> {
        let storage = &self.point.settings.storage;
        provider_of(storage, &self.point.keys, Some(&self.access)).unwrap()
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

    /// Sends a content as the root does, in segments or as a whole, until it is *present*.
    async fn fill(&self, bytes: &[u8], part_bytes: Option<NonZeroU64>) -> ContentId {
        let (content, size) = (ContentId::of(bytes), bytes.len() as u64);
        let whole = PartPlan::again(size, None).part(1).unwrap();
        let sha256 = Piece::of(whole, bytes).sha256;
        let name = FileName::new("A.pkg").unwrap();
        let want = CloudWant { content, size, sha256, name, priority: Priority::Normal };
        let seen = self.store.active().await.unwrap().unwrap();
        assert!(self.store.want(&seen, &[want], Generation(1), self.now()).await.unwrap());
        let server = DistributionServerId::from_parts(1, &[1; 10]);
        let until = self.now().plus(Duration::from_secs(60));
        self.store.take(self.point.id, server, &[], self.now(), until).await.unwrap().unwrap();
        let work = Work { point: self.point.id, content, server };
        assert!(self.store.begun(work, part_bytes, None).await.unwrap());
        assert!(self.store.signed(work, self.now().plus(UNBOUND)).await.unwrap());
        let provider = self.provider();
        let upload = Upload {
            key: self.point.settings.storage.prefix().content(&content),
            sha256,
            disposition: String::new(),
            plan: PartPlan::again(size, part_bytes),
            reference: None,
            create_only: true,
        };
        let pieces = self.send(&*provider, &upload, bytes).await;
        if let Some(request) = provider.finish(&upload, &pieces, self.round(&*provider).moment()) {
            let answer = self.client.send(&request).await.unwrap();
            provider.finished(&upload, &answer).unwrap();
        }
        let parts: Vec<CloudPart> = pieces
            .iter()
            .map(|StoredPiece { piece, tag }| CloudPart {
                number: piece.part.number,
                bytes: piece.part.bytes,
                md5: piece.md5,
                sha256: piece.sha256,
                tag: tag.as_str().to_owned(),
            })
            .collect();
        assert!(self.store.arrived(work, &parts).await.unwrap());
        assert!(self.store.proving(work).await.unwrap());
        let found = self.round(&*provider).find(&upload.key).await.unwrap().unwrap();
        assert_eq!(found.etag, provider.expected_etag(&upload, &pieces));
        assert!(self.store.present(work, found.etag.as_deref(), self.now()).await.unwrap());
        content
    }

    async fn send(
        &self,
        provider: &dyn Provider,
        upload: &Upload,
        bytes: &[u8],
    ) -> Vec<StoredPiece> {
        let mut pieces = Vec::new();
        for number in 1..=upload.plan.count() {
            let part = upload.plan.part(number).unwrap();
            let (from, to) = (part.offset as usize, (part.offset + part.bytes) as usize);
            let piece = Piece::of(part, &bytes[from..to]);
            let request = provider.piece(upload, &piece, self.round(provider).moment()).unwrap();
            let body = full_body(bytes[from..to].to_vec());
            let answer = self.line.send_piece(&request, body).await.unwrap();
            let tag = provider.piece_answered(upload, &piece, &answer).unwrap();
            pieces.push(StoredPiece { piece, tag });
        }
        pieces
    }

    async fn large(&self) -> ContentId {
        self.fill(LARGE, NonZeroU64::new(PART as u64)).await
    }

    async fn state(&self, content: ContentId) -> Option<State> {
        let row = self.store.copy(self.point.id, content).await.unwrap();
        row.map(|row| row.state)
    }

    async fn unwant(&self, content: ContentId) {
        let seen = self.store.active().await.unwrap().unwrap();
        assert!(self.store.unwant(&seen, &[content], self.now()).await.unwrap());
    }
}

fn name_of(content: &ContentId) -> String {
    let hex = content.to_hex();
    format!("macs/content/{}/{hex}", &hex[..2])
}

#[tokio::test]
async fn what_is_not_wanted_goes_manifest_first_and_then_its_segments() {
    let world = World::new(tempauth).await;
    let (large, small) = (world.large().await, world.fill(b"small", None).await);
    assert_eq!(world.double.names(SEGMENTS).len(), 3 + 1);
    assert_eq!(world.double.bytes(SWIFT_CONTAINER, &name_of(&large)).unwrap(), LARGE);
    for content in [large, small] {
        world.unwant(content).await;
    }
    world.pass(LONG);
    let before = world.double.asked().len();
    let provider = world.provider();
    assert_eq!(remove(&world.round(&*provider)).await.unwrap().gone, 2);
    assert_eq!((world.state(large).await, world.state(small).await), (None, None));
    assert_eq!(world.double.names(SWIFT_CONTAINER), ["macs/xylem.json"]);
    assert_eq!(world.double.names(SEGMENTS), ["somebody else's"]);
    let asked = world.double.asked().split_off(before);
    let deleted: Vec<_> = asked.iter().filter(|it| it.contains(&name_of(&large))).collect();
    let deleted: Vec<_> = deleted.into_iter().filter(|it| it.starts_with("DELETE")).collect();
    assert!(deleted.len() == 4 && !deleted[0].contains(SEGMENTS), "{deleted:?}");
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_of_a_round_is_renewed() {
    let world = World::new(tempauth).await;
    let content = world.large().await;
    let provider = world.provider();
    for _ in 0..2 {
        let logins = world.double.logins();
        world.double.end_tokens();
        assert_eq!(inventory(&world.round(&*provider)).await.unwrap().good, 1);
        assert_eq!(world.double.logins(), logins + 1, "one for all requests");
    }
    world.double.misbehave(SwiftFault::TokensRefused);
    let logins = world.double.logins();
    let error = inventory(&world.round(&*provider)).await.unwrap_err();
    assert!(error.stops_the_point().unwrap().why.contains("keys again"), "{error}");
    assert_eq!(world.double.logins(), logins + 1, "it is not tried again and again");
    assert_eq!(world.state(content).await, Some(State::Present));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let world = World::new(tempauth).await;
    world.double.end_tokens();
    world.double.give_tokens_for(3600);
    let provider = world.provider();
    inventory(&world.round(&*provider)).await.unwrap();
    let logins = world.double.logins();
    world.pass(Duration::from_secs(3600 - 301));
    inventory(&world.round(&*provider)).await.unwrap();
    assert_eq!(world.double.logins(), logins, "it is good for more than five minutes");
    world.pass(Duration::from_secs(1));
    inventory(&world.round(&*provider)).await.unwrap();
    assert_eq!(world.double.logins(), logins + 1);
    // A service that gives a token for less is not asked with each request.
    world.double.give_tokens_for(60);
    world.pass(Duration::from_secs(3600 - 300));
    inventory(&world.round(&*provider)).await.unwrap();
    inventory(&world.round(&*provider)).await.unwrap();
    assert_eq!(world.double.logins(), logins + 2);
}

#[tokio::test]
async fn what_could_be_written_by_others_is_asked_after_when_that_is_over() {
    let world = World::new(tempauth).await;
    let (small, large) = (world.fill(b"small", None).await, world.large().await);
    let (good, other) = (world.fill(b"good", None).await, world.fill(b"other", None).await);
    let provider = world.provider();
    let nothing = Rechecked::default();
    assert_eq!(recheck(&world.round(&*provider)).await.unwrap(), nothing, "it is too early");
    world.pass(UNBOUND);
    world.double.place(SWIFT_CONTAINER, &name_of(&other), "OTHER");
    let segment = format!("{}/{PART}/00002", name_of(&large));
    world.double.place(SEGMENTS, &segment, "others!!");
    let found = recheck(&world.round(&*provider)).await.unwrap();
    assert_eq!(found, Rechecked { good: 2, changed: 2, waiting: 0 });
    for content in [small, good] {
        assert_eq!(world.state(content).await, Some(State::Present));
    }
    for content in [large, other] {
        assert_eq!(world.state(content).await, Some(State::Wanted), "it is sent again");
        assert!(world.double.bytes(SWIFT_CONTAINER, &name_of(&content)).is_none());
    }
    assert_eq!(world.double.names(SEGMENTS), ["somebody else's"]);
    assert_eq!(recheck(&world.round(&*provider)).await.unwrap(), nothing, "once is enough");
}

#[tokio::test]
async fn of_a_listing_that_lags_nothing_is_concluded() {
    let world = World::new(tempauth).await;
    let large = world.large().await;
    world.pass(UNBOUND);
    let segment = format!("{}/{PART}/00003", name_of(&large));
    let bytes = world.double.bytes(SEGMENTS, &segment).unwrap();
    world.double.take_away(SEGMENTS, &segment);
    let provider = world.provider();
    let found = recheck(&world.round(&*provider)).await.unwrap();
    assert_eq!((found.waiting, found.changed), (1, 0));
    assert_eq!(world.state(large).await, Some(State::Present));
    let nothing = Rechecked::default();
    assert_eq!(recheck(&world.round(&*provider)).await.unwrap(), nothing, "others go first");
    world.pass(Duration::from_secs(3600));
    assert_eq!(recheck(&world.round(&*provider)).await.unwrap().waiting, 1);
    world.double.place(SEGMENTS, &segment, bytes);
    world.pass(Duration::from_secs(3600));
    assert_eq!(recheck(&world.round(&*provider)).await.unwrap().good, 1);
}

#[tokio::test]
async fn a_large_object_that_lacks_a_segment_for_a_day_is_sent_again() {
    let world = World::new(tempauth).await;
    let large = world.large().await;
    world.pass(UNBOUND);
    world.double.take_away(SEGMENTS, &format!("{}/{PART}/00003", name_of(&large)));
    let provider = world.provider();
    assert_eq!(recheck(&world.round(&*provider)).await.unwrap().waiting, 1);
    world.pass(LONG);
    assert_eq!(recheck(&world.round(&*provider)).await.unwrap().changed, 1);
    assert_eq!(world.state(large).await, Some(State::Wanted));
    assert_eq!(world.double.names(SEGMENTS), ["somebody else's"]);
}

#[tokio::test]
async fn a_segment_that_is_not_listed_and_there_by_its_name_is_no_loss() {
    let world = World::new(tempauth).await;
    let large = world.large().await;
    world.pass(UNBOUND);
    world.double.leave_unlisted(SEGMENTS, &format!("{}/{PART}/00003", name_of(&large)));
    let provider = world.provider();
    world.pass(LONG);
    let found = recheck(&world.round(&*provider)).await.unwrap();
    assert_eq!((found.waiting, found.changed), (1, 0));
    assert_eq!(world.state(large).await, Some(State::Present));
}

#[tokio::test]
async fn a_segment_that_is_deleted_later_is_missed_within_a_week() {
    for is_newer in [false, true] {
        let world = World::new(tempauth).await;
        if is_newer {
            world.double.tell_large_digests(SWIFT_CONTAINER);
        }
        let large = world.large().await;
        world.pass(UNBOUND);
        let provider = world.provider();
        assert_eq!(recheck(&world.round(&*provider)).await.unwrap().good, 1);
        world.double.take_away(SEGMENTS, &format!("{}/{PART}/00002", name_of(&large)));
        let mut changed = 0;
        for _ in 0..7 {
            world.pass(Duration::from_secs(24 * 3600));
            changed += inventory(&world.round(&*provider)).await.unwrap().changed;
        }
        assert_eq!((changed, world.state(large).await), (1, Some(State::Wanted)));
        assert!(world.double.bytes(SWIFT_CONTAINER, &name_of(&large)).is_none());
    }
}

#[tokio::test]
async fn large_objects_whose_digest_is_not_listed_are_asked_after_once_a_week() {
    let world = World::new(tempauth).await;
    world.large().await;
    let key = format!("HEAD /v1/AUTH_casper/{SWIFT_CONTAINER}/macs/content/");
    let provider = world.provider();
    let mut days = 0;
    for _ in 0..7 {
        let before = world.double.asked().len();
        world.pass(Duration::from_secs(24 * 3600));
        assert_eq!(inventory(&world.round(&*provider)).await.unwrap().good, 1);
        days += world.double.asked()[before..].iter().filter(|it| it.starts_with(&key)).count();
    }
    assert_eq!(days, 1);
}

#[tokio::test]
async fn segments_that_a_crash_left_are_swept_and_others_are_not() {
    let world = World::new(tempauth).await;
    let large = world.large().await;
    let left = format!("{}/{PART}/00001", name_of(&ContentId::of(b"given up")));
    world.double.place(SEGMENTS, &left, "left");
    let provider = world.provider();
    assert_eq!(sweep(&world.round(&*provider)).await.unwrap().segments, 0, "it is too young");
    world.pass(LONG);
    assert_eq!(sweep(&world.round(&*provider)).await.unwrap().segments, 1);
    assert_eq!(world.double.names(SEGMENTS).len(), 3 + 1);
    assert_eq!(world.double.bytes(SWIFT_CONTAINER, &name_of(&large)).unwrap(), LARGE);
}

#[tokio::test]
async fn a_delivery_network_forgets_what_was_removed_and_the_storage_is_asked_once() {
    let world = World::new(public).await;
    let content = world.fill(b"small", None).await;
    world.unwant(content).await;
    world.pass(LONG);
    let before = world.double.asked().len();
    let provider = world.provider();
    assert_eq!(remove(&world.round(&*provider)).await.unwrap().gone, 1);
    let asked = world.double.asked().split_off(before);
    let deleted = |at: &str| {
        let line = format!("DELETE {at}/AUTH_casper/{SWIFT_CONTAINER}/{}", name_of(&content));
        asked.iter().filter(|it| **it == line).count()
    };
    assert_eq!((deleted("/v1"), deleted("/cdn/v1")), (1, 1), "{asked:?}");
}

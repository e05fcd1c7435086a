//! One suite for the store in the database and its twin in memory.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use xylem_api::cloud::{CloudStepOutcome, CloudTest, CloudTestStep};
use xylem_cloud::PointSettings;
use xylem_db::{
    Actor, Believing, CloudCopy, CloudCopyState as State, CloudLeaving, CloudObjects, CloudPart,
    CloudPointChange, CloudReadBack, CloudUsage, CloudWant, Database, Month, NewCloudPoint,
    NewDistributionServer, ServerReport,
};
use xylem_model::{
    ByteSize, CloudPointId, ContentId, DistributionServerId, FileName, Generation, Md5, Priority,
    SetCount, Sha256, Timestamp,
};
use xylem_sync::{Rule, SMALL_BYTES, Selection};

use super::{Broken, CloudStore, DatabaseCloudStore, MemoryCloudStore, OpenPoint, Work};
use crate::cloud::test::WRITE_ONCE;
use crate::cloud::{read_keys, row};
use crate::sealed::{KEY_BYTES, Sealer};
use crate::wish::WishError;

/// Steps of the comparison of the two: enough that every state is come to, many times.
const STEPS: u32 = 1_200;
/// Contents in it.
const CONTENTS: u8 = 5;

/// A store with one point, and what an administrator does to it.
enum Twin {
    Memory(MemoryCloudStore),
    Database { store: DatabaseCloudStore, database: Database, _folder: TempDir },
}

fn point() -> CloudPointId {
    CloudPointId::from_parts(7, &[7; 10])
}

fn server(n: u8) -> DistributionServerId {
    DistributionServerId::from_parts(u64::from(n), &[n; 10])
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn settings() -> PointSettings {
    let storage = json!({
        "provider": "s3", "bucket": "packages", "region": "eu-central-1", "prefix": "macs",
    });
    PointSettings::read(json!({ "storage": storage })).unwrap()
}

fn selection() -> Selection {
    let rule = Rule { kinds: vec![xylem_model::FileKind::Package], ..Rule::default() };
    Selection { rules: vec![rule] }
}

/// A test that found that the provider writes once only; with a note, that it does not.
fn test(note: Option<&str>) -> serde_json::Value {
    let step = CloudTestStep {
        name: WRITE_ONCE.to_owned(),
        outcome: CloudStepOutcome::Passed,
        took_ms: 1,
        message: note.map(str::to_owned),
    };
    serde_json::to_value(CloudTest { at: at(1), passed: true, steps: vec![step] }).unwrap()
}

impl Twin {
    async fn memory() -> Self {
        let memory = MemoryCloudStore::new();
        let keys = json!({ "provider": "s3", "key_id": "k", "secret": "planted" });
        let open = OpenPoint::just_set(point(), settings(), read_keys(keys).unwrap());
        memory.set(open, at(1));
        Self::Memory(memory)
    }

    async fn database() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("xylem.db").display());
        let database = Database::connect(&url).await.unwrap();
        let sealer = Arc::new(Sealer::new(&[7; KEY_BYTES]).unwrap());
        let keys = json!({ "provider": "s3", "key_id": "k", "secret": "planted" });
        let keys = read_keys(keys).unwrap().to_sealable_json();
        let new = NewCloudPoint {
            id: point(),
            provider: "s3".to_owned(),
            settings: serde_json::to_value(settings()).unwrap(),
            sealed: sealer.seal(&row(point()), &keys).unwrap(),
            test: Some(test(None)),
            replaces: None,
        };
        database.set_cloud_point(&new, &Actor::system(), at(1)).await.unwrap();
        let store = DatabaseCloudStore::new(database.clone(), sealer);
        Self::Database { store, database, _folder: folder }
    }

    async fn both() -> [Self; 2] {
        [Self::memory().await, Self::database().await]
    }

    fn store(&self) -> &dyn CloudStore {
        match self {
            Self::Memory(store) => store,
            Self::Database { store, .. } => store,
        }
    }

    async fn open(&self) -> OpenPoint {
        self.store().active().await.unwrap().unwrap()
    }

    async fn select(&self, selection: Option<Selection>) {
        match self {
            Self::Memory(store) => store.select(point(), selection.map(Arc::new)),
            Self::Database { database, .. } => {
                let (actor, now) = (Actor::system(), at(2));
                let chosen = selection.as_ref();
                database.set_cloud_selection(point(), chosen, &actor, now).await.unwrap();
            }
        }
    }

    /// Makes the point the principal: there is a root, and no file that the point could lack.
    async fn make_principal(&self) {
        match self {
            Self::Memory(store) => store.set_principal(point(), true),
            Self::Database { database, .. } => {
                let root = NewDistributionServer {
                    id: server(9),
                    name: "root".to_owned(),
                    site: None,
                    public_url: "https://root.example".to_owned(),
                    parent: None,
                };
                let actor = Actor::system();
                database.enroll_distribution_server(&root, &actor, at(2)).await.unwrap();
                database.make_cloud_principal(point(), &actor, at(3)).await.unwrap();
            }
        }
    }

    /// The root becomes the principal in the point's place.
    async fn unmake_principal(&self) {
        match self {
            Self::Memory(store) => store.set_principal(point(), false),
            Self::Database { database, .. } => {
                let report = ServerReport {
                    believing: Believing::default(),
                    shown_certificate: None,
                    inventory: None,
                    program_version: "0.1.0".to_owned(),
                    address: "192.0.2.1".to_owned(),
                    free: ByteSize(1),
                    total: ByteSize(2),
                    held: database.stamp().await.unwrap(),
                    scrub: None,
                    set: Some(SetCount { wanted: 0, missing: 0, missing_bytes: 0 }),
                };
                database.touch_distribution_server(server(9), &report, at(41)).await.unwrap();
                database.set_principal(server(9), &Actor::system(), at(42)).await.unwrap();
            }
        }
    }

    async fn pause(&self, paused: bool) {
        match self {
            Self::Memory(store) => store.pause(point(), paused),
            Self::Database { database, .. } => {
                let (actor, now) = (Actor::system(), at(2));
                database.pause_cloud(point(), paused, &actor, now).await.unwrap();
            }
        }
    }

    /// Sets the same settings once more.
    async fn change(&self, now: Timestamp) {
        let open = self.open().await;
        match self {
            Self::Memory(store) => {
                store.set(OpenPoint { revision: open.revision + 1, ..open }, now);
            }
            Self::Database { database, .. } => {
                let (change, actor) = (CloudPointChange::default(), Actor::system());
                let changing =
                    database.change_cloud_point(point(), open.revision, &change, &actor, now);
                changing.await.unwrap();
            }
        }
    }

    async fn forget(&self) {
        match self {
            Self::Memory(store) => store.forget(point()),
            Self::Database { database, .. } => {
                database.forget_cloud_point(point(), &Actor::system(), at(2)).await.unwrap();
            }
        }
    }

    async fn remove(&self, objects: CloudObjects, now: Timestamp) {
        match self {
            Self::Memory(store) => store.remove(point(), objects, now),
            Self::Database { database, .. } => {
                let actor = Actor::system();
                database.remove_cloud_point(point(), objects, &actor, now).await.unwrap();
            }
        }
    }

    async fn want(&self, wants: &[CloudWant], followed: u64) -> bool {
        let open = self.open().await;
        self.store().want(&open, wants, Generation(followed), at(10)).await.unwrap()
    }

    async fn copy(&self, content: ContentId) -> Option<CloudCopy> {
        self.store().copy(point(), content).await.unwrap()
    }
}

fn want(n: u8, size: u64, priority: Priority) -> CloudWant {
    CloudWant {
        content: ContentId::of(&[n]),
        size,
        sha256: Sha256::from_bytes([n; 32]),
        name: FileName::new(&format!("{n}.pkg")).unwrap(),
        priority,
    }
}

fn work(n: u8, by: u8) -> Work {
    Work { point: point(), content: ContentId::of(&[n]), server: server(by) }
}

fn part(number: u32, bytes: u64) -> CloudPart {
    CloudPart {
        number,
        bytes,
        md5: Md5::from_bytes([7; 16]),
        sha256: Sha256::from_bytes([7; 32]),
        tag: format!("\"{number}\""),
    }
}

#[tokio::test]
async fn what_an_upload_wants_is_left_alone_until_its_time_is_over() {
    for twin in Twin::both().await {
        let (store, one) = (twin.store(), want(1, 5, Priority::Normal));
        let wanted = store.want_for_upload(point(), &one, at(20), at(100)).await.unwrap();
        assert_eq!(wanted, None, "it is not the principal");
        twin.make_principal().await;
        let wanted = store.want_for_upload(point(), &one, at(20), at(100)).await.unwrap().unwrap();
        assert_eq!((wanted.state, wanted.upload_until), (State::Wanted, Some(at(100))));
        let open = twin.open().await;
        assert!(open.is_principal);
        assert!(store.unwant(&open, &[one.content], at(99)).await.unwrap());
        assert!(twin.copy(one.content).await.is_some());
        assert!(!store.has_lapsed_uploads(point(), at(99)).await.unwrap());
        assert!(store.has_lapsed_uploads(point(), at(100)).await.unwrap());
        assert!(store.unwant(&open, &[one.content], at(100)).await.unwrap());
        assert_eq!(twin.copy(one.content).await, None);
        // What the catalogue names needs no upload any more that wants it.
        store.want_for_upload(point(), &one, at(101), at(200)).await.unwrap();
        assert!(twin.want(std::slice::from_ref(&one), 1).await);
        assert_eq!(twin.copy(one.content).await.unwrap().upload_until, None);
        assert!(!store.has_lapsed_uploads(point(), at(300)).await.unwrap());
    }
}

#[tokio::test]
async fn a_point_is_opened_with_its_keys() {
    for twin in Twin::both().await {
        let open = twin.open().await;
        assert_eq!((open.id, open.is_active, open.revision), (point(), true, 1));
        assert_eq!((&open.settings, open.followed), (&settings(), Generation(0)));
        assert!(open.keys.to_sealable_json().contains("planted"));
        assert!(!format!("{open:?}").contains("planted"));
        assert!(open.writes_once && !open.paused && open.selection.is_none());
        assert!(twin.store().leaving().await.unwrap().is_none());

        let broken = Broken {
            message: "é".repeat(9_000),
            since: at(5),
            next_try: at(6),
            still_offered: true,
        };
        twin.store().set_broken(point(), 1, Some(&broken)).await.unwrap();
        let told = twin.open().await.broken.unwrap();
        assert_eq!((told.message.chars().count(), told.next_try), (2_000, at(6)));
        twin.change(at(7)).await;
        assert_eq!(twin.open().await.broken, None, "what was set was tested");
        twin.store().set_broken(point(), 1, Some(&broken)).await.unwrap();
        assert_eq!(twin.open().await.broken, None, "that was found with the former keys");
        twin.pause(true).await;
        twin.select(Some(selection())).await;
        let open = twin.open().await;
        assert!(open.paused && open.revision == 2);
        assert_eq!(open.selection.as_deref(), Some(&selection()));

        twin.forget().await;
        assert!(twin.store().active().await.unwrap().is_none());
        twin.store().set_broken(point(), 2, None).await.unwrap();
    }
}

#[tokio::test]
async fn a_provider_writes_once_unless_a_test_found_that_it_cannot() {
    let Twin::Database { store, database, _folder } = Twin::database().await else { panic!() };
    let mut not_tried = test(None);
    not_tried["steps"][0]["outcome"] = json!("skipped");
    for (found, expected) in [
        (test(Some("it overwrites")), false),
        (json!({ "steps": "another form" }), true),
        (not_tried, true),
        (test(None), true),
    ] {
        database.note_cloud_test(point(), &found).await.unwrap();
        let open = store.active().await.unwrap().unwrap();
        assert_eq!(open.writes_once, expected, "{found}");
    }
}

#[tokio::test]
async fn keys_sealed_for_another_row_or_by_another_key_are_not_opened() {
    let Twin::Database { database, _folder, .. } = Twin::database().await else { panic!() };
    let other = Arc::new(Sealer::new(&[8; KEY_BYTES]).unwrap());
    let store = DatabaseCloudStore::new(database.clone(), Arc::clone(&other));
    let told = store.active().await.unwrap_err();
    assert!(matches!(&told, WishError::Store(why) if why.to_string().contains("secrets.key")));
    let row_of_another = row(CloudPointId::from_parts(8, &[8; 10]));
    for (row, text) in [(row_of_another, "{}"), (row(point()), "{\"secret\":\"planted\"}")] {
        let sealed = Some(other.seal(&row, text).unwrap());
        let revision = database.cloud_point().await.unwrap().unwrap().revision;
        let change = CloudPointChange { sealed, ..CloudPointChange::default() };
        let (actor, now) = (Actor::system(), at(3));
        database.change_cloud_point(point(), revision, &change, &actor, now).await.unwrap();
        let told = store.active().await.unwrap_err();
        assert!(!format!("{told:?}").contains("planted"), "{told:?}");
    }
}

#[tokio::test]
async fn a_content_goes_its_way() {
    for twin in Twin::both().await {
        let store = twin.store();
        let (content, work) = (ContentId::of(&[1]), work(1, 1));
        assert!(twin.want(&[want(1, 25, Priority::Urgent)], 5).await);
        assert_eq!(twin.open().await.followed, Generation(5));
        let taken = store.take(point(), server(1), &[], at(20), at(140)).await.unwrap().unwrap();
        assert_eq!((taken.content, taken.state, taken.since), (content, State::Sending, at(20)));
        let other = Work { server: server(2), ..work };
        assert!(store.keep(other, at(150)).await.unwrap().is_none());
        assert!(!store.begun(other, None, None).await.unwrap());
        assert!(store.begun(work, NonZeroU64::new(10), Some("upload")).await.unwrap());
        assert!(store.arrived(work, &[part(2, 10), part(1, 9)]).await.unwrap());
        assert!(store.arrived(work, &[part(1, 10), part(3, 5)]).await.unwrap());
        assert!(!store.arrived(other, &[part(1, 10)]).await.unwrap());
        let parts = store.parts(point(), content).await.unwrap();
        assert_eq!(parts, [part(1, 10), part(2, 10), part(3, 5)]);
        assert!(!store.present(work, None, at(30)).await.unwrap(), "it was not proved");
        assert!(store.proving(work).await.unwrap() && store.proving(work).await.unwrap());
        assert_eq!(store.keep(work, at(160)).await.unwrap().unwrap().arrived, 25);
        assert!(store.present(work, Some("\"e\""), at(40)).await.unwrap());
        assert!(store.parts(point(), content).await.unwrap().is_empty());
        let present = twin.copy(content).await.unwrap();
        assert_eq!((present.state, present.etag.as_deref()), (State::Present, Some("\"e\"")));

        let open = twin.open().await;
        assert!(store.unwant(&open, &[content], at(50)).await.unwrap());
        assert!(store.to_remove(point(), at(50), at(51), 9).await.unwrap().is_empty());
        let removing = store.to_remove(point(), at(51), at(52), 9).await.unwrap();
        assert_eq!((removing.len(), removing[0].state), (1, State::Removing));
        assert_eq!(store.to_remove(point(), at(0), at(53), 9).await.unwrap(), removing);
        store.removed(point(), content, at(54)).await.unwrap();
        assert!(twin.copy(content).await.is_none());
    }
}

#[tokio::test]
async fn what_was_followed_in_the_past_counts_no_more() {
    for twin in Twin::both().await {
        let (store, seen) = (twin.store(), twin.open().await);
        let wants = [want(1, 5, Priority::Normal)];
        assert!(twin.want(&wants, 3).await);
        let again = store.want(&seen, &wants, Generation(4), at(11)).await.unwrap();
        assert!(!again, "somebody else was faster");
        let seen = twin.open().await;
        twin.select(Some(selection())).await;
        assert_eq!(twin.open().await.followed, Generation(0));
        assert!(!store.unwant(&seen, &[ContentId::of(&[1])], at(12)).await.unwrap());
        assert!(!store.want(&seen, &[], Generation(4), at(12)).await.unwrap());
        assert!(twin.copy(ContentId::of(&[1])).await.is_some());
    }
}

#[tokio::test]
async fn of_two_walks_the_one_that_began_first_is_of_the_past() {
    for twin in Twin::both().await {
        let store = twin.store();
        assert!(twin.want(&[want(1, 5, Priority::Normal)], 3).await);
        let walk = async |seen: OpenPoint| {
            let walks = store.begin_walk(&seen).await.unwrap();
            walks.map(|walks| OpenPoint { walks, ..seen })
        };
        let seen = twin.open().await;
        let first = walk(seen.clone()).await.unwrap();
        assert!(walk(seen).await.is_none(), "it was read before that");
        let second = walk(twin.open().await).await.unwrap();
        let (wants, followed) = ([want(2, 5, Priority::Normal)], second.followed);
        assert!(store.want(&second, &wants, followed, at(11)).await.unwrap());
        assert!(!store.unwant(&first, &[ContentId::of(&[2])], at(12)).await.unwrap());
        assert!(!store.want(&first, &[], Generation(9), at(12)).await.unwrap());
        assert!(twin.copy(ContentId::of(&[2])).await.is_some());
        assert!(store.want(&second, &[], Generation(9), at(13)).await.unwrap());
    }
}

#[tokio::test]
async fn parts_are_looked_up_by_their_numbers() {
    for twin in Twin::both().await {
        let store = twin.store();
        assert!(twin.want(&[want(1, 25, Priority::Normal)], 5).await);
        store.take(point(), server(1), &[], at(20), at(140)).await.unwrap().unwrap();
        let parts = [part(1, 10), part(2, 10), part(3, 5)];
        assert!(store.arrived(work(1, 1), &parts).await.unwrap());
        let content = ContentId::of(&[1]);
        let among = store.parts_among(point(), content, &[3, 1, 7]).await.unwrap();
        assert_eq!(among, [part(1, 10), part(3, 5)]);
        assert_eq!(store.count_parts(point(), content).await.unwrap(), 3);
        assert!(store.released(work(1, 1)).await.unwrap());
        assert!(!store.released(work(1, 1)).await.unwrap(), "it has it no more");
    }
}

#[tokio::test]
async fn nothing_is_done_for_a_point_that_is_gone() {
    for twin in Twin::both().await {
        let (store, seen) = (twin.store(), twin.open().await);
        assert!(twin.want(&[want(1, 5, Priority::Normal)], 3).await);
        twin.forget().await;
        assert!(!store.want(&seen, &[], Generation(4), at(11)).await.unwrap());
        assert!(!store.proving(work(1, 1)).await.unwrap());
        assert!(store.take(point(), server(1), &[], at(20), at(30)).await.unwrap().is_none());
        let usage = CloudUsage { sent: 1, ..CloudUsage::default() };
        store.used(point(), Month(1), &usage).await.unwrap();
        assert!(store.usage(point()).await.unwrap().is_empty());
        assert!(store.counts(point()).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_twins_decide_alike() {
    let [memory, database] = Twin::both().await;
    let mut dice = Dice(0x5eed_c10d);
    let mut states = BTreeSet::new();
    for step in 0..STEPS {
        let before = dice;
        let told = scene(&memory, &mut dice, step).await;
        let mut again = before;
        assert_eq!(told, scene(&database, &mut again, step).await, "step {step}, {before:?}");
        let copies = memory.store().copies(point(), None, None, 99).await.unwrap();
        let others = database.store().copies(point(), None, None, 99).await.unwrap();
        assert_eq!(copies, others, "after {told} (step {step}, {before:?})");
        states.extend(copies.iter().map(|copy| copy.state));
        for copy in &copies {
            let parts = memory.store().parts(point(), copy.content).await.unwrap();
            assert_eq!(parts, database.store().parts(point(), copy.content).await.unwrap());
            let counted = database.store().count_parts(point(), copy.content).await.unwrap();
            assert_eq!(counted, parts.len() as u64);
        }
    }
    let counts = memory.store().counts(point()).await.unwrap();
    assert_eq!(counts, database.store().counts(point()).await.unwrap());
    let usage = memory.store().usage(point()).await.unwrap();
    assert_eq!(usage, database.store().usage(point()).await.unwrap());
    assert_eq!((states.len(), usage.len()), (6, usize::from(CONTENTS)), "{states:?}");
}

#[tokio::test]
async fn the_twins_let_a_point_go_alike() {
    for objects in [CloudObjects::Kept, CloudObjects::Deleted] {
        let mut told = Vec::new();
        for twin in Twin::both().await {
            told.push(going(&twin, objects).await);
        }
        assert_eq!(told[0], told[1]);
        let ended = told[0].iter().filter(|told| told.contains("Some(CloudForgotten"));
        assert_eq!(ended.count(), 1, "{:?}", told[0]);
    }
}

#[tokio::test]
async fn what_uploads_wanted_goes_like_the_rest_of_a_point_that_is_left() {
    for objects in [CloudObjects::Kept, CloudObjects::Deleted] {
        let mut told = Vec::new();
        for twin in Twin::both().await {
            let store = twin.store();
            twin.make_principal().await;
            for n in 1..=3 {
                let want = want(n, 25, Priority::Normal);
                store.want_for_upload(point(), &want, at(10), at(9_999)).await.unwrap().unwrap();
                if n < 3 {
                    store.take(point(), server(n), &[], at(20), at(140)).await.unwrap().unwrap();
                }
            }
            assert!(store.proving(work(1, 1)).await.unwrap());
            assert!(store.present(work(1, 1), None, at(40)).await.unwrap());
            twin.unmake_principal().await;
            twin.remove(objects, at(50)).await;
            let states = async || {
                let copies = store.copies(point(), None, None, 9).await.unwrap();
                assert!(copies.iter().all(|copy| copy.upload_until.is_none()), "{copies:?}");
                copies.iter().map(|it| (it.content, it.state, it.unwanted)).collect::<Vec<_>>()
            };
            let left = states().await;
            assert_eq!(left.len(), 2, "what was not begun is forgotten: {left:?}");
            store.unwant_all(point(), at(50), at(60)).await.unwrap();
            told.push((left, states().await));
        }
        assert_eq!(told[0], told[1]);
        let present = told[0].1.iter().find(|(_, state, _)| *state == State::Present).unwrap();
        let is_deleted = objects == CloudObjects::Deleted;
        assert_eq!(present.2, is_deleted.then(|| at(50)), "{objects:?}");
    }
}

#[tokio::test]
async fn the_twins_keep_alike_what_was_to_be_deleted() {
    for twin in Twin::both().await {
        let (store, one) = (twin.store(), ContentId::of(&[1]));
        assert!(twin.want(&[want(1, 25, Priority::Normal)], 1).await);
        store.take(point(), server(1), &[], at(20), at(140)).await.unwrap().unwrap();
        assert!(store.proving(work(1, 1)).await.unwrap());
        assert!(store.present(work(1, 1), None, at(40)).await.unwrap());
        twin.remove(CloudObjects::Deleted, at(50)).await;
        assert_eq!(store.leaving().await.unwrap().unwrap().revision, 2);
        for (objects, unwanted) in [
            (CloudObjects::Deleted, Some(at(50))),
            (CloudObjects::Kept, None),
            (CloudObjects::Deleted, Some(at(50))),
        ] {
            twin.remove(objects, at(60)).await;
            store.unwant_all(point(), at(50), at(61)).await.unwrap();
            assert_eq!(twin.copy(one).await.unwrap().unwanted, unwanted, "{objects:?}");
        }
    }
}

/// A point goes, with contents in every state; gives what was answered and what was there.
async fn going(twin: &Twin, objects: CloudObjects) -> Vec<String> {
    let store = twin.store();
    for n in 1..=5 {
        assert!(twin.want(&[want(n, 25, Priority::Normal)], u64::from(n)).await);
        if n < 5 {
            store.take(point(), server(n), &[], at(20), at(140)).await.unwrap().unwrap();
            assert!(store.begun(work(n, n), NonZeroU64::new(10), Some("upload")).await.unwrap());
            assert!(store.arrived(work(n, n), &[part(1, 10)]).await.unwrap());
        }
    }
    assert!(store.failed(work(1, 1), "why", false, at(30), None).await.unwrap());
    assert!(store.proving(work(2, 2)).await.unwrap() && store.proving(work(3, 3)).await.unwrap());
    assert!(store.present(work(3, 3), Some("\"e\""), at(40)).await.unwrap());
    assert!(!store.left(point(), at(41)).await.unwrap(), "it is the active one");
    store.unwant_all(point(), at(41), at(41)).await.unwrap();
    assert_eq!(twin.copy(ContentId::of(&[3])).await.unwrap().unwanted, None);
    let seen = twin.open().await;
    twin.remove(objects, at(50)).await;

    let leaving = store.leaving().await.unwrap().unwrap();
    let expected = CloudLeaving { since: at(50), left: Some(at(50)), objects: Some(objects) };
    assert_eq!((leaving.is_active, leaving.leaving), (false, Some(expected)));
    assert!(store.active().await.unwrap().is_none());
    assert!(!store.want(&seen, &[], Generation(9), at(51)).await.unwrap());
    assert!(!store.left(point(), at(51)).await.unwrap(), "it was already");
    let copies = async || format!("{:?}", store.copies(point(), None, None, 99).await.unwrap());
    let mut told = vec![copies().await];
    if objects == CloudObjects::Deleted {
        store.unwant_all(point(), at(50), at(60)).await.unwrap();
        told.push(copies().await);
    }
    for n in [1, 2, 4, 3] {
        told.push(format!("{:?}", store.end(point(), objects, at(70)).await.unwrap()));
        assert!(store.parts(point(), ContentId::of(&[n])).await.unwrap().is_empty());
        let removing = store.to_remove(point(), at(51), at(71), 9).await.unwrap();
        told.push(format!("{removing:?}"));
        store.removed(point(), ContentId::of(&[n]), at(72)).await.unwrap();
    }
    let other = match objects {
        CloudObjects::Kept => CloudObjects::Deleted,
        CloudObjects::Deleted => CloudObjects::Kept,
    };
    assert_eq!(store.end(point(), other, at(73)).await.unwrap(), None);
    told.push(format!("{:?}", store.end(point(), objects, at(74)).await.unwrap()));
    assert!(store.leaving().await.unwrap().is_none());
    told
}

/// One call drawn by lot; gives what it was and what was answered.
async fn scene(twin: &Twin, dice: &mut Dice, step: u32) -> String {
    let store = twin.store();
    let now = at(i64::from(step) * 10);
    let (n, by) = (dice.below(CONTENTS), u8::from(dice.below(4) == 0));
    let (work, content) = (work(n, by), ContentId::of(&[n]));
    match dice.below(24) {
        0 | 1 => {
            let size = [5, SMALL_BYTES + 1, SMALL_BYTES + 2][usize::from(n % 3)];
            let priority = [Priority::Bulk, Priority::Normal, Priority::Urgent];
            let want = want(n, size, priority[usize::from(dice.below(3))]);
            let followed = Generation(u64::from(step) + 1);
            let open = twin.open().await;
            format!(
                "{want:?} {:?}",
                store.want(&open, std::slice::from_ref(&want), followed, now).await
            )
        }
        2 => {
            let open = twin.open().await;
            format!("unwant {n} {:?}", store.unwant(&open, &[content], now).await)
        }
        3..=5 => {
            let busy =
                [ContentId::of(&[dice.below(CONTENTS)]), ContentId::of(&[dice.below(CONTENTS)])];
            let busy = &busy[..usize::from(dice.below(3))];
            let until = at(now.unix_ms() + 400);
            let most = usize::from(n % 3) + 1;
            let taken = store.take_some(point(), server(by), busy, most, now, until).await;
            format!("take {by} {most} {taken:?}")
        }
        6 => format!("keep {work:?} {:?}", store.keep(work, at(now.unix_ms() + 400)).await),
        7 => {
            let cut = NonZeroU64::new(u64::from(dice.below(2)) * 10);
            format!("begun {work:?} {:?}", store.begun(work, cut, Some("upload")).await)
        }
        8 | 9 => {
            let one = part(u32::from(dice.below(3)) + 1, u64::from(dice.below(9)));
            let two = part(u32::from(dice.below(3)) + 1, 7);
            format!("arrived {work:?} {:?}", store.arrived(work, &[one, two]).await)
        }
        10 | 11 => format!("proving {work:?} {:?}", store.proving(work).await),
        12..=14 => format!("present {work:?} {:?}", store.present(work, Some("\"e\""), now).await),
        15 => {
            let next = [None, Some(at(now.unix_ms() + 200))][usize::from(dice.below(2))];
            let anew = dice.below(2) == 0;
            format!("failed {work:?} {:?}", store.failed(work, "why", anew, now, next).await)
        }
        16 => format!("released {work:?} {:?}", store.released(work).await),
        17 => {
            let (seen, lost) = (dice.below(CONTENTS), dice.below(3) == 0);
            let looked_at = store.looked_at(point(), &[ContentId::of(&[seen])], now).await;
            let lost = match (lost, dice.below(2)) {
                (true, 0) => Some(store.lost(point(), content, "gone", now).await),
                (true, _) => Some(store.withdrawn(point(), content, "another", now).await),
                (false, _) => None,
            };
            format!("lost {n}, looked at {seen}: {lost:?} {looked_at:?}")
        }
        18 => {
            let before = at(now.unix_ms() - 300);
            let limit = u64::from(dice.below(3));
            let removing = store.to_remove(point(), before, now, limit).await;
            let removed = store.removed(point(), content, now).await;
            format!("to remove {removing:?}, removed {n}: {removed:?}")
        }
        19 => {
            let by = [None, Some(server(by))][usize::from(dice.below(2))];
            let until = at(now.unix_ms() + 300);
            let deletion = store.deleting(point(), content, by, until).await.unwrap();
            let told = format!("deleting {n} by {by:?} {deletion:?}");
            if let (Some(deletion), true) = (deletion, dice.below(3) > 0) {
                store.deletion_answered(point(), content, deletion).await.unwrap();
            }
            told
        }
        20 => {
            let condemned = store.condemn(point(), content, u64::from(n), now).await;
            let heard_before = at(now.unix_ms() - 200);
            let doubted = store.doubt(point(), content, heard_before, now).await;
            format!("condemned {n} {condemned:?}, doubted {doubted:?}")
        }
        21 => {
            let before = [None, Some(at(now.unix_ms() - 300))][usize::from(dice.below(2))];
            let (by, until) = (server(by), at(now.unix_ms() + 400));
            let taken = store.to_read_back(point(), by, before, now, until).await;
            format!("to read back {before:?} {taken:?}")
        }
        22 => {
            let later = at(now.unix_ms() + 200);
            let found = [
                CloudReadBack::Right,
                CloudReadBack::Wrong("other bytes"),
                CloudReadBack::Unread("no line", later),
                CloudReadBack::Left,
            ][usize::from(dice.below(4))];
            let kept = store.keep_reading_back(work, later).await;
            format!("read back {kept:?} {found:?} {:?}", store.read_back(work, found, now).await)
        }
        _ => {
            let more = CloudUsage { sent: u64::from(step), lists: 1, ..CloudUsage::default() };
            let used = store.used(point(), Month(u32::from(n)), &more).await;
            if dice.below(4) == 0 {
                twin.change(now).await;
            }
            format!("used {used:?} {:?}", store.counts(point()).await)
        }
    }
}

/// Numbers by lot, the same each time (xorshift).
#[derive(Debug, Clone, Copy)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u8) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u8::try_from(self.0 % u64::from(limit)).unwrap()
    }
}

#[tokio::test]
async fn what_was_signed_without_its_bytes_is_asked_after_once_more() {
    for twin in Twin::both().await {
        let store = twin.store();
        let (content, work, other) = (ContentId::of(&[1]), work(1, 1), work(1, 2));
        assert!(twin.want(&[want(1, 25, Priority::Normal)], 5).await);
        assert!(!store.signed(work, at(90)).await.unwrap(), "nobody sends it");
        store.take(point(), server(1), &[], at(20), at(140)).await.unwrap().unwrap();
        assert!(store.signed(work, at(90)).await.unwrap());
        assert!(store.signed(work, at(80)).await.unwrap());
        assert!(!store.signed(other, at(999)).await.unwrap());
        assert!(store.unsettled(point(), at(100), 9).await.unwrap().is_empty());
        assert!(store.proving(work).await.unwrap());
        assert!(!store.signed(work, at(999)).await.unwrap());
        assert!(store.present(work, None, at(40)).await.unwrap());
        assert!(store.unsettled(point(), at(89), 9).await.unwrap().is_empty());
        let due = store.unsettled(point(), at(90), 9).await.unwrap();
        assert_eq!((due.len(), due[0].unbound_until), (1, Some(at(90))));
        store.settled(point(), content, at(89)).await.unwrap();
        assert_eq!(twin.copy(content).await.unwrap().unbound_until, Some(at(90)));
        store.settled(point(), content, at(91)).await.unwrap();
        let settled = twin.copy(content).await.unwrap();
        assert_eq!((settled.unbound_until, settled.looked_at), (None, Some(at(91))));
        assert!(store.unsettled(point(), at(999), 9).await.unwrap().is_empty());
    }
}

//! The store in the database and its twin in memory, to be tried alike.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use xylem_api::cloud::{CloudStepOutcome, CloudTest, CloudTestStep};
use xylem_cloud::PointSettings;
use xylem_db::{
    Actor, Believing, CloudCopy, CloudObjects, CloudPart, CloudPointChange, CloudWant, Database,
    NewCloudPoint, NewDistributionServer, ServerReport,
};
use xylem_model::{
    ByteSize, CloudPointId, ContentId, DistributionServerId, FileName, Generation, Md5, Priority,
    SetCount, Sha256, Timestamp,
};
use xylem_sync::{Rule, Selection};

use crate::cloud::store::{CloudStore, DatabaseCloudStore, MemoryCloudStore, OpenPoint, Work};
use crate::cloud::test::WRITE_ONCE;
use crate::cloud::{read_keys, row};
use crate::sealed::{KEY_BYTES, Sealer};

/// A store with one point, and what an administrator does to it.
pub(super) enum Twin {
    Memory(MemoryCloudStore),
    Database { store: DatabaseCloudStore, database: Database, _folder: TempDir },
}

pub(super) fn point() -> CloudPointId {
    CloudPointId::from_parts(7, &[7; 10])
}

pub(super) fn server(n: u8) -> DistributionServerId {
    DistributionServerId::from_parts(u64::from(n), &[n; 10])
}

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

pub(super) fn settings() -> PointSettings {
    let storage = json!({
        "provider": "s3", "bucket": "packages", "region": "eu-central-1", "prefix": "macs",
    });
    PointSettings::read(json!({ "storage": storage })).unwrap()
}

pub(super) fn selection() -> Selection {
    let rule = Rule { kinds: vec![xylem_model::FileKind::Package], ..Rule::default() };
    Selection { rules: vec![rule] }
}

/// A test that found that the provider writes once only; with a note, that it does not.
pub(super) fn test(note: Option<&str>) -> serde_json::Value {
    let step = CloudTestStep {
        name: WRITE_ONCE.to_owned(),
        outcome: CloudStepOutcome::Passed,
        took_ms: 1,
        message: note.map(str::to_owned),
    };
    serde_json::to_value(CloudTest { at: at(1), passed: true, steps: vec![step] }).unwrap()
}

impl Twin {
    pub(super) async fn memory() -> Self {
        let memory = MemoryCloudStore::new();
        let keys = json!({ "provider": "s3", "key_id": "k", "secret": "planted" });
        let open = OpenPoint::just_set(point(), settings(), read_keys(keys).unwrap());
        memory.set(open, at(1));
        Self::Memory(memory)
    }

    pub(super) async fn database() -> Self {
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

    pub(super) async fn both() -> [Self; 2] {
        [Self::memory().await, Self::database().await]
    }

    pub(super) fn store(&self) -> &dyn CloudStore {
        match self {
            Self::Memory(store) => store,
            Self::Database { store, .. } => store,
        }
    }

    pub(super) async fn open(&self) -> OpenPoint {
        self.store().active().await.unwrap().unwrap()
    }

    pub(super) async fn select(&self, selection: Option<Selection>) {
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
    pub(super) async fn make_principal(&self) {
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
    pub(super) async fn unmake_principal(&self) {
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

    pub(super) async fn pause(&self, paused: bool) {
        match self {
            Self::Memory(store) => store.pause(point(), paused),
            Self::Database { database, .. } => {
                let (actor, now) = (Actor::system(), at(2));
                database.pause_cloud(point(), paused, &actor, now).await.unwrap();
            }
        }
    }

    /// Sets the same settings once more.
    pub(super) async fn change(&self, now: Timestamp) {
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

    pub(super) async fn forget(&self) {
        match self {
            Self::Memory(store) => store.forget(point()),
            Self::Database { database, .. } => {
                database.forget_cloud_point(point(), &Actor::system(), at(2)).await.unwrap();
            }
        }
    }

    pub(super) async fn remove(&self, objects: CloudObjects, now: Timestamp) {
        match self {
            Self::Memory(store) => store.remove(point(), objects, now),
            Self::Database { database, .. } => {
                let actor = Actor::system();
                database.remove_cloud_point(point(), objects, &actor, now).await.unwrap();
            }
        }
    }

    pub(super) async fn want(&self, wants: &[CloudWant], followed: u64) -> bool {
        let open = self.open().await;
        self.store().want(&open, wants, Generation(followed), at(10)).await.unwrap()
    }

    pub(super) async fn copy(&self, content: ContentId) -> Option<CloudCopy> {
        self.store().copy(point(), content).await.unwrap()
    }
}

pub(super) fn want(n: u8, size: u64, priority: Priority) -> CloudWant {
    CloudWant {
        content: ContentId::of(&[n]),
        size,
        sha256: Sha256::from_bytes([n; 32]),
        name: FileName::new(&format!("{n}.pkg")).unwrap(),
        priority,
    }
}

pub(super) fn work(n: u8, by: u8) -> Work {
    Work { point: point(), content: ContentId::of(&[n]), server: server(by) }
}

pub(super) fn part(number: u32, bytes: u64) -> CloudPart {
    CloudPart {
        number,
        bytes,
        md5: Md5::from_bytes([7; 16]),
        sha256: Sha256::from_bytes([7; 32]),
        tag: format!("\"{number}\""),
    }
}

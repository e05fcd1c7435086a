//! Who is sent to the cloud distribution point, for what, and by which address.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use xylem_api::agent::{CLOUD_SOURCE, FetchAttempt, OrderReport, WRONG_BYTES};
use xylem_api::catalogue::{CloudCandidate, Sources};
use xylem_api::cloud::{ChangeCloud, CloudOffer, SetCloud};
use xylem_api::cloud_files::CloudFileState;
use xylem_client::{AgentClient, ClientError, CloudContentClient, Deadlines};
use xylem_db::{Actor, CloudFollowing, CloudPointChange, CloudWant, CloudWork, Database};
use xylem_model::{CloudPointId, ContentId, FileKind, FileName, Generation, Priority, Timestamp};
use xylem_pki::{Identity, PublicRoots, public_client_config};
use xylem_sync::{NamePattern, Rule, Selection};
use xylem_testkit::S3Double;

use crate::harness::{FakeServer, Harness, START, present, sha256};

pub(crate) const NAME: &str = "Depot 1.0 + é.pkg";
pub(crate) const BYTES: &[u8] = b"bytes";

/// A server that may reach the loopback, a cloud there, a root that has a package, and a computer.
pub(crate) struct World {
    pub(crate) harness: Harness,
    pub(crate) double: S3Double,
    pub(crate) point: CloudPointId,
    pub(crate) root: FakeServer,
    agent: AgentClient,
    identity: Identity,
}

impl World {
    pub(crate) async fn new(offer: Option<CloudOffer>) -> Self {
        let mut stopped = Harness::start().await.stop().await;
        stopped.config.cloud_private_hosts = vec!["127.0.0.1".to_owned()];
        let harness = stopped.start().await;
        let double = S3Double::start(&harness.environment).await;
        let set = SetCloud { offer, ..crate::cloud::set(&double) };
        let point = harness.admin().set_cloud(&set).await.unwrap().id;
        let root = harness.server("root").await;
        harness.publish(&root, NAME, BYTES).await;
        let stamp = harness.admin().status().await.unwrap().stamp;
        root.report(stamp, vec![present(BYTES)]).await;
        let (identity, agent) = harness.computer("mac").await;
        Self { harness, double, point, root, agent, identity }
    }

    /// The same with the package in the cloud.
    pub(crate) async fn filled(offer: Option<CloudOffer>) -> Self {
        let world = Self::new(offer).await;
        world.fill_at(world.point, &world.double).await;
        world
    }

    /// Has the package be at the active point.
    pub(crate) async fn fill_at(&self, point: CloudPointId, double: &S3Double) {
        self.proving_at(point).await;
        let work = self.work_at(point);
        assert!(self.db().note_cloud_present(work, None, START).await.unwrap());
        double.place(&object_name(BYTES), BYTES);
    }

    fn db(&self) -> &Database {
        &self.harness.database
    }

    fn work(&self) -> CloudWork {
        self.work_at(self.point)
    }

    pub(crate) fn work_at(&self, point: CloudPointId) -> CloudWork {
        CloudWork { point, content: ContentId::of(BYTES), server: self.root.id }
    }

    async fn following(&self) -> CloudFollowing {
        let row = self.db().cloud_point().await.unwrap().unwrap();
        let (selection, followed, walks) = (row.selection, row.followed, row.walks);
        CloudFollowing { point: row.id, selection, followed, walks }
    }

    /// The package is all but there.
    pub(crate) async fn proving(&self) {
        self.proving_at(self.point).await;
    }

    async fn proving_at(&self, point: CloudPointId) {
        let want = CloudWant {
            content: ContentId::of(BYTES),
            size: BYTES.len() as u64,
            sha256: sha256(BYTES),
            name: name(),
            priority: Priority::Normal,
        };
        let seen = self.following().await;
        assert_eq!(seen.point, point, "it is the active one");
        // All that there was when the point was set.
        let set = self.db().cloud_point().await.unwrap().unwrap().stamp.generation;
        let next = set.max(Generation(seen.followed.0 + 1));
        assert!(self.db().want_in_cloud(&seen, &[want], next, START).await.unwrap());
        let until = START.plus(Duration::from_secs(60));
        let taking = self.db().take_from_cloud_wants(point, self.root.id, &[], START, until);
        assert!(taking.await.unwrap().is_some());
        assert!(self.db().note_cloud_begun(self.work_at(point), None, None).await.unwrap());
        assert!(self.db().note_cloud_proving(self.work_at(point)).await.unwrap());
    }

    /// The management server is stopped, and another one goes on.
    pub(crate) async fn restart(self) -> Self {
        let harness = self.harness.stop().await.start().await;
        let transport = harness.transport(Some(&self.identity));
        let agent = AgentClient::new(transport, harness.url.clone());
        Self { harness, agent, ..self }
    }

    pub(crate) async fn sources(&self) -> Sources {
        self.agent.sources(&name()).await.unwrap()
    }

    pub(crate) async fn offered(&self) -> Option<CloudCandidate> {
        let sources = self.sources().await;
        assert_eq!(sources.candidates.len(), 1, "whatever becomes of the cloud");
        sources.cloud
    }

    async fn broken(&self, still_offered: Option<bool>) {
        let broken = still_offered.map(|still_offered| {
            json!({ "message": "keys", "since": START, "next_try": START,
                "still_offered": still_offered })
        });
        self.db().note_cloud_broken(self.point, 1, broken.as_ref()).await.unwrap();
    }

    /// What lies at an address.
    pub(crate) async fn fetch(&self, candidate: &CloudCandidate) -> Result<Vec<u8>, ClientError> {
        let pem = candidate.ca_pem.as_ref().unwrap();
        let roots = PublicRoots::from_pem(pem.as_bytes()).unwrap();
        let environment = self.harness.environment.clone();
        let tls = public_client_config(&roots, Arc::clone(&environment.clock)).unwrap();
        let client = CloudContentClient::new(environment, tls, Deadlines::default());
        let answer = client.fetch(&candidate.url, BYTES.len() as u64, 0).await?;
        Ok(answer.body.collect(1000).await?.to_vec())
    }
}

/// Where a content lies.
pub(crate) fn object_name(bytes: &[u8]) -> String {
    let hex = ContentId::of(bytes).to_hex();
    format!("macs/content/{}/{hex}", &hex[..2])
}

fn name() -> FileName {
    FileName::new(NAME).unwrap()
}

fn admin() -> Actor {
    Actor::new("token admin")
}

fn after(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

#[tokio::test]
async fn a_computer_gets_an_address_of_what_is_present_and_nothing_else() {
    let world = World::filled(None).await;
    let cloud = world.offered().await.unwrap();
    assert_eq!((cloud.until, cloud.before), (after(600), None));
    assert!(cloud.url.contains("%25C3%25A9"), "it is called as the file is now");
    assert_eq!(world.fetch(&cloud).await.unwrap(), BYTES);

    world.harness.admin().order("mac", NAME).await.unwrap();
    let facts = xylem_api::agent::CheckIn {
        believing: None,
        program_version: "9.9".into(),
        os: "macOS 15.1".into(),
        architecture: "arm64".into(),
        free_bytes: 1,
    };
    let answer = world.agent.check_in(&facts).await.unwrap();
    assert_eq!(world.fetch(answer.sources[0].cloud.as_ref().unwrap()).await.unwrap(), BYTES);

    let for_admin = world.harness.admin().sources(FileKind::Package, NAME).await.unwrap();
    let cloud = for_admin.cloud.unwrap();
    assert_eq!(cloud.until, after(180), "no longer than a ticket without a holder");
    world.harness.clock.advance(Duration::from_secs(601));
    let refused = world.fetch(&cloud).await.unwrap_err();
    assert!(matches!(refused, ClientError::Answer { status: 403, .. }), "{refused:?}");
    assert!(world.fetch(&world.offered().await.unwrap()).await.is_ok());
}

#[tokio::test]
async fn what_is_not_proved_or_wanted_no_longer_is_not_offered() {
    let world = World::new(None).await;
    assert_eq!(world.offered().await, None, "nothing is known of it");
    world.proving().await;
    assert_eq!(world.offered().await, None, "it was not looked at yet");
    assert!(world.db().note_cloud_present(world.work(), None, START).await.unwrap());
    assert!(world.offered().await.is_some());
    let (seen, content) = (world.following().await, [ContentId::of(BYTES)]);
    assert!(world.db().unwant_in_cloud(&seen, &content, START).await.unwrap());
    assert_eq!(world.offered().await, None, "it is about to be removed");
}

#[tokio::test]
async fn what_was_not_chosen_is_not_offered() {
    let world = World::filled(None).await;
    let select = async |pattern: &str| {
        let names = vec![NamePattern::try_from(pattern.to_owned()).unwrap()];
        let selection = Selection { rules: vec![Rule { names, ..Rule::default() }] };
        let db = world.db();
        db.set_cloud_selection(world.point, Some(&selection), &admin(), START).await.unwrap();
    };
    select("Other*").await;
    assert_eq!(world.offered().await, None, "before anybody followed the change");
    select("Depot*").await;
    assert!(world.offered().await.is_some());
}

#[tokio::test]
async fn a_point_that_stands_still_is_offered_where_it_can_be_read() {
    let world = World::filled(None).await;
    world.db().pause_cloud(world.point, true, &admin(), START).await.unwrap();
    assert!(world.offered().await.is_some(), "clients go on while it is paused");
    world.broken(Some(false)).await;
    assert_eq!(world.offered().await, None);
    world.broken(Some(true)).await;
    assert!(world.offered().await.is_some(), "the account is full, say");
    world.broken(None).await;
    assert!(world.offered().await.is_some());
}

#[tokio::test]
async fn a_point_that_works_again_is_found_without_a_root() {
    let world = World::filled(None).await;
    world.broken(Some(false)).await;
    // What a server does every minute it does as it starts too.
    let harness = world.harness.stop().await.start().await;
    let is_broken =
        async || harness.database.cloud_point().await.unwrap().unwrap().broken.is_some();
    let mended = async {
        while is_broken().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), mended).await.expect("it is tried again");
}

#[tokio::test]
async fn its_place_is_what_is_set() {
    let world = World::filled(Some(CloudOffer::BeforeRoot)).await;
    assert_eq!(world.offered().await.unwrap().before, Some(world.root.id));
    let change = |revision: u64, offer: Value| ChangeCloud {
        revision,
        settings: Some(json!({ "offer": offer })),
        ..ChangeCloud::default()
    };
    let admin = world.harness.admin();
    admin.change_cloud(&change(1, json!("never"))).await.unwrap();
    assert_eq!(world.offered().await, None);
    admin.change_cloud(&change(2, Value::Null)).await.unwrap();
    assert_eq!(world.offered().await.unwrap().before, None);
}

#[tokio::test]
async fn where_no_address_can_be_made_the_answer_goes_without() {
    let world = World::filled(None).await;
    let other = CloudPointChange { sealed: Some("sealed by nobody".into()), ..Default::default() };
    world.db().change_cloud_point(world.point, 1, &other, &admin(), START).await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.offered().await, None);
    }
}

#[tokio::test]
async fn what_a_computer_tells_of_the_cloud_is_counted_and_a_doubt_is_not_believed() {
    let world = World::filled(None).await;
    let admin = world.harness.admin();
    let order = admin.order("mac", NAME).await.unwrap();
    let try_of = |source: &str, failure: Option<String>| FetchAttempt {
        source: source.to_owned(),
        from: 0,
        bytes: BYTES.len() as u64,
        took_ms: 1,
        failure,
    };
    let wrong = try_of(CLOUD_SOURCE, Some(format!("{WRONG_BYTES}: digests disagree")));
    let told = OrderReport {
        result: "installed".into(),
        message: "it is there".into(),
        attempts: vec![wrong, try_of("root", None)],
        install: Value::Null,
        started_at: START,
        finished_at: START,
    };
    for _ in 0..2 {
        world.agent.report(order.id, &told).await.unwrap();
    }
    let months = admin.cloud_usage().await.unwrap().months;
    let [month] = &months[..] else { panic!("{months:?}") };
    assert_eq!(month.told_by_agents_bytes, BYTES.len() as u64, "a report told twice is one");
    assert_eq!((month.sent_bytes, month.read_back_bytes), (0, 0));
    let file = admin.cloud_files(None, None).await.unwrap().items.remove(0);
    assert_eq!((file.state, file.verified_at), (CloudFileState::Present, None));
    assert!(file.doubted_at.is_some(), "{file:?}");
    assert!(world.offered().await.is_some(), "nobody is believed");
}

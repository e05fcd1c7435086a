//! The cloud as a place to fetch from: addresses of a strict S3, which end, and bytes that are not
//! believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use xylem_agent::{Agent, Progress, silent};
use xylem_api::agent::{CLOUD_SOURCE, FetchAttempt};
use xylem_api::catalogue::{CloudCandidate, Sources};
use xylem_cloud::{CloudSettings, Moment, Secrets, UrlFor, provider_of};
use xylem_model::Timestamp;
use xylem_runtime::{Environment, ManualClock};
use xylem_testkit::{
    CutProxy, Direction, S3_BUCKET, S3_KEY_ID, S3_REGION, S3_SECRET, S3Double, S3Fault,
};
use xylem_trust::Envelope;

use crate::distribution::{Distribution, Manner};
use crate::world::{NOW, Package, World};

const NAME: &str = "Depot-1.0.pkg";
/// How long an address lives.
const LIFE: Duration = Duration::from_secs(60);

/// An agent with one order for a package that lies in a cloud, behind a wire that can be cut. The
/// cloud has a clock of its own.
struct Cloud {
    world: World,
    agent: Agent,
    package: Package,
    double: S3Double,
    clock: Arc<ManualClock>,
    wire: CutProxy,
}

impl Cloud {
    async fn new() -> Self {
        let world = World::new().await;
        let agent = world.agent().await;
        let package = world.package(NAME);
        let clock = Arc::new(ManualClock::new(NOW));
        let environment = Environment { clock: clock.clone(), ..Environment::real() };
        let double = S3Double::start(&environment).await;
        let behind = double.endpoint();
        let wire = CutProxy::to(behind.trim_start_matches("https://")).await;
        let cloud = Self { world, agent, package, double, clock, wire };
        cloud.double.place(&cloud.key(), cloud.package.bytes.clone());
        cloud
    }

    fn settings(&self) -> CloudSettings {
        let settings = json!({
            "provider": "s3",
            "bucket": S3_BUCKET,
            "region": S3_REGION,
            "endpoint": self.wire.url(),
            "prefix": "macs",
        });
        serde_json::from_value(settings).unwrap()
    }

    fn key(&self) -> String {
        self.settings().prefix().content(&self.package.content()).as_str().to_owned()
    }

    /// An address that was made at a moment.
    fn candidate(&self, at: Timestamp) -> CloudCandidate {
        let (settings, keys) = (self.settings(), keys());
        let descriptor = &self.package.descriptor;
        let url = provider_of(&settings, &keys, None).unwrap().url(&UrlFor {
            key: &settings.prefix().content(&descriptor.content),
            size: descriptor.size,
            name: &descriptor.name,
            client: None,
            at: Moment { now: at, nonce: 1 },
            life: LIFE,
        });
        CloudCandidate {
            url: url.unwrap().reveal().to_owned(),
            until: at.plus(LIFE),
            ca_pem: Some(self.double.ca_pem().to_owned()),
            before: None,
        }
    }

    fn sources(&self, servers: &[&Distribution], at: Timestamp) -> Sources {
        let cloud = Some(self.candidate(at));
        Sources { cloud, ..self.world.sources(&self.package, servers) }
    }

    /// Orders the package, which these servers offer and the cloud, by an address of this moment.
    /// Whoever asks for fresh sources gets one of the other moment.
    fn order(&self, servers: &[&Distribution], at: Timestamp, fresh: Timestamp) {
        let orders = self.world.orders(&self.agent, &[(1, &self.package)]);
        let orders = Envelope::sign(&orders, &[&self.world.online]).unwrap();
        self.world.answer(orders, vec![self.sources(servers, at)]);
        self.world.management.set_sources(NAME, self.sources(servers, fresh));
    }

    fn attempts(&self) -> Vec<FetchAttempt> {
        self.world.management.reports().pop().unwrap().1.attempts
    }

    /// How often an object was asked for.
    fn asked(&self) -> usize {
        self.double.asked().len()
    }
}

fn keys() -> Secrets {
    let keys = json!({ "provider": "s3", "key_id": S3_KEY_ID, "secret": S3_SECRET });
    serde_json::from_value(keys).unwrap()
}

/// Where each try was made, and how much came.
fn tries(attempts: &[FetchAttempt]) -> Vec<(&str, u64, bool)> {
    attempts.iter().map(|it| (it.source.as_str(), it.from, it.failure.is_none())).collect()
}

#[tokio::test]
async fn a_package_comes_from_the_cloud_alone() {
    let cloud = Cloud::new().await;
    cloud.order(&[], NOW, NOW);
    assert_eq!(cloud.world.result(&cloud.agent).await, "installed");
    let attempts = cloud.attempts();
    assert_eq!(tries(&attempts), [(CLOUD_SOURCE, 0, true)]);
    assert_eq!(attempts[0].bytes, cloud.package.descriptor.size);
    assert_eq!(cloud.asked(), 1);
}

#[tokio::test]
async fn it_has_its_turn_after_the_servers_and_goes_on_at_their_byte() {
    let cloud = Cloud::new().await;
    let near = cloud.world.distribution("near").await.with(&cloud.package);
    let cut = cloud.package.bytes.len() / 3;
    near.behaves(Manner::CutAt(cut));
    cloud.order(&[&near], NOW, NOW);
    assert_eq!(cloud.world.result(&cloud.agent).await, "installed");
    let attempts = cloud.attempts();
    assert_eq!(tries(&attempts), [("near", 0, false), (CLOUD_SOURCE, cut as u64, true)]);
}

#[tokio::test]
async fn an_address_that_ends_in_the_middle_is_renewed_and_the_rest_is_fetched() {
    let cloud = Cloud::new().await;
    let later = NOW.plus(LIFE);
    cloud.order(&[], NOW, later);
    cloud.wire.cut_after(Direction::Down, 600_000);
    let (clock, told) = (Arc::clone(&cloud.clock), Arc::new(AtomicU64::new(0)));
    let progress = {
        let told = Arc::clone(&told);
        move |progress: Progress| {
            if let Progress::Fetching { source, bytes, .. } = progress {
                assert_eq!(source, CLOUD_SOURCE);
                told.store(bytes, Ordering::SeqCst);
                // The address ends while bytes come by it.
                clock.set(later);
            }
        }
    };
    let outcome = cloud.agent.check_in(&cloud.world.target(), &progress).await.unwrap();
    assert_eq!(outcome.orders[0].result, "installed", "{outcome:?}");
    assert_eq!(told.load(Ordering::SeqCst), cloud.package.descriptor.size);
    let attempts = cloud.attempts();
    let have = attempts[0].bytes;
    assert!(have > 0 && have < 600_000, "{attempts:?}");
    let expected =
        [(CLOUD_SOURCE, 0, false), (CLOUD_SOURCE, have, false), (CLOUD_SOURCE, have, true)];
    assert_eq!(tries(&attempts), expected);
    let refused = attempts[1].failure.as_ref().unwrap();
    assert!(refused.contains("403 Forbidden (AccessDenied)"), "{refused}");
    assert!(!format!("{attempts:?}").contains("X-Amz"), "{attempts:?}");
}

#[tokio::test]
async fn an_address_that_is_known_to_be_over_is_not_tried() {
    let cloud = Cloud::new().await;
    cloud.world.clock.advance(LIFE);
    cloud.clock.advance(LIFE);
    cloud.order(&[], NOW, NOW.plus(LIFE));
    assert_eq!(cloud.world.result(&cloud.agent).await, "installed");
    assert_eq!(tries(&cloud.attempts()), [(CLOUD_SOURCE, 0, true)]);
    assert_eq!(cloud.asked(), 1);
}

#[tokio::test]
async fn a_cloud_that_turns_a_fresh_address_down_too_is_left_for_the_others() {
    let cloud = Cloud::new().await;
    let far = cloud.world.distribution("far").await.with(&cloud.package);
    cloud.clock.set(NOW.plus(10 * LIFE));
    let mut sources = cloud.sources(&[&far], NOW);
    let before = Some(sources.candidates[0].server);
    sources.cloud.as_mut().unwrap().before = before;
    cloud.order(&[&far], NOW, NOW);
    let orders = cloud.world.orders(&cloud.agent, &[(1, &cloud.package)]);
    let orders = Envelope::sign(&orders, &[&cloud.world.online]).unwrap();
    cloud.world.answer(orders, vec![sources]);
    assert_eq!(cloud.world.result(&cloud.agent).await, "installed");
    let attempts = cloud.attempts();
    let expected = [(CLOUD_SOURCE, 0, false), (CLOUD_SOURCE, 0, false), ("far", 0, true)];
    assert_eq!(tries(&attempts), expected);
    assert_eq!(cloud.asked(), 2);
}

#[tokio::test]
async fn wrong_bytes_are_refused_and_nothing_is_installed() {
    let cloud = Cloud::new().await;
    cloud.order(&[], NOW, NOW);
    cloud.double.misbehave(S3Fault::OtherBytes);
    let outcome = cloud.world.check_in(&cloud.agent).await;
    assert_eq!(outcome.orders[0].result, "hash-mismatch", "{outcome:?}");
    assert!(outcome.orders[0].message.contains(CLOUD_SOURCE), "{outcome:?}");
    assert!(cloud.world.target_is_untouched());
    let told = &cloud.attempts()[0];
    assert!(told.is_of_cloud() && told.is_of_wrong_bytes(), "it says so in its report: {told:?}");
    assert_eq!(cloud.asked(), 1, "what lies there is what lies there");

    cloud.double.misbehave(S3Fault::None);
    cloud.double.place(&cloud.key(), cloud.package.bytes[1..].to_vec());
    cloud.world.management.set_sources(NAME, cloud.sources(&[], NOW));
    let output = cloud.world.folder.path().join("out.pkg");
    let name = NAME.parse().unwrap();
    let told = cloud.agent.fetch_package(&name, &output, &silent).await.unwrap_err();
    let told = xylem_telemetry::chain(&told).to_string();
    assert!(told.contains(CLOUD_SOURCE) && !told.contains("X-Amz"), "{told}");
    assert!(!output.exists());
}

#[tokio::test]
async fn a_cloud_that_knows_no_ranges_sends_the_whole() {
    let cloud = Cloud::new().await;
    let near = cloud.world.distribution("near").await.with(&cloud.package);
    near.behaves(Manner::CutAt(1000));
    cloud.double.misbehave(S3Fault::NoRanges);
    cloud.order(&[&near], NOW, NOW);
    assert_eq!(cloud.world.result(&cloud.agent).await, "installed");
    assert_eq!(tries(&cloud.attempts()), [("near", 0, false), (CLOUD_SOURCE, 0, true)]);
}

#[tokio::test]
async fn a_cloud_of_another_authority_is_not_believed() {
    let cloud = Cloud::new().await;
    let mut sources = cloud.sources(&[], NOW);
    sources.cloud.as_mut().unwrap().ca_pem = Some(cloud.world.authority.root_pem());
    cloud.world.management.set_sources(NAME, sources);
    let output = cloud.world.folder.path().join("out.pkg");
    let told = cloud.agent.fetch_package(&NAME.parse().unwrap(), &output, &silent).await;
    let told = xylem_telemetry::chain(&told.unwrap_err()).to_string();
    assert!(told.contains("no trusted connection") && !told.contains("X-Amz"), "{told}");
    assert_eq!(cloud.asked(), 0);
}

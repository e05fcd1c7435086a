//! A Swift as cloud distribution point, and Rackspace: set by every login, tested step by step,
//! filled, given out, and tokens and keys that end in the middle.

mod keys;
mod life;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body as HttpBody;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::ServiceExt;
use xylem_api::cloud::{
    AskCloudPolicy, ChangeCloud, CloudKeys, CloudStepOutcome, CloudTestStep, SetCloud,
};
use xylem_api::error::ErrorCode;
use xylem_http::Peer;
use xylem_testkit::{
    SWIFT_CONTAINER, SWIFT_CREDENTIAL, SWIFT_DOMAIN, SWIFT_PASSWORD, SWIFT_PROJECT, SWIFT_REGION,
    SWIFT_USER, SwiftDouble, SwiftFault,
};

use crate::cloud::forgetting;
use crate::harness::{FakeServer, Harness, refusal};

const SEGMENTS: &str = "packages_segments";
const MARKER: &str = "macs/xylem.json";

/// A server that may reach the loopback, and a Swift there.
struct World {
    harness: Harness,
    double: SwiftDouble,
}

impl World {
    async fn new() -> Self {
        let mut stopped = Harness::start().await.stop().await;
        stopped.config.cloud_private_hosts = vec!["127.0.0.1".to_owned()];
        let harness = stopped.start().await;
        let double = SwiftDouble::start(&harness.environment).await;
        Self { harness, double }
    }

    /// The management server is started anew.
    async fn restarted(self) -> Self {
        let Self { harness, double } = self;
        Self { harness: harness.stop().await.start().await, double }
    }

    fn swift(&self, auth: Value, url: String) -> Value {
        json!({
            "provider": "swift",
            "auth": auth,
            "auth_url": url,
            "region": SWIFT_REGION,
            "container": SWIFT_CONTAINER,
            "prefix": "macs",
        })
    }

    fn tempauth(&self) -> Value {
        let mut storage =
            self.swift(json!({ "tempauth": { "user": SWIFT_USER } }), self.double.tempauth_url());
        storage["region"] = Value::Null;
        storage
    }

    fn rackspace(&self, public: bool) -> Value {
        json!({
            "provider": "rackspace",
            "auth_url": self.double.rackspace_url(),
            "user": SWIFT_USER,
            "region": SWIFT_REGION,
            "container": SWIFT_CONTAINER,
            "prefix": "macs",
            "public": public,
            "ttl_seconds": 7200,
        })
    }

    fn set(&self, storage: Value) -> SetCloud {
        SetCloud {
            ca_pem: Some(self.double.ca_pem().to_owned()),
            ..SetCloud::new(storage, keys(SWIFT_PASSWORD))
        }
    }

    /// Asks as a distribution server does.
    async fn call<A: DeserializeOwned>(
        &self,
        server: &FakeServer,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<A, (StatusCode, String)> {
        let request = Request::post(format!("/v1/control/cloud/{path}"));
        let body = HttpBody::from(serde_json::to_vec(body).unwrap());
        let mut request = request.header("content-type", "application/json").body(body).unwrap();
        let certificate = Some(Arc::new(server.identity.current().certificate().clone()));
        let address = SocketAddr::from(([10, 0, 0, 1], 1));
        request.extensions_mut().insert(Peer { address, certificate });
        let answer = self.harness.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        if !status.is_success() {
            return Err((status, String::from_utf8(bytes.to_vec()).unwrap()));
        }
        let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        Ok(serde_json::from_slice(text).unwrap())
    }

    /// Why the point stands still, if it does.
    async fn broken(&self) -> Option<String> {
        let progress = self.harness.admin().cloud().await.unwrap().progress.unwrap();
        progress.broken.map(|broken| broken.message)
    }
}

fn keys(password: &str) -> CloudKeys {
    CloudKeys(json!({ "provider": "swift", "password": password }))
}

#[tokio::test]
async fn a_swift_is_set_by_every_login_and_nothing_is_left_behind() {
    let world = World::new().await;
    let admin = world.harness.admin();
    let password = json!({ "keystone3_password": {
        "user": SWIFT_USER, "user_domain": SWIFT_DOMAIN,
        "project": SWIFT_PROJECT, "project_domain": SWIFT_DOMAIN } });
    let application = json!({ "keystone3_application": { "id": SWIFT_CREDENTIAL } });
    let keystone = world.double.keystone_url();
    for storage in [
        world.tempauth(),
        world.swift(password, keystone.clone()),
        world.swift(application, keystone),
        world.rackspace(false),
    ] {
        let point = admin.set_cloud(&world.set(storage.clone())).await.unwrap();
        let test = point.last_test.unwrap();
        let passed = |step: &CloudTestStep| step.outcome == CloudStepOutcome::Passed;
        assert!(test.passed && test.steps.iter().all(passed), "{storage}: {test:?}");
        let names: Vec<&str> = test.steps.iter().map(|step| step.name.as_str()).collect();
        let first = ["log in", "abilities", "container", "segments container", "TempURL key"];
        assert_eq!(names[..5], first);
        assert!(names.contains(&"large file") && names.len() >= 18, "{names:?}");
        assert_eq!(world.double.names(SWIFT_CONTAINER), [MARKER], "{storage}");
        assert_eq!(world.double.names(SEGMENTS), Vec::<String>::new());
        assert_eq!(world.double.cdn_ttl(SWIFT_CONTAINER), None);
        // What the point before left there is known by what it begins with.
        let [first, second] = world.double.account_keys();
        assert!(first.starts_with("xylem-") && first.len() > 64 && second.is_empty());
        admin.remove_cloud(forgetting()).await.unwrap();
    }
    assert_eq!(world.double.containers(), [SWIFT_CONTAINER, SEGMENTS]);
    assert!(world.double.asked().iter().any(|it| it.contains("%20b%2B%C3%A9%2650%25%23")));
}

#[tokio::test]
async fn a_public_container_is_given_out_by_the_network_and_says_so() {
    let world = World::new().await;
    let point = world.harness.admin().set_cloud(&world.set(world.rackspace(true))).await.unwrap();
    let test = point.last_test.unwrap();
    assert!(test.passed, "{test:?}");
    let step = |name: &str| test.steps.iter().find(|step| step.name == name).unwrap();
    assert_eq!(step("delivery network").outcome, CloudStepOutcome::Passed);
    assert_eq!(step("read signed").outcome, CloudStepOutcome::Passed);
    assert_eq!(step("refused unsigned").outcome, CloudStepOutcome::Skipped);
    assert_eq!(world.double.cdn_ttl(SWIFT_CONTAINER), Some(7200));
    assert!(world.double.asked().iter().any(|it| it.starts_with("GET /public/packages/macs/")));
}

#[tokio::test]
async fn a_container_with_a_key_of_its_own_holds_its_segments_too() {
    let world = World::new().await;
    let mut storage = world.tempauth();
    storage["key_scope"] = json!("container");
    let point = world.harness.admin().set_cloud(&world.set(storage)).await.unwrap();
    let test = point.last_test.unwrap();
    assert!(test.passed, "{test:?}");
    assert_eq!(world.double.containers(), [SWIFT_CONTAINER]);
    assert!(world.double.container_keys(SWIFT_CONTAINER)[0].starts_with("xylem-"));
    assert_eq!(world.double.account_keys(), ["", ""]);
    assert_eq!(world.double.names(SWIFT_CONTAINER), [MARKER]);
}

#[tokio::test]
async fn every_step_fails_for_a_reason_of_its_own_and_nothing_stays() {
    let world = World::new().await;
    let admin = world.harness.admin();
    let cases = [
        (SwiftFault::Busy, "log in:", "503"),
        (SwiftFault::LoginRefused, "log in:", "keys again"),
        (SwiftFault::NoTempUrl, "abilities:", "TempURL is off"),
        (SwiftFault::ContainerGone, "container:", "no such container"),
        (SwiftFault::TokensRefused, "container:", "401"),
        (SwiftFault::OtherBytes, "read:", "others are read"),
        (SwiftFault::NoRanges, "read a range signed:", "206"),
        (SwiftFault::Public, "refused unsigned:", "anybody"),
    ];
    for (fault, step, words) in cases {
        world.double.misbehave(fault);
        let (code, told) = refusal(admin.set_cloud(&world.set(world.tempauth())).await);
        assert_eq!(code, ErrorCode::Refused, "{told}");
        assert!(told.contains(step) && told.contains(words), "{fault:?}: {told}");
        assert!(told.contains("nothing was stored"), "{told}");
        assert_eq!(admin.cloud().await.unwrap().point, None);
        world.double.misbehave(SwiftFault::None);
        for container in [SWIFT_CONTAINER, SEGMENTS] {
            assert_eq!(world.double.names(container), Vec::<String>::new(), "{fault:?}");
        }
        assert_eq!(world.double.account_keys(), ["", ""], "{fault:?}: it was taken back");
    }
    let wrong = SetCloud { keys: keys("another"), ..world.set(world.tempauth()) };
    let (_, told) = refusal(admin.set_cloud(&wrong).await);
    assert!(told.contains("log in:") && told.contains("keys again"), "{told}");
    let mut elsewhere = world.tempauth();
    elsewhere["container"] = json!("others");
    let (_, told) = refusal(admin.set_cloud(&world.set(elsewhere)).await);
    assert!(told.contains("container:") && told.contains("no such container"), "{told}");
    assert_eq!(world.double.containers(), [SWIFT_CONTAINER, SEGMENTS], "none is made in vain");
    world.double.set_account_key(0, "theirs");
    world.double.set_account_key(1, "others'");
    let (_, told) = refusal(admin.set_cloud(&world.set(world.tempauth())).await);
    assert!(told.contains("TempURL key:") && told.contains("free one of them"), "{told}");
    assert_eq!(world.double.account_keys(), ["theirs", "others'"]);
}

#[tokio::test]
async fn what_a_swift_cannot_is_said_and_done_without() {
    let world = World::new().await;
    let admin = world.harness.admin();
    for (fault, words) in
        [(SwiftFault::OnlySha1, "SHA-1"), (SwiftFault::NoSegments, "no static large objects")]
    {
        world.double.misbehave(fault);
        let point = admin.set_cloud(&world.set(world.tempauth())).await.unwrap();
        let test = point.last_test.unwrap();
        let abilities = test.steps.iter().find(|step| step.name == "abilities").unwrap();
        let told = abilities.message.as_deref().unwrap_or_default();
        assert!(test.passed && told.contains(words), "{test:?}");
        admin.remove_cloud(forgetting()).await.unwrap();
    }
}

#[tokio::test]
async fn a_test_goes_on_where_tokens_end_in_the_middle() {
    let world = World::new().await;
    world.double.misbehave(SwiftFault::TokensEnd);
    for storage in [world.tempauth(), world.rackspace(true)] {
        let before = world.double.logins();
        let point = world.harness.admin().set_cloud(&world.set(storage)).await.unwrap();
        let test = point.last_test.unwrap();
        assert!(test.passed, "{test:?}");
        assert!(world.double.logins() - before > 10, "{} logins", world.double.logins());
        world.harness.admin().remove_cloud(forgetting()).await.unwrap();
    }
}

#[tokio::test]
async fn fields_of_another_provider_and_keys_of_ours_are_refused_by_name() {
    let world = World::new().await;
    let admin = world.harness.admin();
    let with = |change: fn(&mut Value)| {
        let mut storage = world.tempauth();
        change(&mut storage);
        world.set(storage)
    };
    let ours = json!({ "provider": "swift", "password": "p", "temp_url_key": "k" });
    let cases = [
        (with(|it| it["bucket"] = json!("b")), "bucket"),
        (with(|it| it["auth"]["tempauth"]["project"] = json!("p")), "project"),
        (with(|it| it["auth_url"] = json!("http://127.0.0.1")), "https"),
        (with(|it| it["key_scope"] = json!("user")), "key_scope"),
        (SetCloud { keys: CloudKeys(ours), ..world.set(world.tempauth()) }, "TempURL"),
        (SetCloud { keys: keys("é"), ..world.set(world.tempauth()) }, "password"),
    ];
    for (wrong, named) in cases {
        let (code, told) = refusal(admin.set_cloud(&wrong).await);
        assert_eq!(code, ErrorCode::BadRequest, "{told}");
        assert!(told.contains(named) || told.contains("unknown variant"), "{named}: {told}");
    }
    assert!(world.double.asked().is_empty());
    for (storage, words) in [
        (world.tempauth(), ["owns the account", "packages_segments"]),
        (world.rackspace(false), ["object-store:admin", SWIFT_REGION]),
    ] {
        let asked = AskCloudPolicy { storage: Some(storage) };
        let policy = admin.cloud_policy(&asked).await.unwrap().policy;
        assert!(words.iter().all(|word| policy.contains(word)), "{policy}");
    }
}

//! The cloud distribution point: set, tested, changed, removed, and what never gets out.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use xylem_api::cloud::{
    AskCloudPolicy, ChangeCloud, CloudKeys, CloudOffer, CloudStepOutcome, CloudTest, CloudTestStep,
    RemoveCloud, SetCloud,
};
use xylem_api::control_cloud::CloudNext;
use xylem_api::error::ErrorCode;
use xylem_api::server::Scope;
use xylem_http::Peer;
use xylem_model::ContentId;
use xylem_testkit::{S3_BUCKET, S3_KEY_ID, S3_REGION, S3_SECRET, S3Double, S3Fault};

use crate::harness::{Harness, refusal};

/// A server that may reach the loopback, and a cloud there.
pub(crate) async fn start() -> (Harness, S3Double) {
    let mut stopped = Harness::start().await.stop().await;
    stopped.config.cloud_private_hosts = vec!["127.0.0.1".to_owned()];
    let harness = stopped.start().await;
    let double = S3Double::start(&harness.environment).await;
    (harness, double)
}

fn storage(double: &S3Double) -> Value {
    json!({
        "provider": "s3",
        "bucket": S3_BUCKET,
        "region": S3_REGION,
        "endpoint": double.endpoint(),
        "prefix": "macs",
    })
}

fn keys(secret: &str) -> CloudKeys {
    CloudKeys(json!({ "provider": "s3", "key_id": S3_KEY_ID, "secret": secret }))
}

pub(crate) fn set(double: &S3Double) -> SetCloud {
    SetCloud {
        ca_pem: Some(double.ca_pem().to_owned()),
        ..SetCloud::new(storage(double), keys(S3_SECRET))
    }
}

/// A point that is forgotten at once.
pub(crate) fn forgetting() -> RemoveCloud {
    RemoveCloud { forget: true, ..RemoveCloud::default() }
}

fn step<'a>(test: &'a CloudTest, name: &str) -> &'a CloudTestStep {
    test.steps.iter().find(|step| step.name == name).unwrap_or_else(|| panic!("{name}: {test:?}"))
}

#[tokio::test]
async fn a_point_is_tested_set_changed_and_forgotten() {
    let (harness, double) = start().await;
    let admin = harness.admin();
    let point = admin.set_cloud(&set(&double)).await.unwrap();
    assert_eq!((point.revision, point.url_lifetime_seconds), (1, 600));
    assert_eq!(point.storage["bucket"], S3_BUCKET);
    let test = point.last_test.clone().unwrap();
    let all = test.steps.iter().all(|step| step.outcome == CloudStepOutcome::Passed);
    assert!(test.passed && all && test.steps.len() >= 13, "{test:?}");
    assert_eq!(double.names(), ["macs/xylem.json"], "nothing else is left behind");
    assert!(double.uploads().is_empty());
    assert!(double.asked().iter().any(|it| it.contains("%20b%2B%C3%A9%2650%25%23")));
    assert_eq!(admin.cloud().await.unwrap().point, Some(point.clone()));

    let patch =
        json!({ "storage": { "prefix": "other" }, "url_lifetime_seconds": 60, "offer": "never" });
    let change = ChangeCloud { revision: 1, settings: Some(patch), ..ChangeCloud::default() };
    let changed = admin.change_cloud(&change).await.unwrap();
    assert_eq!((changed.revision, changed.url_lifetime_seconds), (2, 60));
    assert_eq!((point.offer, changed.offer), (CloudOffer::Last, CloudOffer::Never));
    assert_eq!(
        (&changed.storage["prefix"], &changed.storage["bucket"]),
        (&json!("other"), &json!(S3_BUCKET))
    );
    assert_eq!(changed.keys_set_at, point.keys_set_at);
    assert_eq!(refusal(admin.change_cloud(&change).await).0, ErrorCode::Conflict);

    double.misbehave(S3Fault::NoRanges);
    let test = admin.test_cloud().await.unwrap();
    assert!(!test.passed, "that a step fails is no error of the call");
    assert_eq!(admin.cloud().await.unwrap().point.unwrap().last_test, Some(test));

    admin.remove_cloud(forgetting()).await.unwrap();
    assert_eq!(admin.cloud().await.unwrap().point, None);
    let removed = admin.remove_cloud(RemoveCloud::default()).await.map(drop);
    for answer in [removed, admin.test_cloud().await.map(drop)] {
        assert_eq!(refusal(answer).0, ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn there_is_one_point_and_the_one_that_it_replaced() {
    let (harness, double) = start().await;
    let admin = harness.admin();
    let first = admin.set_cloud(&set(&double)).await.unwrap();
    let (code, told) = refusal(admin.set_cloud(&set(&double)).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("at most one"), "{told}");

    let mut other = SetCloud { replace: true, ..set(&double) };
    let (code, told) = refusal(admin.set_cloud(&other).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("this very place") && told.contains("cloud change"), "{told}");
    other.storage["prefix"] = json!("others");
    let second = admin.set_cloud(&other).await.unwrap();
    let state = admin.cloud().await.unwrap();
    assert_eq!(state.point.unwrap().id, second.id);
    assert_eq!(state.former.unwrap().id, first.id);
    assert_eq!(refusal(admin.set_cloud(&other).await).0, ErrorCode::Conflict);
    let back = json!({ "storage": { "prefix": "macs" } });
    let back = ChangeCloud { revision: 1, settings: Some(back), ..ChangeCloud::default() };
    let (code, told) = refusal(admin.change_cloud(&back).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("is being left is in this very place"), "{told}");
    admin.remove_cloud(RemoveCloud { former: true, ..forgetting() }).await.unwrap();
    assert_eq!(admin.cloud().await.unwrap().former, None);
}

#[tokio::test]
async fn every_step_fails_for_a_reason_of_its_own_and_nothing_is_stored() {
    let (harness, double) = start().await;
    let admin = harness.admin();
    let cases = [
        (S3Fault::Busy, "write:", "SlowDown"),
        (S3Fault::BucketGone, "write:", "NoSuchBucket"),
        (S3Fault::BucketGoneUnsaid, "write:", "NoSuchBucket"),
        (S3Fault::ClockAhead(1200), "clock:", "1200 s behind"),
        (S3Fault::NoRanges, "read a range signed:", "206"),
        (S3Fault::OtherBytes, "read:", "others are read"),
        (S3Fault::Public, "refused unsigned:", "anybody"),
    ];
    for (fault, step, words) in cases {
        double.misbehave(fault);
        let (code, told) = refusal(admin.set_cloud(&set(&double)).await);
        assert_eq!(code, ErrorCode::Refused, "{told}");
        assert!(told.contains(step) && told.contains(words), "{fault:?}: {told}");
        assert!(told.contains("nothing was stored"), "{told}");
        assert_eq!(admin.cloud().await.unwrap().point, None);
        double.misbehave(S3Fault::None);
        assert!(double.names().is_empty(), "{fault:?}: {:?}", double.names());
    }
    let wrong = SetCloud { keys: keys("another"), ..set(&double) };
    let (_, told) = refusal(admin.set_cloud(&wrong).await);
    assert!(told.contains("SignatureDoesNotMatch") && told.contains("keys again"), "{told}");

    double.misbehave(S3Fault::NoConditions);
    let point = admin.set_cloud(&set(&double)).await.unwrap();
    let test = point.last_test.unwrap();
    let told = step(&test, "write once only");
    assert!(test.passed && told.message.as_ref().unwrap().contains("asked after"), "{told:?}");
}

#[tokio::test]
async fn what_cannot_be_set_is_refused_by_name_before_anything_is_asked() {
    let (harness, double) = start().await;
    let admin = harness.admin();
    let with = |change: fn(&mut Value)| {
        let mut storage = storage(&double);
        change(&mut storage);
        SetCloud { storage, ..set(&double) }
    };
    let cases = [
        (with(|it| it["account"] = json!("x")), "account"),
        (with(|it| it["endpoint"] = json!("http://127.0.0.1")), "https"),
        (with(|it| it["provider"] = json!("folder")), "bucket"),
        (SetCloud { url_lifetime_seconds: Some(5), ..set(&double) }, "url_lifetime_seconds"),
        (
            SetCloud {
                keys: CloudKeys(json!({ "provider": "swift", "password": "p" })),
                ..set(&double)
            },
            "another provider",
        ),
        (SetCloud { keys: keys(""), ..set(&double) }, "secret"),
        (SetCloud { ca_pem: Some("none".to_owned()), ..set(&double) }, "not believed"),
    ];
    for (wrong, named) in cases {
        let (code, told) = refusal(admin.set_cloud(&wrong).await);
        assert_eq!(code, ErrorCode::BadRequest, "{told}");
        assert!(told.contains(named), "{named}: {told}");
    }
    assert!(double.asked().is_empty());
}

#[tokio::test]
async fn hosts_of_ones_own_network_are_refused_unless_they_are_named() {
    let harness = Harness::start().await;
    let double = S3Double::start(&harness.environment).await;
    let (_, told) = refusal(harness.admin().set_cloud(&set(&double)).await);
    assert!(told.contains("not a public one"), "{told}");
    assert!(double.asked().is_empty());
}

#[tokio::test]
async fn keys_get_out_nowhere() {
    let (harness, double) = start().await;
    let admin = harness.admin();
    let point = admin.set_cloud(&set(&double)).await.unwrap();
    let change = ChangeCloud { revision: 1, keys: Some(keys(S3_SECRET)), ..ChangeCloud::default() };
    let changed = admin.change_cloud(&change).await.unwrap();
    double.misbehave(S3Fault::BucketGone);
    let failed = admin.test_cloud().await.unwrap();
    let audit = harness.database.audit_records(None, 20).await.unwrap();
    assert!(audit.iter().any(|it| it.action == "cloud.change" && it.detail["keys"] == true));
    let mut dump = Vec::new();
    harness.database.dump(&mut dump).await.unwrap();
    let dump = String::from_utf8(dump).unwrap();
    assert!(dump.contains("\"table\":\"cloud_points\""));
    let state = admin.cloud().await.unwrap();
    let told = format!("{point:?} {changed:?} {failed:?} {state:?} {audit:?} {dump}");
    assert!(!told.contains(S3_SECRET) && !told.contains("planted"));
}

#[tokio::test]
async fn what_is_sealed_opens_after_a_restart() {
    let (harness, double) = start().await;
    harness.admin().set_cloud(&set(&double)).await.unwrap();
    let harness = harness.stop().await.start().await;
    assert!(harness.admin().test_cloud().await.unwrap().passed);
}

#[tokio::test]
async fn whoever_may_read_sees_it_and_changes_nothing() {
    let (harness, double) = start().await;
    harness.admin().set_cloud(&set(&double)).await.unwrap();
    let read = harness.with_token(&harness.token_for(&[Scope::Read]).await);
    assert!(read.cloud().await.unwrap().point.is_some());
    for refused in [
        refusal(read.set_cloud(&set(&double)).await),
        refusal(read.change_cloud(&ChangeCloud::default()).await),
        refusal(read.test_cloud().await),
        refusal(read.remove_cloud(forgetting()).await),
        refusal(read.leave_cloud().await),
    ] {
        assert_eq!(refused.0, ErrorCode::Forbidden);
    }
    let set = read.cloud_policy(&AskCloudPolicy::default()).await.unwrap();
    assert!(set.policy.contains("packages/macs/*") && set.lifecycle.is_some(), "{set:?}");
    let asked = AskCloudPolicy {
        storage: Some(json!({ "provider": "s3", "bucket": "others", "region": "r" })),
    };
    assert!(read.cloud_policy(&asked).await.unwrap().policy.contains("arn:aws:s3:::others"));
}

#[tokio::test]
async fn the_root_is_told_what_to_send_and_figures_show_it() {
    let (harness, double) = start().await;
    let root = harness.server("root").await;
    harness.admin().set_cloud(&set(&double)).await.unwrap();
    harness.publish(&root, "a.pkg", b"a").await;
    let ask = async |request: Request<Body>| {
        let mut request = request;
        let certificate = Some(Arc::new(root.identity.current().certificate().clone()));
        let address = SocketAddr::from(([10, 0, 0, 1], 1));
        request.extensions_mut().insert(Peer { address, certificate });
        let answer = harness.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.into_body().collect().await.unwrap().to_bytes()
    };
    let next = Request::post("/v1/control/cloud/next").header("content-type", "application/json");
    let next: CloudNext =
        serde_json::from_slice(&ask(next.body(Body::from("{}")).unwrap()).await).unwrap();
    let job = next.job.unwrap();
    assert_eq!((job.content, job.size, job.part_bytes), (ContentId::of(b"a"), 1, None));
    let token = format!("Bearer {}", harness.token);
    let figures = Request::get("/metrics").header("authorization", token);
    let figures = ask(figures.body(Body::empty()).unwrap()).await;
    let figures = String::from_utf8(figures.to_vec()).unwrap();
    for name in ["xylem_cloud_contents{state=\"sending\"}", "xylem_cloud_broken", "kind=\"list\""] {
        assert!(figures.contains(name), "{name}: {figures}");
    }
    assert!(!figures.contains(S3_SECRET));
}

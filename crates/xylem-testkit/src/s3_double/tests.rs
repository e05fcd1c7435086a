//! That the double is strict: what a real S3 refuses, it refuses.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use xylem_client::{CloudClient, full_body};
use xylem_cloud::{
    CloudAnswer, CloudRequest, CloudSettings, Header, Moment, ObjectKey, Piece, Provider, Secrets,
    Upload, UrlFor, disposition, provider_of,
};
use xylem_model::{FileName, Md5};
use xylem_pki::{PublicRoots, public_client_config};
use xylem_runtime::{Environment, ManualClock};

use super::*;

const BYTES: &[u8] = b"what is written";

/// A double, and what speaks to it.
struct World {
    double: S3Double,
    client: CloudClient,
    settings: CloudSettings,
    keys: Secrets,
}

/// A moment at which everything happens.
fn now() -> Timestamp {
    Timestamp::from_unix_ms(1_790_000_000_000)
}

fn at(now: Timestamp) -> Moment {
    Moment { now, nonce: 1 }
}

fn name() -> FileName {
    FileName::new("a b+é&50%#.pkg").unwrap()
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(now()));
        let environment = Environment { clock, ..Environment::real() };
        let double = S3Double::start(&environment).await;
        let roots = PublicRoots::from_pem(double.ca_pem().as_bytes()).unwrap();
        let tls = public_client_config(&roots, Arc::clone(&environment.clock)).unwrap();
        let settings = json!({
            "provider": "s3",
            "bucket": S3_BUCKET,
            "region": S3_REGION,
            "endpoint": double.endpoint(),
        });
        let keys = json!({ "provider": "s3", "key_id": S3_KEY_ID, "secret": S3_SECRET });
        Self {
            client: CloudClient::new(environment, tls),
            double,
            settings: serde_json::from_value(settings).unwrap(),
            keys: serde_json::from_value(keys).unwrap(),
        }
    }

    fn provider(&self) -> Box<dyn Provider + '_> {
        provider_of(&self.settings, &self.keys, None).unwrap()
    }

    fn key(&self) -> ObjectKey {
        self.settings.prefix().probe("1", "a b+é&50%#")
    }

    /// What is sent to write the bytes; `md5` where another one is told.
    fn put(&self, md5: Option<Md5>, now: Timestamp) -> CloudRequest {
        let provider = self.provider();
        let plan = provider.part_rules().plan(BYTES.len() as u64).unwrap();
        let piece = Piece::of(plan.part(1).unwrap(), BYTES);
        let upload = Upload {
            key: self.key(),
            sha256: piece.sha256,
            disposition: disposition(&name()),
            plan,
            reference: None,
            create_only: false,
        };
        let piece = Piece { md5: md5.unwrap_or(piece.md5), ..piece };
        provider.piece(&upload, &piece, at(now)).unwrap()
    }

    /// What a client is given to read the bytes.
    fn get(&self, now: Timestamp) -> CloudRequest {
        let (key, name) = (self.key(), name());
        let wanted = UrlFor {
            key: &key,
            size: BYTES.len() as u64,
            name: &name,
            client: None,
            at: at(now),
            life: Duration::from_secs(60),
        };
        self.provider().url(&wanted).unwrap().get()
    }

    async fn send(&self, request: &CloudRequest, bytes: &[u8]) -> CloudAnswer {
        self.client.send_piece(request, full_body(bytes.to_vec())).await.unwrap()
    }

    async fn written(&self) {
        assert_eq!(self.send(&self.put(None, now()), BYTES).await.status, 200);
    }
}

/// The status and the code of a refusal.
fn refusal(answer: &CloudAnswer) -> (u16, String) {
    let text = String::from_utf8(answer.body.clone()).unwrap();
    let code = text.split("<Code>").nth(1).and_then(|rest| rest.split("</Code>").next());
    (answer.status, code.unwrap_or_default().to_owned())
}

fn expected(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn our_requests_pass() {
    let world = World::new().await;
    world.written().await;
    assert_eq!(world.double.names(), [world.key().as_str()]);
    let read = world.client.send(&world.get(now())).await.unwrap();
    assert_eq!((read.status, &*read.body), (200, BYTES));
    let told = read.header("content-disposition").unwrap().to_owned();
    assert!(told.contains("%C3%A9"), "{told}");
    let part = world.client.send(&world.get(now()).with_range(5, 6)).await.unwrap();
    assert_eq!((part.status, &*part.body), (206, &BYTES[5..=6]));
    assert_eq!(part.header("content-range"), Some("bytes 5-6/15"));
    let provider = world.provider();
    let asked = world.client.send(&provider.ask(&world.key(), at(now()))).await.unwrap();
    let found = provider.found(&world.key(), &asked).unwrap().unwrap();
    assert_eq!((found.size, found.sha256.is_some()), (15, true));
}

#[tokio::test]
async fn other_bytes_than_were_signed_are_refused() {
    let world = World::new().await;
    let other = vec![b'x'; BYTES.len()];
    let answer = world.send(&world.put(None, now()), &other).await;
    assert_eq!(refusal(&answer), expected(400, "XAmzContentSHA256Mismatch"));
    let md5 = Md5::from_bytes([7; 16]);
    let answer = world.send(&world.put(Some(md5), now()), BYTES).await;
    assert_eq!(refusal(&answer), expected(400, "BadDigest"));
    assert!(world.double.names().is_empty());
}

#[tokio::test]
async fn what_was_changed_after_signing_is_refused() {
    let world = World::new().await;
    world.written().await;
    let header = |name: &'static str, value: &str| Header {
        name: Cow::Borrowed(name),
        value: value.to_owned(),
    };
    let mut put = world.put(None, now());
    put.headers.push(header("x-amz-meta-other", "x"));
    assert_eq!(refusal(&world.send(&put, BYTES).await), expected(403, "AccessDenied"));
    let mut put = world.put(None, now());
    put.path.push('x');
    assert_eq!(refusal(&world.send(&put, BYTES).await), expected(403, "SignatureDoesNotMatch"));
    let mut get = world.get(now());
    get.query = get.query.replace("X-Amz-Expires=60", "X-Amz-Expires=600");
    let answer = world.client.send(&get).await.unwrap();
    assert_eq!(refusal(&answer), expected(403, "SignatureDoesNotMatch"));
    let answer = world.client.send(&world.get(now()).unsigned()).await.unwrap();
    assert_eq!(refusal(&answer), expected(403, "AccessDenied"));
}

#[tokio::test]
async fn what_comes_too_late_or_too_early_is_refused() {
    let world = World::new().await;
    world.written().await;
    let minutes = |count: u64| Duration::from_secs(count * 60);
    for other in [now().minus(minutes(16)), now().plus(minutes(16))] {
        let answer = world.send(&world.put(None, other), BYTES).await;
        assert_eq!(refusal(&answer), expected(403, "RequestTimeTooSkewed"));
        let answer = world.client.send(&world.get(other)).await.unwrap();
        assert_eq!(refusal(&answer), expected(403, "AccessDenied"));
    }
}

#[tokio::test]
async fn what_is_done_is_told() {
    let world = World::new().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let noting = Arc::clone(&told);
    world.double.watch(move |event| locked(&noting).push(event.clone()));
    world.written().await;
    let (provider, key) = (world.provider(), world.key());
    world.client.send(&provider.ask(&key, at(now()))).await.unwrap();
    world.client.send(&world.get(now())).await.unwrap();
    world.client.send(&provider.remove(&key, at(now()))).await.unwrap();
    let told = std::mem::take(&mut *locked(&told));
    let [
        S3Event::Written { name, sent, stored, over: None },
        S3Event::Asked { .. },
        S3Event::Given { .. },
        S3Event::Deleted { was: Some(was), .. },
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((name.as_str(), &**sent, &**stored, &**was), (key.as_str(), BYTES, BYTES, BYTES));
}

#[tokio::test]
async fn wrong_bytes_are_stored_when_that_is_asked_for() {
    let world = World::new().await;
    for (fault, says) in [(S3Fault::StoresOther, true), (S3Fault::StoresOtherUnsaid, false)] {
        world.double.take_away(world.key().as_str());
        world.double.misbehave(fault);
        let answer = world.send(&world.put(None, now()), BYTES).await;
        world.double.misbehave(S3Fault::None);
        let stored = world.double.bytes(world.key().as_str()).unwrap();
        assert_eq!((answer.status, stored.len()), (200, BYTES.len()));
        assert_ne!(&*stored, BYTES);
        let etag = format!("\"{}\"", multipart::md5_of(&stored));
        assert_eq!(answer.header("etag") == Some(&*etag), says, "{fault:?}");
        let sent = format!("\"{}\"", multipart::md5_of(BYTES));
        assert_ne!(answer.header("etag"), Some(&*sent), "{fault:?}");
    }
}

#[tokio::test]
async fn what_was_asked_for_is_done_where_the_answer_is_lost() {
    let world = World::new().await;
    world.double.misbehave(S3Fault::LosesAnswers);
    let put = world.put(None, now());
    let mut lost = 0;
    for _ in 0..4 {
        lost += u32::from(world.client.send_piece(&put, full_body(BYTES)).await.is_err());
        assert_eq!(world.double.names(), [world.key().as_str()]);
    }
    assert!(lost > 0);
}

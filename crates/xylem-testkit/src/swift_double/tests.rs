//! That the double is strict: what a real Swift refuses, it refuses.

use std::time::Duration;

use serde_json::{Value, json};
use xylem_client::{CloudClient, full_body};
use xylem_cloud::swift::{KeySlot, SwiftInfo};
use xylem_cloud::{
    Body, CloudAnswer, CloudRequest, CloudSettings, Moment, ObjectKey, PartPlan, Piece, Provider,
    Secret, Secrets, StoredPiece, SwiftAccess, Upload, UrlFor, disposition, login_of, provider_of,
    swift_of,
};
use xylem_model::{FileName, Md5};
use xylem_pki::{PublicRoots, public_client_config};
use xylem_runtime::ManualClock;

use super::*;

const BYTES: &[u8] = b"what is written";
const KEY: &str = "0123456789abcdef";
const SEGMENTS: &str = "packages_segments";

/// A double, and what speaks to it.
struct World {
    clock: Arc<ManualClock>,
    double: SwiftDouble,
    client: CloudClient,
    settings: CloudSettings,
    keys: Secrets,
    access: SwiftAccess,
}

fn now() -> Timestamp {
    Timestamp::from_unix_ms(1_790_000_000_000)
}

fn at(now: Timestamp) -> Moment {
    Moment { now, nonce: 1 }
}

fn name() -> FileName {
    FileName::new("a b+é&50%#.pkg").unwrap()
}

fn tempauth() -> Value {
    json!({ "tempauth": { "user": SWIFT_USER } })
}

async fn log_in(
    client: &CloudClient,
    settings: &CloudSettings,
    keys: &Secrets,
) -> Result<SwiftAccess, xylem_cloud::Fault> {
    let (login, secrets) = login_of(settings, keys).unwrap().unwrap();
    let session = login.session(&client.send(&login.request(secrets)).await.unwrap())?;
    let info = client.send(&SwiftInfo::request(session.storage())).await.unwrap();
    Ok(SwiftAccess { session, info: SwiftInfo::read(&info)?, public: None })
}

fn keys(password: &str) -> Secrets {
    let keys = json!({ "provider": "swift", "password": password, "temp_url_key": KEY });
    serde_json::from_value(keys).unwrap()
}

impl World {
    async fn new() -> Self {
        Self::with(|double| {
            json!({
                "provider": "swift",
                "auth": tempauth(),
                "auth_url": double.tempauth_url(),
                "container": SWIFT_CONTAINER,
            })
        })
        .await
    }

    async fn with(settings: impl FnOnce(&SwiftDouble) -> Value) -> Self {
        let clock = Arc::new(ManualClock::new(now()));
        let environment = Environment { clock: clock.clone(), ..Environment::real() };
        let double = SwiftDouble::start(&environment).await;
        let roots = PublicRoots::from_pem(double.ca_pem().as_bytes()).unwrap();
        let tls = public_client_config(&roots, clock.clone()).unwrap();
        let client = CloudClient::new(environment, tls);
        let settings: CloudSettings = serde_json::from_value(settings(&double)).unwrap();
        let keys = keys(SWIFT_PASSWORD);
        let access = log_in(&client, &settings, &keys).await.unwrap();
        double.set_account_key(1, KEY);
        Self { clock, double, client, settings, keys, access }
    }

    fn provider(&self) -> Box<dyn Provider + '_> {
        provider_of(&self.settings, &self.keys, Some(&self.access)).unwrap()
    }

    fn key(&self) -> ObjectKey {
        self.settings.prefix().probe("1", "a b+é&50%#")
    }

    fn upload(&self, plan: PartPlan) -> Upload {
        Upload {
            key: self.key(),
            sha256: Piece::of(PartPlan::again(plan.size(), None).part(1).unwrap(), BYTES).sha256,
            disposition: disposition(&name()),
            plan,
            reference: None,
            create_only: false,
        }
    }

    /// What is sent to write the bytes as a whole; `md5` where another one is told.
    fn put(&self, md5: Option<Md5>, now: Timestamp) -> CloudRequest {
        let plan = PartPlan::again(BYTES.len() as u64, None);
        let piece = Piece::of(plan.part(1).unwrap(), BYTES);
        let piece = Piece { md5: md5.unwrap_or(piece.md5), ..piece };
        self.provider().piece(&self.upload(plan), &piece, at(now)).unwrap()
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

    async fn send(&self, request: &CloudRequest) -> CloudAnswer {
        self.client.send_piece(request, full_body(BYTES.to_vec())).await.unwrap()
    }

    async fn ask(&self, request: &CloudRequest) -> CloudAnswer {
        self.client.send(request).await.unwrap()
    }

    async fn written(&self) {
        assert_eq!(self.send(&self.put(None, now())).await.status, 201);
    }

    /// Two segments of the bytes, with how they are told.
    async fn segments(&self) -> (Upload, Vec<StoredPiece>) {
        let upload = self.upload(PartPlan::again(BYTES.len() as u64, std::num::NonZeroU64::new(8)));
        self.double.place(SEGMENTS, "there", "");
        let mut pieces = Vec::new();
        for (number, bytes) in [(1, &BYTES[..8]), (2, &BYTES[8..])] {
            let piece = Piece::of(upload.plan.part(number).unwrap(), bytes);
            let request = self.provider().piece(&upload, &piece, at(now())).unwrap();
            let body = full_body(bytes.to_vec());
            let answer = self.client.send_piece(&request, body).await.unwrap();
            let tag = self.provider().piece_answered(&upload, &piece, &answer).unwrap();
            pieces.push(StoredPiece { piece, tag });
        }
        (upload, pieces)
    }
}

#[tokio::test]
async fn our_requests_pass() {
    let world = World::new().await;
    world.written().await;
    let key = world.key();
    assert_eq!(world.double.names(SWIFT_CONTAINER), [key.as_str()]);
    let read = world.ask(&world.get(now())).await;
    assert_eq!((read.status, &*read.body), (200, BYTES));
    assert!(read.header("content-disposition").unwrap().contains("%C3%A9"));
    assert_eq!(read.header("x-object-meta-sha256"), None, "an address lets no metadata out");
    let part = world.ask(&world.get(now()).with_range(5, 6)).await;
    assert_eq!((part.status, &*part.body), (206, &BYTES[5..=6]));
    let provider = world.provider();
    let found = provider.found(&key, &world.ask(&provider.ask(&key, at(now()))).await);
    let found = found.unwrap().unwrap();
    assert_eq!((found.size, found.sha256.is_some(), found.segmented), (15, true, false));
    let removed = world.ask(&provider.remove(&key, at(now()))).await;
    assert_eq!(removed.status, 204);
}

#[tokio::test]
async fn other_bytes_than_were_announced_are_refused_and_nothing_is_written_twice() {
    let world = World::new().await;
    let answer = world.send(&world.put(Some(Md5::from_bytes([7; 16])), now())).await;
    assert_eq!(answer.status, 422);
    assert!(world.double.names(SWIFT_CONTAINER).is_empty());
    world.written().await;
    let mut once = world.put(None, now());
    once.headers.push(xylem_cloud::Header { name: "if-none-match".into(), value: "*".into() });
    assert_eq!(world.send(&once).await.status, 412);
    world.double.take_at_most(14);
    assert_eq!(world.send(&world.put(None, now())).await.status, 413);
}

#[tokio::test]
async fn an_address_is_good_for_one_method_one_object_and_its_time() {
    let world = World::new().await;
    world.written().await;
    let status = async |request: CloudRequest| world.ask(&request).await.status;
    let with = |change: fn(&mut CloudRequest)| {
        let mut request = world.get(now());
        change(&mut request);
        request
    };
    assert_eq!(status(with(|it| it.method = Method::HEAD)).await, 200, "GET lets HEAD");
    let changes: [fn(&mut CloudRequest); 6] = [
        |it| it.method = Method::PUT,
        |it| it.method = Method::DELETE,
        |it| it.path.push('x'),
        |it| it.query = it.query.replace("temp_url_expires=1", "temp_url_expires=2"),
        |it| it.query = it.query.replace("temp_url_sig=", "temp_url_sig=00"),
        |it| it.query.clear(),
    ];
    for change in changes {
        assert_eq!(status(with(change)).await, 401);
    }
    assert_eq!(status(world.get(now().minus(Duration::from_secs(61)))).await, 401);
    world.double.misbehave(SwiftFault::OnlySha1);
    assert_eq!(status(world.get(now())).await, 401, "SHA-256 is not allowed");
    world.double.misbehave(SwiftFault::None);
    world.double.set_account_key(1, "another");
    assert_eq!(status(world.get(now())).await, 401);
    world.double.set_account_key(0, KEY);
    assert_eq!(status(world.get(now())).await, 200, "both keys are good");
}

#[tokio::test]
async fn tokens_are_asked_for_and_end() {
    let world = World::new().await;
    let request = world.provider().ask(&world.key(), at(now()));
    assert_eq!(world.ask(&request).await.status, 404);
    world.clock.set(now().plus(Duration::from_secs(86_400)));
    assert_eq!(world.ask(&request).await.status, 401);
    let again = log_in(&world.client, &world.settings, &world.keys).await.unwrap();
    let renewed = again.session.renewed(&request).unwrap();
    assert_eq!(world.ask(&renewed).await.status, 404);
    world.double.end_tokens();
    assert_eq!(world.ask(&renewed).await.status, 401);
    assert_eq!(world.ask(&request.unsigned()).await.status, 401);
    for wrong in ["", "wrong"] {
        let refused = log_in(&world.client, &world.settings, &keys(wrong)).await.unwrap_err();
        assert_eq!(refused.kind, xylem_cloud::FaultKind::Keys);
    }
}

#[tokio::test]
async fn every_identity_service_leads_to_the_region_that_was_asked_for() {
    let keystone = |auth: Value| {
        move |double: &SwiftDouble| {
            json!({
                "provider": "swift",
                "auth": auth,
                "auth_url": double.keystone_url(),
                "region": SWIFT_REGION,
                "container": SWIFT_CONTAINER,
            })
        }
    };
    let password = json!({ "keystone3_password": {
        "user": SWIFT_USER, "user_domain": SWIFT_DOMAIN,
        "project": SWIFT_PROJECT, "project_domain": SWIFT_DOMAIN } });
    let application = json!({ "keystone3_application": { "id": SWIFT_CREDENTIAL } });
    for auth in [password, application] {
        let world = World::with(keystone(auth)).await;
        world.written().await;
        assert!(world.access.session.cdn().is_none());
        let refused = log_in(&world.client, &world.settings, &keys("wrong")).await;
        assert_eq!(refused.unwrap_err().kind, xylem_cloud::FaultKind::Keys);
    }
    let world = World::with(|double| rackspace(double, false)).await;
    world.written().await;
    assert!(world.access.session.cdn().is_some());
}

fn rackspace(double: &SwiftDouble, public: bool) -> Value {
    json!({
        "provider": "rackspace",
        "auth_url": double.rackspace_url(),
        "user": SWIFT_USER,
        "region": SWIFT_REGION,
        "container": SWIFT_CONTAINER,
        "public": public,
    })
}

#[tokio::test]
async fn a_manifest_holds_what_its_segments_are() {
    let world = World::new().await;
    let (upload, mut pieces) = world.segments().await;
    let provider = world.provider();
    let manifest = |pieces: &[StoredPiece]| provider.finish(&upload, pieces, at(now())).unwrap();
    assert_eq!(world.ask(&manifest(&pieces)).await.status, 201);
    let found =
        provider.found(&upload.key, &world.ask(&provider.ask(&upload.key, at(now()))).await);
    let found = found.unwrap().unwrap();
    assert_eq!((found.size, found.segmented), (15, true));
    assert_eq!(found.etag, provider.expected_etag(&upload, &pieces));
    assert_eq!(world.ask(&world.get(now())).await.body, BYTES);

    let first = upload.key.segment(8, 1);
    world.double.place(SEGMENTS, first.as_str(), "others!!");
    assert_eq!(world.ask(&world.get(now())).await.status, 409, "it is no longer what it was");
    pieces.reverse();
    let refused = world.ask(&manifest(&pieces)).await;
    assert_eq!(refused.status, 400);
    assert!(String::from_utf8(refused.body).unwrap().contains("Etag Mismatch"));
    world.double.take_away(SEGMENTS, first.as_str());
    let refused = world.ask(&manifest(&pieces)).await;
    assert!(String::from_utf8(refused.body).unwrap().contains("404"));

    let mut deleting = provider.remove(&upload.key, at(now()));
    deleting.query = "multipart-manifest=delete".to_owned();
    assert_eq!(world.ask(&deleting).await.status, 400, "nothing is deleted by a manifest's word");
    assert_eq!(world.ask(&provider.remove(&upload.key, at(now()))).await.status, 204);
    let left = world.double.names(SEGMENTS);
    assert!(left.contains(&upload.key.segment(8, 2).as_str().to_owned()), "{left:?}");
}

#[tokio::test]
async fn a_containers_key_opens_that_container_alone() {
    let world = World::new().await;
    let (upload, pieces) = world.segments().await;
    let request = world.provider().finish(&upload, &pieces, at(now())).unwrap();
    assert_eq!(world.ask(&request).await.status, 201);
    world.double.set_account_key(1, "");
    let scoped = json!({
        "provider": "swift",
        "auth": tempauth(),
        "auth_url": world.double.tempauth_url(),
        "container": SWIFT_CONTAINER,
        "key_scope": "container",
    });
    let scoped: CloudSettings = serde_json::from_value(scoped).unwrap();
    let swift = swift_of(&scoped, &world.keys, &world.access).unwrap();
    let set = world.ask(&swift.set_key(KeySlot::First, &Secret::new(KEY))).await;
    assert_eq!(set.status, 204);
    assert_eq!(world.double.container_keys(SWIFT_CONTAINER)[0], KEY);
    assert_eq!(swift.has_key(&world.ask(&swift.ask_keys()).await), Ok(()));
    assert_eq!(world.ask(&world.get(now())).await.status, 409, "its segments lie elsewhere");
    world.written().await;
    assert_eq!(world.ask(&world.get(now())).await.status, 200);
}

#[tokio::test]
async fn a_delivery_network_is_enabled_by_name_keeps_what_it_has_and_purges_it() {
    let world = World::with(|double| rackspace(double, true)).await;
    world.written().await;
    let swift = swift_of(&world.settings, &world.keys, &world.access).unwrap();
    let open = |path: &str| {
        let mut request = world.get(now()).unsigned();
        request.path = path.to_owned();
        request
    };
    let path = format!("/public/{}", world.get(now()).path.split_once("/AUTH_casper/").unwrap().1);
    assert_eq!(world.ask(&open(&path)).await.status, 404, "it is not given out");
    assert!(swift.cdn_address(&world.ask(&swift.ask_cdn().unwrap()).await).is_err());
    let mut enabling = swift.enable_cdn(7200).unwrap();
    assert_eq!(world.ask(&enabling).await.status, 201);
    assert_eq!(world.double.cdn_ttl(SWIFT_CONTAINER), Some(7200));
    enabling.headers.retain(|header| header.name != "x-cdn-enabled");
    assert_eq!(world.ask(&enabling).await.status, 400);
    enabling.headers.clear();
    assert_eq!(world.ask(&enabling).await.status, 401, "no token");
    let address = swift.cdn_address(&world.ask(&swift.ask_cdn().unwrap()).await).unwrap();

    assert_eq!(world.ask(&open(&path)).await.body, BYTES);
    let key = world.key();
    world.double.place(SWIFT_CONTAINER, key.as_str(), "other");
    assert_eq!(world.ask(&open(&path)).await.body, BYTES, "a cache has it");
    let access = SwiftAccess { public: Some(address), ..world.access.clone() };
    let provider = provider_of(&world.settings, &world.keys, Some(&access)).unwrap();
    let purges = provider.purge(std::slice::from_ref(&key), "r", at(now())).unwrap();
    assert_eq!(provider.purged(&world.ask(&purges[0]).await), Ok(()));
    assert_eq!(world.ask(&open(&path)).await.body, b"other");
    world.double.place(SWIFT_CONTAINER, key.as_str(), "third");
    world.clock.set(now().plus(Duration::from_secs(7201)));
    assert_eq!(world.ask(&open(&path)).await.body, b"third", "its time was over");
    assert!(world.double.bytes(SWIFT_CONTAINER, key.as_str()).is_some(), "purging deletes nothing");
}

#[tokio::test]
async fn listings_go_on_behind_a_marker_and_other_accounts_are_closed() {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        world.double.place(SWIFT_CONTAINER, name, name);
    }
    let mut request = world.provider().ask(&world.key(), at(now()));
    request.method = Method::GET;
    let account = request.path.split_once("/packages").unwrap().0.to_owned();
    let list = async |path: String, query: &str| {
        let request = CloudRequest { path, query: query.to_owned(), ..request.clone() };
        let answer = world.ask(&CloudRequest { body: Body::None, ..request }).await;
        let names: Vec<Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
        (answer.status, names.iter().map(|it| it["name"].to_string()).collect::<String>())
    };
    let container = format!("{account}/packages");
    let listed = list(container.clone(), "format=json&limit=2&marker=a").await;
    assert_eq!(listed, (200, "\"b\"\"c\"".to_owned()));
    assert_eq!(list(container.clone(), "format=json&prefix=d").await, (200, String::new()));
    assert_eq!(list(container, "format=json&limit=10001").await.0, 412);
    assert_eq!(list(format!("{account}/none"), "format=json").await.0, 404);
    assert_eq!(list("/v1/AUTH_other/packages".to_owned(), "format=json").await.0, 403);
}

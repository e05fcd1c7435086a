//! Filling the cloud distribution point: a root that is none but for what it says, the strict S3
//! double, and stores in memory.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body as HttpBody;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::json;
use tower::ServiceExt;
use xylem_api::control_cloud::{
    AnsweredPart, AskCloudNext, CloudContent, CloudGivenUp, CloudJob, CloudNext, CloudProof,
    CloudSampled, GivenUp, HandedOn, PartAgain, PartDigests, PieceRequest, SampleFound,
    SignedPiece, SignedPieces, TellCloudParts,
};
use xylem_client::{CloudClient, full_body};
use xylem_cloud::{Body, CloudRequest, Endpoint, Header, PartRules, Piece, PointSettings, Secrets};
use xylem_db::{CloudCopy, CloudCopyState};
use xylem_http::Peer;
use xylem_model::{
    CloudPointId, ContentId, DistributionServerId, Epoch, FileKind, FileName, Generation, Party,
    Priority, SetCount, Stamp, UploadId,
};
use xylem_pki::{Fingerprint, PeerCertificate, PublicRoots, public_client_config};
use xylem_runtime::{Environment, ManualClock, Shutdown};
use xylem_server::{
    CloudService, CloudStore, ControlService, MemoryCloudStore, MemoryUpload, MemoryWishStore,
    OpenPoint, WishStore, cloud_control_router, control_router,
};
use xylem_testkit::{S3_BUCKET, S3_KEY_ID, S3_REGION, S3_SECRET, S3Double, S3Fault};
use xylem_trust::{Envelope, SigningKey, TrustDocument, TrustStore};

use crate::harness::{START, found, present, report, sha256};

const MIB: usize = 1024 * 1024;
/// How long each part is but the last.
const PART: usize = 16 * MIB;

/// A file of three parts, the last of 5 bytes.
static LARGE: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..=250_u8).cycle().take(2 * PART + 5).collect());
/// What a part of it is told by.
static LARGE_PARTS: LazyLock<Vec<PartDigests>> = LazyLock::new(|| digests(&LARGE));

/// A refusal of the management server: status, message, and when to come back.
#[derive(Debug)]
struct Refused(StatusCode, String, Option<u64>);

fn id(n: u8) -> DistributionServerId {
    DistributionServerId::from_parts(u64::from(n), &[n; 10])
}

fn point_id() -> CloudPointId {
    CloudPointId::from_parts(7, &[7; 10])
}

fn digests(bytes: &[u8]) -> Vec<PartDigests> {
    let plan = PartRules::S3.plan(bytes.len() as u64).unwrap();
    let parts = (1..=plan.count()).map(|number| {
        let part = plan.part(number).unwrap();
        let (from, to) = (part.offset as usize, (part.offset + part.bytes) as usize);
        let Piece { md5, sha256, .. } = Piece::of(part, &bytes[from..to]);
        PartDigests { number, md5, sha256 }
    });
    parts.collect()
}

/// What outlives a management server.
struct World {
    clock: Arc<ManualClock>,
    environment: Environment,
    wishes: Arc<MemoryWishStore>,
    copies: Arc<MemoryCloudStore>,
    double: S3Double,
    /// What the root reaches the provider with.
    client: CloudClient,
    router: Router,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let environment = Environment { clock: clock.clone(), ..Environment::real() };
        let double = S3Double::start(&environment).await;
        let wishes = Arc::new(MemoryWishStore::new());
        wishes.enroll_server(id(1), "root", "https://root", None).unwrap();
        wishes.enroll_server(id(2), "north", "https://north", Some(id(1))).unwrap();
        let copies = Arc::new(MemoryCloudStore::default());
        let roots = PublicRoots::from_pem(double.ca_pem().as_bytes()).unwrap();
        let tls = public_client_config(&roots, clock.clone()).unwrap();
        let client = CloudClient::new(environment.clone(), tls);
        let router = router(&environment, &wishes, &copies);
        let world = Self { clock, environment, wishes, copies, double, client, router };
        world.set_point(S3_SECRET);
        world
    }

    /// The management server is killed, and another one goes on.
    fn restart(&mut self) {
        self.router = router(&self.environment, &self.wishes, &self.copies);
    }

    fn set_point(&self, secret: &str) {
        let settings = json!({
            "storage": {
                "provider": "s3",
                "bucket": S3_BUCKET,
                "region": S3_REGION,
                "endpoint": self.double.endpoint(),
                "prefix": "macs",
            },
            "ca_pem": self.double.ca_pem(),
        });
        let keys = json!({ "provider": "s3", "key_id": S3_KEY_ID, "secret": secret });
        let keys: Secrets = serde_json::from_value(keys).unwrap();
        let point = OpenPoint {
            id: point_id(),
            is_active: true,
            revision: if secret == S3_SECRET { 1 } else { 2 },
            settings: PointSettings::read(settings).unwrap(),
            keys,
            selection: None,
            paused: false,
            followed: Generation(0),
            writes_once: true,
            broken: None,
            month_ceiling: None,
        };
        self.copies.set(point, self.now());
    }

    fn now(&self) -> xylem_model::Timestamp {
        self.environment.clock.now()
    }

    /// Brings a file into the catalogue.
    async fn publish(&self, n: u8, name: &str, bytes: &[u8]) -> ContentId {
        let upload = UploadId::from_parts(u64::from(n), &[n; 10]);
        self.wishes.declare_upload(MemoryUpload {
            id: upload,
            name: FileName::new(name).unwrap(),
            kind: FileKind::Package,
            size: bytes.len() as u64,
            priority: Priority::Normal,
            blake3: Some(ContentId::of(bytes)),
            sha256: Some(sha256(bytes)),
            replace: true,
            server: id(1),
        });
        let path = format!("/v1/control/uploads/{upload}/ingested");
        let _: serde_json::Value = self.call(1, &path, &found(bytes)).await.unwrap();
        ContentId::of(bytes)
    }

    async fn call<A: DeserializeOwned>(
        &self,
        server: u8,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<A, Refused> {
        let request = Request::post(path).header("content-type", "application/json");
        let mut request = request.body(HttpBody::from(serde_json::to_vec(body).unwrap())).unwrap();
        let certificate = PeerCertificate {
            party: Party::DistributionServer(id(server)),
            serial_hex: "01".into(),
            not_before: START,
            not_after: START,
            fingerprint: Fingerprint::of(b""),
        };
        let address = SocketAddr::from(([10, 0, 0, server], 1));
        let certificate = Some(Arc::new(certificate));
        request.extensions_mut().insert(Peer { address, certificate });
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let after =
            answer.headers().get("retry-after").and_then(|it| it.to_str().ok()?.parse().ok());
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        if !status.is_success() {
            return Err(Refused(status, String::from_utf8(bytes.to_vec()).unwrap(), after));
        }
        let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        Ok(serde_json::from_slice(text).unwrap())
    }

    /// The second server, which has these bytes too, becomes the root.
    async fn hand_over(&self, bytes: &[u8]) {
        let mut told = report(Stamp::new(1, 1), vec![present(bytes)]);
        told.set = Some(SetCount { wanted: 1, missing: 0, missing_bytes: 0 });
        let _: Option<()> = self.call(2, "/v1/control/report", &told).await.unwrap();
        self.wishes.hand_over_root(id(2), true).unwrap();
    }

    fn root(&self, server: u8) -> Root<'_> {
        Root { world: self, server }
    }

    async fn row(&self, content: ContentId) -> Option<CloudCopy> {
        self.copies.copy(point_id(), content).await.unwrap()
    }

    async fn state(&self, content: ContentId) -> CloudCopyState {
        self.row(content).await.unwrap().state
    }

    fn key(content: ContentId) -> String {
        let hex = content.to_hex();
        format!("macs/content/{}/{hex}", &hex[..2])
    }

    /// It is there, whole, and nothing else is.
    async fn is_there(&self, content: ContentId, bytes: &[u8]) {
        let row = self.row(content).await.unwrap();
        assert_eq!(row.state, CloudCopyState::Present, "{row:?}");
        assert!(row.etag.is_some(), "{row:?}");
        assert!(self.double.bytes(&Self::key(content)).unwrap() == bytes);
        assert_eq!(self.double.uploads(), Vec::<String>::new());
    }
}

fn router(
    environment: &Environment,
    wishes: &Arc<MemoryWishStore>,
    copies: &Arc<MemoryCloudStore>,
) -> Router {
    let (root, online) =
        (SigningKey::from_seed(&[1; 32]).unwrap(), SigningKey::from_seed(&[2; 32]).unwrap());
    let document = TrustDocument {
        version: 1,
        issued: START,
        expires: START.plus(Duration::from_secs(1_000_000)),
        root_keys: vec![root.public().clone()],
        threshold: 1,
        online_keys: vec![online.public().clone()],
    };
    let trust = TrustStore::pin(Envelope::sign(&document, &[&root]).unwrap()).unwrap();
    let wishes: Arc<dyn WishStore> = wishes.clone();
    let control =
        ControlService::new(environment.clone(), wishes, Arc::new(online), trust, Shutdown::new());
    let cloud = CloudService::new(
        environment.clone(),
        control.clone(),
        copies.clone(),
        Arc::clone(&environment.net),
    );
    control_router(&control).merge(cloud_control_router(&cloud))
}

/// A distribution server that says it has everything.
struct Root<'a> {
    world: &'a World,
    server: u8,
}

impl Root<'_> {
    async fn next(&self) -> CloudNext {
        let asked = AskCloudNext::default();
        self.world.call(self.server, "/v1/control/cloud/next", &asked).await.unwrap()
    }

    async fn job(&self) -> CloudJob {
        self.next().await.job.unwrap()
    }

    async fn parts(
        &self,
        content: ContentId,
        answered: Vec<AnsweredPart>,
        next: Vec<PartDigests>,
    ) -> Result<SignedPieces, Refused> {
        let told = TellCloudParts { point: point_id(), content, answered, next };
        self.world.call(self.server, "/v1/control/cloud/parts", &told).await
    }

    /// Signed requests for everything that is lacking.
    async fn signed(&self, job: &CloudJob, parts: &[PartDigests]) -> Vec<SignedPiece> {
        let lacks = |part: &&PartDigests| {
            job.lacking.iter().any(|range| (range.first..=range.last).contains(&part.number))
        };
        let next: Vec<_> = parts.iter().filter(lacks).copied().collect();
        if next.is_empty() {
            return Vec::new();
        }
        self.parts(job.content, Vec::new(), next).await.unwrap().pieces
    }

    /// Sends parts, and gives what was answered.
    async fn send(
        &self,
        pieces: &[SignedPiece],
        bytes: &[u8],
        parts: &[PartDigests],
    ) -> Vec<AnsweredPart> {
        let mut answered = Vec::new();
        for piece in pieces {
            let at = piece.number as usize - 1;
            let from = at * PART;
            let to = (from + PART).min(bytes.len());
            let part = bytes[from..to].to_vec();
            let request = cloud_request(&piece.request, part.len() as u64);
            let answer = self.world.client.send_piece(&request, full_body(part)).await.unwrap();
            let headers = answer.headers.iter().map(|(name, value)| {
                (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
            });
            let answer = HandedOn {
                status: answer.status,
                headers: headers.collect(),
                body: String::from_utf8(answer.body).unwrap(),
            };
            answered.push(AnsweredPart { part: parts[at], answer });
        }
        answered
    }

    async fn finish(&self, content: ContentId) -> Result<CloudProof, Refused> {
        let asked = CloudContent { point: point_id(), content };
        self.world.call(self.server, "/v1/control/cloud/finish", &asked).await
    }

    async fn sampled(&self, content: ContentId, found: SampleFound) -> Result<(), Refused> {
        let told = CloudSampled { point: point_id(), content, found };
        self.world.call(self.server, "/v1/control/cloud/sampled", &told).await
    }

    async fn give_up(&self, content: ContentId, cause: GivenUp) -> Result<(), Refused> {
        let told = CloudGivenUp { point: point_id(), content, cause };
        self.world.call(self.server, "/v1/control/cloud/given-up", &told).await
    }

    /// Looks at the beginning of an object as a client would.
    async fn look(&self, proof: &CloudProof, bytes: &[u8]) {
        let url = proof.url.as_ref().unwrap();
        let (_, rest) = url.split_once("https://").unwrap();
        let (authority, target) = rest.split_once('/').unwrap();
        let (path, query) = target.split_once('?').unwrap();
        let request = PieceRequest {
            method: "GET".into(),
            origin: format!("https://{authority}"),
            path: format!("/{path}"),
            query: query.into(),
            headers: Vec::new(),
        };
        let mut request = cloud_request(&request, 0).with_range(0, 4);
        request.body = Body::None;
        let answer = self.world.client.send(&request).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (206, &bytes[..5]));
    }

    /// Everything, at most so many steps of it.
    async fn fill(&self, bytes: &[u8], parts: &[PartDigests], steps: usize) {
        if steps == 0 {
            return;
        }
        let job = self.job().await;
        if steps == 1 {
            return;
        }
        let pieces = self.signed(&job, parts).await;
        if steps == 2 {
            return;
        }
        let answered = self.send(&pieces, bytes, parts).await;
        if steps == 3 {
            return;
        }
        if !answered.is_empty() {
            let told = self.parts(job.content, answered, Vec::new()).await.unwrap();
            assert_eq!((told.lacking, told.again), (0, Vec::new()));
        }
        if steps == 4 {
            return;
        }
        let proof = self.finish(job.content).await.unwrap();
        self.look(&proof, bytes).await;
        if steps == 5 {
            return;
        }
        self.sampled(job.content, SampleFound::Same).await.unwrap();
    }
}

/// All steps of [`Root::fill`].
const ALL: usize = 6;

fn cloud_request(told: &PieceRequest, size: u64) -> CloudRequest {
    let headers = told.headers.iter();
    CloudRequest {
        method: told.method.parse::<Method>().unwrap(),
        endpoint: Endpoint::parse(&told.origin).unwrap(),
        path: told.path.clone(),
        query: told.query.clone(),
        headers: headers
            .map(|(name, value)| Header { name: name.clone().into(), value: value.clone() })
            .collect(),
        body: Body::Piece { size },
    }
}

fn answered(part: PartDigests, status: u16, headers: &[(&str, &str)], body: &str) -> AnsweredPart {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    AnsweredPart {
        part,
        answer: HandedOn { status, headers: headers.collect(), body: body.into() },
    }
}

const SLOW_DOWN: &str = "<Error><Code>SlowDown</Code><Message>slower</Message></Error>";
const BAD_DIGEST: &str = "<Error><Code>BadDigest</Code><Message>no</Message></Error>";

#[tokio::test]
async fn a_file_of_three_parts_gets_there() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    let job = root.job().await;
    assert_eq!((job.content, job.size, job.point), (content, LARGE.len() as u64, point_id()));
    assert_eq!(job.part_bytes.unwrap().get(), PART as u64);
    assert_eq!((job.lacking[0].first, job.lacking[0].last, job.lacking.len()), (1, 3, 1));
    assert!(job.at_once >= 1 && job.ca_pem.is_some());
    assert_eq!(world.double.uploads(), [World::key(content)]);
    let pieces = root.signed(&job, &LARGE_PARTS).await;
    let sent = root.send(&pieces[..2], &LARGE, &LARGE_PARTS).await;
    let told = root.parts(content, sent, Vec::new()).await.unwrap();
    assert_eq!((told.lacking, told.pieces), (1, Vec::new()));
    let refused = root.finish(content).await.unwrap_err();
    assert!(refused.0 == StatusCode::CONFLICT && refused.1.contains("2 arrived"), "{refused:?}");
    let sent = root.send(&pieces[2..], &LARGE, &LARGE_PARTS).await;
    assert_eq!(root.parts(content, sent, Vec::new()).await.unwrap().lacking, 0);
    let proof = root.finish(content).await.unwrap();
    root.look(&proof, &LARGE).await;
    assert_eq!(world.state(content).await, CloudCopyState::Proving);
    root.sampled(content, SampleFound::Same).await.unwrap();
    root.sampled(content, SampleFound::Same).await.expect("it is only said again");
    world.is_there(content, &LARGE).await;
    assert_eq!(root.next().await.job, None);
    let (_, used) = world.copies.usage(point_id()).await.unwrap()[0];
    assert_eq!((used.sent, used.read_back), (LARGE.len() as u64, 32 * 1024));
    assert!(used.writes >= 5 && used.reads >= 2 && used.lists >= 2, "{used:?}");
}

#[tokio::test]
async fn small_files_and_empty_ones_go_as_a_whole() {
    let world = World::new().await;
    for (n, bytes) in [(1, b"small".as_slice()), (2, b"".as_slice())] {
        let content = world.publish(n, &format!("{n}.pkg"), bytes).await;
        let job = world.root(1).job().await;
        assert_eq!((job.content, job.part_bytes), (content, None));
        let parts = digests(bytes);
        let pieces = world.root(1).signed(&job, &parts).await;
        let sent = world.root(1).send(&pieces, bytes, &parts).await;
        world.root(1).parts(content, sent, Vec::new()).await.unwrap();
        world.root(1).finish(content).await.unwrap();
        world.root(1).sampled(content, SampleFound::Same).await.unwrap();
        world.is_there(content, bytes).await;
    }
}

#[tokio::test]
async fn whoever_is_killed_between_any_two_steps_another_one_goes_on() {
    for steps in 0..ALL {
        let mut world = World::new().await;
        let content = world.publish(1, "Large.pkg", &LARGE).await;
        world.root(1).fill(&LARGE, &LARGE_PARTS, steps).await;
        let before = world.double.asked().iter().filter(|it| it.starts_with("PUT")).count();
        world.restart();
        world.hand_over(&LARGE).await;
        world.clock.advance(Duration::from_secs(121));
        world.root(2).fill(&LARGE, &LARGE_PARTS, ALL).await;
        world.is_there(content, &LARGE).await;
        let all = world.double.asked().iter().filter(|it| it.starts_with("PUT")).count();
        let again = if steps >= 4 { 0 } else { 3 };
        assert_eq!(all - before, again, "after {steps} steps");
        let refused = world.root(1).finish(content).await.unwrap_err();
        assert_eq!(refused.0, StatusCode::FORBIDDEN, "it is the root no longer");
    }
}

#[tokio::test]
async fn nobody_but_the_root_is_answered() {
    let world = World::new().await;
    world.publish(1, "a.pkg", b"a").await;
    let asked = AskCloudNext::default();
    let path = "/v1/control/cloud/next";
    let refused = world.call::<CloudNext>(2, path, &asked).await.unwrap_err();
    assert!(refused.0 == StatusCode::FORBIDDEN && refused.1.contains("root"), "{refused:?}");
    world.wishes.change_settings(id(1), |settings| settings.maintenance = true);
    let refused = world.call::<CloudNext>(1, path, &asked).await.unwrap_err();
    assert!(refused.0 == StatusCode::FORBIDDEN && refused.1.contains("maintenance"), "{refused:?}");
}

#[tokio::test]
async fn a_root_that_goes_into_maintenance_can_give_up_what_it_has() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"a").await;
    world.root(1).job().await;
    world.wishes.change_settings(id(1), |settings| settings.maintenance = true);
    world.root(1).give_up(content, GivenUp::Leaving).await.unwrap();
    world.hand_over(b"a").await;
    assert_eq!(world.root(2).job().await.content, content, "at once");
}

#[tokio::test]
async fn what_a_server_has_is_not_another_ones() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"a").await;
    world.root(1).job().await;
    world.hand_over(b"a").await;
    assert_eq!(world.root(2).next().await.job, None, "its time has not come");
    let refused = world.root(2).parts(content, Vec::new(), digests(b"a")).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::CONFLICT);
    world.clock.advance(Duration::from_secs(121));
    assert_eq!(world.root(2).job().await.content, content);
}

#[tokio::test]
async fn parts_are_sent_again_after_a_wait_and_fewer_at_once() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    let job = root.job().await;
    let busy = |part| answered(part, 503, &[("retry-after", "90")], SLOW_DOWN);
    let told = vec![busy(LARGE_PARTS[0]), busy(LARGE_PARTS[1])];
    let told = root.parts(content, told, vec![LARGE_PARTS[2]]).await.unwrap();
    let again: Vec<_> = told.again.iter().map(|it| it.number).collect();
    assert_eq!((again, told.lacking, told.pieces.len()), (vec![1, 2], 3, 1));
    assert!(told.again.iter().all(|it| it.after_ms >= 90_000), "{:?}", told.again);
    assert_eq!(told.at_once, job.at_once / 2, "halved once for all of them");
    // The line, and what is there with another digest: the same part again, until that is too often.
    let other = [("etag", "\"00000000000000000000000000000000\"")];
    for _ in 0..2 {
        let told = answered(LARGE_PARTS[0], 200, &other, "");
        let told = root.parts(content, vec![told], Vec::new()).await.unwrap();
        assert_eq!(told.again, [PartAgain { number: 1, after_ms: 0 }]);
        let told = answered(LARGE_PARTS[0], 400, &[], BAD_DIGEST);
        root.parts(content, vec![told], Vec::new()).await.unwrap();
    }
    let told = answered(LARGE_PARTS[0], 200, &other, "");
    let refused = root.parts(content, vec![told], Vec::new()).await.unwrap_err();
    assert!(refused.1.contains("5 times"), "{refused:?}");
    let row = world.row(content).await.unwrap();
    assert_eq!((row.state, row.tries), (CloudCopyState::Failed, 1));
    assert_eq!(root.next().await.job, None);
    world.clock.advance(Duration::from_secs(3601));
    root.fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn an_upload_that_vanished_is_begun_anew() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    let job = root.job().await;
    let pieces = root.signed(&job, &LARGE_PARTS).await;
    let sent = root.send(&pieces[..1], &LARGE, &LARGE_PARTS).await;
    root.parts(content, sent, Vec::new()).await.unwrap();
    world.double.forget_uploads();
    let sent = root.send(&pieces[1..], &LARGE, &LARGE_PARTS).await;
    let refused = root.parts(content, sent, Vec::new()).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::CONFLICT);
    let row = world.row(content).await.unwrap();
    assert_eq!((row.state, row.reference, row.arrived), (CloudCopyState::Failed, None, 0));
    assert!(row.reason.unwrap().contains("NoSuchUpload"));
    world.clock.advance(Duration::from_secs(61));
    root.fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn an_upload_that_vanished_before_its_end_is_begun_anew() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    root.fill(&LARGE, &LARGE_PARTS, 4).await;
    world.double.forget_uploads();
    let refused = root.finish(content).await.unwrap_err();
    assert!(refused.1.contains("NoSuchUpload"), "{refused:?}");
    world.clock.advance(Duration::from_secs(61));
    root.fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn what_lies_there_already_is_removed_before() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"right").await;
    let key = World::key(content);
    world.double.place(&key, b"wrong".as_slice());
    world.double.begin_upload(&key);
    world.double.begin_upload(&format!("{key}0"));
    world.root(1).fill(b"right", &digests(b"right"), ALL).await;
    assert_eq!(world.state(content).await, CloudCopyState::Present);
    assert_eq!(world.double.bytes(&key).unwrap(), b"right".as_slice());
    assert_eq!(world.double.uploads(), [format!("{key}0")], "that is somebody else's");
}

#[tokio::test]
async fn nothing_is_removed_while_a_restore_is_unconfirmed() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"right").await;
    let key = World::key(content);
    world.double.place(&key, b"wrong".as_slice());
    world.wishes.begin_epoch(Epoch(9), START).await.unwrap();
    assert_eq!(world.root(1).next().await.job, None);
    let row = world.row(content).await.unwrap();
    assert!(row.reason.unwrap().contains("restore"));
    assert_eq!(world.double.bytes(&key).unwrap(), b"wrong".as_slice());
    world.wishes.confirm_restore();
    world.clock.advance(Duration::from_secs(15 * 60 + 1));
    world.root(1).fill(b"right", &digests(b"right"), ALL).await;
    world.is_there(content, b"right").await;
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for() {
    let world = World::new().await;
    let (content, parts) = (world.publish(1, "a.pkg", b"small").await, digests(b"small"));
    let root = world.root(1);
    let job = root.job().await;
    let pieces = root.signed(&job, &parts).await;
    // It arrived, and nobody heard. The same again is answered that something is there.
    root.send(&pieces, b"small", &parts).await;
    let sent = root.send(&pieces, b"small", &parts).await;
    assert_eq!(sent[0].answer.status, 412);
    assert_eq!(root.parts(content, sent, Vec::new()).await.unwrap().lacking, 0);
    root.finish(content).await.unwrap();
    root.finish(content).await.expect("asking again gives the same");
    root.sampled(content, SampleFound::Same).await.unwrap();
    world.is_there(content, b"small").await;
}

#[tokio::test]
async fn parts_that_are_told_again_are_counted_once() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    let job = root.job().await;
    let pieces = root.signed(&job, &LARGE_PARTS).await;
    let sent = root.send(&pieces, &LARGE, &LARGE_PARTS).await;
    // Two of them are noted, and the answer to that is lost.
    root.parts(content, sent[..2].to_vec(), Vec::new()).await.unwrap();
    let (_, before) = world.copies.usage(point_id()).await.unwrap()[0];
    let told = root.parts(content, sent, Vec::new()).await.unwrap();
    assert_eq!((told.lacking, told.again), (0, Vec::new()));
    let (_, used) = world.copies.usage(point_id()).await.unwrap()[0];
    assert_eq!((used.sent, used.writes), (LARGE.len() as u64, before.writes + 1));
    root.finish(content).await.unwrap();
    root.sampled(content, SampleFound::Same).await.unwrap();
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn an_object_that_is_gone_or_another_at_the_end_is_sent_anew() {
    let world = World::new().await;
    let (content, parts) = (world.publish(1, "a.pkg", b"small").await, digests(b"small"));
    let (root, key) = (world.root(1), World::key(content));
    root.fill(b"small", &parts, 4).await;
    world.double.place(&key, b"other".as_slice());
    let refused = root.finish(content).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::CONFLICT);
    assert!(world.double.bytes(&key).is_none(), "it was removed");
    world.clock.advance(Duration::from_secs(61));
    root.fill(b"small", &parts, 4).await;
    world.double.take_away(&key);
    let refused = root.finish(content).await.unwrap_err();
    assert!(refused.1.contains("nothing is there"), "{refused:?}");
    world.clock.advance(Duration::from_secs(3601));
    root.fill(b"small", &parts, 5).await;
    world.double.place(&key, b"other".as_slice());
    root.sampled(content, SampleFound::Other).await.unwrap();
    assert!(world.double.bytes(&key).is_none(), "it was removed");
    world.clock.advance(Duration::from_secs(3601));
    root.fill(b"small", &parts, ALL).await;
    world.is_there(content, b"small").await;
}

#[tokio::test]
async fn an_object_that_is_right_and_read_otherwise_stays() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    root.fill(&LARGE, &LARGE_PARTS, 5).await;
    let sent = || world.double.asked().iter().filter(|it| it.starts_with("PUT")).count();
    let before = sent();
    root.sampled(content, SampleFound::Other).await.unwrap();
    assert!(world.double.bytes(&World::key(content)).is_some(), "it is right");
    let row = world.row(content).await.unwrap();
    assert_eq!(row.state, CloudCopyState::Failed);
    assert!(row.reason.unwrap().contains("delivers"));
    assert_eq!(root.next().await.job, None, "it waits");
    world.clock.advance(Duration::from_secs(3601));
    root.fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
    assert_eq!(sent(), before, "nothing was sent anew");
}

#[tokio::test]
async fn wrong_keys_stop_everything_until_they_are_right() {
    let world = World::new().await;
    let first = world.publish(1, "a.pkg", b"first").await;
    world.publish(2, "b.pkg", b"second").await;
    world.set_point("planted-secret");
    let root = world.root(1);
    assert_eq!(root.next().await.job, None);
    let broken = world.copies.active().await.unwrap().unwrap().broken.unwrap();
    assert!(broken.message.contains("SignatureDoesNotMatch"), "{}", broken.message);
    assert!(!broken.message.contains("planted"));
    let row = world.row(first).await.unwrap();
    assert_eq!((row.tries, row.lease), (0, None), "no content is to blame");
    let asked = world.double.asked().len();
    assert_eq!(root.next().await.job, None);
    assert_eq!(world.double.asked().len(), asked, "nothing is asked for a while");
    world.clock.advance(Duration::from_secs(301));
    assert_eq!(root.next().await.job, None);
    assert_eq!(world.double.asked().len(), asked + 1, "one request tries again");
    let still = world.copies.active().await.unwrap().unwrap().broken.unwrap();
    assert_eq!(still.since, broken.since);

    world.set_point(S3_SECRET);
    root.fill(b"first", &digests(b"first"), ALL).await;
    world.is_there(first, b"first").await;
}

#[tokio::test]
async fn a_point_that_mends_itself_is_found_by_the_one_request() {
    let world = World::new().await;
    let (content, parts) = (world.publish(1, "a.pkg", b"small").await, digests(b"small"));
    let root = world.root(1);
    let job = root.job().await;
    world.double.misbehave(S3Fault::BucketGone);
    let pieces = root.signed(&job, &parts).await;
    let sent = root.send(&pieces, b"small", &parts).await;
    let refused = root.parts(content, sent, Vec::new()).await.unwrap_err();
    assert!(
        refused.1.contains("NoSuchBucket") && refused.1.contains("stands still"),
        "{refused:?}"
    );
    world.double.misbehave(S3Fault::None);
    assert_eq!(root.next().await.job, None);
    world.clock.advance(Duration::from_secs(301));
    root.fill(b"small", &parts, ALL).await;
    world.is_there(content, b"small").await;
    assert_eq!(world.copies.active().await.unwrap().unwrap().broken, None);
}

#[tokio::test]
async fn a_point_that_is_paused_is_found_to_work_again() {
    let world = World::new().await;
    let (_, parts) = (world.publish(1, "a.pkg", b"small").await, digests(b"small"));
    let root = world.root(1);
    let job = root.job().await;
    world.double.misbehave(S3Fault::BucketGone);
    let pieces = root.signed(&job, &parts).await;
    let sent = root.send(&pieces, b"small", &parts).await;
    root.parts(job.content, sent, Vec::new()).await.unwrap_err();
    let broken = async || world.copies.active().await.unwrap().unwrap().broken;
    assert!(broken().await.is_some());
    world.double.misbehave(S3Fault::None);
    world.copies.pause(point_id(), true);
    world.clock.advance(Duration::from_secs(301));
    assert_eq!(root.next().await.job, None, "it is paused");
    assert_eq!(broken().await, None, "clients are sent there again");
}

#[tokio::test]
async fn a_busy_provider_is_left_alone_and_nothing_fails() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"small").await;
    world.double.misbehave(S3Fault::Busy);
    let next = world.root(1).next().await;
    assert_eq!(next.job, None);
    let row = world.row(content).await.unwrap();
    assert_eq!((row.state, row.tries), (CloudCopyState::Sending, 0));
    world.double.misbehave(S3Fault::None);
    world.root(1).fill(b"small", &digests(b"small"), ALL).await;
    world.is_there(content, b"small").await;
}

#[tokio::test]
async fn an_end_that_gets_no_good_answer_is_asked_for_again() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    root.fill(&LARGE, &LARGE_PARTS, 4).await;
    world.double.misbehave(S3Fault::Busy);
    let refused = root.finish(content).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    assert!(refused.2.is_some_and(|seconds| seconds >= 1), "{refused:?}");
    assert_eq!(world.state(content).await, CloudCopyState::Proving);
    world.double.misbehave(S3Fault::None);
    root.finish(content).await.unwrap();
    root.sampled(content, SampleFound::Same).await.unwrap();
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn a_provider_that_cannot_write_once_is_done_without() {
    let world = World::new().await;
    let (content, parts) = (world.publish(1, "Large.pkg", &LARGE).await, &*LARGE_PARTS);
    world.double.misbehave(S3Fault::NoConditions);
    world.root(1).fill(&LARGE, parts, ALL).await;
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn what_is_wanted_no_longer_is_given_up_in_the_middle() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    let job = root.job().await;
    let pieces = root.signed(&job, &LARGE_PARTS).await;
    let sent = root.send(&pieces[..1], &LARGE, &LARGE_PARTS).await;
    root.parts(content, sent, Vec::new()).await.unwrap();
    world.wishes.delete_file(&FileName::new("Large.pkg").unwrap());
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(root.next().await.job, None);
    assert_eq!(world.double.uploads(), Vec::<String>::new());
    assert_eq!(world.state(content).await, CloudCopyState::Removing);
    let sent = root.send(&pieces[1..], &LARGE, &LARGE_PARTS).await;
    assert_eq!(sent[0].answer.status, 404);
    let refused = root.parts(content, sent, Vec::new()).await.unwrap_err();
    assert!(refused.0 == StatusCode::CONFLICT && refused.1.contains("wanted no longer"));
}

#[tokio::test]
async fn nothing_is_unwanted_while_a_restore_is_unconfirmed() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"small").await;
    world.root(1).fill(b"small", &digests(b"small"), ALL).await;
    world.wishes.delete_file(&FileName::new("a.pkg").unwrap());
    world.wishes.begin_epoch(Epoch(9), START).await.unwrap();
    world.root(1).next().await;
    assert_eq!(world.row(content).await.unwrap().unwanted, None);
    world.wishes.confirm_restore();
    world.clock.advance(Duration::from_secs(601));
    world.root(1).next().await;
    assert!(world.row(content).await.unwrap().unwanted.is_some());
}

#[tokio::test]
async fn a_paused_point_sends_nothing() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"small").await;
    let root = world.root(1);
    root.job().await;
    world.copies.pause(point_id(), true);
    let refused = root.parts(content, Vec::new(), digests(b"small")).await.unwrap_err();
    assert!(refused.1.contains("paused"), "{refused:?}");
    assert_eq!(root.next().await.job, None);
    world.copies.pause(point_id(), false);
    root.fill(b"small", &digests(b"small"), ALL).await;
    world.is_there(content, b"small").await;
}

#[tokio::test]
async fn what_a_root_gives_up_goes_on_later_or_at_once() {
    let world = World::new().await;
    let (content, parts) = (world.publish(1, "a.pkg", b"small").await, digests(b"small"));
    let root = world.root(1);
    root.job().await;
    let why = "GET https://s3.example.org/k?X-Amz-Signature=planted broke".to_owned();
    root.give_up(content, GivenUp::Line { why }).await.unwrap();
    let row = world.row(content).await.unwrap();
    assert_eq!(row.state, CloudCopyState::Failed);
    assert!(!row.reason.unwrap().contains("planted"));
    assert_eq!(root.next().await.job, None);
    world.clock.advance(Duration::from_secs(301));
    root.job().await;
    root.give_up(content, GivenUp::NoCopy).await.unwrap();
    world.clock.advance(Duration::from_secs(301));
    root.job().await;
    root.give_up(content, GivenUp::Leaving).await.unwrap();
    world.hand_over(b"small").await;
    world.root(2).fill(b"small", &parts, ALL).await;
    world.is_there(content, b"small").await;
}

#[tokio::test]
async fn what_may_be_ending_is_left_to_nobody_before_its_time_is_over() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    root.fill(&LARGE, &LARGE_PARTS, 4).await;
    world.double.misbehave(S3Fault::Busy);
    root.finish(content).await.unwrap_err();
    world.double.misbehave(S3Fault::None);
    assert_eq!(world.state(content).await, CloudCopyState::Proving);
    root.give_up(content, GivenUp::Leaving).await.unwrap();
    world.hand_over(&LARGE).await;
    assert_eq!(world.root(2).next().await.job, None, "the provider may be at it");
    world.clock.advance(Duration::from_secs(361));
    world.root(2).fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn what_was_ended_is_left_to_the_next_one_at_once() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    world.root(1).fill(&LARGE, &LARGE_PARTS, 5).await;
    assert_eq!(world.state(content).await, CloudCopyState::Proving);
    world.root(1).give_up(content, GivenUp::Leaving).await.unwrap();
    world.hand_over(&LARGE).await;
    world.root(2).fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn what_is_told_beyond_all_measure_is_refused() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"small").await;
    let root = world.root(1);
    root.job().await;
    let refused = root.parts(content, Vec::new(), digests(b"small").repeat(65)).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::BAD_REQUEST);
    let beyond = PartDigests { number: 2, ..digests(b"small")[0] };
    let refused = root.parts(content, Vec::new(), vec![beyond]).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::BAD_REQUEST);
    let told = CloudContent { point: CloudPointId::from_parts(1, &[1; 10]), content };
    let refused = world.call::<CloudProof>(1, "/v1/control/cloud/finish", &told).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::CONFLICT, "another point");
}

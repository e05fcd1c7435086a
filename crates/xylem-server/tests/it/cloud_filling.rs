//! Filling the cloud distribution point: a root that is none but for what it says, the strict S3
//! double, and stores in memory.

mod answers;
mod deletions;
mod leases;
mod objects;
mod principal;
mod read_back;
mod standstill;
mod whole;

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
    AnsweredPart, AskCloudAddress, AskCloudNext, AskCloudUpload, CloudAddress, CloudContent,
    CloudGivenUp, CloudJob, CloudNext, CloudProof, CloudSampled, CloudUpload, GivenUp, HandedOn,
    PartAgain, PartDigests, PieceRequest, SampleFound, SignedPiece, SignedPieces, TellCloudParts,
};
use xylem_client::{CloudClient, full_body};
use xylem_cloud::{
    Body, CloudRequest, Endpoint, Header, Marker, PartRules, Piece, PointSettings, Secrets,
};
use xylem_db::{CloudCopy, CloudCopyState};
use xylem_http::Peer;
use xylem_model::{
    CloudPointId, ContentId, DistributionServerId, Epoch, FileKind, FileName, Party, Priority,
    SetCount, Stamp, UploadId,
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

/// Says whose everything there is.
const MARKER: &str = "macs/xylem.json";

fn marker() -> Marker {
    Marker::of("this catalogue")
}

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
        world.double.place(MARKER, marker().to_json());
        world
    }

    /// The management server is killed, and another one goes on.
    fn restart(&mut self) {
        self.router = router(&self.environment, &self.wishes, &self.copies);
    }

    fn set_point(&self, secret: &str) {
        self.set_point_that(secret, json!({}));
    }

    /// The same with more settings.
    fn set_point_that(&self, secret: &str, more: serde_json::Value) {
        let mut settings = json!({
            "storage": {
                "provider": "s3",
                "bucket": S3_BUCKET,
                "region": S3_REGION,
                "endpoint": self.double.endpoint(),
                "prefix": "macs",
            },
            "ca_pem": self.double.ca_pem(),
        });
        xylem_model::merge_patch(&mut settings, &more);
        let keys = json!({ "provider": "s3", "key_id": S3_KEY_ID, "secret": secret });
        let keys: Secrets = serde_json::from_value(keys).unwrap();
        let point = OpenPoint {
            revision: if secret == S3_SECRET { 1 } else { 2 },
            ..OpenPoint::just_set(point_id(), PointSettings::read(settings).unwrap(), keys)
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

    /// A large file whose parts are all there, and whose end was asked for and not heard: it is *proving*.
    /// Gives how the root was refused, too.
    async fn unheard_end(&self) -> (ContentId, Refused) {
        let content = self.publish(1, "Large.pkg", &LARGE).await;
        let root = self.root(1);
        root.fill(&LARGE, &LARGE_PARTS, 4).await;
        self.double.misbehave(S3Fault::Busy);
        let refused = root.finish(content).await.unwrap_err();
        assert_eq!(self.state(content).await, CloudCopyState::Proving);
        self.double.misbehave(S3Fault::None);
        (content, refused)
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
        marker(),
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

    /// Asks for as many as there may be, beside these.
    async fn several(&self, busy: &[ContentId]) -> CloudNext {
        let asked = AskCloudNext { busy: busy.to_vec(), more: u32::MAX };
        self.world.call(self.server, "/v1/control/cloud/next", &asked).await.unwrap()
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
        assert_eq!((answer.status, &*answer.body), (206, &bytes[..bytes.len().min(5)]));
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

pub(crate) fn cloud_request(told: &PieceRequest, size: u64) -> CloudRequest {
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

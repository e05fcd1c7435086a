//! Contents that get into a Swift, are offered, and are looked after; and tokens that end meanwhile.

use std::num::NonZeroU64;
use std::sync::LazyLock;
use std::time::Duration;

use xylem_api::catalogue::CloudCandidate;
use xylem_api::control_cloud::{
    AnsweredPart, AskCloudNext, CloudContent, CloudJob, CloudNext, CloudProof, CloudSampled,
    HandedOn, PartDigests, PieceRequest, SampleFound, SignedPiece, SignedPieces, TellCloudParts,
};
use xylem_client::{AgentClient, CloudClient, CloudContentClient, Deadlines, full_body};
use xylem_cloud::{Body, CloudRequest, Endpoint, Header, PartPlan, Piece};
use xylem_db::CloudCopyState;
use xylem_model::{ContentId, FileName};
use xylem_pki::{PublicRoots, public_client_config};

use super::*;
use crate::harness::present;

/// The largest object that is one request, bytes: so long a segment is, too.
const PART: usize = 1 << 20;
/// A file of three segments, the last of 5 bytes.
static LARGE: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..=250_u8).cycle().take(2 * PART + 5).collect());
const SMALL: &[u8] = b"small";

/// A root that says it has everything, and a computer.
struct Filling {
    world: World,
    root: FakeServer,
    agent: AgentClient,
}

impl Filling {
    async fn new(storage: fn(&World) -> Value) -> Self {
        let world = World::new().await;
        world.double.take_at_most(PART as u64);
        world.harness.admin().set_cloud(&world.set(storage(&world))).await.unwrap();
        let root = world.harness.server("root").await;
        let (_, agent) = world.harness.computer("mac").await;
        Self { world, root, agent }
    }

    async fn publish(&self, name: &str, bytes: &[u8]) -> ContentId {
        self.world.harness.publish(&self.root, name, bytes).await;
        let stamp = self.world.harness.admin().status().await.unwrap().stamp;
        self.root.report(stamp, vec![present(bytes)]).await;
        ContentId::of(bytes)
    }

    fn client(&self) -> CloudClient {
        let environment = self.world.harness.environment.clone();
        let roots = PublicRoots::from_pem(self.world.double.ca_pem().as_bytes()).unwrap();
        let tls = public_client_config(&roots, Arc::clone(&environment.clock)).unwrap();
        CloudClient::new(environment, tls)
    }

    async fn next(&self) -> CloudNext {
        self.world.call(&self.root, "next", &AskCloudNext::default()).await.unwrap()
    }

    async fn parts(
        &self,
        job: &CloudJob,
        answered: Vec<AnsweredPart>,
        next: Vec<PartDigests>,
    ) -> Result<SignedPieces, (StatusCode, String)> {
        let told = TellCloudParts { point: job.point, content: job.content, answered, next };
        self.world.call(&self.root, "parts", &told).await
    }

    /// Has all parts signed.
    async fn signed(&self, job: &CloudJob, bytes: &[u8]) -> Vec<SignedPiece> {
        self.parts(job, Vec::new(), digests(job, bytes)).await.unwrap().pieces
    }

    /// Sends parts as they were signed; gives what was answered.
    async fn send(
        &self,
        job: &CloudJob,
        pieces: &[SignedPiece],
        bytes: &[u8],
    ) -> Vec<AnsweredPart> {
        let (plan, told) = (plan(job), digests(job, bytes));
        let mut answered = Vec::new();
        for piece in pieces {
            let part = plan.part(piece.number).unwrap();
            let (from, to) = (part.offset as usize, (part.offset + part.bytes) as usize);
            let request = cloud_request(&piece.request, part.bytes);
            let body = full_body(bytes[from..to].to_vec());
            let answer = self.client().send_piece(&request, body).await.unwrap();
            let headers = answer.headers.iter().map(|(name, value)| {
                (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
            });
            let answer = HandedOn {
                status: answer.status,
                headers: headers.collect(),
                body: String::from_utf8(answer.body).unwrap(),
            };
            let part = told[piece.number as usize - 1];
            answered.push(AnsweredPart { part, answer });
        }
        answered
    }

    async fn finish(&self, job: &CloudJob) -> Result<CloudProof, (StatusCode, String)> {
        let asked = CloudContent { point: job.point, content: job.content };
        self.world.call(&self.root, "finish", &asked).await
    }

    async fn sampled(&self, job: &CloudJob) {
        let found = SampleFound::Same;
        let told = CloudSampled { point: job.point, content: job.content, found };
        let () = self.world.call(&self.root, "sampled", &told).await.unwrap();
    }

    /// Everything, from asking for the next content to its being there.
    async fn fill(&self, bytes: &[u8]) -> CloudJob {
        let job = self.next().await.job.unwrap();
        assert_eq!(job.content, ContentId::of(bytes));
        let pieces = self.signed(&job, bytes).await;
        let answered = self.send(&job, &pieces, bytes).await;
        let told = self.parts(&job, answered, Vec::new()).await.unwrap();
        assert_eq!((told.lacking, told.again), (0, Vec::new()));
        assert!(self.finish(&job).await.unwrap().url.is_some());
        self.sampled(&job).await;
        job
    }

    async fn state(&self, job: &CloudJob) -> CloudCopyState {
        let row = self.world.harness.database.cloud_copy(job.point, job.content).await.unwrap();
        row.unwrap().state
    }

    async fn offered(&self, name: &str) -> Option<CloudCandidate> {
        self.agent.sources(&FileName::new(name).unwrap()).await.unwrap().cloud
    }

    async fn fetched(&self, candidate: &CloudCandidate, bytes: &[u8]) {
        let environment = self.world.harness.environment.clone();
        let roots = PublicRoots::from_pem(candidate.ca_pem.as_ref().unwrap().as_bytes()).unwrap();
        let tls = public_client_config(&roots, Arc::clone(&environment.clock)).unwrap();
        let client = CloudContentClient::new(environment, tls, Deadlines::default());
        let answer = client.fetch(&candidate.url, bytes.len() as u64, 0).await.unwrap();
        let read = answer.body.collect(4 * PART).await.unwrap();
        assert!(read == bytes);
    }
}

fn plan(job: &CloudJob) -> PartPlan {
    PartPlan::again(job.size, job.part_bytes)
}

fn digests(job: &CloudJob, bytes: &[u8]) -> Vec<PartDigests> {
    let plan = plan(job);
    let parts = (1..=plan.count()).map(|number| {
        let part = plan.part(number).unwrap();
        let (from, to) = (part.offset as usize, (part.offset + part.bytes) as usize);
        let Piece { md5, sha256, .. } = Piece::of(part, &bytes[from..to]);
        PartDigests { number, md5, sha256 }
    });
    parts.collect()
}

fn cloud_request(told: &PieceRequest, size: u64) -> CloudRequest {
    let headers = told.headers.iter();
    CloudRequest {
        method: told.method.parse().unwrap(),
        endpoint: Endpoint::parse(&told.origin).unwrap(),
        path: told.path.clone(),
        query: told.query.clone(),
        headers: headers
            .map(|(name, value)| Header { name: name.clone().into(), value: value.clone() })
            .collect(),
        body: Body::Piece { size },
    }
}

fn key(content: ContentId) -> String {
    let hex = content.to_hex();
    format!("macs/content/{}/{hex}", &hex[..2])
}

#[tokio::test]
async fn small_and_large_files_get_there_are_offered_and_found_again() {
    let filling = Filling::new(World::tempauth).await;
    let small = filling.publish("Small.pkg", SMALL).await;
    let job = filling.fill(SMALL).await;
    assert_eq!(job.part_bytes, None);
    let large = filling.publish("Large é.pkg", &LARGE).await;
    let job = filling.fill(&LARGE).await;
    assert_eq!(job.part_bytes, NonZeroU64::new(PART as u64));
    let double = &filling.world.double;
    assert!(double.bytes(SWIFT_CONTAINER, &key(small)).unwrap() == SMALL);
    assert!(double.bytes(SWIFT_CONTAINER, &key(large)).unwrap() == *LARGE);
    let segments: Vec<String> =
        (1..=3).map(|number| format!("{}/{PART}/{number:05}", key(large))).collect();
    assert_eq!(double.names(SEGMENTS), segments);
    let row = filling.world.harness.database.cloud_copy(job.point, large).await.unwrap().unwrap();
    let until = filling.world.harness.environment.clock.now().plus(Duration::from_secs(15 * 60));
    assert_eq!(row.unbound_until, Some(until), "it is asked after once more then");

    let cloud = filling.offered("Large é.pkg").await.unwrap();
    assert!(cloud.url.contains("temp_url_sig=") && cloud.url.contains("filename="));
    filling.fetched(&cloud, &LARGE).await;
    filling.fetched(&filling.offered("Small.pkg").await.unwrap(), SMALL).await;

    let admin = filling.world.harness.admin();
    admin.ask_cloud_inventory().await.unwrap();
    let found = loop {
        let state = admin.cloud_inventory().await.unwrap();
        if let Some(last) = state.last.filter(|_| state.asked_at.is_none()) {
            break last.found.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((found.objects, found.good, found.lost, found.changed), (2, 2, 0, 0));
}

#[tokio::test]
async fn clients_of_a_public_container_get_an_open_address() {
    let filling = Filling::new(|world| world.rackspace(true)).await;
    filling.publish("Small.pkg", SMALL).await;
    filling.fill(SMALL).await;
    let cloud = filling.offered("Small.pkg").await.unwrap();
    assert!(cloud.url.contains("/public/packages/macs/") && !cloud.url.contains('?'));
    filling.fetched(&cloud, SMALL).await;
}

#[tokio::test]
async fn a_server_that_was_started_anew_logs_in_for_the_first_address() {
    let Filling { world, root, agent: _ } = {
        let filling = Filling::new(World::tempauth).await;
        filling.publish("Small.pkg", SMALL).await;
        filling.fill(SMALL).await;
        filling
    };
    // Its jobs ask too.
    let logins = world.double.logins();
    let world = world.restarted().await;
    let (_, agent) = world.harness.computer("another").await;
    let filling = Filling { world, root, agent };
    for _ in 0..3 {
        let cloud = filling.offered("Small.pkg").await.unwrap();
        filling.fetched(&cloud, SMALL).await;
    }
    assert_eq!(filling.world.double.logins(), logins + 1, "one login, however many ask");
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_is_renewed_and_nobody_notices() {
    let filling = Filling::new(World::tempauth).await;
    filling.publish("Large.pkg", &LARGE).await;
    let job = filling.next().await.job.unwrap();
    let pieces = filling.signed(&job, &LARGE).await;
    let logins = filling.world.double.logins();
    filling.world.double.end_tokens();
    let answered = filling.send(&job, &pieces, &LARGE).await;
    filling.parts(&job, answered, Vec::new()).await.unwrap();
    filling.finish(&job).await.unwrap();
    assert_eq!(filling.world.double.logins(), logins + 1);
    filling.world.double.end_tokens();
    filling.sampled(&job).await;
    assert_eq!(filling.state(&job).await, CloudCopyState::Present);
    assert_eq!(filling.world.broken().await, None);
}

#[tokio::test]
async fn tokens_that_are_refused_again_and_again_stop_the_point_until_that_ends() {
    let filling = Filling::new(World::tempauth).await;
    filling.publish("Small.pkg", SMALL).await;
    filling.world.double.misbehave(SwiftFault::TokensRefused);
    assert_eq!(filling.next().await.job, None, "once may be an accident");
    assert_eq!(filling.world.broken().await, None);
    assert_eq!(filling.next().await.job, None);
    let told = filling.world.broken().await.unwrap();
    assert!(told.contains("401") && told.contains("keys again"), "{told}");
    let before = filling.world.double.asked().len();
    assert_eq!(filling.next().await.job, None);
    assert_eq!(filling.world.double.asked().len(), before, "nothing is asked for five minutes");
    filling.world.double.misbehave(SwiftFault::None);
    filling.world.harness.clock.advance(Duration::from_secs(301));
    assert!(filling.next().await.job.is_some());
    assert_eq!(filling.world.broken().await, None);
}

#[tokio::test]
async fn a_test_that_is_passed_has_a_point_go_on_that_stood_still() {
    let filling = Filling::new(World::tempauth).await;
    let admin = filling.world.harness.admin();
    filling.publish("Small.pkg", SMALL).await;
    filling.world.double.misbehave(SwiftFault::TokensRefused);
    for _ in 0..2 {
        assert_eq!(filling.next().await.job, None);
    }
    assert!(!admin.test_cloud().await.unwrap().passed);
    assert!(filling.world.broken().await.is_some(), "a test that failed ends nothing");
    filling.world.double.misbehave(SwiftFault::None);
    assert_eq!(filling.next().await.job, None, "it is not tried again for five minutes");
    assert!(admin.test_cloud().await.unwrap().passed);
    assert_eq!(filling.world.broken().await, None);
    assert!(filling.next().await.job.is_some());
}

#[tokio::test]
async fn a_key_that_somebody_replaced_stops_the_point_until_it_is_set_again() {
    let filling = Filling::new(World::tempauth).await;
    filling.publish("Small.pkg", SMALL).await;
    let job = filling.next().await.job.unwrap();
    let pieces = filling.signed(&job, SMALL).await;
    filling.world.double.set_account_key(0, "theirs");
    let answered = filling.send(&job, &pieces, SMALL).await;
    assert_eq!(answered[0].answer.status, 401);
    let told = filling.parts(&job, answered.clone(), Vec::new()).await.unwrap();
    assert_eq!((told.again.len(), told.again[0].after_ms), (1, 0), "one new address");
    let refused = filling.parts(&job, answered, Vec::new()).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::CONFLICT, "{refused:?}");
    assert!(filling.world.broken().await.unwrap().contains("another key"));
    filling.world.harness.clock.advance(Duration::from_secs(301));
    assert_eq!(filling.next().await.job, None, "the key is not there though tokens are good");
    assert!(filling.world.broken().await.unwrap().contains("not there any more"));

    let change =
        ChangeCloud { revision: 1, keys: Some(keys(SWIFT_PASSWORD)), ..ChangeCloud::default() };
    filling.world.harness.admin().change_cloud(&change).await.unwrap();
    assert_eq!(filling.world.broken().await, None);
    filling.world.harness.clock.advance(Duration::from_secs(121));
    let job = filling.fill(SMALL).await;
    assert_eq!(filling.state(&job).await, CloudCopyState::Present);
}

#[tokio::test]
async fn a_server_there_that_does_not_know_a_new_key_yet_holds_back_one_part_alone() {
    let filling = Filling::new(World::tempauth).await;
    filling.publish("Small.pkg", SMALL).await;
    let job = filling.next().await.job.unwrap();
    let [key, _] = filling.world.double.account_keys();
    filling.world.double.set_account_key(0, "theirs");
    let pieces = filling.signed(&job, SMALL).await;
    let answered = filling.send(&job, &pieces, SMALL).await;
    filling.world.double.set_account_key(0, &key);
    for _ in 0..2 {
        assert_eq!(answered[0].answer.status, 401);
        let told = filling.parts(&job, answered.clone(), Vec::new()).await.unwrap();
        assert_eq!(told.again.len(), 1, "it is sent again");
    }
    assert_eq!(filling.world.broken().await, None, "our own request is answered");
    let pieces = filling.signed(&job, SMALL).await;
    let answered = filling.send(&job, &pieces, SMALL).await;
    assert_eq!(filling.parts(&job, answered, Vec::new()).await.unwrap().lacking, 0);
}

#[tokio::test]
async fn segments_of_a_broken_upload_go_before_it_is_begun_anew() {
    let filling = Filling::new(World::tempauth).await;
    let content = filling.publish("Large.pkg", &LARGE).await;
    let double = &filling.world.double;
    for left in ["4194304/00001", "1048576/00009"] {
        double.place(SEGMENTS, &format!("{}/{left}", key(content)), "left");
    }
    double.place(SWIFT_CONTAINER, &key(content), "of nobody");
    filling.fill(&LARGE).await;
    assert!(double.bytes(SWIFT_CONTAINER, &key(content)).unwrap() == *LARGE);
    assert_eq!(double.names(SEGMENTS).len(), 3, "{:?}", double.names(SEGMENTS));
}

//! The whole life of a point at Akamai: NetStorage that is filled, and the edge that gives out.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use xylem_api::cloud::{CloudKeys, CloudStepOutcome, SetCloud};
use xylem_api::cloud_files::CloudFileState;
use xylem_api::control_cloud::{
    AnsweredPart, AskCloudNext, CloudContent, CloudJob, CloudSampled, HandedOn, PartDigests,
    SampleFound, SignedPiece, SignedPieces, TellCloudParts,
};
use xylem_api::error::ErrorCode;
use xylem_api::selection::{SelectFiles, SelectionRule};
use xylem_client::{
    ClientError, CloudClient, CloudContentClient, ControlClient, Deadlines, full_body,
};
use xylem_cloud::{PartPlan, Piece};
use xylem_model::{ContentId, FileName};
use xylem_pki::{PublicRoots, public_client_config};
use xylem_testkit::{
    EDGE_TOKEN_SALT, EDGE_TOKEN_SECRET, EDGEGRID_ACCESS_TOKEN, EDGEGRID_CLIENT_SECRET,
    EDGEGRID_CLIENT_TOKEN, NETSTORAGE_ACCOUNT, NETSTORAGE_CP_CODE, NETSTORAGE_KEY,
    NetStorageDouble, NetStorageFault, eventually,
};

use crate::cloud_filling::cloud_request;
use crate::harness::{FakeServer, Harness, present, refusal};

/// The mark of the catalogue, which lies there from the beginning.
const MARK: &str = "macs/xylem.json";

/// A server that may reach the loopback, and Akamai there.
async fn start() -> (Harness, NetStorageDouble) {
    let mut stopped = Harness::start().await.stop().await;
    stopped.config.cloud_private_hosts = vec!["127.0.0.1".to_owned()];
    let harness = stopped.start().await;
    let double = NetStorageDouble::start(&harness.environment).await;
    (harness, double)
}

fn keys(double: &NetStorageDouble, key: &str, token_secret: &str) -> CloudKeys {
    CloudKeys(json!({
        "provider": "akamai",
        "key": key,
        "token_secret": token_secret,
        "token_salt": EDGE_TOKEN_SALT,
        "edgegrid": {
            "host": double.purge_host(),
            "client_token": EDGEGRID_CLIENT_TOKEN,
            "client_secret": EDGEGRID_CLIENT_SECRET,
            "access_token": EDGEGRID_ACCESS_TOKEN,
        },
    }))
}

fn set(double: &NetStorageDouble) -> SetCloud {
    SetCloud {
        ca_pem: Some(double.ca_pem().to_owned()),
        ..SetCloud::new(
            json!({
                "provider": "akamai",
                "upload_host": double.upload_host(),
                "account": NETSTORAGE_ACCOUNT,
                "cp_code": NETSTORAGE_CP_CODE,
                "directory": "macs",
                "delivery_url": double.delivery_url(),
            }),
            keys(double, NETSTORAGE_KEY, EDGE_TOKEN_SECRET),
        )
    }
}

fn key_of(content: ContentId) -> String {
    let hex = content.to_hex();
    format!("macs/content/{}/{hex}", &hex[..2])
}

/// What a file that goes as a whole is told by.
fn digests(bytes: &[u8]) -> PartDigests {
    let part = PartPlan::again(bytes.len() as u64, None).part(1).unwrap();
    let Piece { md5, sha256, .. } = Piece::of(part, bytes);
    PartDigests { number: 1, md5, sha256 }
}

/// A point that is set, a root, and what that reaches the provider with.
struct World {
    harness: Harness,
    double: NetStorageDouble,
    root: FakeServer,
    client: CloudClient,
    contents: CloudContentClient,
}

impl World {
    async fn new() -> Self {
        let (harness, double) = start().await;
        let root = harness.server("root").await;
        harness.admin().set_cloud(&set(&double)).await.unwrap();
        let environment = harness.environment.clone();
        let roots = PublicRoots::from_pem(double.ca_pem().as_bytes()).unwrap();
        let tls = public_client_config(&roots, Arc::clone(&environment.clock)).unwrap();
        let client = CloudClient::new(environment.clone(), Arc::clone(&tls));
        let contents = CloudContentClient::new(environment, tls, Deadlines::default());
        Self { harness, double, root, client, contents }
    }

    fn control(&self) -> &ControlClient {
        &self.root.control
    }

    /// The next content, which is to be this one.
    async fn job(&self, bytes: &[u8]) -> CloudJob {
        let next = self.control().cloud_next(&AskCloudNext::default()).await.unwrap();
        let job = next.job.unwrap();
        assert_eq!((job.content, job.part_bytes), (ContentId::of(bytes), None));
        job
    }

    async fn parts(
        &self,
        job: &CloudJob,
        answered: Vec<AnsweredPart>,
        next: Vec<PartDigests>,
    ) -> SignedPieces {
        let (point, content) = (job.point, job.content);
        let told = TellCloudParts { point, content, answered, next };
        self.control().cloud_parts(&told).await.unwrap()
    }

    async fn signed(&self, job: &CloudJob, bytes: &[u8]) -> SignedPiece {
        let signed = self.parts(job, Vec::new(), vec![digests(bytes)]).await;
        assert_eq!(signed.at_once, 1, "a line that breaks is to cost one file");
        signed.pieces[0].clone()
    }

    async fn send(&self, piece: &SignedPiece, bytes: &[u8]) -> Result<HandedOn, ClientError> {
        let request = cloud_request(&piece.request, bytes.len() as u64);
        let answer = self.client.send_piece(&request, full_body(bytes.to_vec())).await?;
        let headers = answer.headers.iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        Ok(HandedOn {
            status: answer.status,
            headers: headers.collect(),
            body: String::from_utf8(answer.body).unwrap(),
        })
    }

    async fn arrived(&self, job: &CloudJob, bytes: &[u8], answer: HandedOn) {
        let told = AnsweredPart { part: digests(bytes), answer };
        let told = self.parts(job, vec![told], Vec::new()).await;
        assert_eq!((told.lacking, told.again), (0, Vec::new()));
    }

    /// What lies at an address, from an offset on.
    async fn fetch(&self, url: &str, size: usize, from: u64) -> Result<Vec<u8>, ClientError> {
        let answer = self.contents.fetch(url, size as u64, from).await?;
        Ok(answer.body.collect(1 << 20).await?.to_vec())
    }

    /// It is asked after, and looked at as a client would.
    async fn proved(&self, job: &CloudJob, bytes: &[u8]) {
        let (point, content) = (job.point, job.content);
        let proof = self.control().cloud_finish(&CloudContent { point, content }).await.unwrap();
        let url = proof.url.unwrap();
        assert!(url.starts_with(&self.double.delivery_url()), "clients are sent to the edge");
        assert_eq!(self.fetch(&url, bytes.len(), 0).await.unwrap(), bytes);
        let sampled = CloudSampled { point, content, found: SampleFound::Same };
        self.control().cloud_sampled(&sampled).await.unwrap();
        assert_eq!(self.double.bytes(&key_of(content)).unwrap(), bytes);
    }

    /// Publishes a package and brings it there.
    async fn filled(&self, name: &str, bytes: &[u8]) -> ContentId {
        self.harness.publish(&self.root, name, bytes).await;
        let job = self.job(bytes).await;
        let piece = self.signed(&job, bytes).await;
        let answer = self.send(&piece, bytes).await.unwrap();
        self.arrived(&job, bytes, answer).await;
        self.proved(&job, bytes).await;
        job.content
    }
}

#[tokio::test]
async fn a_point_at_akamai_is_set_with_its_test() {
    let (harness, double) = start().await;
    let admin = harness.admin();
    let point = admin.set_cloud(&set(&double)).await.unwrap();
    let test = point.last_test.unwrap();
    let told = |outcome| {
        let steps = test.steps.iter().filter(move |step| step.outcome == outcome);
        steps.map(|step| step.name.as_str()).collect::<Vec<_>>()
    };
    assert!(test.passed && told(CloudStepOutcome::Failed).is_empty(), "{test:?}");
    assert_eq!(told(CloudStepOutcome::Skipped), ["begin and give up"]);
    assert_eq!(double.names(), [MARK], "nothing else is left behind");
    assert!(double.asked().iter().any(|it| it == "mkdir /123456/macs/probe"));
    assert!(double.asked().iter().any(|it| it.ends_with("-a b+é&50%#")));
    assert!(admin.test_cloud().await.unwrap().passed);
}

#[tokio::test]
async fn every_step_at_akamai_fails_for_a_reason_of_its_own() {
    let (harness, double) = start().await;
    let admin = harness.admin();
    let refused = async |asked: &SetCloud, step: &str, words: &str| {
        let (code, told) = refusal(admin.set_cloud(asked).await);
        assert_eq!(code, ErrorCode::Refused, "{told}");
        assert!(told.contains(step) && told.contains(words), "{step} {words}: {told}");
        assert_eq!(admin.cloud().await.unwrap().point, None);
        assert!(double.names().is_empty(), "{:?}", double.names());
    };
    for (fault, step, words) in [
        (NetStorageFault::Busy, "write:", "503"),
        (NetStorageFault::ClockAhead(90), "clock:", "90 s behind"),
        (NetStorageFault::NoRanges, "read a range signed:", "206"),
        (NetStorageFault::OtherBytes, "read signed:", "others are read"),
        (NetStorageFault::Public, "refused unsigned:", "anybody"),
    ] {
        double.misbehave(fault);
        let (code, told) = refusal(admin.set_cloud(&set(&double)).await);
        assert_eq!(code, ErrorCode::Refused, "{told}");
        double.misbehave(NetStorageFault::None);
        assert!(told.contains(step) && told.contains(words), "{fault:?}: {told}");
        assert!(double.names().is_empty(), "{fault:?}: {:?}", double.names());
    }
    let other = keys(&double, "another", EDGE_TOKEN_SECRET);
    refused(&SetCloud { keys: other, ..set(&double) }, "write:", "keys again").await;
    let other = keys(&double, NETSTORAGE_KEY, "aabb");
    refused(&SetCloud { keys: other, ..set(&double) }, "read signed:", "403").await;
    let mut elsewhere = set(&double);
    elsewhere.storage["cp_code"] = json!(7);
    refused(&elsewhere, "write:", "CP code").await;
}

#[tokio::test]
async fn files_get_there_whole_and_computers_are_sent_to_the_edge() {
    let world = World::new().await;
    let (name, bytes) = ("Depot 1.0 + é.pkg", b"what is installed".as_slice());
    let content = world.filled(name, bytes).await;
    let short = world.filled("Short.pkg", b"s").await;
    assert_eq!(world.double.names().len(), 3, "{:?}", world.double.names());
    assert_eq!((world.double.uploads(), world.double.times("upload", &key_of(short))), ((0, 1), 1));

    let stamp = world.harness.admin().status().await.unwrap().stamp;
    world.root.report(stamp, vec![present(bytes)]).await;
    let (_, agent) = world.harness.computer("mac").await;
    let name = FileName::new(name).unwrap();
    let offered = async || agent.sources(&name).await.unwrap().cloud.unwrap();
    let cloud = offered().await;
    assert!(cloud.url.contains(&key_of(content)), "it is for one object");
    assert_eq!(world.fetch(&cloud.url, bytes.len(), 0).await.unwrap(), bytes);
    assert_eq!(world.fetch(&cloud.url, bytes.len(), 5).await.unwrap(), &bytes[5..]);
    let other = cloud.url.replace(&key_of(content), &key_of(short));
    let refused = world.fetch(&other, 0, 0).await.unwrap_err();
    assert!(matches!(refused, ClientError::Answer { status: 403, .. }), "{refused:?}");
    world.harness.clock.advance(Duration::from_secs(601));
    let refused = world.fetch(&cloud.url, bytes.len(), 0).await.unwrap_err();
    assert!(matches!(refused, ClientError::Answer { status: 403, .. }), "{refused:?}");
    assert!(world.fetch(&offered().await.url, bytes.len(), 0).await.is_ok());
}

#[tokio::test]
async fn an_upload_that_breaks_begins_again_with_a_signature_of_its_own() {
    let world = World::new().await;
    let bytes = vec![7; 300_000];
    world.harness.publish(&world.root, "A.pkg", &bytes).await;
    let job = world.job(&bytes).await;
    assert_eq!((job.at_once, job.lacking.len()), (1, 1));
    let piece = world.signed(&job, &bytes).await;
    world.double.misbehave(NetStorageFault::BreakAfter(100_000));
    assert!(world.send(&piece, &bytes).await.is_err());
    world.double.misbehave(NetStorageFault::None);
    assert_eq!(world.double.names(), [MARK], "there is no half of a file");

    // The same request again is none: it was used.
    let used = world.send(&piece, &bytes).await.unwrap();
    assert_eq!(used.status, 403);
    let piece = world.signed(&job, &bytes).await;
    let mut other = bytes.clone();
    other[0] ^= 1;
    let refused = world.send(&piece, &other).await.unwrap();
    assert_eq!(refused.status, 412, "the signature is for these bytes alone");
    assert_eq!(world.double.names(), [MARK]);
    let piece = world.signed(&job, &bytes).await;
    let answer = world.send(&piece, &bytes).await.unwrap();
    world.arrived(&job, &bytes, answer).await;
    world.proved(&job, &bytes).await;
}

#[tokio::test]
async fn one_file_at_a_time_is_given_however_many_are_asked_for() {
    let world = World::new().await;
    world.harness.publish(&world.root, "One.pkg", b"1").await;
    world.harness.publish(&world.root, "Two.pkg", b"22").await;
    let asked = AskCloudNext { busy: Vec::new(), more: 9 };
    let next = world.control().cloud_next(&asked).await.unwrap();
    assert_eq!(next.job.map(|job| job.content), Some(ContentId::of(b"1")));
    assert_eq!(next.more, Vec::new());
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_sent_over_itself() {
    let world = World::new().await;
    let bytes = b"twice";
    world.harness.publish(&world.root, "A.pkg", bytes).await;
    for told in [false, true] {
        let job = world.job(bytes).await;
        let piece = world.signed(&job, bytes).await;
        let answer = world.send(&piece, bytes).await.unwrap();
        if told {
            world.arrived(&job, bytes, answer).await;
            world.proved(&job, bytes).await;
        }
    }
    assert_eq!(world.double.times("upload", &key_of(ContentId::of(bytes))), 2);
}

#[tokio::test]
async fn an_inventory_goes_through_all_folders_to_their_ends() {
    let world = World::new().await;
    for number in 0..5_u8 {
        world.filled(&format!("{number}.pkg"), &[number]).await;
    }
    let folder = &key_of(ContentId::of(&[0]))[..15];
    for name in ["of somebody", "x&y", "z1", "z2"] {
        world.double.place(&format!("{folder}/{name}"), b"else");
    }
    let admin = world.harness.admin();
    let dirs = || {
        let asked = world.double.asked();
        asked.iter().filter(|it| it.starts_with("dir /123456/macs/content/")).count()
    };
    let before = dirs();
    let asked = admin.ask_cloud_inventory().await.unwrap().asked_at.unwrap();
    let last = loop {
        let state = admin.cloud_inventory().await.unwrap();
        match state.last.filter(|last| last.began_at >= asked) {
            Some(last) if state.running_since.is_none() => break last,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let told = last.found.unwrap();
    assert_eq!((told.objects, told.good, told.lost, told.foreign), (5, 5, 0, 4), "{told:?}");
    assert!(dirs() - before > 256, "one folder has more than a page");
}

#[tokio::test]
async fn what_is_wanted_no_longer_is_removed_and_purged() {
    let world = World::new().await;
    let gone = world.filled("Gone.pkg", b"gone").await;
    let kept = world.filled("Kept.pkg", b"kept").await;
    let rule = SelectionRule { names: vec!["Kept*".to_owned()], ..SelectionRule::default() };
    let admin = world.harness.admin();
    admin.select_for_cloud(&SelectFiles { rules: vec![rule], add: false }).await.unwrap();
    let next = world.control().cloud_next(&AskCloudNext::default()).await.unwrap();
    assert_eq!(next.job, None);
    let files = admin.cloud_files(Some(CloudFileState::Present), None).await.unwrap().items;
    assert!(files.iter().any(|file| file.content == kept), "{files:?}");

    let World { harness, double, .. } = world;
    let stopped = harness.stop().await;
    stopped.clock.advance(Duration::from_secs(25 * 3600));
    let _harness = stopped.start().await;
    let purge = format!("purge-delete-production /{}", key_of(gone));
    let (double, key) = (&double, key_of(gone));
    let is_over = || async { double.bytes(&key).is_none() && double.asked().contains(&purge) };
    eventually("it is removed and purged", is_over).await;
    let names = double.names();
    assert_eq!(names, [key_of(kept), MARK.to_owned()]);
}

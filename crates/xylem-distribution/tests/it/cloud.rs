//! Filling a cloud: a provider that can be told to misbehave, over TLS on the loopback.

mod folder;
mod principal;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{get, put};
use http::{HeaderMap, StatusCode, header};
use md5::{Digest as _, Md5};
use tokio::time::sleep;
use xylem_api::control_cloud::{GivenUp, SampleFound};
use xylem_api::control_read_back::ReadBackFound;
use xylem_http::{Api, HttpServer, Limits};
use xylem_model::{ContentId, DistributionServerId, Party};
use xylem_pki::{ClientAuth, Identity, server_config};
use xylem_runtime::Shutdown;

use crate::fleet::{Fleet, noise, sha256};
use crate::management::CloudWorld;

/// A provider.
#[derive(Clone, Default)]
struct Cloud(Arc<Mutex<Store>>);

#[derive(Default)]
struct Store {
    parts: BTreeMap<(String, u32), Bytes>,
    /// How many parts came.
    sent: u32,
    /// So many parts are taken and not answered: the line breaks.
    breaks: u32,
    /// So many parts are answered 503.
    busy: u32,
    /// Whether no part is answered before this is over.
    is_held: bool,
    /// Whether other bytes are given out than came.
    lies: bool,
    /// So many answers with content are cut off in the middle: the line breaks.
    cuts: u32,
    /// From which byte on objects were asked for.
    asked_from: Vec<usize>,
    /// So many requests for content are turned down.
    turns_down: u32,
    /// How many requests for content came.
    given: u32,
    /// Parts under way, and the most that were.
    under_way: u32,
    most_under_way: u32,
}

/// A fleet of one root that may reach a cloud on the loopback, not yet running.
pub(crate) async fn root_alone() -> Fleet {
    let mut fleet = Fleet::new().await;
    let root = fleet.add("root").await;
    fleet.management.place(root, &[]);
    let settings = fleet.server(0).data.join("server.json");
    let text = std::fs::read_to_string(&settings).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["cloud_private_hosts"] = serde_json::json!(["127.0.0.1"]);
    std::fs::write(&settings, value.to_string()).unwrap();
    fleet
}

impl Cloud {
    /// A fleet of one root that fills this cloud, not yet running.
    async fn beside_a_root() -> (Fleet, Self) {
        let (fleet, cloud) = (root_alone().await, Self::default());
        let origin = cloud.listen(&fleet).await;
        let world = CloudWorld::new(&origin, &fleet.management.ca.root_pem());
        fleet.management.world().cloud = Some(world);
        (fleet, cloud)
    }

    async fn start() -> (Fleet, Self) {
        let (mut fleet, cloud) = Self::beside_a_root().await;
        fleet.start(0).await;
        (fleet, cloud)
    }

    async fn listen(&self, fleet: &Fleet) -> String {
        let id = fleet.environment.new_id(DistributionServerId::from_parts);
        let identity = Identity::new(fleet.management.issue(Party::DistributionServer(id)));
        let clock = Arc::clone(&fleet.environment.clock);
        let anchors = &fleet.management.anchors;
        let tls = server_config(&identity, anchors, clock, ClientAuth::None).unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let http = HttpServer::listen(&fleet.environment, address, tls, Limits::default());
        let http = http.await.unwrap();
        let origin = format!("https://{}", http.local_address().unwrap());
        let router = Router::new()
            .route("/{content}/{part}", put(take_part))
            .route("/{content}", get(give))
            .with_state(self.clone());
        tokio::spawn(http.serve(Api::new(router), Shutdown::new()));
        origin
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap()
    }

    fn object(&self, content: &ContentId) -> Vec<u8> {
        self.store().object(&content.to_string())
    }

    fn is_held(&self) -> bool {
        self.store().is_held
    }
}

impl Store {
    fn object(&self, content: &str) -> Vec<u8> {
        let parts = self.parts.iter().filter(|((of, _), _)| of == content);
        parts.flat_map(|(_, bytes)| bytes.to_vec()).collect()
    }

    fn begin_part(&mut self) {
        self.under_way += 1;
        self.most_under_way = self.most_under_way.max(self.under_way);
    }

    fn end_part(
        &mut self,
        part: (String, u32),
        head: &HeaderMap,
        bytes: Option<Bytes>,
    ) -> Response {
        self.under_way -= 1;
        let Some(bytes) = bytes else { return Response::new(Body::empty()) };
        self.sent += 1;
        if Self::count(&mut self.breaks) {
            let broken = std::io::Error::other("the line breaks");
            let broken = futures_util::stream::iter([Err::<Bytes, _>(broken)]);
            return Response::new(Body::from_stream(broken));
        }
        let mut answer = Response::new(Body::empty());
        let md5 = hex::encode(Md5::digest(&bytes));
        if Self::count(&mut self.busy) {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        } else if head["x-md5"] == md5 && head["x-sha256"] == sha256(&bytes).to_hex() {
            answer.headers_mut().insert(header::ETAG, format!("\"{md5}\"").parse().unwrap());
            self.parts.insert(part, bytes);
        } else {
            *answer.status_mut() = StatusCode::BAD_REQUEST;
        }
        answer
    }

    fn count(left: &mut u32) -> bool {
        let is_left = *left > 0;
        *left = left.saturating_sub(1);
        is_left
    }
}

async fn take_part(
    State(cloud): State<Cloud>,
    Path(part): Path<(String, u32)>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    assert_eq!(head.uri.query(), Some("signature=planted"));
    cloud.store().begin_part();
    let bytes = to_bytes(body, usize::MAX).await;
    while cloud.is_held() {
        sleep(Duration::from_millis(10)).await;
    }
    cloud.store().end_part(part, &head.headers, bytes.ok())
}

async fn give(
    State(cloud): State<Cloud>,
    Path(content): Path<String>,
    request: Request,
) -> Response {
    let mut store = cloud.store();
    store.given += 1;
    if Store::count(&mut store.turns_down) {
        let mut refusal = Response::new(Body::empty());
        *refusal.status_mut() = StatusCode::FORBIDDEN;
        return refusal;
    }
    let mut object = store.object(&content);
    if object.is_empty() {
        let mut answer = Response::new(Body::from("<Error><Code>NoSuchKey</Code></Error>"));
        *answer.status_mut() = StatusCode::NOT_FOUND;
        return answer;
    }
    if store.lies
        && let Some(last) = object.last_mut()
    {
        *last ^= 1;
    }
    let is_cut = Store::count(&mut store.cuts);
    let Some(range) = request.headers().get(header::RANGE) else {
        store.asked_from.push(0);
        return whole(object, is_cut);
    };
    let range = range.to_str().unwrap();
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    store.asked_from.push(first);
    let told = format!("bytes {first}-{last}/{}", object.len());
    let mut answer = whole(object[first..=last].to_vec(), is_cut);
    *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    answer.headers_mut().insert(header::CONTENT_RANGE, told.parse().unwrap());
    answer
}

/// An answer with these bytes; the second half of them does not come where it is cut off.
fn whole(bytes: Vec<u8>, is_cut: bool) -> Response {
    let length = bytes.len();
    let body = if is_cut {
        let first = Ok(Bytes::from(bytes).slice(..length / 2));
        let broken = Err(std::io::Error::other("the line breaks"));
        Body::from_stream(futures_util::stream::iter([first, broken]))
    } else {
        Body::from(bytes)
    };
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    answer
}

/// What is known at the management server.
fn known<T>(fleet: &Fleet, ask: impl FnOnce(&mut CloudWorld) -> T) -> T {
    ask(fleet.management.world().cloud.as_mut().unwrap())
}

fn found(fleet: &Fleet, content: &ContentId) -> Option<SampleFound> {
    known(fleet, |cloud| cloud.copies.get(content)?.found.clone())
}

fn given_up(fleet: &Fleet, content: &ContentId) -> Option<GivenUp> {
    known(fleet, |cloud| cloud.copies.get(content)?.given_up.clone())
}

pub(crate) async fn until_found(fleet: &Fleet, content: &ContentId, expected: &SampleFound) {
    let is_found = || found(fleet, content);
    fleet.until("it is looked at", async || is_found().is_some()).await;
    assert_eq!(is_found().as_ref(), Some(expected));
}

#[tokio::test]
async fn what_is_uploaded_gets_into_the_cloud_large_and_small() {
    let (fleet, cloud) = Cloud::start().await;
    let mut all = Vec::new();
    for (seed, size) in [1, 5_000, 299_999, 300_000, 300_001, 2_000_003].into_iter().enumerate() {
        let bytes = noise(seed as u64, size);
        all.push((fleet.upload(&format!("{seed}.pkg"), &bytes).await, bytes));
    }
    for (content, bytes) in &all {
        until_found(&fleet, content, &SampleFound::Same).await;
        assert_eq!(cloud.object(content), *bytes);
    }
    let most = cloud.store().most_under_way;
    assert!(most <= 4, "{most} parts were under way at once");
    assert_eq!(cloud.store().sent, 4 + 2 + 7, "each part is sent once");
}

#[tokio::test]
async fn parts_that_get_no_answer_or_no_good_one_are_sent_again() {
    let (fleet, cloud) = Cloud::start().await;
    cloud.store().breaks = 1;
    cloud.store().busy = 2;
    let bytes = noise(1, 1_000_000);
    let content = fleet.upload("A.pkg", &bytes).await;
    until_found(&fleet, &content, &SampleFound::Same).await;
    assert_eq!(cloud.object(&content), bytes);
    assert_eq!(cloud.store().sent, 4 + 1 + 2);
}

#[tokio::test]
async fn a_refusal_of_the_provider_is_told_once_though_the_answer_is_lost() {
    let (fleet, cloud) = Cloud::start().await;
    cloud.store().busy = 1;
    known(&fleet, |cloud| cloud.lost = 1);
    let bytes = noise(12, 200_000);
    let content = fleet.upload("A.pkg", &bytes).await;
    until_found(&fleet, &content, &SampleFound::Same).await;
    assert_eq!(cloud.object(&content), bytes);
    assert_eq!(known(&fleet, |cloud| (cloud.lost, cloud.refusals)), (0, 1));
}

#[tokio::test]
async fn a_server_that_was_killed_goes_on_with_what_lacks() {
    let (mut fleet, cloud) = Cloud::start().await;
    known(&fleet, |cloud| cloud.at_once = 1);
    let bytes = noise(2, 1_500_000);
    let content = fleet.upload("A.pkg", &bytes).await;
    let arrived = |fleet: &Fleet| known(fleet, |cloud| cloud.copies[&content].arrived.len());
    let begun = |fleet: &Fleet| known(fleet, |cloud| cloud.copies.contains_key(&content));
    fleet.until("some parts arrived", async || begun(&fleet) && arrived(&fleet) >= 2).await;
    fleet.kill(0).await;
    let sent = cloud.store().sent;
    fleet.start(0).await;
    until_found(&fleet, &content, &SampleFound::Same).await;
    assert_eq!(cloud.object(&content), bytes);
    assert!(sent >= 2 && cloud.store().sent <= 5 + 2, "{sent}, then {}", cloud.store().sent);
}

#[tokio::test]
async fn an_object_that_looks_otherwise_to_a_client_is_told() {
    let (fleet, cloud) = Cloud::start().await;
    cloud.store().lies = true;
    let content = fleet.upload("A.pkg", &noise(3, 700_000)).await;
    until_found(&fleet, &content, &SampleFound::Other).await;
}

#[tokio::test]
async fn of_a_damaged_copy_nothing_is_proved_and_it_is_told() {
    use std::os::unix::fs::FileExt as _;
    let (mut fleet, _cloud) = Cloud::beside_a_root().await;
    let world = fleet.management.world().cloud.take();
    fleet.start(0).await;
    let content = fleet.upload("A.pkg", &noise(4, 2_000_000)).await;
    // Nobody else is to read it meanwhile.
    let is_digested = || fleet.management.world().digests.contains_key(&content);
    fleet.until("its digests are told", async || is_digested()).await;
    fleet.stop(0).await;
    let path = fleet.file(0, &content);
    let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 1_234_567).unwrap();
    file.write_all_at(&[byte[0] ^ 4], 1_234_567).unwrap();
    fleet.management.world().cloud = world;
    fleet.start(0).await;
    fleet.until("it is given up", async || given_up(&fleet, &content).is_some()).await;
    assert_eq!(given_up(&fleet, &content), Some(GivenUp::NoCopy));
    assert!(!path.exists(), "it is withdrawn");
    assert_eq!(found(&fleet, &content), None);
}

#[tokio::test]
async fn a_root_that_goes_into_maintenance_leaves_it_to_others() {
    let (fleet, cloud) = Cloud::start().await;
    cloud.store().is_held = true;
    let content = fleet.upload("A.pkg", &noise(5, 1_000_000)).await;
    fleet.until("parts are under way", async || cloud.store().under_way > 0).await;
    let root = fleet.server(0).id;
    fleet.management.change(|world| world.maintenance.insert(root));
    fleet.until("it is given up", async || given_up(&fleet, &content).is_some()).await;
    assert_eq!(given_up(&fleet, &content), Some(GivenUp::Leaving));
    // Nothing is begun before that ends.
    let asked = known(&fleet, |cloud| cloud.copies.get_mut(&content).map(|it| it.given_up.take()));
    assert!(asked.is_some());
    cloud.store().is_held = false;
    fleet.management.change(|world| world.maintenance.clear());
    until_found(&fleet, &content, &SampleFound::Same).await;
}

#[tokio::test]
async fn a_root_that_hears_by_a_refusal_that_it_does_not_fill_leaves_too() {
    let (fleet, cloud) = Cloud::start().await;
    cloud.store().is_held = true;
    let content = fleet.upload("A.pkg", &noise(11, 1_000_000)).await;
    fleet.until("parts are under way", async || cloud.store().under_way > 0).await;
    // Nothing says to the server that there is news.
    let root = fleet.server(0).id;
    fleet.management.world().maintenance.insert(root);
    cloud.store().is_held = false;
    fleet.until("it is given up", async || given_up(&fleet, &content).is_some()).await;
    assert_eq!(given_up(&fleet, &content), Some(GivenUp::Leaving));
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let (mut fleet, cloud) = Cloud::start().await;
    cloud.store().is_held = true;
    let content = fleet.upload("A.pkg", &noise(6, 1_000_000)).await;
    fleet.until("parts are under way", async || cloud.store().under_way > 0).await;
    fleet.stop(0).await;
    assert_eq!(given_up(&fleet, &content), Some(GivenUp::Leaving));
    cloud.store().is_held = false;
}

#[tokio::test]
async fn what_is_wanted_no_longer_is_not_sent_on() {
    let (fleet, cloud) = Cloud::start().await;
    cloud.store().is_held = true;
    let content = fleet.upload("A.pkg", &noise(7, 3_000_000)).await;
    fleet.until("parts are under way", async || cloud.store().under_way > 0).await;
    known(&fleet, |cloud| cloud.is_unwanted = true);
    cloud.store().is_held = false;
    let told = known(&fleet, |cloud| cloud.told);
    fleet.until("it is told", async || known(&fleet, |cloud| cloud.told) > told).await;
    sleep(Duration::from_millis(300)).await;
    assert!(cloud.store().sent <= 4, "{} parts were sent", cloud.store().sent);
    assert_eq!((given_up(&fleet, &content), found(&fleet, &content)), (None, None));
}

#[tokio::test]
async fn only_the_root_asks() {
    let (mut fleet, cloud) = Cloud::start().await;
    let child = fleet.add("child").await;
    let root = fleet.server(0).id;
    fleet.management.place(child, &[root]);
    fleet.start(1).await;
    let content = fleet.upload("A.pkg", &noise(8, 10_000)).await;
    fleet.held(1, &content).await;
    until_found(&fleet, &content, &SampleFound::Same).await;
    assert_eq!(cloud.store().sent, 1);
    let server = known(&fleet, |cloud| cloud.copies[&content].server);
    assert_eq!(server, Some(root));
}

#[tokio::test]
async fn a_cloud_in_ones_own_network_has_to_be_named() {
    let (mut fleet, cloud) = Cloud::beside_a_root().await;
    let settings = fleet.server(0).data.join("server.json");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("127.0.0.1\"]", "elsewhere.example\"]")).unwrap();
    fleet.start(0).await;
    let content = fleet.upload("A.pkg", &noise(9, 10_000)).await;
    // It is tried again for a while, as whatever may pass: the second request is asked for after the
    // first was of no use.
    let is_tried = || known(&fleet, |cloud| cloud.told) >= 2;
    let is_given_up = || matches!(given_up(&fleet, &content), Some(GivenUp::Line { .. }));
    fleet.until("it is tried", async || is_tried() || is_given_up()).await;
    assert_eq!((cloud.store().sent, found(&fleet, &content)), (0, None));
}

#[tokio::test]
async fn a_management_server_that_knows_of_no_cloud_yet_is_asked_when_something_changes() {
    let (mut fleet, cloud) = Cloud::beside_a_root().await;
    let world = fleet.management.world().cloud.take();
    fleet.start(0).await;
    let bytes = noise(10, 10_000);
    let content = fleet.upload("A.pkg", &bytes).await;
    fleet.caught_up(0).await;
    assert_eq!(cloud.store().sent, 0);
    fleet.management.change(|now| now.cloud = world);
    until_found(&fleet, &content, &SampleFound::Same).await;
    assert_eq!(cloud.object(&content), bytes);
}

/// A root that holds so many small files before it knows of a cloud, not running any more.
async fn with_small_files(count: u64) -> (Fleet, Cloud, Vec<(ContentId, Vec<u8>)>) {
    let (mut fleet, cloud) = Cloud::beside_a_root().await;
    let world = fleet.management.world().cloud.take();
    fleet.start(0).await;
    let mut all = Vec::new();
    for seed in 0..count {
        let bytes = noise(100 + seed, 1_000);
        all.push((fleet.upload(&format!("{seed}.pkg"), &bytes).await, bytes));
    }
    fleet.stop(0).await;
    fleet.management.world().cloud = world;
    (fleet, cloud, all)
}

#[tokio::test]
async fn many_small_files_are_asked_for_together_and_each_is_sent_once() {
    let (mut fleet, cloud, all) = with_small_files(12).await;
    fleet.start(0).await;
    for (content, bytes) in &all {
        until_found(&fleet, content, &SampleFound::Same).await;
        assert_eq!(cloud.object(content), *bytes);
    }
    assert_eq!(known(&fleet, |cloud| cloud.most_given), 12);
    let store = cloud.store();
    let (sent, most) = (store.sent, store.most_under_way);
    assert!(sent == 12 && most <= 4, "{sent} were sent, {most} at once");
}

#[tokio::test]
async fn where_nobody_can_be_believed_one_file_is_to_blame_and_the_others_are_left() {
    let (mut fleet, cloud, all) = with_small_files(3).await;
    known(&fleet, |cloud| cloud.ca_pem = "no certificate".to_owned());
    fleet.start(0).await;
    let told = || -> Vec<GivenUp> {
        all.iter().filter_map(|(content, _)| given_up(&fleet, content)).collect()
    };
    fleet.until("all are given up", async || told().len() == 3).await;
    let told = told();
    let blamed = told.iter().filter(|cause| matches!(cause, GivenUp::Line { .. })).count();
    let left = told.iter().filter(|cause| **cause == GivenUp::Leaving).count();
    assert_eq!((blamed, left, cloud.store().sent), (1, 2, 0), "{told:?}");
}

/// Has a content read back that is there; gives what was told of it.
async fn read_back(fleet: &Fleet, content: ContentId) -> (ReadBackFound, u64) {
    known(fleet, |cloud| cloud.to_read.push(content));
    let read = || known(fleet, |cloud| cloud.read.get(&content).cloned());
    fleet.until("it is read back", async || read().is_some()).await;
    read().unwrap()
}

#[tokio::test]
async fn what_is_in_the_cloud_is_read_back_whole() {
    let (fleet, cloud) = Cloud::start().await;
    let bytes = noise(13, 700_000);
    let content = fleet.upload("A.pkg", &bytes).await;
    until_found(&fleet, &content, &SampleFound::Same).await;
    let before = cloud.store().given;
    assert_eq!(read_back(&fleet, content).await, (ReadBackFound::Same, 700_000));
    assert_eq!(cloud.store().given, before + 1, "by one request");
}

#[tokio::test]
async fn a_line_that_breaks_is_gone_on_with_where_it_broke_by_a_fresh_address() {
    let (fleet, cloud) = Cloud::start().await;
    let bytes = noise(14, 700_000);
    let content = fleet.upload("A.pkg", &bytes).await;
    until_found(&fleet, &content, &SampleFound::Same).await;
    cloud.store().cuts = 1;
    assert_eq!(read_back(&fleet, content).await, (ReadBackFound::Same, 700_000), "nothing twice");
    assert_eq!(known(&fleet, |cloud| cloud.addresses), 2);
    cloud.store().turns_down = 1;
    assert_eq!(read_back(&fleet, content).await.0, ReadBackFound::Same);
}

#[tokio::test]
async fn other_bytes_are_read_twice_before_they_are_told() {
    let (fleet, cloud) = Cloud::start().await;
    let content = fleet.upload("A.pkg", &noise(15, 300_000)).await;
    until_found(&fleet, &content, &SampleFound::Same).await;
    cloud.store().lies = true;
    assert_eq!(read_back(&fleet, content).await, (ReadBackFound::Other, 600_000));
}

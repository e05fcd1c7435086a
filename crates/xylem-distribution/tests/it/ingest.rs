//! Uploads.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use xylem_api::error::ErrorCode;
use xylem_api::ingest::IngestProgress;
use xylem_client::{ClientError, ContentClient, RequestBody, full_body};
use xylem_model::{ContentId, UploadId};

use crate::fleet::{Fleet, noise};
use crate::management::DAY;

/// An upload and everything to send it with.
pub(crate) struct Sender<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) client: ContentClient,
    pub(crate) upload: UploadId,
    pub(crate) ticket: String,
}

impl<'a> Sender<'a> {
    pub(crate) async fn new(fleet: &'a Fleet, name: &str, declared: &[u8]) -> Self {
        let (upload, ticket) = fleet.management.declare(name, declared, true);
        let sender = Self { fleet, client: fleet.client(None), upload, ticket };
        sender.ready().await;
        sender
    }

    pub(crate) async fn ready(&self) {
        self.fleet
            .until("the server takes uploads", async || {
                self.offset().await.is_ok_and(|offset| offset < u64::MAX)
            })
            .await;
    }

    pub(crate) async fn progress(&self) -> Result<IngestProgress, ClientError> {
        let url = &self.fleet.server(0).url;
        self.client.ingest_progress(url, self.upload, &self.ticket).await
    }

    async fn offset(&self) -> Result<u64, ClientError> {
        Ok(self.progress().await?.offset)
    }

    pub(crate) async fn send_ahead(
        &self,
        offset: u64,
        length: u64,
        body: RequestBody,
    ) -> Result<IngestProgress, ClientError> {
        let url = &self.fleet.server(0).url;
        self.client.ingest_ahead(url, self.upload, &self.ticket, offset, length, body).await
    }

    pub(crate) async fn put_ahead(
        &self,
        offset: usize,
        bytes: &[u8],
    ) -> Result<IngestProgress, ClientError> {
        let body = full_body(bytes.to_vec());
        self.send_ahead(offset as u64, bytes.len() as u64, body).await
    }

    async fn put(&self, offset: u64, length: u64, body: RequestBody) -> Result<u64, ClientError> {
        let url = &self.fleet.server(0).url;
        let sent = self.client.ingest(url, self.upload, &self.ticket, offset, length, body);
        Ok(sent.await?.offset)
    }

    pub(crate) async fn put_bytes(&self, offset: usize, bytes: &[u8]) -> Result<u64, ClientError> {
        self.put(offset as u64, bytes.len() as u64, full_body(bytes.to_vec())).await
    }

    pub(crate) async fn complete(&self) -> Result<bool, ClientError> {
        let url = &self.fleet.server(0).url;
        Ok(self.client.complete(url, self.upload, &self.ticket).await?.published)
    }

    /// Sends what is missing, as often as another request is still in the way.
    pub(crate) async fn send_rest(&self, bytes: &[u8]) {
        self.fleet
            .until("the rest is sent", async || {
                let offset = self.offset().await.unwrap() as usize;
                self.put_bytes(offset, &bytes[offset..]).await.is_ok()
            })
            .await;
    }
}

pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> ErrorCode {
    result.unwrap_err().code().expect("an answer")
}

/// A body that breaks after some bytes.
pub(crate) fn cut_body(bytes: &[u8]) -> RequestBody {
    let pieces: Vec<io::Result<_>> = bytes
        .chunks(50_000)
        .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
        .chain([Err(io::Error::other("cut"))])
        .collect();
    BodyExt::boxed(StreamBody::new(stream::iter(pieces)))
}

#[tokio::test]
async fn an_upload_cut_by_its_sender_goes_on_at_what_arrived() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(1, 2_500_000);
    for index in 0..10 {
        let cut = bytes.len() * index / 10;
        let sender = Sender::new(&fleet, &format!("Cut-{index}.pkg"), &bytes).await;
        let length = bytes.len() as u64;
        sender.put(0, length, cut_body(&bytes[..cut])).await.unwrap_err();
        sender.send_rest(&bytes).await;
        assert!(sender.complete().await.unwrap(), "cut at {cut}");
    }
    let computer = fleet.asker(Some(fleet.computer()));
    assert_eq!(fleet.get(0, &computer, "/Packages/Cut-3.pkg").await.bytes(), bytes);
}

#[tokio::test]
async fn an_upload_survives_a_restart_of_the_server_at_any_part() {
    let mut fleet = Fleet::chain(1).await;
    let bytes = noise(2, 1_000_000);
    let (upload, ticket) = fleet.management.declare("Parts.pkg", &bytes, true);
    let mut sent = 0;
    for part in bytes.chunks(bytes.len() / 10) {
        let client = fleet.client(None);
        let sender = Sender { fleet: &fleet, client, upload, ticket: ticket.clone() };
        sender.ready().await;
        assert_eq!(sender.offset().await.unwrap(), sent as u64, "what was confirmed is kept");
        sent = sender.put_bytes(sent, part).await.unwrap() as usize;
        fleet.stop(0).await;
        fleet.start(0).await;
    }
    let client = fleet.client(None);
    let sender = Sender { fleet: &fleet, client, upload, ticket };
    sender.ready().await;
    assert!(sender.complete().await.unwrap());
    assert!(fleet.file(0, &ContentId::of(&bytes)).exists());
}

#[tokio::test]
async fn completing_again_is_harmless_also_at_once_and_after_a_restart() {
    let mut fleet = Fleet::chain(1).await;
    let bytes = noise(3, 100_000);
    let (upload, ticket) = {
        let sender = Sender::new(&fleet, "Twice.pkg", &bytes).await;
        sender.put_bytes(0, &bytes).await.unwrap();
        let (first, second) = tokio::join!(sender.complete(), sender.complete());
        assert!(first.unwrap() && second.unwrap());
        (sender.upload, sender.ticket)
    };
    fleet.stop(0).await;
    fleet.start(0).await;
    let sender = Sender { client: fleet.client(None), fleet: &fleet, upload, ticket };
    fleet
        .until("it says so again", async || {
            sender.complete().await.is_ok_and(|published| published)
        })
        .await;
    let world = fleet.management.world();
    let row = &world.uploads[&sender.upload];
    assert!(row.published && row.commits == 1);
}

#[tokio::test]
async fn gaps_and_overruns_are_refused_and_overlaps_are_not() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(4, 10_000);
    let sender = Sender::new(&fleet, "Parts.pkg", &bytes).await;
    sender.put_bytes(0, &bytes[..4_000]).await.unwrap();
    let gap = sender.put_bytes(5_000, &bytes[5_000..]).await.unwrap_err();
    assert!(gap.to_string().contains("byte 4000"), "{gap}");
    assert_eq!(code::<u64>(Err(gap)), ErrorCode::Conflict);
    let long = [bytes.clone(), vec![0]].concat();
    assert_eq!(code(sender.put_bytes(0, &long).await), ErrorCode::TooLarge);
    assert_eq!(code(sender.complete().await), ErrorCode::Conflict, "bytes are missing");
    assert_eq!(sender.put_bytes(3_000, &bytes[3_000..]).await.unwrap(), 10_000);
    assert!(sender.complete().await.unwrap());
}

#[tokio::test]
async fn other_bytes_than_declared_are_refused_and_nothing_is_kept() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(5, 50_000);
    let sender = Sender::new(&fleet, "Wrong.pkg", &bytes).await;
    let mut wrong = bytes.clone();
    wrong[7] ^= 1;
    sender.put_bytes(0, &wrong).await.unwrap();
    assert_eq!(code(sender.complete().await), ErrorCode::DigestMismatch);
    assert_eq!(code(sender.complete().await), ErrorCode::DigestMismatch, "and stays refused");
    assert!(!fleet.file(0, &ContentId::of(&wrong)).exists());
    let staged = fleet.server(0).data.join("repo/staged");
    assert_eq!(staged.read_dir().unwrap().count(), 0);
    let world = fleet.management.world();
    assert!(world.uploads[&sender.upload].refused.as_ref().unwrap().contains("BLAKE3"));
}

#[tokio::test]
async fn what_the_inspector_refuses_is_not_published() {
    let fleet = Fleet::chain(1).await;
    let bytes = [b"BAD".to_vec(), noise(6, 1_000)].concat();
    let sender = Sender::new(&fleet, "Bad.pkg", &bytes).await;
    sender.put_bytes(0, &bytes).await.unwrap();
    let error = sender.complete().await.unwrap_err();
    assert!(error.to_string().contains("it begins with BAD"), "{error}");
    assert_eq!(code::<bool>(Err(error)), ErrorCode::Refused);
    assert!(!fleet.file(0, &ContentId::of(&bytes)).exists());
    let world = fleet.management.world();
    assert!(world.uploads[&sender.upload].refused.is_some());
}

#[tokio::test]
async fn a_word_of_the_management_server_against_it_is_passed_on() {
    let fleet = Fleet::chain(1).await;
    let sender = Sender::new(&fleet, "Taken.pkg", b"taken").await;
    sender.put_bytes(0, b"taken").await.unwrap();
    let error = sender.complete().await.unwrap_err();
    assert!(error.to_string().contains("the name is taken"), "{error}");
    assert_eq!(code::<bool>(Err(error)), ErrorCode::Conflict);
    assert!(!fleet.file(0, &ContentId::of(b"taken")).exists());
}

#[tokio::test]
async fn an_upload_waits_for_a_management_server_that_is_away() {
    let mut fleet = Fleet::chain(1).await;
    let bytes = noise(7, 20_000);
    let (upload, ticket) = {
        let sender = Sender::new(&fleet, "Waits.pkg", &bytes).await;
        sender.put_bytes(0, &bytes).await.unwrap();
        fleet.management.world().away = true;
        match sender.complete().await {
            Err(ClientError::Answer { status: 503, retry_after: Some(_), .. }) => {}
            other => panic!("{other:?}"),
        }
        assert!(!fleet.file(0, &ContentId::of(&bytes)).exists());
        (sender.upload, sender.ticket)
    };
    fleet.stop(0).await;
    fleet.management.world().away = false;
    fleet.start(0).await;
    // Nobody asks again: the server finishes what was begun.
    fleet.held(0, &ContentId::of(&bytes)).await;
    let sender = Sender { client: fleet.client(None), fleet: &fleet, upload, ticket };
    fleet.until("it is published", async || sender.complete().await.is_ok_and(|done| done)).await;
}

#[tokio::test]
async fn a_management_server_that_was_upgraded_hears_at_once_who_knows_marks() {
    let fleet = Fleet::chain(1).await;
    let committed = async |name: &str, bytes: &[u8]| {
        let sender = Sender::new(&fleet, name, bytes).await;
        sender.put_bytes(0, bytes).await.unwrap();
        assert!(sender.complete().await.unwrap());
        fleet.management.world().uploads[&sender.upload].with_marks
    };
    assert!(!committed("Before.pkg", b"before").await, "it does not know the word");
    // The state that was taken over is of before, and nobody says that there is another.
    fleet.management.world().knows_marks = true;
    assert!(committed("After.pkg", b"after").await);
}

#[tokio::test]
async fn what_is_published_and_not_told_yet_is_all_there_and_stages_nothing() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(8, 20_000);
    let sender = Sender::new(&fleet, "Untold.pkg", &bytes).await;
    sender.put_bytes(0, &bytes).await.unwrap();
    fleet.management.world().holds_published = true;
    assert!(matches!(sender.complete().await, Err(ClientError::Answer { status: 503, .. })));
    let there = sender.progress().await.unwrap();
    assert_eq!((there.offset, there.published), (bytes.len() as u64, false));
    let content = fleet.file(0, &ContentId::of(&bytes));
    let staged = content.ancestors().nth(3).unwrap().join("staged");
    assert_eq!(std::fs::read_dir(staged).unwrap().count(), 0);
    fleet.management.world().holds_published = false;
    assert!(sender.complete().await.unwrap());
}

#[tokio::test]
async fn only_its_ticket_opens_an_upload() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(8, 1_000);
    let first = Sender::new(&fleet, "First.pkg", &bytes).await;
    let second = Sender::new(&fleet, "Second.pkg", &bytes).await;
    let client = fleet.client(Some(fleet.computer()));
    let crossed = Sender {
        client: client.clone(),
        fleet: &fleet,
        upload: first.upload,
        ticket: second.ticket,
    };
    assert_eq!(code(crossed.put_bytes(0, &bytes).await), ErrorCode::Forbidden);
    let none = Sender { client, fleet: &fleet, upload: first.upload, ticket: String::new() };
    assert_eq!(code(none.put_bytes(0, &bytes).await), ErrorCode::Unauthorized);
    fleet.clock.advance(Duration::from_secs(601));
    assert_eq!(code(first.put_bytes(0, &bytes).await), ErrorCode::Unauthorized);
}

#[tokio::test]
async fn uploads_go_to_the_principal_and_the_root_fetches_from_there() {
    let mut fleet = Fleet::new().await;
    let (first, second) = (fleet.add("first").await, fleet.add("second").await);
    fleet.management.place(first, &[]);
    fleet.management.place(second, &[first]);
    // The first takes uploads; the second is the root and fetches from it.
    fleet.management.change(|world| world.root = Some(second));
    fleet.start(0).await;
    fleet.start(1).await;
    let content = fleet.upload("Up.pkg", b"from below").await;
    fleet.held(1, &content).await;
    let (upload, ticket) = fleet.management.declare("No.pkg", b"no", true);
    fleet.caught_up(1).await;
    let url = &fleet.server(1).url;
    let error = fleet.client(None).ingest_progress(url, upload, &ticket).await.unwrap_err();
    assert!(error.to_string().contains("do not enter"), "{error}");
    assert_eq!(error.code(), Some(ErrorCode::Unavailable));
}

#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_is_forgotten_after_a_day() {
    let mut fleet = Fleet::chain(1).await;
    let bytes = noise(9, 10_000);
    let upload = {
        let sender = Sender::new(&fleet, "Left.pkg", &bytes).await;
        sender.put_bytes(0, &bytes[..5_000]).await.unwrap();
        sender.upload
    };
    fleet.stop(0).await;
    fleet.clock.advance(DAY + Duration::from_secs(60));
    let data = fleet.server(0).data.clone();
    fleet.start(0).await;
    let record = data.join(format!("state/uploads/{upload}.json"));
    fleet.until("its record is gone", async || !record.exists()).await;
    let part = data.join(format!("repo/staged/{upload}.part"));
    fleet.until("its bytes are gone", async || !part.exists()).await;
}

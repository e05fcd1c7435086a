//! Uploads through the management server, to an ingest server made for the test.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::StreamExt;
use http::HeaderMap;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use xylem_api::catalogue::UploadState;
use xylem_api::enrollment::InvitationKind;
use xylem_api::error::ErrorCode;
use xylem_api::ingest::IngestProgress;
use xylem_api::tree::ChangeDistributionServer;
use xylem_client::{ControlClient, RequestBody, full_body};
use xylem_http::{Api, HttpServer, Limits};
use xylem_model::UploadId;
use xylem_pki::{ClientAuth, Identity, server_config};
use xylem_runtime::Shutdown;
use xylem_trust::{Envelope, Ticket, TrustStore};

use crate::harness::{Harness, START, declaration, found, refusal};

/// The least that an ingest server does: takes bytes for a good ticket, commits, publishes.
#[derive(Clone)]
struct Ingest {
    control: ControlClient,
    trust: TrustStore,
    bytes: Arc<Mutex<HashMap<UploadId, Vec<u8>>>>,
}

impl Ingest {
    async fn start(harness: &Harness) -> (Self, Shutdown) {
        // The port must be known before joining, since the certificate is for the public URL.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = free.local_addr().unwrap();
        drop(free);
        let code = harness.invitation(InvitationKind::Distribution).await;
        let url = format!("https://{address}");
        let membership = harness.join_server_at(&code, "root", &url).await.unwrap();
        let identity = Identity::new(membership.credentials);
        let clock = harness.environment.clock.clone();
        let tls = server_config(&identity, &harness.anchors, clock, ClientAuth::Optional).unwrap();
        let http = HttpServer::listen(&harness.environment, address, tls, Limits::default())
            .await
            .unwrap();
        let control = ControlClient::new(harness.transport(Some(&identity)), harness.url.clone());
        let ingest = Self { control, trust: membership.trust, bytes: Arc::default() };
        let router = Router::new()
            .route("/v1/ingest/{id}", get(progress).put(part))
            .route("/v1/ingest/{id}/complete", post(complete))
            .with_state(ingest.clone());
        let shutdown = Shutdown::new();
        tokio::spawn(http.serve(Api::new(router), shutdown.clone()));
        (ingest, shutdown)
    }

    fn staged(&self, id: UploadId) -> Vec<u8> {
        self.bytes.lock().unwrap().get(&id).cloned().unwrap_or_default()
    }

    fn check_ticket(&self, headers: &HeaderMap) {
        let text = headers["authorization"].to_str().unwrap();
        let ticket = text.strip_prefix("Xylem-Ticket ").unwrap();
        self.trust.open::<Ticket>(&Envelope::from_header(ticket).unwrap(), START).unwrap();
    }
}

async fn progress(State(ingest): State<Ingest>, Path(id): Path<UploadId>) -> Json<IngestProgress> {
    let offset = ingest.staged(id).len() as u64;
    Json(so_far(offset))
}

async fn part(
    State(ingest): State<Ingest>,
    Path(id): Path<UploadId>,
    Query(query): Query<HashMap<String, usize>>,
    headers: HeaderMap,
    body: Body,
) -> Json<IngestProgress> {
    ingest.check_ticket(&headers);
    let mut pieces = body.into_data_stream();
    let mut staged = ingest.staged(id);
    assert_eq!(staged.len(), query["offset"]);
    while let Some(Ok(piece)) = pieces.next().await {
        staged.extend_from_slice(&piece);
        ingest.bytes.lock().unwrap().insert(id, staged.clone());
    }
    Json(so_far(staged.len() as u64))
}

async fn complete(State(ingest): State<Ingest>, Path(id): Path<UploadId>) -> Json<IngestProgress> {
    let bytes = ingest.staged(id);
    ingest.control.ingested(id, &found(&bytes)).await.unwrap();
    ingest.control.published(id).await.unwrap();
    let size = bytes.len() as u64;
    Json(IngestProgress::published(size))
}

#[tokio::test]
async fn an_upload_can_go_through_the_management_server_in_parts() {
    let harness = Harness::start().await;
    let (ingest, _running) = Ingest::start(&harness).await;
    let admin = harness.admin();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let upload = harness.declare("big.pkg", &bytes).await;
    let (first, rest) = bytes.split_at(300_000);
    for (offset, part) in [(0, first), (300_000, rest)] {
        let body = full_body(part.to_vec());
        admin.send_through(upload.id, offset, part.len() as u64, body).await.unwrap();
    }
    assert_eq!(ingest.staged(upload.id), bytes);
    let done = admin.complete_through(upload.id).await.unwrap();
    assert_eq!(done.state, UploadState::Published);
    let again = admin.complete_through(upload.id).await.unwrap();
    assert_eq!(again.state, UploadState::Published);
    let late = refusal(admin.send_through(upload.id, 0, 1, full_body("x")).await);
    assert_eq!(late.0, ErrorCode::Conflict);
}

#[tokio::test]
async fn a_sender_that_breaks_off_leaves_a_part_that_goes_on_where_it_ended() {
    let harness = Harness::start().await;
    let (ingest, _running) = Ingest::start(&harness).await;
    let upload = harness.declare("a.pkg", &[7; 1_000]).await;
    let (pieces, sent) = tokio::sync::mpsc::channel::<io::Result<Frame<Bytes>>>(1);
    let sent = Mutex::new(sent);
    let stream =
        futures_util::stream::poll_fn(move |context| sent.lock().unwrap().poll_recv(context));
    let body: RequestBody = BodyExt::boxed(StreamBody::new(stream));
    let breaking_off = async {
        pieces.send(Ok(Frame::data(Bytes::from(vec![7; 400])))).await.unwrap();
        while ingest.staged(upload.id).len() < 400 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        pieces.send(Err(io::Error::other("gone"))).await.unwrap();
    };
    let admin = harness.admin();
    let (sent, ()) = tokio::join!(admin.send_through(upload.id, 0, 1_000, body), breaking_off);
    assert!(sent.is_err());
    assert_eq!(ingest.staged(upload.id).len(), 400);
    let rest = full_body(vec![7; 600]);
    harness.admin().send_through(upload.id, 400, 600, rest).await.unwrap();
    let done = harness.admin().complete_through(upload.id).await.unwrap();
    assert_eq!(done.state, UploadState::Published);
}

#[tokio::test]
async fn an_ingest_server_out_of_reach_means_try_again_and_nothing_is_kept() {
    let harness = Harness::start().await;
    let code = harness.invitation(InvitationKind::Distribution).await;
    harness.join_server_at(&code, "root", "https://127.0.0.1:9").await.unwrap();
    let admin = harness.admin();
    let upload = admin.declare_upload(&declaration("a.pkg", b"bytes")).await.unwrap();
    let answer = admin.send_through(upload.id, 0, 5, full_body("bytes")).await;
    match answer {
        Err(xylem_client::ClientError::Answer { status: 503, retry_after: Some(_), .. }) => {}
        other => panic!("503 with Retry-After was expected: {other:?}"),
    }
    let told = admin.complete_through(upload.id).await;
    assert_eq!(told.unwrap_err().code(), Some(ErrorCode::Unavailable));
    assert_eq!(admin.upload(upload.id).await.unwrap().state, UploadState::Declared);
}

#[tokio::test]
async fn nothing_new_enters_a_server_in_maintenance() {
    let harness = Harness::start().await;
    let code = harness.invitation(InvitationKind::Distribution).await;
    harness.join_server_at(&code, "root", "https://127.0.0.1:9").await.unwrap();
    let admin = harness.admin();
    let into = |on| ChangeDistributionServer {
        settings: Some(serde_json::json!({ "maintenance": on })),
        ..ChangeDistributionServer::default()
    };
    let server = admin.change_distribution_server("root", &into(true)).await.unwrap();
    assert!(server.settings.maintenance);
    let refused = admin.declare_upload(&declaration("a.pkg", b"bytes")).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Unavailable));
    assert!(refused.to_string().contains("`root`") && refused.to_string().contains("maintenance"));
    let server = admin.change_distribution_server("root", &into(false)).await.unwrap();
    assert!(!server.settings.maintenance);
    admin.declare_upload(&declaration("a.pkg", b"bytes")).await.unwrap();
}

fn so_far(offset: u64) -> IngestProgress {
    IngestProgress { offset, ..IngestProgress::default() }
}

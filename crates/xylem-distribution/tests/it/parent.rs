//! A parent that does as it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, StatusCode, header};
use tokio::sync::watch;
use xylem_api::content::{MANY_PATH, ManyRequest, NOT_HERE, frame_head};
use xylem_api::control::PeerAddress;
use xylem_blobs::{DigestSet, Expected, Repository, RepositoryOptions, StageKey};
use xylem_http::{Api, HttpServer, Limits, parse_range};
use xylem_model::{ContentId, DistributionServerId, Party};
use xylem_pki::{ClientAuth, Identity, server_config};
use xylem_runtime::{Disk, Shutdown};

use crate::fleet::Fleet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Good,
    /// Gives all bytes, one of them wrong.
    WrongByte(usize),
    /// The outboard is wrong.
    WrongTree,
    /// The connection breaks after so many bytes.
    BreakAt(usize),
    /// Nothing more comes after so many bytes.
    StallAt(usize),
    /// Nothing more comes after so many bytes, until it is released.
    HoldAt(usize),
    /// Gives another file of the same size.
    OtherFile,
    /// Gives the same small file again and again, and never ends.
    Repeat,
}

pub(crate) struct Parent {
    pub(crate) id: DistributionServerId,
    inner: Arc<Inner>,
    shutdown: Shutdown,
}

struct Inner {
    bytes: Vec<u8>,
    /// A second, small content, which it always gives as it is.
    besides: Mutex<Vec<u8>>,
    tree: Vec<u8>,
    manner: Mutex<Manner>,
    offsets: Mutex<Vec<u64>>,
    /// Requests for many files.
    batches: AtomicUsize,
    /// True once what is held may go.
    released: watch::Sender<bool>,
}

impl Parent {
    /// Starts a parent that holds one content, known to the management server. Its certificate
    /// names `party` where that is given, and itself otherwise.
    pub(crate) async fn start(
        fleet: &Fleet,
        bytes: &[u8],
        manner: Manner,
        party: Option<Party>,
    ) -> Self {
        let id = fleet.environment.new_id(DistributionServerId::from_parts);
        let party = party.unwrap_or(Party::DistributionServer(id));
        let identity = Identity::new(fleet.management.issue(party));
        let clock = Arc::clone(&fleet.environment.clock);
        let anchors = &fleet.management.anchors;
        let tls = server_config(&identity, anchors, clock, ClientAuth::Required).unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let http = HttpServer::listen(&fleet.environment, address, tls, Limits::default());
        let http = http.await.unwrap();
        let url = format!("https://{}", http.local_address().unwrap());
        let peer = PeerAddress { id, name: "told".to_owned(), url, fallback: false };
        fleet.management.world().servers.insert(id, peer);
        let inner = Arc::new(Inner {
            bytes: bytes.to_vec(),
            besides: Mutex::default(),
            tree: outboard(bytes),
            manner: Mutex::new(manner),
            offsets: Mutex::default(),
            batches: AtomicUsize::new(0),
            released: watch::Sender::new(false),
        });
        let router = Router::new()
            .route("/v1/blob/{id}", get(blob))
            .route("/v1/blob/{id}/tree", get(tree))
            .route(MANY_PATH, post(many))
            .with_state(Arc::clone(&inner));
        let shutdown = Shutdown::new();
        tokio::spawn(http.serve(Api::new(router), shutdown.clone()));
        Self { id, inner, shutdown }
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.inner.manner.lock().unwrap() = manner;
    }

    /// Gives one more small file, and gives that right.
    pub(crate) fn give_besides(&self, bytes: &[u8]) {
        *self.inner.besides.lock().unwrap() = bytes.to_vec();
    }

    /// Lets go what is held.
    pub(crate) fn release(&self) {
        self.inner.released.send_replace(true);
    }

    /// How often many files were asked for at once.
    pub(crate) fn batches(&self) -> usize {
        self.inner.batches.load(Ordering::SeqCst)
    }

    /// Where each request for bytes began.
    pub(crate) fn offsets(&self) -> Vec<u64> {
        self.inner.offsets.lock().unwrap().clone()
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        self.shutdown.begin();
    }
}

fn outboard(bytes: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repo");
    let repository = Repository::open(Disk::real(), path, RepositoryOptions::default()).unwrap();
    let content = ContentId::of(bytes);
    let size = bytes.len() as u64;
    let key = StageKey::Content(content);
    let mut staged = repository.stage(&key, size, DigestSet::Blake3).unwrap();
    staged.append(0, bytes).unwrap();
    let expected = Expected { size, blake3: Some(content), sha256: None };
    repository.publish(staged.finish(&expected).unwrap()).unwrap();
    repository.tree(&content).unwrap()
}

async fn blob(
    State(inner): State<Arc<Inner>>,
    Path(content): Path<ContentId>,
    headers: HeaderMap,
) -> Response {
    if content != ContentId::of(&inner.bytes) {
        return status(StatusCode::NOT_FOUND);
    }
    let size = inner.bytes.len() as u64;
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let range = range.and_then(|range| parse_range(range, size).unwrap());
    let start = range.map_or(0, |range| range.start) as usize;
    inner.offsets.lock().unwrap().push(start as u64);
    let mut bytes = inner.bytes.clone();
    let manner = *inner.manner.lock().unwrap();
    let mut end = bytes.len();
    match manner {
        Manner::WrongByte(at) => bytes[at] ^= 1,
        Manner::OtherFile => bytes.fill(7),
        Manner::BreakAt(at) | Manner::StallAt(at) | Manner::HoldAt(at) => end = at.max(start),
        Manner::Good | Manner::WrongTree | Manner::Repeat => {}
    }
    let pieces: Vec<_> =
        bytes[start..end].chunks(64 << 10).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let pieces = stream::iter(pieces);
    let body = match manner {
        Manner::BreakAt(_) => {
            Body::from_stream(pieces.chain(stream::iter([Err(std::io::Error::other("cut"))])))
        }
        Manner::StallAt(_) => Body::from_stream(pieces.chain(stream::pending())),
        Manner::HoldAt(_) => {
            let rest = Bytes::copy_from_slice(&bytes[end..]);
            let mut released = inner.released.subscribe();
            let rest = stream::once(async move {
                released.wait_for(|released| *released).await.map_err(std::io::Error::other)?;
                Ok(rest)
            });
            Body::from_stream(pieces.chain(rest))
        }
        _ => Body::from_stream(pieces),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, (size - start as u64).into());
    if range.is_some() {
        let value = format!("bytes {start}-{}/{size}", size - 1);
        headers.insert(header::CONTENT_RANGE, value.parse().unwrap());
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

async fn many(State(inner): State<Arc<Inner>>, Json(request): Json<ManyRequest>) -> Response {
    inner.batches.fetch_add(1, Ordering::SeqCst);
    let mut frames = Vec::new();
    let besides = inner.besides.lock().unwrap().clone();
    for content in request.contents {
        if content == ContentId::of(&besides) {
            frames.extend_from_slice(&frame_head(&content, besides.len() as u64));
            frames.extend_from_slice(&besides);
            continue;
        }
        if content != ContentId::of(&inner.bytes) {
            frames.extend_from_slice(&frame_head(&content, NOT_HERE));
            continue;
        }
        let mut bytes = inner.bytes.clone();
        match *inner.manner.lock().unwrap() {
            Manner::WrongByte(at) => bytes[at] ^= 1,
            Manner::OtherFile => bytes.fill(7),
            _ => {}
        }
        frames.extend_from_slice(&frame_head(&content, bytes.len() as u64));
        frames.extend_from_slice(&bytes);
    }
    if *inner.manner.lock().unwrap() == Manner::Repeat {
        let again = stream::repeat(Bytes::from(frames)).map(Ok::<_, std::io::Error>);
        return Response::new(Body::from_stream(again));
    }
    Response::new(Body::from(frames))
}

async fn tree(State(inner): State<Arc<Inner>>, Path(content): Path<ContentId>) -> Response {
    if content != ContentId::of(&inner.bytes) {
        return status(StatusCode::NOT_FOUND);
    }
    let mut tree = inner.tree.clone();
    if *inner.manner.lock().unwrap() == Manner::WrongTree {
        let at = tree.len() / 2;
        tree[at] ^= 1;
    }
    let mut response = Response::new(Body::from(tree.clone()));
    response.headers_mut().insert(header::CONTENT_LENGTH, tree.len().into());
    response
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

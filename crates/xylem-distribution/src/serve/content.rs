//! The routes of contents: by id, and by published name.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use xylem_api::content::{MANY_PATH, PATH_HEADER};
use xylem_blobs::{BlobError, outboard_len};
use xylem_http::{ApiError, Peer};
use xylem_model::{ContentId, FileKind, FileName, Party};
use xylem_sync::Class;

use super::authorize::{Permit, Served, authorize_named, served, unknown};
use super::body;
use super::headers::{Address, answer_headers, select};
use super::many::many;
use super::waiting::wait_for;
use crate::node::Node;
use crate::pace::{Flow, Link};

/// Where clients of the original look; the same again below [`OLD_SHARE`].
const KINDS: [FileKind; 3] = [FileKind::Package, FileKind::App, FileKind::Ebook];

/// The share of the original.
const OLD_SHARE: &str = "/CasperShare";

/// The routes of contents.
pub(crate) fn routes() -> Router<Arc<Node>> {
    let mut router = Router::new()
        .route("/v1/blob/{id}", get(by_id))
        .route("/v1/blob/{id}/tree", get(tree))
        .route(MANY_PATH, post(many));
    for kind in KINDS {
        for share in ["", OLD_SHARE] {
            let handler = move |state, peer, name, method, headers| {
                by_name(kind, state, peer, name, method, headers)
            };
            router = router.route(&format!("{share}/{}/{{name}}", kind.folder()), get(handler));
        }
    }
    router
}

async fn by_id(
    State(node): State<Arc<Node>>,
    peer: Peer,
    id: Result<Path<ContentId>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Path(content) = id.map_err(|_| unknown())?;
    let (permit, served) = wait_for(&node, &peer, &headers, &content).await?;
    answer(node, &Asked { peer, method, headers }, served, Address::Content, permit).await
}

async fn by_name(
    kind: FileKind,
    State(node): State<Arc<Node>>,
    peer: Peer,
    name: Result<Path<String>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let descriptor = name
        .ok()
        .and_then(|Path(name)| FileName::new(&name).ok())
        .and_then(|name| node.catalogue().named(kind, &name).cloned());
    let content = descriptor.as_ref().map(|descriptor| descriptor.content);
    let permit = authorize_named(&node, &peer, &headers, content.as_ref())?;
    let descriptor = descriptor.ok_or_else(unknown)?;
    // Under this name, also where the same content has another name too.
    let served = Served {
        descriptor: Some(Arc::clone(&descriptor)),
        ..served(&node, &descriptor.content, false)?
    };
    answer(node, &Asked { peer, method, headers }, served, Address::Name, permit).await
}

/// The part of a request that decides what of a content is sent.
struct Asked {
    peer: Peer,
    method: Method,
    headers: HeaderMap,
}

impl Asked {
    /// The answer's place among all that leaves.
    fn flow(&self, node: &Node, served: &Served) -> Flow {
        let class = served
            .descriptor
            .as_ref()
            .map_or(Class::Bulk, |descriptor| Class::of(descriptor.priority, descriptor.size));
        match self.peer.party() {
            Some(Party::DistributionServer(id)) => {
                node.pace.to_children.open(Link::Server(id), class)
            }
            _ => node.pace.to_clients.open(Link::Address(self.peer.address.ip()), class),
        }
    }
}

/// Says through which servers the bytes come here, so that nobody waits for itself.
fn note_path(node: &Node, content: &ContentId, response: &mut Response) {
    let path = node.arrivals.path(content);
    if path.is_empty() || node.repository.contains(content) {
        return;
    }
    let path: Vec<String> = path.iter().map(ToString::to_string).collect();
    if let Ok(path) = HeaderValue::try_from(path.join(",")) {
        response.headers_mut().insert(HeaderName::from_static(PATH_HEADER), path);
    }
}

async fn answer(
    node: Arc<Node>,
    asked: &Asked,
    served: Served,
    address: Address,
    permit: Permit,
) -> Result<Response, ApiError> {
    let selection = select(&asked.headers, &served.content, served.size);
    let body = match selection.bytes(served.size) {
        Some(range) if asked.method != Method::HEAD && !range.is_empty() => {
            let content = served.content;
            // Opened before the head of the answer leaves: what is gone is a 404, not a broken 200.
            let opened = body::open(&node.repository, content).await;
            let reader = opened.map_err(|error| opening_failed(&node, &content, error))?;
            let flow = asked.flow(&node, &served);
            body::content(Arc::clone(&node), reader, range, flow, permit)
        }
        _ => Body::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = selection.status();
    *response.headers_mut() = answer_headers(&served, address, selection);
    note_path(&node, &served.content, &mut response);
    Ok(response)
}

async fn tree(
    State(node): State<Arc<Node>>,
    peer: Peer,
    headers: HeaderMap,
    method: Method,
    id: Result<Path<ContentId>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(content) = id.map_err(|_| unknown())?;
    let (permit, served) = wait_for(&node, &peer, &headers, &content).await?;
    let body = match method {
        Method::HEAD => Body::empty(),
        _ => {
            let opened =
                node.repository.run(move |repository| repository.open_tree(&content)).await;
            let reader = opened.map_err(|error| opening_failed(&node, &content, error))?;
            body::tree(Arc::clone(&node), reader, permit)
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, outboard_len(served.size).into());
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    let cache = HeaderValue::from_static("private, max-age=31536000, immutable");
    headers.insert(header::CACHE_CONTROL, cache);
    Ok(response)
}

fn opening_failed(node: &Node, content: &ContentId, error: BlobError) -> ApiError {
    let gone = matches!(error, BlobError::NotFound { .. } | BlobError::Corrupt { .. });
    let error = body::failed(node, content, error);
    if gone { unknown() } else { ApiError::internal("opening the content", error) }
}

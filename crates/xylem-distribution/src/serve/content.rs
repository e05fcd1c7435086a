//! Answering with contents: by id, and by published name.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use xylem_api::content::PATH_HEADER;
use xylem_api::error::ErrorCode;
use xylem_blobs::{BlobError, outboard_len};
use xylem_http::{ApiError, Peer};
use xylem_model::{ContentId, FileKind, FileName, Party};
use xylem_sync::Class;
use xylem_trust::Descriptor;

use super::authorize::{Permit, Served, authorize_named, ready, served, unknown};
use super::body;
use super::headers::{Address, answer_headers, select};
use super::target::Target;
use super::waiting::wait_for;
use crate::accounts::challenge;
use crate::node::Node;
use crate::pace::{Flow, Link};
use crate::tickets;

/// What a content can be asked.
const METHODS: &str = "GET, HEAD";

/// Answers a request for a content.
pub(crate) async fn content(
    node: &Arc<Node>,
    target: Target,
    request: Request<Body>,
) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let message = format!("a published file answers to {METHODS}");
        let mut response = ApiError::new(ErrorCode::MethodNotAllowed, message).into_response();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(METHODS));
        return response;
    }
    let by_name = matches!(target, Target::Published(..));
    match answer(node, target, request).await {
        Ok(response) => response,
        Err(error) => {
            let mut response = error.into_response();
            if by_name {
                challenge(&mut response);
            }
            response
        }
    }
}

async fn answer(
    node: &Arc<Node>,
    target: Target,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let asked = Asked::new(parts)?;
    match target {
        Target::Content(id) => {
            let content = id.ok_or_else(unknown)?;
            let (permit, served) = wait_for(node, &asked.peer, &asked.headers, &content).await?;
            bytes(node, &asked, served, Address::Content, permit).await
        }
        Target::Tree(id) => tree(node, &asked, id.ok_or_else(unknown)?).await,
        Target::Published(kind, name) => named(node, &asked, kind, name).await,
    }
}

async fn named(
    node: &Arc<Node>,
    asked: &Asked,
    kind: FileKind,
    name: Option<FileName>,
) -> Result<Response, ApiError> {
    let descriptor = name.and_then(|name| node.catalogue().named(kind, &name).cloned());
    if let Some(content) = tickets::in_address(node, &asked.uri)? {
        return for_device(node, asked, &descriptor.ok_or_else(unknown)?, content).await;
    }
    let content = descriptor.as_ref().map(|descriptor| descriptor.content);
    let permit = authorize_named(node, &asked.peer, &asked.headers, content.as_ref()).await?;
    let descriptor = descriptor.ok_or_else(unknown)?;
    // Under this name, also where the same content has another name too.
    let served = Served {
        descriptor: Some(Arc::clone(&descriptor)),
        // An account may have written it to another server a moment ago.
        ..served(node, &descriptor.content, permit.is_of_account())?
    };
    bytes(node, asked, served, Address::Name, permit).await
}

/// For a device whose address holds a ticket for this content, and which shows nothing else.
async fn for_device(
    node: &Arc<Node>,
    asked: &Asked,
    descriptor: &Arc<Descriptor>,
    content: ContentId,
) -> Result<Response, ApiError> {
    let access = ready(node)?;
    access.refuse_revoked(asked.peer.party())?;
    if descriptor.content != content {
        let message = format!(
            "the address is for other content than `{}` has now: have the manifest made anew",
            descriptor.name
        );
        return Err(ApiError::new(ErrorCode::Forbidden, message));
    }
    let descriptor = Some(Arc::clone(descriptor));
    let served = Served { descriptor, ..served(node, &content, false)? };
    bytes(node, asked, served, Address::Name, Permit::of(&asked.peer)).await
}

/// The part of a request that decides what of a content is sent.
struct Asked {
    peer: Peer,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Asked {
    fn new(parts: http::request::Parts) -> Result<Self, ApiError> {
        let peer = Peer::of(&parts.extensions)?;
        Ok(Self { peer, method: parts.method, uri: parts.uri, headers: parts.headers })
    }

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

async fn bytes(
    node: &Arc<Node>,
    asked: &Asked,
    served: Served,
    address: Address,
    permit: Permit,
) -> Result<Response, ApiError> {
    let selection = select(&asked.method, &asked.headers, &served.content, served.size);
    let body = match selection.bytes(served.size) {
        Some(range) if asked.method != Method::HEAD && !range.is_empty() => {
            let content = served.content;
            // Opened before the head of the answer leaves: what is gone is a 404, not a broken 200.
            let opened = body::open(&node.repository, content).await;
            let reader = opened.map_err(|error| opening_failed(node, &content, error))?;
            let flow = asked.flow(node, &served);
            body::content(node, reader, range, flow, permit)
                .await
                .map_err(|error| opening_failed(node, &content, error))?
        }
        _ => Body::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = selection.status();
    *response.headers_mut() = answer_headers(&node.heads, &served, address, selection);
    note_path(node, &served.content, &mut response);
    Ok(response)
}

async fn tree(node: &Arc<Node>, asked: &Asked, content: ContentId) -> Result<Response, ApiError> {
    let (permit, served) = wait_for(node, &asked.peer, &asked.headers, &content).await?;
    let body = match asked.method {
        Method::HEAD => Body::empty(),
        _ => {
            let opened = node.repository.run(move |repository| repository.open_tree(&content));
            let reader = opened.await.map_err(|error| opening_failed(node, &content, error))?;
            body::tree(Arc::clone(node), reader, permit)
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

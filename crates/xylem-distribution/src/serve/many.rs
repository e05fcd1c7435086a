//! `POST /v1/blobs`: many small files in one answer.
//!
//! What is here goes first, in the order in which it was asked for; what is on its way follows as
//! it arrives; what does not come is named as such at the end. So a child asks once for everything
//! it lacks, and a file passes through it the moment it is published here.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use tokio::sync::mpsc;
use tokio::time::Instant;
use xylem_api::content::{
    FRAME_HEAD_BYTES, MAX_CONTENTS, MAX_FRAME_BYTES, MEDIA_TYPE, ManyRequest, NOT_HERE, frame_head,
};
use xylem_api::error::ErrorCode;
use xylem_blobs::{BlobError, FRAME_BYTES, Reach, Repository};
use xylem_http::{ApiError, Peer};
use xylem_model::ContentId;
use xylem_sync::Class;

use super::authorize::{Permit, authorize, served};
use super::body::{self, READ_AHEAD};
use super::filling::Filling;
use super::frames::{Frames, HEADS};
use super::waiting::{Changes, WAIT, is_at_once, is_child, is_in_vain};
use crate::node::Node;
use crate::pace::{Flow, Link};

/// Files that go out in one frame: those whose heads have room in it.
const VISIT_FILES: usize = HEADS / FRAME_HEAD_BYTES;

/// The route's handler.
pub(crate) async fn many(
    State(node): State<Arc<Node>>,
    peer: Peer,
    headers: HeaderMap,
    request: Result<Json<ManyRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(ManyRequest { contents }) =
        request.map_err(|error| ApiError::new(ErrorCode::BadRequest, error.body_text()))?;
    if contents.is_empty() || contents.len() > MAX_CONTENTS {
        let message = format!(
            "{} contents were asked for; ask for 1 to {MAX_CONTENTS} at a time",
            contents.len()
        );
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    if !is_child(&node, &peer) {
        let message = "only distribution servers that fetch from this one may ask for many files";
        return Err(ApiError::new(ErrorCode::Forbidden, message));
    }
    let permit = Permit::of(&peer);
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let sending = Sending { node: Arc::clone(&node), peer, headers, frames: sender };
    tokio::spawn(sending.run(contents));
    let mut response = Response::new(body::guarded(node, receiver, permit));
    let kind = HeaderValue::from_static(MEDIA_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

struct Sending {
    node: Arc<Node>,
    peer: Peer,
    headers: HeaderMap,
    frames: mpsc::Sender<io::Result<Bytes>>,
}

/// What to do about one content now.
enum Now {
    Send(u64),
    Wait,
    Lack,
}

impl Sending {
    async fn run(self, mut left: Vec<ContentId>) {
        let mut changes = Changes::of(&self.node);
        let mut end = Instant::now() + WAIT;
        let Some(flow) = self.flow(&left) else { return };
        while !left.is_empty() {
            let (mut ready, mut lacking) = (Vec::new(), Vec::new());
            left.retain(|content| match self.now(content) {
                Now::Send(size) => {
                    ready.push((*content, size));
                    false
                }
                Now::Lack => {
                    lacking.push(*content);
                    false
                }
                Now::Wait => true,
            });
            let went = !ready.is_empty();
            if self.lack(&lacking).await.is_none() || self.send(ready, &flow).await.is_none() {
                return;
            }
            if went {
                end = Instant::now() + WAIT;
            }
            if !left.is_empty() && !went && !changes.before(end).await {
                // What has not come by now is asked for again, perhaps elsewhere.
                let _ = self.lack(&left).await;
                return;
            }
        }
    }

    /// The class of such a stream is that of its most urgent file: a child asks for files of one.
    fn flow(&self, contents: &[ContentId]) -> Option<Flow> {
        let catalogue = self.node.catalogue();
        let classes = contents.iter().filter_map(|content| catalogue.wanted(content));
        let class = classes.map(|d| Class::of(d.priority, d.size)).min().unwrap_or(Class::Small);
        drop(catalogue);
        match self.peer.party()? {
            xylem_model::Party::DistributionServer(id) => {
                Some(self.node.pace.to_children.open(Link::Server(id), class))
            }
            _ => None,
        }
    }

    fn now(&self, content: &ContentId) -> Now {
        let permitted = authorize(&self.node, &self.peer, &self.headers, content).is_ok();
        match served(&self.node, content, false) {
            Ok(served) if permitted && served.size <= MAX_FRAME_BYTES => Now::Send(served.size),
            Ok(_) if permitted => Now::Lack,
            _ if is_at_once(&self.headers) || is_in_vain(&self.node, content) => Now::Lack,
            _ => Now::Wait,
        }
    }

    async fn lack(&self, contents: &[ContentId]) -> Option<()> {
        if contents.is_empty() {
            return Some(());
        }
        let heads = contents.iter().flat_map(|content| frame_head(content, NOT_HERE));
        body::hand_over(&self.frames, Ok(heads.collect())).await
    }

    /// Sends files, several with each visit to the disk.
    async fn send(&self, ready: Vec<(ContentId, u64)>, flow: &Flow) -> Option<()> {
        let mut ready = ready.into_iter().peekable();
        while ready.peek().is_some() {
            let (mut visit, mut bytes) = (Vec::new(), 0);
            while let Some((content, size)) = ready.next_if(|(_, size)| {
                bytes == 0 || (bytes + size <= FRAME_BYTES && visit.len() < VISIT_FILES)
            }) {
                bytes += size;
                visit.push((content, size));
            }
            flow.turn(bytes).await;
            let (frames, damaged) = self.read(visit).await;
            for (content, error) in damaged {
                // Noted, and fetched again; the child asks elsewhere.
                let _error = body::failed(&self.node, &content, error);
            }
            for frame in frames {
                body::hand_over(&self.frames, Ok(frame)).await?;
            }
        }
        Some(())
    }

    async fn read(&self, visit: Vec<(ContentId, u64)>) -> Visit {
        let (repository, frames) = (&self.node.repository, &self.node.frames);
        match read_all(repository, frames, &visit, Reach::Memory) {
            Some(read) => read,
            None => {
                let frames = Arc::clone(frames);
                let read = move |repository: &Repository| {
                    read_all(repository, &frames, &visit, Reach::Disk).unwrap_or_default()
                };
                repository.run_reading(read).await
            }
        }
    }
}

/// Files with their heads, and what turned out to be damaged, which is said to be lacking.
type Visit = (Vec<Bytes>, Vec<(ContentId, BlobError)>);

/// Reads whole files, each checked; none where memory does not have them all.
fn read_all(
    repository: &Repository,
    frames: &Arc<Frames>,
    contents: &[(ContentId, u64)],
    reach: Reach,
) -> Option<Visit> {
    let (mut out, mut damaged) = (Filling::new(frames), Vec::new());
    for (content, _) in contents {
        let begin = out.mark();
        if let Err(error) = read_one(repository, content, &mut out, reach) {
            if reach == Reach::Memory && error.would_block() {
                return None;
            }
            out.back_to(begin);
            out.head(content, NOT_HERE);
            damaged.push((*content, error));
        }
    }
    Some((out.finish(), damaged))
}

fn read_one(
    repository: &Repository,
    content: &ContentId,
    out: &mut Filling,
    reach: Reach,
) -> Result<(), BlobError> {
    let mut reader = repository.open_arriving(content, reach)?;
    let size = reader.size();
    out.head(content, size);
    let mut offset = 0;
    while offset < size {
        let filled = reader.read_frame(offset..size, out.room(size - offset), reach)?;
        if filled.is_empty() {
            return Err(BlobError::Corrupt { id: *content, offset });
        }
        offset += filled.len() as u64;
        out.add(filled.len());
    }
    Ok(())
}

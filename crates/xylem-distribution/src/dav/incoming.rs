//! The body of a PUT, watched.

use std::io;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, header};
use xylem_api::error::ErrorCode;
use xylem_http::ApiError;
use xylem_webdav::Refusal;

use crate::node::Node;

/// A body that breaks off once another program takes over, and where it becomes longer than was
/// said: what is behind it publishes what came when the body ends.
pub(super) fn watched(
    node: &Arc<Node>,
    body: Body,
    headers: &HeaderMap,
    refusal: &Refusal,
) -> Body {
    let said = |name: &str| headers.get(name)?.to_str().ok()?.parse().ok();
    let expected =
        said(header::CONTENT_LENGTH.as_str()).or_else(|| said("x-expected-entity-length"));
    let watched = Watched {
        node: Arc::clone(node),
        body: body.into_data_stream(),
        left: expected.unwrap_or(u64::MAX),
        refusal: refusal.clone(),
    };
    Body::from_stream(stream::unfold(watched, |mut watched| async {
        let piece = watched.next().await?;
        Some((piece, watched))
    }))
}

struct Watched {
    node: Arc<Node>,
    body: BodyDataStream,
    /// Bytes that may still come.
    left: u64,
    refusal: Refusal,
}

impl Watched {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let piece = tokio::select! {
            piece = self.body.next() => piece?,
            () = self.node.uploads.closed() => {
                if let Err(error) = self.node.uploads.check_open() {
                    self.refusal.because(error);
                }
                return Some(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        };
        let bytes = match piece {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(io::Error::other(error))),
        };
        match self.left.checked_sub(bytes.len() as u64) {
            Some(left) => self.left = left,
            None => {
                let message = "more bytes came than were said: nothing was kept, send it again";
                self.refusal.because(ApiError::new(ErrorCode::BadRequest, message));
                return Some(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        Some(Ok(bytes))
    }
}

//! Request and response bodies.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Frame, Incoming};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::exchange::Lifeline;
use crate::{BaseUrl, ClientError};

/// A request body of any kind.
pub type RequestBody = BoxBody<Bytes, io::Error>;

/// No body.
pub fn empty_body() -> RequestBody {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// A body held in memory.
pub fn full_body(bytes: impl Into<Bytes>) -> RequestBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// The next piece of a body that is on its way; none at its end.
///
/// # Errors
/// When whoever produces it cannot go on.
pub async fn next_of(body: &mut RequestBody) -> io::Result<Option<Bytes>> {
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame?.into_data() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// Reads a response body piece by piece, each within a time limit.
pub struct BodyReader {
    body: Incoming,
    server: BaseUrl,
    stall: Duration,
    lifeline: Lifeline,
    is_request_sent: bool,
}

impl BodyReader {
    /// `lifeline` cuts the connection unless this body is read to its end, and the request was
    /// sent to its end.
    pub(crate) fn new(
        body: Incoming,
        server: BaseUrl,
        stall: Duration,
        lifeline: Lifeline,
        is_request_sent: bool,
    ) -> Self {
        let mut reader = Self { body, server, stall, lifeline, is_request_sent };
        if reader.body.is_end_stream() {
            reader.note_end();
        }
        reader
    }

    fn note_end(&mut self) {
        if self.is_request_sent {
            self.lifeline.release();
        }
    }

    /// The next piece; none at the end. Fails when nothing comes for the stall limit, and when
    /// the connection ends before the length that was announced.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let frame =
                timeout(self.stall, self.body.frame()).await.map_err(|_| ClientError::Timeout {
                    server: self.server.clone(),
                    doing: "sending more of its answer",
                    limit: self.stall,
                })?;
            // A body in chunks does not know its end before it is there.
            if frame.is_none() || self.body.is_end_stream() {
                self.note_end();
            }
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(error)) => {
                    return Err(ClientError::Broken {
                        server: self.server.clone(),
                        doing: "reading its answer",
                        source: error.into(),
                    });
                }
            }
        }
    }

    pub(crate) fn protocol(&self, reason: &impl ToString) -> ClientError {
        ClientError::Protocol { server: self.server.clone(), reason: reason.to_string() }
    }

    /// Reads the rest, at most `limit` bytes.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, ClientError> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await? {
            if all.len() + piece.len() > limit {
                return Err(ClientError::Protocol {
                    server: self.server,
                    reason: format!("it is longer than {limit} bytes"),
                });
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

/// A body whose pieces are sent while it is on its way: the receiving end of a short channel, so
/// that whoever produces it waits for whoever takes it. An error ends the request.
pub fn channel_body() -> (mpsc::Sender<io::Result<Bytes>>, RequestBody) {
    /// Pieces under way at once.
    const PIECES: usize = 4;
    let (sender, receiver) = mpsc::channel(PIECES);
    (sender, BoxBody::new(ChannelBody(receiver)))
}

struct ChannelBody(mpsc::Receiver<io::Result<Bytes>>);

impl Body for ChannelBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

//! Watching a request go out, so that each wait gets the limit that belongs to it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::watch;

use crate::RequestBody;

/// Who is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Our own side, for the next piece of the body.
    Preparing,
    /// The other side, to take what it was given.
    Taking,
    /// The other side, to answer: the body is at its end.
    Sent,
}

/// A body that tells how far it has got. Every piece is told, also where the phase stays.
pub(crate) fn watched(body: RequestBody) -> (RequestBody, watch::Receiver<Phase>) {
    let phase = if body.is_end_stream() { Phase::Sent } else { Phase::Taking };
    let (phase, receiver) = watch::channel(phase);
    (BoxBody::new(Watched { body, phase }), receiver)
}

struct Watched {
    body: RequestBody,
    phase: watch::Sender<Phase>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let phase = match &polled {
            Poll::Pending => Phase::Preparing,
            Poll::Ready(Some(Ok(_))) if !self.body.is_end_stream() => Phase::Taking,
            Poll::Ready(_) => Phase::Sent,
        };
        self.phase.send_replace(phase);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! The other side must keep moving: what it sends, and what it takes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes of a request's body that must arrive within [`Limits::body`](crate::Limits::body). With
/// its 30 seconds: 1 KiB a second.
pub(crate) const BODY_STEP_BYTES: u64 = 30 << 10;

/// A request's body that fails when it arrives too slowly.
///
/// Only the time counts that somebody waits for it: a handler may take as long as it likes over
/// what it has read.
pub(crate) struct PacedBody {
    body: Body,
    /// For each [`BODY_STEP_BYTES`].
    limit: Duration,
    /// Bytes of the present step.
    arrived: u64,
    /// How long the present step was waited for, but for the wait that is going on.
    waited: Duration,
    wait: Option<Wait>,
}

struct Wait {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl PacedBody {
    pub(crate) fn new(body: Body, limit: Duration) -> Self {
        Self { body, limit, arrived: 0, waited: Duration::ZERO, wait: None }
    }

    fn note(&mut self, bytes: usize) {
        if let Some(wait) = self.wait.take() {
            self.waited += wait.since.elapsed();
        }
        self.arrived += bytes as u64;
        if self.arrived >= BODY_STEP_BYTES {
            self.arrived = 0;
            self.waited = Duration::ZERO;
        }
    }
}

impl HttpBody for PacedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let bytes = match &frame {
                Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) | None => 0,
            };
            self.note(bytes);
            return Poll::Ready(frame);
        }
        let left = self.limit.saturating_sub(self.waited);
        let wait = self.wait.get_or_insert_with(|| {
            let since = Instant::now();
            Wait { since, end: Box::pin(sleep_until(since + left)) }
        });
        ready!(wait.end.as_mut().poll(context));
        let error = io::Error::new(io::ErrorKind::TimedOut, "the request body arrives too slowly");
        Poll::Ready(Some(Err(axum::Error::new(error))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that fails when the other side takes nothing of what is sent for too long. A
/// machine that lost its power, or a reader that stopped reading, would hold its place for ever.
pub(crate) struct PacedStream<S> {
    stream: S,
    limit: Duration,
    end: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl<S> PacedStream<S> {
    pub(crate) fn new(stream: S, limit: Duration) -> Self {
        let end = Box::pin(sleep_until(Instant::now() + limit));
        Self { stream, limit, end, is_waiting: false }
    }

    fn pace<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.is_waiting = false;
            return polled;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.end.as_mut().reset(Instant::now() + self.limit);
        }
        ready!(self.end.as_mut().poll(context));
        let error = "the other side takes nothing of what is sent";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, error)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.pace(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.pace(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.pace(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.pace(context, polled)
    }
}

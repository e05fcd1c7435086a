//! The other side must keep moving: what it sends, and what it takes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::turns::Turns;

/// Bytes that must move within a limit. With the 30 seconds of [`Limits::body`](crate::Limits::body)
/// 1 KiB a second, with the 60 of [`Limits::stall`](crate::Limits::stall) half of that.
pub(crate) const STEP_BYTES: u64 = 30 << 10;

/// Counts what moves, and the time that somebody waits for it. Other time does not count.
struct Pace {
    /// For each [`STEP_BYTES`].
    limit: Duration,
    /// Bytes of the present step.
    moved: u64,
    /// How long the present step was waited for, but for the wait that is going on.
    waited: Duration,
    /// Since when it is waited.
    since: Option<Instant>,
    /// Made with the first wait: most bodies and answers never wait.
    end: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    const fn new(limit: Duration) -> Self {
        Self { limit, moved: 0, waited: Duration::ZERO, since: None, end: None }
    }

    /// Bytes have moved, or at least there is nothing to wait for now.
    fn note(&mut self, bytes: usize) {
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
        self.moved += bytes as u64;
        if self.moved >= STEP_BYTES {
            self.moved = 0;
            self.waited = Duration::ZERO;
        }
    }

    /// Nothing moves for now. Ready once that has gone on for too long.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.since.is_none() {
            let now = Instant::now();
            self.since = Some(now);
            let late = now + self.limit.saturating_sub(self.waited);
            match &mut self.end {
                Some(end) => end.as_mut().reset(late),
                None => self.end = Some(Box::pin(sleep_until(late))),
            }
        }
        match &mut self.end {
            Some(end) => end.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

/// A request's body that fails when it arrives too slowly.
///
/// Only the time counts that somebody waits for it: a handler may take as long as it likes over
/// what it has read.
pub(crate) struct PacedBody {
    body: Body,
    pace: Pace,
    /// Told of what comes.
    turns: Arc<Turns>,
    /// A body in chunks does not know by itself that it was read.
    is_over: bool,
}

impl PacedBody {
    pub(crate) fn new(body: Body, limit: Duration, turns: Arc<Turns>) -> Self {
        Self { body, pace: Pace::new(limit), turns, is_over: false }
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
            self.pace.note(bytes);
            self.turns.step();
            self.is_over = frame.is_none();
            return Poll::Ready(frame);
        }
        ready!(self.pace.poll_late(context));
        let error = io::Error::new(io::ErrorKind::TimedOut, "the request body arrives too slowly");
        Poll::Ready(Some(Err(axum::Error::new(error))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that fails when the other side takes what is sent too slowly. A machine that lost
/// its power, or a reader that takes a byte now and then, would hold its place for ever.
pub(crate) struct PacedStream<S> {
    stream: S,
    pace: Pace,
    /// Told of what is taken.
    turns: Arc<Turns>,
}

impl<S> PacedStream<S> {
    pub(crate) fn new(stream: S, limit: Duration, turns: Arc<Turns>) -> Self {
        Self { stream, pace: Pace::new(limit), turns }
    }

    fn written(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = &polled {
            self.pace.note(written.as_ref().map_or(0, |bytes| *bytes));
            self.turns.step();
            return polled;
        }
        self.late(context).map(Err)
    }

    fn flushed(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        if polled.is_ready() {
            self.pace.note(0);
            return polled;
        }
        self.late(context).map(Err)
    }

    fn late(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        ready!(self.pace.poll_late(context));
        let error = "the other side takes what is sent too slowly";
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, error))
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
        self.written(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.flushed(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.flushed(context, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Takes so many bytes every 100 ms.
    struct Drip {
        bytes: usize,
        next: Pin<Box<Sleep>>,
    }

    impl Drip {
        fn new(bytes: usize) -> Self {
            Self { bytes, next: Box::pin(sleep_until(Instant::now())) }
        }
    }

    impl AsyncWrite for Drip {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            ready!(self.next.as_mut().poll(context));
            self.next.as_mut().reset(Instant::now() + Duration::from_millis(100));
            Poll::Ready(Ok(bytes.len().min(self.bytes)))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn send(drip: usize) -> io::Result<()> {
        let turns = Arc::new(Turns::new(1));
        let mut stream = PacedStream::new(Drip::new(drip), Duration::from_secs(60), turns);
        for _ in 0..100 {
            stream.write_all(&[0; 1024]).await?;
            stream.flush().await?;
        }
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_byte_now_and_then_is_cut() {
        let begin = Instant::now();
        let error = send(1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!((60..61).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
        // Half a kibibyte a second is enough.
        send(60).await.unwrap();
    }
}

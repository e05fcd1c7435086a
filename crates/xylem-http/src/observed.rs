//! An answer's body, watched to its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use http::StatusCode;
use hyper::body::{Frame, SizeHint};

use crate::access_log::{AccessLog, Entry};
use crate::turns::Turn;

/// A line that is to be written once the answer has ended.
pub(crate) struct Line {
    pub(crate) log: AccessLog,
    pub(crate) entry: Entry,
    pub(crate) who: Option<String>,
    pub(crate) status: StatusCode,
}

/// A body that says when it has ended, whole or not.
pub(crate) struct Observed {
    body: Body,
    bytes: u64,
    line: Option<Line>,
    turn: Turn,
}

impl Observed {
    pub(crate) fn new(body: Body, line: Option<Line>, turn: Turn) -> Self {
        Self { body, bytes: 0, line, turn }
    }
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            self.turn.step();
            self.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if let Some(Line { log, entry, who, status }) = self.line.take() {
            log.write(entry.line(who.as_deref(), status, self.bytes));
        }
    }
}

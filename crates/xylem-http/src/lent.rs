//! A request's body in a handler's hands, and what is left of it when the answer is there.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::time::timeout;

use crate::pace::PacedBody;

/// The largest rest that is read so that a connection can be used again, in bytes. To read more
/// costs more than the connection does.
const REST_BYTES: u64 = 64 << 10;

/// How long that may take. Such a rest is usually there already.
const REST_TIME: Duration = Duration::from_secs(1);

/// What a handler reads.
pub(crate) struct Lent(Arc<Mutex<PacedBody>>);

/// Knows what the handler has left.
pub(crate) struct Lender {
    body: Arc<Mutex<PacedBody>>,
    /// The client holds its body back until it is asked for it (RFC 9110 section 10.1.1).
    is_held_back: bool,
}

/// Lends a body.
pub(crate) fn lend(body: PacedBody, headers: &HeaderMap) -> (Body, Lender) {
    let body = Arc::new(Mutex::new(body));
    let is_held_back = headers.contains_key(header::EXPECT);
    (Body::new(Lent(Arc::clone(&body))), Lender { body, is_held_back })
}

impl Lender {
    /// Whether everything was read, now at the latest. Where it was not, what follows on the
    /// connection cannot be told from the rest, and the connection has to end.
    pub(crate) async fn drained(self) -> bool {
        let Ok(body) = Arc::try_unwrap(self.body) else {
            // The handler still reads. It may come to the end in time, but nobody knows.
            return false;
        };
        let mut body = body.into_inner().unwrap_or_else(PoisonError::into_inner);
        if body.is_end_stream() {
            return true;
        }
        if self.is_held_back || body.size_hint().upper().is_none_or(|rest| rest > REST_BYTES) {
            return false;
        }
        let reading = async {
            while let Some(frame) = body.frame().await {
                if frame.is_err() {
                    return false;
                }
            }
            true
        };
        timeout(REST_TIME, reading).await.unwrap_or(false)
    }
}

impl Lent {
    fn body(&self) -> MutexGuard<'_, PacedBody> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}

//! One request and the head of its answer, on a connection that is open.

use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::task::AbortHandle;

use crate::outgoing::{Phase, watched};
use crate::pool::Connection;
use crate::{Deadlines, RequestBody};

/// The head of an answer.
pub(crate) struct Exchanged {
    pub(crate) answer: Response<Incoming>,
    /// Goes with the answer's body.
    pub(crate) lifeline: Lifeline,
    /// Whether the request was sent to its end, as it is unless the answer came early. Only then
    /// can the connection be used again.
    pub(crate) is_sent: bool,
}

/// Why there is no answer.
pub(crate) enum Miss {
    /// A limit ran out.
    Timeout { doing: &'static str, limit: Duration },
    /// The connection broke; the request comes back where nothing of it was sent.
    Broken { error: hyper::Error, unsent: Option<Box<Request<RequestBody>>> },
}

/// Cuts a connection when it is dropped before it is released. A call that is given up must not
/// leave a connection behind that still waits for the other side, and a body that waits with it.
pub(crate) struct Lifeline(Option<AbortHandle>);

impl Lifeline {
    /// Lets the connection live.
    pub(crate) fn release(&mut self) {
        self.0 = None;
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

/// Sends a request and waits for the head of its answer.
pub(crate) async fn exchange(
    connection: &mut Connection,
    request: Request<RequestBody>,
    deadlines: &Deadlines,
) -> Result<Exchanged, Miss> {
    let lifeline = Lifeline(Some(connection.task.clone()));
    let (parts, body) = request.into_parts();
    let (body, mut phase) = watched(body);
    let request = Request::from_parts(parts, body);
    let mut sending = pin!(connection.sender.try_send_request(request));
    let mut is_over = false;
    loop {
        let current = if is_over { Phase::Sent } else { *phase.borrow_and_update() };
        let (limit, doing) = match current {
            Phase::Preparing | Phase::Taking => (deadlines.stall, "taking the request"),
            Phase::Sent => (deadlines.answer, "an answer"),
        };
        tokio::select! {
            answered = &mut sending => return match answered {
                Ok(answer) => {
                    let is_sent = phase.has_changed().is_err() || *phase.borrow() == Phase::Sent;
                    Ok(Exchanged { answer, lifeline, is_sent })
                }
                Err(mut error) => {
                    let unsent = error.take_message().map(Box::new);
                    Err(Miss::Broken { error: error.into_error(), unsent })
                }
            },
            // The body is dropped when it is at its end.
            changed = phase.changed(), if !is_over => is_over = changed.is_err(),
            // However long our own side takes, the other must not be blamed for it.
            () = tokio::time::sleep(limit), if current != Phase::Preparing => {
                return Err(Miss::Timeout { doing, limit });
            }
        }
    }
}

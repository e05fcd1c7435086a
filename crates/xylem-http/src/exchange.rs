//! One request and its answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::response::IntoResponse as _;
use http::{HeaderName, HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use xylem_api::error::ErrorCode;

use crate::access_log::{AccessLog, Entry};
use crate::handler::{Handler, Principal};
use crate::lent::{Lender, lend};
use crate::observed::{Line, Observed};
use crate::pace::PacedBody;
use crate::request_id::RequestId;
use crate::turns::Turns;
use crate::{ApiError, Peer};

/// Names the request in its answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What all requests of a connection share.
pub(crate) struct Exchange<H> {
    pub(crate) peer: Peer,
    pub(crate) handler: H,
    pub(crate) log: Option<AccessLog>,
    /// See [`Limits::body`](crate::Limits::body).
    pub(crate) body: Duration,
    pub(crate) turns: Arc<Turns>,
}

impl<H: Handler> Exchange<H> {
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Observed>, Infallible> {
        let (turn, is_last) = self.turns.begin();
        let is_http_2 = request.version() == Version::HTTP_2;
        let line = self.log.as_ref().map(|log| {
            let asked = (request.method(), request.uri(), request.version());
            (log, Entry::new(self.peer.address.ip(), log.now(), asked, request.headers()))
        });
        let (mut request, lender) = self.lend(request);
        request.extensions_mut().insert(self.peer.clone());
        let id = RequestId::next();
        let mut response = if has_one_host(&request) {
            id.scope(self.handler.answer(request)).await
        } else {
            let message = "a request has exactly one header Host (RFC 9112 section 3.2)";
            let error = ApiError::new(ErrorCode::BadRequest, message);
            let mut response = id.scope(async { error.into_response() }).await;
            close(&mut response);
            response
        };
        if let Some(lender) = lender.filter(|_| !is_http_2)
            && !lender.drained().await
        {
            // Said in the answer, so that no further request goes this way in vain.
            close(&mut response);
        }
        let line = line.map(|(log, entry)| Line {
            log: log.clone(),
            entry,
            who: self.who(&mut response),
            status: response.status(),
        });
        if is_last && !is_http_2 {
            close(&mut response);
        }
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
            headers.insert(REQUEST_ID, value);
        }
        // What is sent is what it says it is, whatever a browser makes of its bytes.
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Ok(response.map(|body| Observed::new(body, line, turn)))
    }

    /// The request with a body that has time limits, and the way to tell whether it was read.
    fn lend(&self, request: Request<Incoming>) -> (Request<Body>, Option<Lender>) {
        let (parts, body) = request.into_parts();
        if body.is_end_stream() {
            return (Request::from_parts(parts, Body::empty()), None);
        }
        let body = PacedBody::new(Body::new(body), self.body, Arc::clone(&self.turns));
        let (body, lender) = lend(body, &parts.headers);
        (Request::from_parts(parts, body), Some(lender))
    }

    /// Who asked: by the handler's word, else by the certificate.
    fn who(&self, response: &mut Response<Body>) -> Option<String> {
        let named = response.extensions_mut().remove::<Principal>().map(|Principal(name)| name);
        named.or_else(|| self.peer.party().map(|party| party.to_string()))
    }
}

/// Whether a request names one host, where its version must.
fn has_one_host(request: &Request<Body>) -> bool {
    request.version() != Version::HTTP_11
        || request.headers().get_all(header::HOST).iter().count() == 1
}

/// Says that nothing more is answered on a connection of HTTP/1.
fn close(response: &mut Response<Body>) {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
}

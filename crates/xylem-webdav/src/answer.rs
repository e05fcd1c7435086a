//! Answering: dav-server's methods, and the reason beside each refusal.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::IntoResponse;
use dav_server::fs::{FsError, GuardedFileSystem};
use dav_server::{DavConfig, DavHandler, DavMethod, DavMethodSet};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use xylem_http::ApiError;

use crate::locks::Locks;
use crate::question::{Method, Question};

/// Bytes that are read at once for a GET.
const READ_BYTES: usize = 64 << 10;

/// Longest list of what became of each file of a folder, in bytes.
const MAX_MULTISTATUS_BYTES: usize = 16 << 20;

const DESTINATION: HeaderName = HeaderName::from_static("destination");

/// What dav-server may do. Not PATCH: a file is never changed in place.
const METHODS: [DavMethod; 12] = [
    DavMethod::Copy,
    DavMethod::Delete,
    DavMethod::Get,
    DavMethod::Head,
    DavMethod::Lock,
    DavMethod::MkCol,
    DavMethod::Move,
    DavMethod::Options,
    DavMethod::PropFind,
    DavMethod::PropPatch,
    DavMethod::Put,
    DavMethod::Unlock,
];

/// Why something was refused: noted where it is known, read where it is answered, since the
/// errors in between are mere numbers.
#[derive(Debug, Clone, Default)]
pub struct Refusal(Arc<Mutex<Option<ApiError>>>);

impl Refusal {
    /// Notes the reason; the first one counts.
    pub fn because(&self, error: ApiError) -> FsError {
        let mut reason = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reason.get_or_insert(error);
        FsError::GeneralFailure
    }

    fn take(&self) -> Option<ApiError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A share: a file system and its locks.
pub struct Dav<C> {
    handler: DavHandler<C>,
}

impl<C> std::fmt::Debug for Dav<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dav")
    }
}

impl<C: Clone + Send + Sync + 'static> Dav<C> {
    /// A share whose paths begin with `prefix`.
    pub fn new(prefix: &str, files: Box<dyn GuardedFileSystem<C>>, locks: Locks) -> Self {
        let mut methods = DavMethodSet::none();
        for method in METHODS {
            methods.add(method);
        }
        let handler = DavConfig::new()
            .strip_prefix(prefix)
            .filesystem(files)
            .locksystem(Box::new(locks))
            .methods(methods)
            .read_buf_size(READ_BYTES)
            .build_handler();
        Self { handler }
    }

    /// Answers a question on behalf of `principal`. The file system is given `context` with each
    /// call, and notes its reasons in `refusal`.
    pub async fn answer(
        &self,
        question: &Question,
        mut request: Request<Body>,
        principal: &str,
        context: C,
        refusal: &Refusal,
    ) -> Response<Body> {
        if let Some(destination) = &question.destination {
            // What was understood is what is done: two readers of one URL may differ.
            let url = format!("{}{}", question.prefix, destination.to_url());
            match HeaderValue::try_from(url) {
                Ok(url) => request.headers_mut().insert(DESTINATION, url),
                Err(error) => return ApiError::internal("naming the place", error).into_response(),
            };
        }
        let answering = self.handler.handle_guarded(request, principal.to_owned(), context);
        // One request that its methods cannot stand is not to end its connection's others.
        let answer = match AssertUnwindSafe(answering).catch_unwind().await {
            Ok(answer) => answer,
            Err(_) => {
                return ApiError::internal("answering", "the WebDAV methods broke down")
                    .into_response();
            }
        };
        let (mut head, body) = answer.into_parts();
        let body = match question.method {
            // These go on while their answer is read: to its end before anything is said.
            Method::Copy | Method::Delete | Method::Move => {
                match Limited::new(body, MAX_MULTISTATUS_BYTES).collect().await {
                    Ok(collected) => Body::from(collected.to_bytes()),
                    Err(error) => return ApiError::internal("answering", error).into_response(),
                }
            }
            _ => Body::new(body),
        };
        if !head.status.is_client_error() && !head.status.is_server_error() {
            if question.method == Method::Options {
                // Without what dav-server adds for clients that change parts of files.
                let classes = HeaderValue::from_static("1, 2");
                head.headers.insert(HeaderName::from_static("dav"), classes);
            }
            return Response::from_parts(head, body);
        }
        if let Some(reason) = refusal.take() {
            return reason.into_response();
        }
        let body = match explanation(head.status) {
            _ if question.method == Method::Head => body,
            Some(sentence) if head.headers.get(header::CONTENT_TYPE).is_none() => {
                head.headers.remove(header::CONTENT_LENGTH);
                let plain = HeaderValue::from_static("text/plain; charset=utf-8");
                head.headers.insert(header::CONTENT_TYPE, plain);
                Body::from(format!("{sentence}\n"))
            }
            _ => body,
        };
        Response::from_parts(head, body)
    }
}

/// What a status means here, where nobody has said more.
fn explanation(status: StatusCode) -> Option<&'static str> {
    Some(match status {
        StatusCode::BAD_REQUEST => "the request's headers or body are not understood",
        StatusCode::FORBIDDEN => "this is not allowed here",
        StatusCode::NOT_FOUND => "there is no such file or folder",
        StatusCode::METHOD_NOT_ALLOWED => "this cannot be done with what is there",
        StatusCode::CONFLICT => "there is no folder to put it in: make that first",
        StatusCode::PRECONDITION_FAILED => "it is not what the request's conditions expect",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "this method takes no body",
        StatusCode::LOCKED => "it is locked: present the lock's token, or wait until it ends",
        StatusCode::BAD_GATEWAY => "the destination is not on this share",
        StatusCode::INSUFFICIENT_STORAGE => "there is no room for it",
        _ => return None,
    })
}

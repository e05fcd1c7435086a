//! Which requests may go out twice.
//!
//! A server may close a kept connection at any moment, so a request on one may break without anybody
//! knowing whether it was heard. What is the same once or twice then goes out again (RFC 9110 section
//! 9.2.2); what is not is an error that the caller has to weigh.

use bytes::Bytes;
use http::{Method, Request, header};

use crate::{RequestBody, empty_body, full_body};

/// Among a request's extensions: it changes something, and twice comes to the same as once. These are
/// its bytes.
#[derive(Clone)]
struct Idempotent(Bytes);

/// Marks a request whose bytes are at hand as one that may go out twice, where its method allows that.
/// One with a condition does not: it would be refused for what it did itself.
pub(crate) fn allow(request: &mut Request<RequestBody>, bytes: &Bytes) {
    let is_same_twice = matches!(*request.method(), Method::PUT | Method::DELETE);
    if is_same_twice && !request.headers().contains_key(header::IF_NONE_MATCH) {
        request.extensions_mut().insert(Idempotent(bytes.clone()));
    }
}

/// A second copy of a request that only reads, or that may go out twice; none of any other.
pub(crate) fn copy_of(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let body = match request.extensions().get::<Idempotent>() {
        Some(Idempotent(bytes)) => full_body(bytes.clone()),
        None if reads => empty_body(),
        None => return None,
    };
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

//! WebDAV: what the methods mean here. The page is `docs/design/webdav.md`.
//!
//! * [`rights`]: what may be asked at all.
//! * [`session`]: one request, and what its path means.
//! * [`files`]: the file system that dav-server is given.
//! * [`areas`]: each part of the share, asked for that.
//! * [`published`]: the published folders in it.
//! * [`writing`]: a file that is being PUT into one of them.
//! * [`changing`]: renaming, copying and deleting what is published.
//! * [`incoming`]: the body of a PUT, watched.
//! * [`phantoms`]: names that are seen before there is anything.
//! * [`properties`]: dead properties of what is published.
//! * [`drop`]: publishing from the folder tree.
//! * [`state`]: what is kept of all that.

mod areas;
mod changing;
mod drop;
mod files;
mod incoming;
mod phantoms;
mod properties;
mod published;
mod rights;
mod session;
mod state;
mod writing;

use std::sync::Arc;

use axum::body::Body;
use axum::response::IntoResponse as _;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, Request, Response, StatusCode, header,
};
use xylem_http::{ApiError, Peer, Principal};
use xylem_webdav::{Dav, Method, Question, Refusal, read_body};

use crate::accounts::{Visitor, challenge, identify};
use crate::node::Node;
use crate::serve::ready;
use files::Files;
use rights::{require_changeable, require_own_lock, require_writer};
use session::Session;

pub(crate) use drop::run as publish_drop;
pub(crate) use state::ShareState;

/// The share of the original, below which the published folders are found again.
pub(crate) const OLD_SHARE: &str = "/CasperShare";

/// What can be asked of the share.
const METHODS: &str = "OPTIONS, GET, HEAD, PUT, DELETE, COPY, MOVE, MKCOL, PROPFIND, PROPPATCH, \
                       LOCK, UNLOCK";

/// The share, ready to answer.
#[derive(Clone)]
pub(crate) struct Share {
    node: Arc<Node>,
    /// One for each prefix, since paths in answers begin with it.
    plain: Arc<Dav<Session>>,
    old: Arc<Dav<Session>>,
}

impl Share {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        let dav = |prefix| Arc::new(Dav::new(prefix, Box::new(Files), node.share.locks.clone()));
        Self { plain: dav(""), old: dav(OLD_SHARE), node }
    }

    /// What comes before the share's root in a path, where the path is one of the share.
    pub(crate) fn prefix_of(path: &str) -> Option<&'static str> {
        let (prefix, below) = match path.strip_prefix(OLD_SHARE) {
            Some(below) if below.is_empty() || below.starts_with('/') => (OLD_SHARE, below),
            _ => ("", path),
        };
        let first = below.trim_start_matches('/').split('/').next().unwrap_or("");
        let is_top = first.is_empty() && (prefix == OLD_SHARE || path == "/");
        (is_top || session::is_folder(first)).then_some(prefix)
    }

    /// Whether a path of the share is one of the folder tree, whose files it reads itself.
    pub(crate) fn is_in_drop(path: &str) -> bool {
        let below = path.strip_prefix(OLD_SHARE).unwrap_or(path);
        let mut names = below.split('/').filter(|name| !name.is_empty());
        names.next() == Some(session::DROP)
    }

    /// Answers a request whose path begins with `prefix`.
    pub(crate) async fn answer(
        &self,
        prefix: &'static str,
        request: Request<Body>,
    ) -> Response<Body> {
        if request.method() == HttpMethod::OPTIONS {
            return options();
        }
        let mut response =
            self.methods(prefix, request).await.unwrap_or_else(ApiError::into_response);
        challenge(&mut response);
        response
    }

    async fn methods(
        &self,
        prefix: &'static str,
        request: Request<Body>,
    ) -> Result<Response<Body>, ApiError> {
        let node = &self.node;
        let (mut parts, body) = request.into_parts();
        let access = ready(node)?;
        let peer = Peer::of(&parts.extensions)?;
        let public = node.settings.public_url.trim_start_matches("https://");
        let question = Question::of(&parts, prefix, &[public])?;
        let visitor = identify(node, &access, &peer, &parts.headers).await?;
        if question.method.writes() {
            require_writer(&visitor)?;
            require_changeable(&question)?;
        }
        if question.method == Method::Unlock {
            require_own_lock(node, &visitor, &parts.headers).await?;
        }
        let refusal = Refusal::default();
        let body = match question.method {
            Method::Put => incoming::watched(node, body, &parts.headers, &refusal),
            method => Body::from(read_body(method, body).await?),
        };
        let _change = match question.method.writes() {
            true => Some(node.uploads.begin_change()?),
            false => None,
        };
        if question.method == Method::Get {
            one_range_at_most(&mut parts.headers);
        }
        let session = Session {
            node: Arc::clone(node),
            visitor: Arc::new(visitor.clone()),
            method: question.method,
            place: question.place.clone(),
            replaces: parts.headers.get("overwrite").is_none_or(|value| value != "F"),
            destination: question.destination.clone(),
            refusal: refusal.clone(),
        };
        let name = match &visitor {
            Visitor::Account { name, .. } => name.as_str(),
            Visitor::Computer | Visitor::Anybody => "",
        };
        let dav = if prefix.is_empty() { &self.plain } else { &self.old };
        let request = Request::from_parts(parts, body);
        // Large, and only few are under way.
        let answer = Box::pin(dav.answer(&question, request, name, session, &refusal));
        let mut response = answer.await;
        if !name.is_empty() {
            response.extensions_mut().insert(Principal(name.to_owned()));
        }
        Ok(response)
    }
}

/// Of several ranges, whatever they are, the whole file is given: as of what is published.
fn one_range_at_most(headers: &mut HeaderMap) {
    if headers.get(header::RANGE).is_some_and(|range| range.as_bytes().contains(&b',')) {
        headers.remove(header::RANGE);
    }
}

/// What the share can do. It says nothing of what is in it, so anybody may hear it: clients ask
/// before they have a password.
fn options() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("dav"), HeaderValue::from_static("1, 2"));
    headers.insert(HeaderName::from_static("ms-author-via"), HeaderValue::from_static("DAV"));
    headers.insert(header::ALLOW, HeaderValue::from_static(METHODS));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_has_its_folders_and_nothing_else() {
        for path in ["/", "/Packages", "/Packages/a.pkg", "/Apps/", "/eBooks", "/Drop", "/Drop/a/b"]
        {
            assert_eq!(Share::prefix_of(path), Some(""), "{path}");
        }
        for path in ["/CasperShare", "/CasperShare/", "/CasperShare/Packages/a.pkg"] {
            assert_eq!(Share::prefix_of(path), Some("/CasperShare"), "{path}");
        }
        for path in ["*", "/v1/blob/x", "/packages/a", "/CasperSharePackages", "/x", "/Dropped"] {
            assert_eq!(Share::prefix_of(path), None, "{path}");
        }
    }
}

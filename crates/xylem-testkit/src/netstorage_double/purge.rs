//! The Fast Purge API, version 3: by URL alone.

use std::io;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use xylem_client::RequestBody;

use super::edgegrid;
use super::refusal::{Refusal, decoded, plain, refused};
use super::{Answer, State, locked};

/// Longest body of a request, bytes ("Rate limiting").
const MAX_BODY_BYTES: usize = 50_000;

/// Answers a request to the API.
pub(super) async fn serve(
    state: Arc<State>,
    request: Request<Incoming>,
) -> io::Result<Response<RequestBody>> {
    let answer = state.purge(request).await;
    Ok(state.dated(answer.or_else(|refusal| Ok(problem(&refusal)))))
}

impl State {
    async fn purge(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let too_long = |_| refused(413, "the body is longer than 50,000 bytes");
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(too_long)?.to_bytes();
        edgegrid::check(&head, &body, self.now(), &mut locked(&self.nonces))?;
        let (removes, network) = asked_for(head.uri.path())?;
        if head.method != Method::POST {
            return Err(refused(405, "only POST is known"));
        }
        let is_json = |value: &HeaderValue| value.as_bytes().starts_with(b"application/json");
        if !head.headers.get(header::CONTENT_TYPE).is_some_and(is_json) {
            return Err(refused(415, "the body is not said to be JSON"));
        }
        let paths = self.paths(&body)?;
        for path in &paths {
            self.note(&format!("purge-{removes}-{network}"), path);
            // What is on the staging network nobody fetches.
            if network == "production" {
                locked(&self.cache).forget(path);
            }
        }
        let mut response = plain(
            201,
            json!({
                "httpStatus": 201,
                "detail": "Request accepted",
                "estimatedSeconds": 5,
                "purgeId": "double",
                "supportId": "double",
            })
            .to_string(),
        );
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        Ok(response)
    }

    /// The paths at the edge of all objects that are named: all of them, or none is purged.
    fn paths(&self, body: &[u8]) -> Result<Vec<String>, Refusal> {
        let none = || refused(400, "the body names no objects");
        let body: Value = serde_json::from_slice(body).map_err(|_| none())?;
        let fields = body.as_object().filter(|fields| fields.len() == 1).ok_or_else(none)?;
        let objects = fields.get("objects").and_then(Value::as_array).ok_or_else(none)?;
        if objects.is_empty() {
            return Err(none());
        }
        let origin = locked(&self.edge_origin).clone();
        let path = |object: &Value| {
            let url = object.as_str().ok_or_else(none)?;
            let path = url.strip_prefix(&origin).filter(|path| path.starts_with('/'));
            // Tokens are no part of what an object is kept under.
            let path = path.filter(|path| !path.contains('?'));
            decoded(path.ok_or_else(|| refused(403, format!("unauthorized arl: {url}")))?)
        };
        objects.iter().map(path).collect()
    }
}

/// What is done, and on which network.
fn asked_for(path: &str) -> Result<(&str, &str), Refusal> {
    let steps: Vec<&str> = path.split('/').collect();
    match steps[..] {
        [
            "",
            "ccu",
            "v3",
            action @ ("delete" | "invalidate"),
            "url",
            network @ ("production" | "staging"),
        ] => Ok((action, network)),
        _ => Err(refused(404, "there is no such call")),
    }
}

fn problem(refusal: &Refusal) -> Response<RequestBody> {
    let status = refusal.status.as_u16();
    let body = json!({ "httpStatus": status, "title": refusal.why, "detail": refusal.why });
    let mut response = plain(status, body.to_string());
    let kind = HeaderValue::from_static("application/api-problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

//! A body, from the door to the answer.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use xml::reader::{ParserConfig, XmlEvent};
use xylem_webdav::{Method, Question, read_body};

use crate::planted::planted;
use crate::request::Input;
use crate::share::{Share, is_meant};

/// What is let in, at most, by the door that is tried: see `read_body`.
const MAX_BODY_BYTES: usize = 64 << 10;
const MAX_NESTING: usize = 32;

/// Nesting that no seed has, well-formed to its end or not.
const PLANTED_NESTING: usize = 5;

pub(crate) fn run(input: &[u8]) {
    let Some(input) = Input::read(input) else { return };
    // Nothing in it waits for anything.
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    if let Ok(runtime) = runtime {
        runtime.block_on(ask(input));
    }
}

async fn ask(input: Input<'_>) {
    let Some(parts) = input.parts else { return };
    let body = Bytes::copy_from_slice(input.body);
    let question = Question::of(&parts, "", &[]);
    // The body is looked through whoever asks what, since that is what this is about.
    let method = question.as_ref().map_or(Method::PropFind, |question| question.method);
    planted(|| nesting(&body).0 >= PLANTED_NESTING);
    let Ok(body) = read_body(method, Body::from(body)).await else { return };
    assert!(body.len() <= MAX_BODY_BYTES, "a body of {} bytes was let in", body.len());
    if matches!(method, Method::Lock | Method::PropFind | Method::PropPatch) && !body.is_empty() {
        let (nesting, _) = nesting(&body);
        assert!(nesting <= MAX_NESTING, "a body of {nesting} levels was let in");
    }
    let Ok(question) = question else { return };
    let share = Share::new();
    let (status, answer) = share.answer(&question, parts, body).await;
    require_answer(status, &answer);
    let touched = share.touched();
    for place in &touched {
        assert!(is_meant(&question, place), "{place} was touched");
    }
    if !touched.is_empty() {
        look_around(&share).await;
    }
}

/// Whatever was left behind can be told of.
async fn look_around(share: &Share) {
    for path in ["/", "/Drop", "/Drop/a"] {
        let request = Request::builder().method("PROPFIND").uri(path);
        let Ok(request) = request.header("depth", HeaderValue::from_static("1")).body(()) else {
            continue;
        };
        let (parts, ()) = request.into_parts();
        if let Ok(question) = Question::of(&parts, "", &[]) {
            let (status, answer) = share.answer(&question, parts, Bytes::new()).await;
            assert_eq!(status, StatusCode::MULTI_STATUS, "PROPFIND {path}");
            require_answer(status, &answer);
        }
    }
}

/// An answer blames nobody else, and what is XML in it can be read.
fn require_answer(status: StatusCode, body: &Bytes) {
    assert!(status != StatusCode::INTERNAL_SERVER_ERROR, "500");
    if status == StatusCode::MULTI_STATUS {
        let (_, error) = nesting(body);
        assert!(error.is_none(), "{error:?}: {}", String::from_utf8_lossy(body));
    }
}

/// How deep elements are nested, as far as it is well-formed; and why it is not, further on.
fn nesting(body: &[u8]) -> (usize, Option<xml::reader::Error>) {
    let (mut nesting, mut deepest) = (0_usize, 0_usize);
    for event in ParserConfig::new().create_reader(body) {
        match event {
            Ok(XmlEvent::StartElement { .. }) => nesting += 1,
            Ok(XmlEvent::EndElement { .. }) => nesting = nesting.saturating_sub(1),
            Ok(_) => {}
            Err(error) => return (deepest, Some(error)),
        }
        deepest = deepest.max(nesting);
    }
    (deepest, None)
}

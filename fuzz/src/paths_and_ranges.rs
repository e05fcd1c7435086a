//! What is read out of a request's head.

use bytes::Bytes;
use http::request::Parts;
use http::uri::{Authority, Uri};
use xylem_distribution::fuzzing::published_name;
use xylem_http::parse_range;
use xylem_webdav::{DavPath, MAX_DEPTH, MAX_SEGMENT_BYTES, Place, Question};

use crate::planted::planted;
use crate::request::{HOST, Input};
use crate::share::{Share, is_meant};

/// Sizes of files, at which a range may be wrong by one.
const SIZES: [u64; 6] = [0, 1, 99, 100, 1 << 32, u64::MAX];

/// Names in a path that no seed has, one of them not in ASCII.
const PLANTED_NAMES: usize = 3;

/// Another name of the one who is asked.
const OTHER_NAME: &str = "dist.example:8443";

pub(crate) fn run(input: &[u8]) {
    let Some(input) = Input::read(input) else { return };
    path(input.path);
    name(input.path);
    let Some(parts) = input.parts else { return };
    name(parts.uri.path());
    for value in &parts.headers {
        if let Ok(text) = value.1.to_str() {
            range(text);
            path(text);
        }
    }
    if let Ok(question) = Question::of(&parts, "", &[OTHER_NAME]) {
        asked(&question, parts);
    }
}

/// A path means the same to us and to the methods, and names nothing that it must not.
fn path(text: &str) {
    let Ok(place) = Place::of_url(text) else { return };
    require_harmless(&place);
    planted(|| place.names().len() >= PLANTED_NAMES && !place.to_string().is_ascii());
    // What ends a path does not come this far: neither hyper nor `Question` lets it into one.
    if !text.contains(['?', '#'])
        && let Ok(dav) = DavPath::new(text)
    {
        assert_eq!(Place::of_dav(&dav).as_ref(), Ok(&place), "{text:?}");
    }
}

fn require_harmless(place: &Place) {
    assert!(place.names().len() <= MAX_DEPTH, "{place}");
    for name in place.names() {
        assert!(!name.is_empty() && name.len() <= MAX_SEGMENT_BYTES, "{name:?}");
        assert!(name != "." && name != "..", "{place}");
        assert!(!name.contains(['/', '\0', '\n', '\r']), "{name:?}");
    }
}

/// A name that something may be published under is one name, and no way out.
fn name(path: &str) {
    let Some(name) = published_name(path) else { return };
    let name = name.as_str();
    assert!(!name.is_empty() && name != "." && name != "..", "{path:?}");
    assert!(!name.contains(['/', '\\', '\0']), "{path:?}");
}

/// A range lies within the file.
fn range(header: &str) {
    for size in SIZES {
        if let Ok(Some(range)) = parse_range(header, size) {
            assert!(
                range.start < range.end && range.end <= size,
                "{header:?} of {size}: {range:?}"
            );
            assert!(!range.is_empty(), "{header:?}");
        }
    }
}

/// What was let in leads nowhere else, in our eyes and in those of the methods.
fn asked(question: &Question, parts: Parts) {
    require_harmless(&question.place);
    if let Some(destination) = &question.destination {
        require_harmless(destination);
        let header = parts.headers.get("destination").and_then(|value| value.to_str().ok());
        let asked = parts.uri.authority().map(Authority::as_str);
        require_ours(header.unwrap_or_default(), asked);
    }
    let share = Share::new();
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() {
        let _answer = runtime.block_on(share.answer(question, parts, Bytes::new()));
    }
    for place in share.touched() {
        assert!(is_meant(question, &place), "{place} was touched by {question:?}");
    }
}

/// A destination with an authority has ours, or the one that is asked. It is taken apart by hand, since the parser of URLs
/// is what is tried here.
fn require_ours(destination: &str, asked: Option<&str>) {
    if destination.starts_with('/') {
        return;
    }
    let authority = destination.split_once("://").map(|(_, rest)| rest.split('/').next());
    let authority = authority.flatten().unwrap_or_default();
    let mut ours = [HOST, OTHER_NAME].into_iter().chain(asked);
    let is_ours = ours.any(|ours| ours.eq_ignore_ascii_case(authority));
    assert!(is_ours, "{destination:?} is let in");
    assert!(destination.parse::<Uri>().is_ok(), "{destination:?} is no URL");
}

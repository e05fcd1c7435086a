//! A request as text: a line `METHOD PATH`, lines `NAME: VALUE`, an empty line, and the body.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};

/// Who is asked.
pub(crate) const HOST: &str = "ds.example";

/// The input, taken apart. Whatever is no request can be none here either: what hyper does not let
/// through never reaches our code.
pub(crate) struct Input<'a> {
    /// The path as it stands there, whether or not it is one.
    pub(crate) path: &'a str,
    pub(crate) parts: Option<Parts>,
    pub(crate) body: &'a [u8],
}

impl<'a> Input<'a> {
    /// Takes an input apart; none where its head is no text.
    pub(crate) fn read(input: &'a [u8]) -> Option<Self> {
        let end = input.windows(2).position(|bytes| bytes == b"\n\n");
        let (head, body) = match end {
            Some(end) => (input.get(..end)?, input.get(end + 2..)?),
            None => (input, &[][..]),
        };
        let mut lines = std::str::from_utf8(head).ok()?.split('\n');
        let (method, path) = lines.next()?.split_once(' ')?;
        Some(Self { path, parts: parts(method, path, lines), body })
    }
}

fn parts<'a>(method: &str, path: &str, lines: impl Iterator<Item = &'a str>) -> Option<Parts> {
    let request = Request::builder().method(method).uri(path);
    let (mut parts, ()) = request.body(()).ok()?.into_parts();
    parts.headers.append("host", HeaderValue::from_static(HOST));
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let name: HeaderName = name.parse().ok()?;
        parts.headers.append(name, value.parse().ok()?);
    }
    Some(parts)
}

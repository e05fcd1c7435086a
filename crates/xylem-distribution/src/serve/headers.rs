//! What a request asks of a content, and what the answer says about it.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use xylem_http::{ByteRange, RangeError, http_date, parse_range};
use xylem_model::ContentId;
use xylem_trust::Descriptor;

use super::authorize::Served;
use super::heads::Heads;

/// RFC 9530.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// What RFC 8187 section 3.2.1 lets stand in an extended parameter value.
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Whether an address names bytes for ever, or a name whose bytes may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    /// By content id.
    Content,
    /// By published name.
    Name,
}

/// The part of a content that answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The caller has it already.
    NotModified,
    /// All of it.
    Whole,
    /// A part of it.
    Part(ByteRange),
    /// A part that does not exist.
    Unsatisfiable,
    /// The caller wants another content than there is.
    Failed,
}

/// Follows RFC 9110 section 13.2.2, as far as it concerns content that never changes.
pub(crate) fn select(
    method: &Method,
    headers: &HeaderMap,
    content: &ContentId,
    size: u64,
) -> Selection {
    if let Some(wanted) = text(headers, header::IF_MATCH)
        && wanted.trim() != "*"
        && !wanted.split(',').any(|one| one.trim() == etag(content))
    {
        return Selection::Failed;
    }
    if let Some(known) = text(headers, header::IF_NONE_MATCH)
        && (known.trim() == "*" || known.split(',').any(|one| weak(one) == etag(content)))
    {
        return Selection::NotModified;
    }
    let range = text(headers, header::RANGE).filter(|_| *method == Method::GET);
    let Some(range) = range else { return Selection::Whole };
    // A date is too coarse to vouch for bytes, so only the strong tag counts.
    if text(headers, header::IF_RANGE).is_some_and(|condition| condition.trim() != etag(content)) {
        return Selection::Whole;
    }
    match parse_range(range, size) {
        Ok(Some(range)) => Selection::Part(range),
        Ok(None) => Selection::Whole,
        Err(RangeError::Unsatisfiable) => Selection::Unsatisfiable,
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// `If-None-Match` compares weakly.
fn weak(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn etag(content: &ContentId) -> String {
    format!("\"{content}\"")
}

impl Selection {
    /// The status it is answered with.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::NotModified => StatusCode::NOT_MODIFIED,
            Self::Whole => StatusCode::OK,
            Self::Part(_) => StatusCode::PARTIAL_CONTENT,
            Self::Unsatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Failed => StatusCode::PRECONDITION_FAILED,
        }
    }

    /// The bytes to send, of `size`.
    pub(crate) const fn bytes(&self, size: u64) -> Option<ByteRange> {
        match self {
            Self::Whole => Some(ByteRange { start: 0, end: size }),
            Self::Part(range) => Some(*range),
            Self::NotModified | Self::Unsatisfiable | Self::Failed => None,
        }
    }
}

/// The headers of an answer.
pub(crate) fn answer_headers(
    heads: &Heads,
    served: &Served,
    address: Address,
    selection: Selection,
) -> HeaderMap {
    let mut headers = match &served.descriptor {
        Some(descriptor) => heads.of(descriptor, descriptor_headers),
        None => content_headers(&served.content),
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control(address)));
    match selection {
        Selection::NotModified | Selection::Failed => {}
        Selection::Unsatisfiable => {
            set(&mut headers, header::CONTENT_RANGE, format!("bytes */{}", served.size));
        }
        Selection::Whole | Selection::Part(_) => {
            let kind = HeaderValue::from_static("application/octet-stream");
            headers.insert(header::CONTENT_TYPE, kind);
        }
    }
    if let Selection::Part(range) = selection {
        let (first, last) = (range.start, range.end.saturating_sub(1));
        let part = format!("bytes {first}-{last}/{}", served.size);
        set(&mut headers, header::CONTENT_RANGE, part);
    }
    if let Some(range) = selection.bytes(served.size) {
        headers.insert(header::CONTENT_LENGTH, range.len().into());
    }
    headers
}

/// What every answer says of a content.
fn content_headers(content: &ContentId) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    set(&mut headers, header::ETAG, etag(content));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers
}

/// What it says of a published file besides.
fn descriptor_headers(descriptor: &Descriptor) -> HeaderMap {
    let mut headers = content_headers(&descriptor.content);
    set(&mut headers, header::LAST_MODIFIED, http_date(descriptor.issued));
    let digest = STANDARD.encode(descriptor.sha256.as_bytes());
    set(&mut headers, REPR_DIGEST, format!("sha-256=:{digest}:"));
    set(&mut headers, header::CONTENT_DISPOSITION, disposition(descriptor.name.as_str()));
    headers
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

const fn cache_control(address: Address) -> &'static str {
    match address {
        Address::Content => "private, max-age=31536000, immutable",
        Address::Name => "private, no-cache",
    }
}

/// RFC 6266: a plain form for old clients, and the exact name in UTF-8 (RFC 8187).
fn disposition(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ';
    let plain = match name.chars().all(is_plain) {
        true => Cow::Borrowed(name),
        false => name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect(),
    };
    let exact = utf8_percent_encode(name, ATTR_CHAR);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn conditions_are_followed() {
        let content = ContentId::of(b"x");
        let tag = etag(&content);
        let ask =
            |pairs: &[(HeaderName, &str)]| select(&Method::GET, &headers(pairs), &content, 100);
        let part = Selection::Part(ByteRange { start: 10, end: 20 });
        let range = (header::RANGE, "bytes=10-19");
        assert_eq!(ask(&[]), Selection::Whole);
        assert_eq!(ask(std::slice::from_ref(&range)), part);
        assert_eq!(ask(&[range.clone(), (header::IF_RANGE, &tag)]), part);
        assert_eq!(ask(&[range.clone(), (header::IF_RANGE, "\"other\"")]), Selection::Whole);
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(ask(&[range.clone(), (header::IF_RANGE, date)]), Selection::Whole);
        assert_eq!(ask(&[(header::RANGE, "bytes=100-")]), Selection::Unsatisfiable);
        assert_eq!(ask(&[(header::IF_NONE_MATCH, &tag), range.clone()]), Selection::NotModified);
        assert_eq!(
            ask(&[(header::IF_NONE_MATCH, &format!("\"a\", W/{tag}"))]),
            Selection::NotModified
        );
        assert_eq!(ask(&[(header::IF_NONE_MATCH, "*")]), Selection::NotModified);
        assert_eq!(ask(&[(header::IF_NONE_MATCH, "\"a\"")]), Selection::Whole);
        assert_eq!(ask(&[(header::IF_MATCH, "\"a\""), range.clone()]), Selection::Failed);
        assert_eq!(ask(&[(header::IF_MATCH, &format!("\"a\", {tag}"))]), Selection::Whole);
        assert_eq!(ask(&[(header::IF_MATCH, "*")]), Selection::Whole);
        let head = select(&Method::HEAD, &headers(std::slice::from_ref(&range)), &content, 100);
        assert_eq!(head, Selection::Whole, "a range is for GET alone");
    }

    #[test]
    fn names_cannot_break_out_of_their_header() {
        assert_eq!(
            disposition("Größe 100%; a.pkg"),
            "attachment; filename=\"Gr__e 100_; a.pkg\"; \
             filename*=UTF-8''Gr%C3%B6%C3%9Fe%20100%25%3B%20a.pkg"
        );
        let plain = disposition("a\"b\\c\r\nX: y");
        assert!(!plain.contains('\r') && !plain.contains("a\"b") && !plain.contains('\\'));
    }
}

//! Conditions of a request, looked through before they are read.

use http::HeaderMap;
use xylem_api::error::ErrorCode;
use xylem_http::ApiError;

/// Conditions that are not written as they must be (RFC 9110 section 13.1, RFC 4918 section 10.4)
/// are refused here: the reader behind us relies on their brackets and quotation marks.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), ApiError> {
    let bad = |name: &str| {
        ApiError::new(ErrorCode::BadRequest, format!("the {name} header is not understood"))
    };
    for name in ["if-match", "if-none-match", "if-range"] {
        for value in headers.get_all(name) {
            let is_date = name == "if-range" && value.as_bytes().first() != Some(&b'"');
            if !is_date && !is_list_of_tags(value.as_bytes()) {
                return Err(bad(name));
            }
        }
    }
    for value in headers.get_all("if") {
        if !is_closed(value.as_bytes()) {
            return Err(bad("if"));
        }
    }
    Ok(())
}

/// `*`, or entity tags in quotation marks, each weak or not.
fn is_list_of_tags(text: &[u8]) -> bool {
    let is_tag = |tag: &[u8]| {
        let tag = tag.trim_ascii();
        let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
        let inner = tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\""));
        inner.is_some_and(|inner| !inner.contains(&b'"'))
    };
    text.trim_ascii() == b"*" || text.split(|byte| *byte == b',').all(is_tag)
}

/// Whether every bracket that opens is closed by its own kind, none is within another but for what
/// a list in round ones holds, and nothing in them is blank. A quotation mark covers the end of an
/// entity tag, as for the reader behind us; a URL holds none.
fn is_closed(text: &[u8]) -> bool {
    let (mut in_list, mut within, mut is_quoted) = (false, None, false);
    for byte in text {
        match (within, byte) {
            (Some(b']'), b'"') => is_quoted = !is_quoted,
            (Some(_), b'"') => return false,
            (Some(_), byte) if byte.is_ascii_whitespace() => return false,
            (Some(_), _) if is_quoted => {}
            (Some(end), byte) if end == *byte => within = None,
            (Some(_), b'<') => return false,
            (Some(_), _) => {}
            (None, b'<') => within = Some(b'>'),
            (None, b'[') if in_list => within = Some(b']'),
            (None, b'(') if !in_list => in_list = true,
            (None, b')') if in_list => in_list = false,
            (None, b'>' | b'[' | b']' | b'(' | b')') => return false,
            (None, _) => {}
        }
    }
    !in_list && within.is_none() && !text.trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn is_read(name: &'static str, value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        check(&headers).is_ok()
    }

    #[test]
    fn conditions_are_whole_or_refused() {
        for value in ["*", "\"a\"", "W/\"a\", \"b\"", "\"\""] {
            assert!(is_read("if-match", value), "{value}");
        }
        for value in ["\"", "a", "W/", "\"a\",", "\"a\"b\"", ""] {
            assert!(!is_read("if-none-match", value), "{value}");
        }
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert!(is_read("if-range", date) && is_read("if-range", "\"a\""));
        for value in ["(<urn:x>)", "</a> (<urn:x> [\"e\"]) (Not <DAV:no-lock>)", "([W/\"e]f\"])"] {
            assert!(is_read("if", value), "{value}");
        }
        for value in [
            "(<abc", "(<a>", "<a", "(<a>))", "([\"e)", "((<a>))", "", "(<a<b>)", "(<a b>)",
            "(<a\"b>)", "([\"a])",
        ] {
            assert!(!is_read("if", value), "{value}");
        }
    }
}

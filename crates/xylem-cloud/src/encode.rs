//! How names get into a request line.
//!
//! One set of characters serves all protocols: what RFC 3986 calls unreserved stays, every other
//! byte of the UTF-8 is written as `%` and two upper-case digits. It is what SigV4 demands, what
//! Swift decodes, and what NetStorage wants to see signed as it was sent. A blank is `%20`, never
//! `+`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// As [`RESERVED`], but `/` parts the steps of a path.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');
/// All but `attr-char` of RFC 8187, section 3.2.1.
const RESERVED_IN_PARAMETER: &AsciiSet = &RESERVED
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'^')
    .remove(b'`')
    .remove(b'|');

/// A path: `/` stays.
pub(crate) fn path(text: &str) -> String {
    utf8_percent_encode(text, RESERVED_IN_PATH).to_string()
}

/// A name or a value of a query, or one step of a path: `/` does not stay.
pub(crate) fn component(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The value of an extended parameter of a header (RFC 8187).
pub(crate) fn parameter(text: &str) -> String {
    utf8_percent_encode(text, RESERVED_IN_PARAMETER).to_string()
}

/// A query in the order that SigV4 sorts by, so that what is sent is what is signed.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let mut encoded: Vec<_> =
        pairs.iter().map(|(name, value)| (component(name), component(value))).collect();
    encoded.sort();
    let written: Vec<_> =
        encoded.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    written.join("&")
}

/// What was percent-encoded; `None` where it is no UTF-8.
pub(crate) fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_break_signers_are_encoded_once() {
        let cases = [
            ("a b", "a%20b"),
            ("a+b", "a%2Bb"),
            ("é", "%C3%A9"),
            ("a&b", "a%26b"),
            ("50%", "50%25"),
            ("a#b", "a%23b"),
            ("~-._", "~-._"),
        ];
        for (name, encoded) in cases {
            assert_eq!(path(name), encoded);
            assert_eq!(component(name), encoded);
            assert_eq!(decoded(encoded).as_deref(), Some(name));
        }
        assert_eq!(path("/a/b c"), "/a/b%20c");
        assert_eq!(component("a/b"), "a%2Fb");
        assert_eq!(decoded("%ff"), None);
    }

    #[test]
    fn queries_are_sorted_by_what_is_sent() {
        assert_eq!(query(&[("b", "2"), ("a", "x y"), ("a", "1")]), "a=1&a=x%20y&b=2");
        assert_eq!(query(&[("uploads", ""), ("prefix", "p/")]), "prefix=p%2F&uploads=");
    }
}

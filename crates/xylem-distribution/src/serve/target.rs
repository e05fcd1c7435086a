//! What an address means.
//!
//! Contents and published folders are told apart here, from the raw path, and not by a router:
//! their methods are those of HTTP and of WebDAV, and a name is decoded once, in one place. A name
//! never reaches the file system: it is looked up among what is published.

use percent_encoding::percent_decode_str;
use xylem_model::{ContentId, FileKind, FileName};

use crate::dav::OLD_SHARE;

/// What a path names. Whether it exists is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/v1/blob/ID`; none where that is no id.
    Content(Option<ContentId>),
    /// `/v1/blob/ID/tree`.
    Tree(Option<ContentId>),
    /// `/Packages/NAME` and its like; none where that can be no name.
    Published(FileKind, Option<FileName>),
}

impl Target {
    /// What a request's path names; none where that is for the API to answer.
    pub(crate) fn of(path: &str) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("/v1/blob/") {
            return Some(match rest.strip_suffix("/tree") {
                Some(id) => Self::Tree(id.parse().ok()),
                None => Self::Content(rest.parse().ok()),
            });
        }
        let path = match path.strip_prefix(OLD_SHARE) {
            Some(below) if below.starts_with('/') => below,
            _ => path,
        };
        FileKind::ALL.iter().copied().find_map(|kind| {
            let name = path.strip_prefix('/')?.strip_prefix(kind.folder())?.strip_prefix('/')?;
            Some(Self::Published(kind, name_of(name)))
        })
    }
}

/// The file name in the last segment of a path (RFC 3986 section 2.1).
fn name_of(segment: &str) -> Option<FileName> {
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    FileName::new(&decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(path: &str) -> Option<String> {
        match Target::of(path) {
            Some(Target::Published(kind, name)) => {
                Some(format!("{}/{}", kind.folder(), name?.as_str()))
            }
            _ => None,
        }
    }

    #[test]
    fn names_are_decoded_once() {
        assert_eq!(published("/Packages/A%20b.pkg").unwrap(), "Packages/A b.pkg");
        assert_eq!(published("/CasperShare/Apps/A.ipa").unwrap(), "Apps/A.ipa");
        assert_eq!(published("/eBooks/Gr%C3%B6%C3%9Fe.epub").unwrap(), "eBooks/Größe.epub");
        // In the other Unicode form it is the same name.
        assert_eq!(published("/eBooks/Gro%CC%88%C3%9Fe.epub").unwrap(), "eBooks/Größe.epub");
        assert_eq!(published("/Packages/A%2520b.pkg").unwrap(), "Packages/A%20b.pkg");
    }

    #[test]
    fn what_can_be_no_name_is_none() {
        for path in [
            "/Packages/",
            "/Packages/a/b",
            "/Packages/..",
            "/Packages/..%2Fsecret",
            "/Packages/%2e%2e%2fsecret",
            "/Packages/a%00b.pkg",
            "/Packages/a%5Cb.pkg",
            "/Packages/%FF.pkg",
            "/Packages/C:evil.pkg",
            "/Packages/%E2%80%AEgkp.exe",
        ] {
            let target = Target::of(path);
            assert!(matches!(target, Some(Target::Published(_, None))), "{path}: {target:?}");
        }
    }

    #[test]
    fn the_rest_is_for_the_api() {
        for path in ["/", "/v1/blobs", "/packages/a", "/Packages", "/CasperSharePackages/a", "*"] {
            assert_eq!(Target::of(path), None, "{path}");
        }
        assert_eq!(Target::of("/v1/blob/zz"), Some(Target::Content(None)));
        assert_eq!(Target::of("/v1/blob/../tree"), Some(Target::Tree(None)));
    }
}

//! Under which names things lie (layout 1).
//!
//! | name | what |
//! |---|---|
//! | `PREFIX/xylem.json` | the [`crate::Marker`] |
//! | `PREFIX/content/ab/abcd…` | a content, under its id |
//! | `PREFIX/probe/ID-NAME` | what a test writes and deletes |
//! | `PREFIX/content/ab/abcd…/PARTSIZE/NUMBER` | a segment of a large object (Swift), in a container of its own |
//! | `PREFIX/segments/content/…` | the same in the container of the objects |

use std::fmt;

use serde::{Deserialize, Serialize};
use xylem_model::ContentId;

/// Longest prefix in bytes.
pub const MAX_PREFIX_BYTES: usize = 256;
/// Digits of a segment's number, so that a listing has them in order.
const SEGMENT_DIGITS: usize = 5;

/// What everything of ours lies below; without `/` at either end; may be empty.
///
/// Letters, digits, `-`, `_`, `.` and `/`, so that no signature depends on how it is encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(String);

/// A prefix that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the prefix `{0}` cannot be used: give at most 256 letters, digits, `-`, `_`, `.`, with single `/` between, none of them `.` or `..`"
)]
pub struct PrefixError(String);

/// The name of an object in a bucket or container: what the provider is told, not yet encoded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectKey(String);

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A content.
    Content(ContentId),
    /// A segment of a content, of parts of so many bytes; numbers count from 1.
    Segment {
        /// The content.
        content: ContentId,
        /// Bytes of each segment but the last.
        part_bytes: u64,
        /// Its number.
        number: u32,
    },
    /// The marker.
    Marker,
    /// What a test left.
    Probe,
    /// Something that is not of our form: left alone.
    Foreign,
}

impl Prefix {
    /// Checks a prefix.
    ///
    /// # Errors
    /// When it is too long, has another character, or a step that is empty, `.` or `..`.
    pub fn new(text: &str) -> Result<Self, PrefixError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let step = |step: &str| !matches!(step, "" | "." | "..") && step.bytes().all(plain);
        let good = text.is_empty() || text.split('/').all(step);
        if !good || text.len() > MAX_PREFIX_BYTES {
            return Err(PrefixError(text.chars().take(80).collect()));
        }
        Ok(Self(text.to_owned()))
    }

    /// As text, without `/` at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn join(&self, rest: &str) -> ObjectKey {
        ObjectKey(match self.0.as_str() {
            "" => rest.to_owned(),
            prefix => format!("{prefix}/{rest}"),
        })
    }

    /// The marker's name.
    pub fn marker(&self) -> ObjectKey {
        self.join("xylem.json")
    }

    /// What the names of all contents begin with.
    pub fn contents(&self) -> ObjectKey {
        self.join("content/")
    }

    /// What the names of all things of ours begin with: empty, or ends with `/`.
    pub fn everything(&self) -> ObjectKey {
        self.join("")
    }

    /// The folder of contents whose id begins with this byte, for providers that list by folder.
    pub fn folder(&self, first: u8) -> ObjectKey {
        self.join(&format!("content/{first:02x}"))
    }

    /// A content's name.
    pub fn content(&self, id: &ContentId) -> ObjectKey {
        let id = id.to_hex();
        self.join(&format!("content/{}/{id}", id.get(..2).unwrap_or_default()))
    }

    /// A segment's name; `number` counts from 1.
    pub fn segment(&self, id: &ContentId, part_bytes: u64, number: u32) -> ObjectKey {
        self.content(id).segment(part_bytes, number)
    }

    /// The same name below `segments/`, for where segments lie in the container of the objects.
    pub fn in_segments(&self, key: &ObjectKey) -> ObjectKey {
        let rest = key.as_str().strip_prefix(self.everything().as_str()).unwrap_or(key.as_str());
        self.join(&format!("segments/{rest}"))
    }

    /// A probe's name: `id` makes it unique, `name` is odd on purpose.
    pub fn probe(&self, id: &str, name: &str) -> ObjectKey {
        self.join(&format!("probe/{id}-{name}"))
    }

    /// What a name stands for. Only the one form that we write counts: other letter case or
    /// another number of digits is foreign.
    pub fn read(&self, key: &str) -> Named {
        self.recognise(key).unwrap_or(Named::Foreign)
    }

    fn recognise(&self, key: &str) -> Option<Named> {
        let rest = key.strip_prefix(self.everything().as_str())?;
        if let Some(rest) = rest.strip_prefix("segments/") {
            let named = self.recognise(self.join(rest).as_str());
            return named.filter(|named| matches!(named, Named::Segment { .. }));
        }
        if rest == "xylem.json" {
            return Some(Named::Marker);
        }
        if rest.starts_with("probe/") {
            return Some(Named::Probe);
        }
        let mut steps = rest.strip_prefix("content/")?.splitn(4, '/');
        let (_, id) = (steps.next()?, steps.next()?);
        let content: ContentId = id.parse().ok()?;
        let named = match (steps.next(), steps.next()) {
            (None, _) => Named::Content(content),
            (Some(part_bytes), Some(number)) => Named::Segment {
                content,
                part_bytes: part_bytes.parse().ok()?,
                number: number.parse().ok().filter(|number| *number > 0)?,
            },
            (Some(_), None) => return None,
        };
        let written = match named {
            Named::Segment { content, part_bytes, number } => {
                self.segment(&content, part_bytes, number)
            }
            _ => self.content(&content),
        };
        (written.as_str() == key).then_some(named)
    }
}

impl TryFrom<String> for Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        Self::new(&text)
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}

impl ObjectKey {
    /// As text, not encoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a segment of this object, of parts of so many bytes; `number` counts from 1.
    pub fn segment(&self, part_bytes: u64, number: u32) -> Self {
        Self(format!("{}/{part_bytes}/{number:0width$}", self.0, width = SEGMENT_DIGITS))
    }

    /// What the names of its segments begin with.
    pub(crate) fn folder(&self) -> Self {
        Self(format!("{}/", self.0))
    }

    /// A name that was found in a listing, whosoever's it is.
    pub(crate) const fn listed(name: String) -> Self {
        Self(name)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let id = ContentId::of(b"xylem");
        for prefix in ["", "macs", "a/b-c_d.e"] {
            let prefix = Prefix::new(prefix).unwrap();
            assert_eq!(prefix.read(prefix.content(&id).as_str()), Named::Content(id));
            assert_eq!(prefix.read(prefix.marker().as_str()), Named::Marker);
            assert_eq!(prefix.read(prefix.probe("1", "a b").as_str()), Named::Probe);
            let segment = prefix.segment(&id, 1 << 26, 7);
            assert!(segment.as_str().ends_with("/67108864/00007"), "{segment}");
            let named = Named::Segment { content: id, part_bytes: 1 << 26, number: 7 };
            assert_eq!(prefix.read(segment.as_str()), named);
            assert_eq!(prefix.read(prefix.in_segments(&segment).as_str()), named);
            let content = prefix.in_segments(&prefix.content(&id));
            assert_eq!(prefix.read(content.as_str()), Named::Foreign);
        }
    }

    #[test]
    fn what_is_not_of_our_form_is_foreign() {
        let prefix = Prefix::new("p").unwrap();
        let id = ContentId::of(b"xylem").to_hex();
        let two = &id[..2];
        for key in [
            "",
            "p",
            "p/",
            "other",
            "content/00/x",
            "p/content/",
            "pp/xylem.json",
            &format!("p/content/zz/{id}"),
            &format!("p/content/{two}/{}", id.to_uppercase()),
            &format!("p/content/{two}/{id}/"),
            &format!("p/content/{two}/{id}/1"),
            &format!("p/content/{two}/{id}/1/7"),
            &format!("p/content/{two}/{id}/01/00007"),
            &format!("p/content/{two}/{id}/+1/00007"),
            &format!("p/content/{two}/{id}/1/00000"),
            &format!("p/content/{two}/{id}/1/00007/x"),
        ] {
            assert_eq!(prefix.read(key), Named::Foreign, "{key}");
        }
    }

    #[test]
    fn odd_prefixes_are_refused() {
        for text in ["/", "a/", "/a", "a//b", ".", "a/..", "a b", "é", "a+b", &"a".repeat(257)] {
            assert!(Prefix::new(text).is_err(), "{text}");
        }
    }
}

//! Under which names things lie (layout 1).
//!
//! | name | what |
//! |---|---|
//! | `PREFIX/xylem.json` | the [`crate::Marker`] |
//! | `PREFIX/content/ab/abcd…` | a content, under its id |
//! | `PREFIX/probe/ID-NAME` | what a test writes and deletes |
//! | `PREFIX/content/ab/abcd…/PARTSIZE/NUMBER` | a segment of a large object (Swift), in a container of its own |
//! | `PREFIX/segments/content/…` | the same in the container of the objects |
//!
//! [`Named`](crate::Named) is the way back.

use std::fmt;

use serde::{Deserialize, Serialize};
use xylem_model::ContentId;

use crate::cursor::Below;

/// Longest prefix in bytes.
pub const MAX_PREFIX_BYTES: usize = 256;
/// Longest name in a listing, bytes. S3 and Swift take 1,024; what has more is no listing of theirs.
pub(crate) const MAX_NAME_BYTES: usize = 1_100;
/// Digits of a segment's number, so that a listing has them in order.
pub(crate) const SEGMENT_DIGITS: usize = 5;

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

    /// What the names begin with that are listed.
    pub(crate) fn below(&self, below: Below) -> ObjectKey {
        match below {
            Below::Contents => self.contents(),
            Below::Everything => self.everything(),
        }
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

    /// A probe's name: `id` is a UUID and makes it unique, `name` is odd on purpose and has no `/`.
    pub fn probe(&self, id: &str, name: &str) -> ObjectKey {
        self.join(&format!("probe/{id}-{name}"))
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

    /// A name that was found in a listing, whosoever's it is; `None` where no provider has one so
    /// long.
    pub(crate) fn listed(name: String) -> Option<Self> {
        (name.len() <= MAX_NAME_BYTES).then_some(Self(name))
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
    fn odd_prefixes_are_refused() {
        for text in ["/", "a/", "/a", "a//b", ".", "a/..", "a b", "é", "a+b", &"a".repeat(257)] {
            assert!(Prefix::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_that_no_provider_has_are_not_kept() {
        assert!(ObjectKey::listed("é".repeat(512)).is_some(), "what S3 and Swift take");
        assert_eq!(ObjectKey::listed("a".repeat(MAX_NAME_BYTES + 1)), None);
    }
}

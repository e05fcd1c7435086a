//! What is sent, what was found: the words that all providers share.

use serde::{Deserialize, Serialize};
use xylem_model::{Md5, Sha256, Timestamp};

use crate::cursor::Cursor;
use crate::digest;
use crate::layout::ObjectKey;
use crate::parts::{Part, PartPlan};

/// Longest id of an upload, and longest tag, that is kept; bytes.
pub(crate) const MAX_REFERENCE_BYTES: usize = 1024;

/// What a request is made of besides keys and settings.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The present moment.
    pub now: Timestamp,
    /// A number at random that never comes again.
    pub nonce: u64,
}

/// One object on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its name.
    pub key: ObjectKey,
    /// SHA-256 of the whole.
    pub sha256: Sha256,
    /// The value of `Content-Disposition`: see [`crate::disposition`].
    pub disposition: String,
    /// How it is cut.
    pub plan: PartPlan,
    /// The provider's id of the upload, once it was begun.
    pub reference: Option<UploadRef>,
    /// Whether the provider is asked to refuse where something is already. Off where its test
    /// said that it cannot.
    pub create_only: bool,
}

/// A provider's id of an upload, or of a part that arrived: visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UploadRef(String);

/// A part with the digests of its bytes; of a file that is sent as a whole, the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Which part.
    pub part: Part,
    /// MD5 of its bytes.
    pub md5: Md5,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
}

/// A part that arrived, with the provider's word for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPiece {
    /// The part.
    pub piece: Piece,
    /// What the provider calls it, without quotes: its ETag.
    pub tag: UploadRef,
}

/// What is known of an object that was asked after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its size, bytes.
    pub size: u64,
    /// The provider's digest in the form of its protocol, without quotes; none where its ETag
    /// follows from no bytes (KMS) or has another form.
    pub etag: Option<String>,
    /// The SHA-256 that we kept with it; none where the protocol keeps none.
    pub sha256: Option<Sha256>,
    /// Whether it is made of segments that have names of their own.
    pub segmented: bool,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub key: ObjectKey,
    /// Its size, bytes.
    pub size: u64,
    /// Its ETag, without quotes, where the listing tells one of the form of digests. A listing
    /// does not say that it is none (KMS), so it is compared only with what [`Found::etag`] was.
    pub etag: Option<String>,
    /// When it was written, by the provider's clock.
    pub written: Option<Timestamp>,
    /// Whether the listing says that it is made of segments, which are objects of their own.
    pub segmented: bool,
}

/// What is no object of ours by itself, and stays where an upload breaks off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leftover {
    /// An upload that was begun and not ended: aborted by its id.
    Upload {
        /// The name that it is to have.
        key: ObjectKey,
        /// Its id.
        id: UploadRef,
        /// When it was begun, by the provider's clock.
        begun: Option<Timestamp>,
    },
    /// A segment: deleted by its name.
    Segment {
        /// Its name, which is never an object's.
        key: ObjectKey,
        /// The MD5 of its bytes, in hexadecimal.
        etag: String,
        /// When it was written, by the provider's clock.
        begun: Option<Timestamp>,
    },
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where it goes on; none at the end.
    pub next: Option<Cursor>,
}

impl Piece {
    /// A piece of these bytes, which are all of the part.
    pub fn of(part: Part, bytes: &[u8]) -> Self {
        Self { part, md5: digest::md5(bytes), sha256: digest::sha256(bytes) }
    }
}

impl Leftover {
    /// The name that it is kept under.
    pub const fn key(&self) -> &ObjectKey {
        match self {
            Self::Upload { key, .. } | Self::Segment { key, .. } => key,
        }
    }

    /// When it was begun, by the provider's clock.
    pub const fn begun(&self) -> Option<Timestamp> {
        match self {
            Self::Upload { begun, .. } | Self::Segment { begun, .. } => *begun,
        }
    }
}

impl UploadRef {
    /// Takes what a provider said; `None` where it is empty, too long or not visible ASCII.
    pub fn new(text: &str) -> Option<Self> {
        let good = (1..=MAX_REFERENCE_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        good.then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Md5> for UploadRef {
    fn from(md5: Md5) -> Self {
        Self(md5.to_hex())
    }
}

/// An entity tag without its quotes and without the mark of a weak one (RFC 9110, section 8.8.3).
pub(crate) fn unquoted(etag: &str) -> &str {
    let etag = etag.trim();
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_visible_and_bounded() {
        assert!(UploadRef::new("2~VXBsb2FkSUQ_.-=").is_some());
        for odd in ["", "a b", "a\r\nb", "é", &"a".repeat(MAX_REFERENCE_BYTES + 1)] {
            assert_eq!(UploadRef::new(odd), None);
        }
        assert_eq!((unquoted("\"a-1\""), unquoted("W/\"a\""), unquoted("a")), ("a-1", "a", "a"));
    }
}

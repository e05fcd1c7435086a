//! The words of [`super`]: a content at the cloud distribution point, and how far it is.

use std::num::NonZeroU64;

use xylem_model::{
    CloudPointId, ContentId, DistributionServerId, FileName, Generation, Md5, Priority, Sha256,
    Timestamp,
};
use xylem_sync::Choice;

use crate::words::words;

words! {
    /// Where a content stands (`docs/design/cloud.md`, "States of one content").
    CloudCopyState, "state of a content in the cloud" {
        /// It is to be sent.
        Wanted => "wanted",
        /// Parts of it are on their way.
        Sending => "sending",
        /// All parts arrived: it is being ended, asked after, and read back in part.
        Proving => "proving",
        /// It is there, and offered.
        Present => "present",
        /// It could not be sent; tried again at [`CloudCopy::next_try`].
        Failed => "failed",
        /// It is being deleted there.
        Removing => "removing",
    }
}

/// A content that is, was or is to be at a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudCopy {
    /// Which.
    pub content: ContentId,
    /// Its size, bytes.
    pub size: u64,
    /// SHA-256 of its bytes, as it is signed.
    pub sha256: Sha256,
    /// What it was called when it was last wanted.
    pub name: FileName,
    /// How much of a hurry it is in.
    pub priority: Priority,
    /// Where it stands.
    pub state: CloudCopyState,
    /// Since when; of what is *proving*, since when it was *sending*.
    pub since: Timestamp,
    /// The provider's id of the upload, once it was begun.
    pub reference: Option<String>,
    /// How it is cut, once it was begun: how long each part is but the last; `None` where it was not
    /// begun, or goes as a whole.
    pub part_bytes: Option<NonZeroU64>,
    /// Bytes of the parts that arrived.
    pub arrived: u64,
    /// The provider's word for the object, once it was asked after.
    pub etag: Option<String>,
    /// Who sends it, or reads it back where it is *present*, and until when nobody else does.
    pub lease: Option<CloudLease>,
    /// How often it failed since it was last *present* or wanted anew.
    pub tries: u32,
    /// Why it failed last, or was lost.
    pub reason: Option<String>,
    /// When it is tried again.
    pub next_try: Option<Timestamp>,
    /// Since when it is not wanted any more. What is not wanted and not begun has no row.
    pub unwanted: Option<Timestamp>,
    /// When it was last asked after, or listed as it is to be.
    pub looked_at: Option<Timestamp>,
    /// Until when a request that was signed for it can still write other bytes there, by whoever has
    /// it: asked after once more then. None where that was done, or no such request was signed.
    pub unbound_until: Option<Timestamp>,
    /// Until when an upload wants it there, whether or not the catalogue names it.
    pub upload_until: Option<Timestamp>,
    /// Until when a deletion of its key may still arrive: nothing is written there before.
    pub not_before: Option<Timestamp>,
    /// When somebody last found other bytes there, and was heard.
    pub doubted: Option<Timestamp>,
    /// When it was last read back whole, whatever that found.
    pub read_back: Option<Timestamp>,
}

/// Who works on a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudLease {
    /// The distribution server.
    pub server: DistributionServerId,
    /// Until when.
    pub until: Timestamp,
}

/// What is worked on, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudWork {
    /// At which point.
    pub point: CloudPointId,
    /// Which content.
    pub content: ContentId,
    /// Who works on it: only the holder of the lease changes anything.
    pub server: DistributionServerId,
}

/// From where on a point's wants are followed, as whoever follows them read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudFollowing {
    /// Which point.
    pub point: CloudPointId,
    /// What was chosen for it.
    pub selection: Choice,
    /// Up to which change they were followed before.
    pub followed: Generation,
    /// How many full walks through the catalogue were begun before, this one among them.
    pub walks: u64,
}

/// A content that is to be at a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudWant {
    /// Which.
    pub content: ContentId,
    /// Its size, bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
    /// What it is called.
    pub name: FileName,
    /// How much of a hurry it is in.
    pub priority: Priority,
}

/// A deletion of a content's key that is about to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudDeletion {
    /// Until when it may arrive.
    pub until: Timestamp,
    /// Until when one before it may, if one may.
    pub before: Option<Timestamp>,
}

/// What came of reading a content back whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudReadBack<'a> {
    /// Its bytes are those that were published.
    Right,
    /// They are others: *removing* from now on, with the reason, and *wanted* anew once it is gone.
    Wrong(&'a str),
    /// They could not be read, with the reason; tried again at this moment.
    Unread(&'a str, Timestamp),
    /// Whoever read does not go on: somebody else may, at once.
    Left,
}

/// A part that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudPart {
    /// Its number, from 1.
    pub number: u32,
    /// Its length, bytes.
    pub bytes: u64,
    /// MD5 of its bytes.
    pub md5: Md5,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
    /// The provider's word for it; at most 1,024 bytes of visible ASCII.
    pub tag: String,
}

/// How much is where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudCount {
    /// Contents in this state.
    pub state: CloudCopyState,
    /// How many.
    pub contents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of them that arrived; of what is present, all.
    pub arrived: u64,
}

/// What a point was used for in a calendar month (UTC).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CloudUsage {
    /// Bytes that we sent.
    pub sent: u64,
    /// Bytes that we read back.
    pub read_back: u64,
    /// Bytes that agents told to have fetched there.
    pub told_by_agents: u64,
    /// Requests that wrote or deleted.
    pub writes: u64,
    /// Requests that read or asked.
    pub reads: u64,
    /// Requests that listed.
    pub lists: u64,
}

/// A calendar month (UTC): years times 12, and the month from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(pub u32);

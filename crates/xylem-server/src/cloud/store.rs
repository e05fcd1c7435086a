//! What is remembered of the cloud distribution point, as far as filling it and looking after it
//! decide on it.
//!
//! Like [`WishStore`](crate::wish::WishStore) a narrow trait, so that the same duties run in
//! simulation: [`DatabaseCloudStore`] is the real one, [`MemoryCloudStore`] its twin. A state
//! changes only from the state that a method names: of several callers one does it, and is told so.
//! Both leave to the same pure steps ([`CloudStep`](xylem_db::CloudStep)) what that is.

mod database;
mod keys;
mod memory;
#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::time::Duration;

use async_trait::async_trait;
use xylem_cloud::{PointSettings, Secrets};
pub use xylem_db::CloudWork as Work;
use xylem_db::{
    CloudCopy, CloudCopyState, CloudCount, CloudDeletion, CloudForgotten, CloudLeaving,
    CloudObjects, CloudPart, CloudReadBack, CloudUsage, CloudWant, Month,
};
use xylem_model::{CloudPointId, ContentId, DistributionServerId, Generation, Timestamp};
use xylem_sync::Choice;

pub use database::DatabaseCloudStore;
pub use memory::MemoryCloudStore;

use crate::wish::WishError;

/// Longest message of what is broken that is kept, in characters; more is cut off.
const MAX_BROKEN_CHARS: usize = xylem_db::MAX_TEXT_CHARS;

/// A point with all that is needed to work for it. The keys are dropped with it.
#[derive(Debug, Clone)]
pub struct OpenPoint {
    /// Which.
    pub id: CloudPointId,
    /// Whether it is the active one; if not, it is being left.
    pub is_active: bool,
    /// How far it is on its way out; none while it is the active one.
    pub leaving: Option<CloudLeaving>,
    /// How often settings or keys were changed; that it is being left counts as a change.
    pub revision: u32,
    /// What is set.
    pub settings: PointSettings,
    /// Its keys, opened.
    pub keys: Secrets,
    /// What was chosen for it; none: everything.
    pub selection: Choice,
    /// Whether it stands still by an administrator's word.
    pub paused: bool,
    /// Up to which change of the catalogue its wants were followed.
    pub followed: Generation,
    /// Whether it is told to write where nothing is, only: unless its test found that it cannot, and
    /// then it is asked before.
    pub writes_once: bool,
    /// Why everything stands still, if it does.
    pub broken: Option<Broken>,
    /// How many bytes are sent and read back in a month at most.
    pub month_ceiling: Option<u64>,
    /// Whether it is the principal: nothing is committed before it is there.
    pub is_principal: bool,
    /// How many full walks through the catalogue were begun for it.
    pub walks: u64,
}

impl OpenPoint {
    /// The active point as it is right after it was set: everything is wanted there, and nothing of it
    /// was followed yet.
    pub const fn just_set(id: CloudPointId, settings: PointSettings, keys: Secrets) -> Self {
        Self {
            id,
            is_active: true,
            leaving: None,
            revision: 1,
            settings,
            keys,
            selection: None,
            paused: false,
            followed: Generation(0),
            writes_once: true,
            broken: None,
            month_ceiling: None,
            is_principal: false,
            walks: 0,
        }
    }

    /// How long an address lives that a client is given.
    pub(crate) fn address_life(&self) -> Duration {
        Duration::from_secs(self.settings.url_lifetime_seconds)
    }
}

/// Why nothing succeeds at a point until somebody mends it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Broken {
    /// What was attempted, why not, what to do.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
    /// When one request tries again.
    pub next_try: Timestamp,
    /// Whether clients are sent there all the same: what is there can be read.
    #[serde(default)]
    pub still_offered: bool,
}

/// What is remembered of the cloud distribution point.
#[async_trait]
pub trait CloudStore: Send + Sync {
    /// The active point, opened; none where none is set.
    async fn active(&self) -> Result<Option<OpenPoint>, WishError>;

    /// The point that is being left, opened.
    async fn leaving(&self) -> Result<Option<OpenPoint>, WishError>;

    /// Notes that a point stands still, or no longer does, as it was found with the settings and keys of
    /// a revision: where they are others by now, that says nothing.
    async fn set_broken(
        &self,
        point: CloudPointId,
        revision: u32,
        broken: Option<&Broken>,
    ) -> Result<(), WishError>;

    /// Wants contents, and remembers up to which change of the catalogue that was followed. What has
    /// a row is wanted again where it was not; what is *removing* stays so, and is wanted once it is
    /// gone.
    ///
    /// `point` is as it was read before: where its selection is another by now, or its wants were
    /// followed by somebody else, nothing is done. Says whether it was.
    async fn want(
        &self,
        point: &OpenPoint,
        wants: &[CloudWant],
        followed: Generation,
        now: Timestamp,
    ) -> Result<bool, WishError>;

    /// Begins a full walk through the catalogue, with `point` as for [`want`](Self::want): one that was
    /// begun before and has not ended is of the past from now on. Gives its number, which is to be the
    /// point's `walks` in what is wanted by it; none where `point` is of the past.
    async fn begin_walk(&self, point: &OpenPoint) -> Result<Option<u64>, WishError>;

    /// Wants contents no longer. What was not begun loses its row, what is *sending*, *proving* or
    /// *failed* is *removing* from now on, what is *present* keeps its state until its grace is over.
    ///
    /// Before [`want`](Self::want), with the same `point`: where it is of the past, nothing is done.
    /// Says whether it was.
    async fn unwant(
        &self,
        point: &OpenPoint,
        contents: &[ContentId],
        now: Timestamp,
    ) -> Result<bool, WishError>;

    /// Wants a content for an upload that is not committed, until then: meanwhile
    /// [`unwant`](Self::unwant) leaves it alone. Gives how it stands; none where the point is not the
    /// principal.
    async fn want_for_upload(
        &self,
        point: CloudPointId,
        want: &CloudWant,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, WishError>;

    /// Whether something was wanted by an upload whose time is over.
    async fn has_lapsed_uploads(
        &self,
        point: CloudPointId,
        now: Timestamp,
    ) -> Result<bool, WishError>;

    /// One content.
    async fn copy(
        &self,
        point: CloudPointId,
        content: ContentId,
    ) -> Result<Option<CloudCopy>, WishError>;

    /// Contents in the order of their ids, from behind `after` on, of one state where one is named.
    async fn copies(
        &self,
        point: CloudPointId,
        state: Option<CloudCopyState>,
        after: Option<ContentId>,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, WishError>;

    /// How much is in which state.
    async fn counts(&self, point: CloudPointId) -> Result<Vec<CloudCount>, WishError>;

    /// Takes what `server` is to send next, `most` contents at most, until `until`: first what it works
    /// on already, then what nobody works on and is *sending*, *proving*, *wanted*, or *failed* and due;
    /// of these what is in more of a hurry ([`Class`](xylem_sync::Class)), then the smaller one. What was
    /// *wanted* or *failed* is *sending* from now on. `busy` are contents that this server is sending
    /// already: they are kept for it and not given again, and no second large one ([`SMALL_BYTES`]) of a
    /// class is.
    ///
    /// [`SMALL_BYTES`]: xylem_sync::SMALL_BYTES
    async fn take_some(
        &self,
        point: CloudPointId,
        server: DistributionServerId,
        busy: &[ContentId],
        most: usize,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<CloudCopy>, WishError>;

    /// Takes one of [`take_some`](Self::take_some).
    async fn take(
        &self,
        point: CloudPointId,
        server: DistributionServerId,
        busy: &[ContentId],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, WishError> {
        Ok(self.take_some(point, server, busy, 1, now, until).await?.pop())
    }

    /// Keeps a lease that `server` has; gives the content, or none where the lease is another's, the
    /// content is unwanted, or in another state than *sending* or *proving*.
    async fn keep(&self, work: Work, until: Timestamp) -> Result<Option<CloudCopy>, WishError>;

    /// Notes how an upload was begun: from *sending*, with no parts. Says whether it was so.
    async fn begun(
        &self,
        work: Work,
        part_bytes: Option<NonZeroU64>,
        reference: Option<&str>,
    ) -> Result<bool, WishError>;

    /// Notes until when requests that were signed for it can write other bytes there. Says whether it
    /// was noted, only where it is *sending*: if not, none may be given out.
    async fn signed(&self, work: Work, until: Timestamp) -> Result<bool, WishError>;

    /// Notes parts that arrived. One that is there already is replaced. Says whether it was noted:
    /// only where it is *sending*.
    async fn arrived(&self, work: Work, parts: &[CloudPart]) -> Result<bool, WishError>;

    /// Those of the parts that arrived and have one of these numbers, in order.
    async fn parts_among(
        &self,
        point: CloudPointId,
        content: ContentId,
        numbers: &[u32],
    ) -> Result<Vec<CloudPart>, WishError>;

    /// How many parts arrived.
    async fn count_parts(&self, point: CloudPointId, content: ContentId) -> Result<u64, WishError>;

    /// The parts that arrived, in order.
    async fn parts(
        &self,
        point: CloudPointId,
        content: ContentId,
    ) -> Result<Vec<CloudPart>, WishError>;

    /// All parts arrived: from *sending* to *proving*. Also where it was *proving* already.
    async fn proving(&self, work: Work) -> Result<bool, WishError>;

    /// It is there: from *proving* to *present*; its parts are forgotten.
    async fn present(
        &self,
        work: Work,
        etag: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, WishError>;

    /// It did not succeed: from *sending* or *proving* to *failed*. `anew` forgets how it was begun
    /// and its parts. `next_try` of none is never by itself.
    async fn failed(
        &self,
        work: Work,
        reason: &str,
        anew: bool,
        now: Timestamp,
        next_try: Option<Timestamp>,
    ) -> Result<bool, WishError>;

    /// The lease ends: somebody else may go on at once. Says whether the server had it.
    async fn released(&self, work: Work) -> Result<bool, WishError>;

    /// What was *present* is not, or is not as it was: *wanted* anew, with the reason. What is
    /// unwanted loses its row instead.
    async fn lost(
        &self,
        point: CloudPointId,
        content: ContentId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, WishError>;

    /// What is *present* is another than was sent: *removing* from now on, so that nobody is sent
    /// there, and *wanted* anew once it is gone, with the reason. Says whether it was *present*.
    async fn withdrawn(
        &self,
        point: CloudPointId,
        content: ContentId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, WishError>;

    /// Notes that contents are as they are to be.
    async fn looked_at(
        &self,
        point: CloudPointId,
        contents: &[ContentId],
        now: Timestamp,
    ) -> Result<(), WishError>;

    /// What is *present*, and was signed for by requests that ended before `now`: to be asked after
    /// once more. The longest first, at most `limit`.
    async fn unsettled(
        &self,
        point: CloudPointId,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, WishError>;

    /// Notes that this was done, and that it is as it is to be; or that nothing could be concluded, and
    /// when it is asked after `again`.
    async fn settled(
        &self,
        point: CloudPointId,
        content: ContentId,
        now: Timestamp,
        again: Option<Timestamp>,
    ) -> Result<(), WishError>;

    /// Begins to remove what is *present*, unwanted since before `unwanted_before`: *removing* from
    /// now on. Gives what is *removing*, at most `limit`: what was so before first, and no more is
    /// begun than is given.
    async fn to_remove(
        &self,
        point: CloudPointId,
        unwanted_before: Timestamp,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, WishError>;

    /// What was *removing* is gone: its row too, unless it is wanted again. Says whether it was noted: not
    /// while a deletion may still arrive.
    async fn removed(
        &self,
        point: CloudPointId,
        content: ContentId,
        now: Timestamp,
    ) -> Result<bool, WishError>;

    /// A deletion of a content's key is about to be asked for, which may arrive until then: by the server
    /// that works on it, or, where none is named, of what is *removing*. None where it is neither, and
    /// then nothing may be deleted. Until it was [answered](Self::deletion_answered), or that moment has
    /// come, the content is given to nobody, and what was *removing* stays so.
    async fn deleting(
        &self,
        point: CloudPointId,
        content: ContentId,
        by: Option<DistributionServerId>,
        until: Timestamp,
    ) -> Result<Option<CloudDeletion>, WishError>;

    /// A deletion was answered: it arrives no more.
    async fn deletion_answered(
        &self,
        point: CloudPointId,
        content: ContentId,
        deletion: CloudDeletion,
    ) -> Result<(), WishError>;

    /// What lies there and is in no row is *removing* from now on. Says whether it is: not where it has a
    /// row by now.
    async fn condemn(
        &self,
        point: CloudPointId,
        content: ContentId,
        size: u64,
        now: Timestamp,
    ) -> Result<bool, WishError>;

    /// Somebody found other bytes of what is *present*: it is to be read back. Says whether they are
    /// heard: not where it was doubted, or read back, since `heard_before`.
    async fn doubt(
        &self,
        point: CloudPointId,
        content: ContentId,
        heard_before: Timestamp,
        now: Timestamp,
    ) -> Result<bool, WishError>;

    /// Takes what `server` is to read back next, until `until`: what is doubted; then, where
    /// `read_before` is given, what is there since before that and was not read back since, the longest
    /// first.
    async fn to_read_back(
        &self,
        point: CloudPointId,
        server: DistributionServerId,
        read_before: Option<Timestamp>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, WishError>;

    /// Keeps what a server reads back; gives it, or none where it is not its own to read any more.
    async fn keep_reading_back(
        &self,
        work: Work,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, WishError>;

    /// It was read back, or not. Says whether it was noted: only where the server reads it.
    async fn read_back(
        &self,
        work: Work,
        found: CloudReadBack<'_>,
        now: Timestamp,
    ) -> Result<bool, WishError>;

    /// Sends nobody to a point that is being left any more. Says whether somebody was until now.
    async fn left(&self, point: CloudPointId, now: Timestamp) -> Result<bool, WishError>;

    /// Wants nothing any more at a point that is being left and whose objects are to be deleted: what
    /// is *present* is unwanted since `since` where it was not before, what is under way is *removing*.
    /// Where they are kept, by what was said last, nothing is done.
    async fn unwant_all(
        &self,
        point: CloudPointId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), WishError>;

    /// Forgets a point with its keys and rows, that nobody is sent to any more and of whose objects
    /// became what was said; none where it is not so far, since something is *removing*, or has a row
    /// at all where objects are deleted. Says what stays at the provider.
    async fn end(
        &self,
        point: CloudPointId,
        objects: CloudObjects,
        now: Timestamp,
    ) -> Result<Option<CloudForgotten>, WishError>;

    /// Counts use.
    async fn used(
        &self,
        point: CloudPointId,
        month: Month,
        more: &CloudUsage,
    ) -> Result<(), WishError>;

    /// What was counted, the latest month first.
    async fn usage(&self, point: CloudPointId) -> Result<Vec<(Month, CloudUsage)>, WishError>;
}

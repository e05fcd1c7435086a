//! What is remembered of the cloud, watched: nothing is offered before it was proved. Faults are
//! planted here too, to be noticed.

use std::num::NonZeroU64;
use std::sync::Arc;

use async_trait::async_trait;
use xylem_db::{
    CloudCopy, CloudCopyState, CloudCount, CloudDeletion, CloudForgotten, CloudObjects, CloudPart,
    CloudReadBack, CloudUsage, CloudWant, Month,
};
use xylem_model::{CloudPointId, ContentId, DistributionServerId, Generation, Timestamp};
use xylem_server::{Broken, CloudStore, MemoryCloudStore, OpenPoint, WishError, Work};

use super::Cloud;
use crate::environment::now;
use crate::history::History;
use crate::machine::Planted;
use crate::world::World;

/// The store with whoever watches it.
pub(super) struct WatchedCloudStore {
    world: World,
    cloud: Arc<Cloud>,
    inner: Arc<MemoryCloudStore>,
    history: History,
}

impl WatchedCloudStore {
    pub(super) fn new(world: World, cloud: Arc<Cloud>, history: History) -> Self {
        let inner = Arc::clone(&cloud.store);
        Self { world, cloud, inner, history }
    }

    fn is_planted(&self, fault: Planted) -> bool {
        self.world.server_machine.is_planted(fault)
    }

    /// Invariant 3: what is offered from now on was written as it was sent, asked after, and read
    /// back in part, in this order.
    async fn check_if_offered(&self, content: ContentId) -> Result<(), WishError> {
        let row = self.inner.copy(self.cloud.point, content).await?;
        if row.is_some_and(|row| row.state == CloudCopyState::Present) {
            self.cloud.seen().check_proof(content, &self.history);
        }
        Ok(())
    }
}

#[async_trait]
impl CloudStore for WatchedCloudStore {
    async fn active(&self) -> Result<Option<OpenPoint>, WishError> {
        self.inner.active().await
    }

    async fn leaving(&self) -> Result<Option<OpenPoint>, WishError> {
        self.inner.leaving().await
    }

    async fn set_broken(
        &self,
        point: CloudPointId,
        revision: u32,
        broken: Option<&Broken>,
    ) -> Result<(), WishError> {
        self.inner.set_broken(point, revision, broken).await
    }

    async fn want(
        &self,
        point: &OpenPoint,
        wants: &[CloudWant],
        followed: Generation,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        self.inner.want(point, wants, followed, now).await
    }

    async fn unwant(
        &self,
        point: &OpenPoint,
        contents: &[ContentId],
        now: Timestamp,
    ) -> Result<bool, WishError> {
        self.inner.unwant(point, contents, now).await
    }

    async fn copy(
        &self,
        point: CloudPointId,
        content: ContentId,
    ) -> Result<Option<CloudCopy>, WishError> {
        self.inner.copy(point, content).await
    }

    async fn copies(
        &self,
        point: CloudPointId,
        state: Option<CloudCopyState>,
        after: Option<ContentId>,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, WishError> {
        self.inner.copies(point, state, after, limit).await
    }

    async fn counts(&self, point: CloudPointId) -> Result<Vec<CloudCount>, WishError> {
        self.inner.counts(point).await
    }

    async fn take_some(
        &self,
        point: CloudPointId,
        server: DistributionServerId,
        busy: &[ContentId],
        most: usize,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<CloudCopy>, WishError> {
        self.inner.take_some(point, server, busy, most, now, until).await
    }

    async fn keep(&self, work: Work, until: Timestamp) -> Result<Option<CloudCopy>, WishError> {
        self.inner.keep(work, until).await
    }

    async fn begun(
        &self,
        work: Work,
        part_bytes: Option<NonZeroU64>,
        reference: Option<&str>,
    ) -> Result<bool, WishError> {
        self.inner.begun(work, part_bytes, reference).await
    }

    async fn signed(&self, work: Work, until: Timestamp) -> Result<bool, WishError> {
        self.inner.signed(work, until).await
    }

    async fn arrived(&self, work: Work, parts: &[CloudPart]) -> Result<bool, WishError> {
        self.inner.arrived(work, parts).await
    }

    async fn parts(
        &self,
        point: CloudPointId,
        content: ContentId,
    ) -> Result<Vec<CloudPart>, WishError> {
        self.inner.parts(point, content).await
    }

    async fn proving(&self, work: Work) -> Result<bool, WishError> {
        let is_proving = self.inner.proving(work).await?;
        if is_proving && self.is_planted(Planted::OffersBeforeProof) {
            self.inner.present(work, None, now()).await?;
        }
        if is_proving {
            self.check_if_offered(work.content).await?;
        }
        Ok(is_proving)
    }

    async fn present(
        &self,
        work: Work,
        etag: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        let is_present = self.inner.present(work, etag, now).await?;
        if is_present {
            self.check_if_offered(work.content).await?;
        }
        Ok(is_present)
    }

    async fn failed(
        &self,
        work: Work,
        reason: &str,
        anew: bool,
        now: Timestamp,
        next_try: Option<Timestamp>,
    ) -> Result<bool, WishError> {
        self.inner.failed(work, reason, anew, now, next_try).await
    }

    async fn released(&self, work: Work) -> Result<bool, WishError> {
        self.inner.released(work).await
    }

    async fn lost(
        &self,
        point: CloudPointId,
        content: ContentId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        self.inner.lost(point, content, reason, now).await
    }

    async fn withdrawn(
        &self,
        point: CloudPointId,
        content: ContentId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        self.inner.withdrawn(point, content, reason, now).await
    }

    async fn looked_at(
        &self,
        point: CloudPointId,
        contents: &[ContentId],
        now: Timestamp,
    ) -> Result<(), WishError> {
        self.inner.looked_at(point, contents, now).await
    }

    async fn unsettled(
        &self,
        point: CloudPointId,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, WishError> {
        self.inner.unsettled(point, now, limit).await
    }

    async fn settled(
        &self,
        point: CloudPointId,
        content: ContentId,
        now: Timestamp,
        again: Option<Timestamp>,
    ) -> Result<(), WishError> {
        self.inner.settled(point, content, now, again).await
    }

    async fn to_remove(
        &self,
        point: CloudPointId,
        unwanted_before: Timestamp,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, WishError> {
        if !self.is_planted(Planted::RemovesTheWanted) {
            return self.inner.to_remove(point, unwanted_before, now, limit).await;
        }
        // As if each wish had been withdrawn long ago.
        let there = Some(CloudCopyState::Present);
        let contents: Vec<ContentId> =
            self.inner.copies(point, there, None, 1).await?.iter().map(|it| it.content).collect();
        if let Some(open) = self.inner.active().await? {
            self.inner.unwant(&open, &contents, unwanted_before).await?;
        }
        self.inner.to_remove(point, now, now, limit).await
    }

    async fn removed(
        &self,
        point: CloudPointId,
        content: ContentId,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        self.inner.removed(point, content, now).await
    }

    async fn begin_walk(&self, point: &OpenPoint) -> Result<Option<u64>, WishError> {
        self.inner.begin_walk(point).await
    }

    async fn want_for_upload(
        &self,
        point: CloudPointId,
        want: &CloudWant,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, WishError> {
        self.inner.want_for_upload(point, want, now, until).await
    }

    async fn has_lapsed_uploads(
        &self,
        point: CloudPointId,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        self.inner.has_lapsed_uploads(point, now).await
    }

    async fn parts_among(
        &self,
        point: CloudPointId,
        content: ContentId,
        numbers: &[u32],
    ) -> Result<Vec<CloudPart>, WishError> {
        self.inner.parts_among(point, content, numbers).await
    }

    async fn count_parts(&self, point: CloudPointId, content: ContentId) -> Result<u64, WishError> {
        self.inner.count_parts(point, content).await
    }

    async fn deleting(
        &self,
        point: CloudPointId,
        content: ContentId,
        by: Option<DistributionServerId>,
        until: Timestamp,
    ) -> Result<Option<CloudDeletion>, WishError> {
        self.inner.deleting(point, content, by, until).await
    }

    async fn deletion_answered(
        &self,
        point: CloudPointId,
        content: ContentId,
        deletion: CloudDeletion,
    ) -> Result<(), WishError> {
        self.inner.deletion_answered(point, content, deletion).await
    }

    async fn condemn(
        &self,
        point: CloudPointId,
        content: ContentId,
        size: u64,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        self.inner.condemn(point, content, size, now).await
    }

    async fn doubt(
        &self,
        point: CloudPointId,
        content: ContentId,
        heard_before: Timestamp,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        self.inner.doubt(point, content, heard_before, now).await
    }

    async fn to_read_back(
        &self,
        point: CloudPointId,
        server: DistributionServerId,
        read_before: Option<Timestamp>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, WishError> {
        self.inner.to_read_back(point, server, read_before, now, until).await
    }

    async fn keep_reading_back(
        &self,
        work: Work,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, WishError> {
        self.inner.keep_reading_back(work, until).await
    }

    async fn read_back(
        &self,
        work: Work,
        found: CloudReadBack<'_>,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        self.inner.read_back(work, found, now).await
    }

    async fn left(&self, point: CloudPointId, now: Timestamp) -> Result<bool, WishError> {
        self.inner.left(point, now).await
    }

    async fn unwant_all(
        &self,
        point: CloudPointId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), WishError> {
        self.inner.unwant_all(point, since, now).await
    }

    async fn end(
        &self,
        point: CloudPointId,
        objects: CloudObjects,
        now: Timestamp,
    ) -> Result<Option<CloudForgotten>, WishError> {
        self.inner.end(point, objects, now).await
    }

    async fn used(
        &self,
        point: CloudPointId,
        month: Month,
        more: &CloudUsage,
    ) -> Result<(), WishError> {
        self.inner.used(point, month, more).await
    }

    async fn usage(&self, point: CloudPointId) -> Result<Vec<(Month, CloudUsage)>, WishError> {
        self.inner.usage(point).await
    }
}

//! What is remembered of the cloud distribution point, in the database.

use std::num::NonZeroU64;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use xylem_api::cloud::{CloudStepOutcome, CloudTest};
use xylem_cloud::{PointSettings, Secrets};
use xylem_db::{
    Actor, CloudCopy, CloudCopyState, CloudCount, CloudDeletion, CloudFollowing, CloudForgotten,
    CloudObjects, CloudPart, CloudPoint, CloudReadBack, CloudUsage, CloudWant, Database, Month,
};
use xylem_model::{CloudPointId, ContentId, DistributionServerId, Generation, Timestamp};

use super::keys::KeysError;
use super::{Broken, CloudStore, MAX_BROKEN_CHARS, OpenPoint, Work};
use crate::cloud::row;
use crate::cloud::test::WRITE_ONCE;
use crate::sealed::Sealer;
use crate::wish::WishError;

/// The store that the management server runs on.
#[derive(Clone)]
pub struct DatabaseCloudStore {
    database: Database,
    sealer: Arc<Sealer>,
}

impl DatabaseCloudStore {
    /// A store over an open database, with what opens the keys in it.
    pub(crate) const fn new(database: Database, sealer: Arc<Sealer>) -> Self {
        Self { database, sealer }
    }

    /// The keys of a point as it was read, to be used and dropped; none where it was changed since.
    pub(crate) async fn keys(&self, point: &CloudPoint) -> Result<Option<Secrets>, KeysError> {
        let Some(sealed) = self.database.cloud_secrets(point).await? else { return Ok(None) };
        let text = self.sealer.open(&row(point.id), &sealed)?;
        serde_json::from_str(&text).map(Some).map_err(|_| KeysError::Form)
    }

    /// The active point, or the one that is being left, opened.
    async fn opened(&self, is_active: bool) -> Result<Option<OpenPoint>, WishError> {
        loop {
            let point = match is_active {
                true => self.database.cloud_point().await?,
                false => self.database.leaving_cloud_point().await?,
            };
            let Some(point) = point else { return Ok(None) };
            // Read once more where somebody changed it between the two.
            if let Some(keys) = self.keys(&point).await? {
                return open(point, keys).map(Some);
            }
        }
    }
}

fn open(point: CloudPoint, keys: Secrets) -> Result<OpenPoint, WishError> {
    Ok(OpenPoint {
        id: point.id,
        is_active: point.is_active,
        leaving: point.leaving,
        revision: point.revision,
        settings: read::<PointSettings>(point.settings)?,
        keys,
        selection: point.selection,
        paused: point.paused,
        followed: point.followed,
        writes_once: point.last_test.is_some_and(writes_once),
        broken: point.broken.map(read).transpose()?,
        month_ceiling: point.month_ceiling,
        is_principal: point.is_principal,
        walks: point.walks,
    })
}

#[async_trait]
impl CloudStore for DatabaseCloudStore {
    async fn active(&self) -> Result<Option<OpenPoint>, WishError> {
        self.opened(true).await
    }

    async fn leaving(&self) -> Result<Option<OpenPoint>, WishError> {
        self.opened(false).await
    }

    async fn set_broken(
        &self,
        point: CloudPointId,
        revision: u32,
        broken: Option<&Broken>,
    ) -> Result<(), WishError> {
        let broken = broken.map(|broken| {
            let message = broken.message.chars().take(MAX_BROKEN_CHARS).collect();
            serde_json::to_value(Broken { message, ..*broken })
        });
        let broken = broken.transpose().map_err(|error| WishError::Store(Box::new(error)))?;
        Ok(self.database.note_cloud_broken(point, revision, broken.as_ref()).await?)
    }

    async fn want(
        &self,
        point: &OpenPoint,
        wants: &[CloudWant],
        followed: Generation,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.database.want_in_cloud(&seen(point), wants, followed, now).await?)
    }

    async fn begin_walk(&self, point: &OpenPoint) -> Result<Option<u64>, WishError> {
        Ok(self.database.begin_cloud_walk(&seen(point)).await?)
    }

    async fn unwant(
        &self,
        point: &OpenPoint,
        contents: &[ContentId],
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.database.unwant_in_cloud(&seen(point), contents, now).await?)
    }

    async fn want_for_upload(
        &self,
        point: CloudPointId,
        want: &CloudWant,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, WishError> {
        Ok(self.database.want_in_cloud_for_upload(point, want, now, until).await?)
    }

    async fn has_lapsed_uploads(
        &self,
        point: CloudPointId,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.database.has_lapsed_cloud_uploads(point, now).await?)
    }

    async fn copy(
        &self,
        point: CloudPointId,
        content: ContentId,
    ) -> Result<Option<CloudCopy>, WishError> {
        Ok(self.database.cloud_copy(point, content).await?)
    }

    async fn copies(
        &self,
        point: CloudPointId,
        state: Option<CloudCopyState>,
        after: Option<ContentId>,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, WishError> {
        Ok(self.database.cloud_copies(point, state, after, limit).await?)
    }

    async fn counts(&self, point: CloudPointId) -> Result<Vec<CloudCount>, WishError> {
        Ok(self.database.cloud_counts(point).await?)
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
        let database = &self.database;
        Ok(database.take_some_from_cloud_wants(point, server, busy, most, now, until).await?)
    }

    async fn keep(&self, work: Work, until: Timestamp) -> Result<Option<CloudCopy>, WishError> {
        Ok(self.database.keep_cloud_copy(work, until).await?)
    }

    async fn begun(
        &self,
        work: Work,
        part_bytes: Option<NonZeroU64>,
        reference: Option<&str>,
    ) -> Result<bool, WishError> {
        Ok(self.database.note_cloud_begun(work, part_bytes, reference).await?)
    }

    async fn signed(&self, work: Work, until: Timestamp) -> Result<bool, WishError> {
        Ok(self.database.note_cloud_signed(work, until).await?)
    }

    async fn arrived(&self, work: Work, parts: &[CloudPart]) -> Result<bool, WishError> {
        Ok(self.database.note_cloud_parts(work, parts).await?)
    }

    async fn parts_among(
        &self,
        point: CloudPointId,
        content: ContentId,
        numbers: &[u32],
    ) -> Result<Vec<CloudPart>, WishError> {
        Ok(self.database.cloud_parts_among(point, content, numbers).await?)
    }

    async fn count_parts(&self, point: CloudPointId, content: ContentId) -> Result<u64, WishError> {
        Ok(self.database.count_cloud_parts(point, content).await?)
    }

    async fn parts(
        &self,
        point: CloudPointId,
        content: ContentId,
    ) -> Result<Vec<CloudPart>, WishError> {
        Ok(self.database.cloud_parts(point, content).await?)
    }

    async fn proving(&self, work: Work) -> Result<bool, WishError> {
        Ok(self.database.note_cloud_proving(work).await?)
    }

    async fn present(
        &self,
        work: Work,
        etag: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.database.note_cloud_present(work, etag, now).await?)
    }

    async fn failed(
        &self,
        work: Work,
        reason: &str,
        anew: bool,
        now: Timestamp,
        next_try: Option<Timestamp>,
    ) -> Result<bool, WishError> {
        Ok(self.database.note_cloud_failed(work, reason, anew, now, next_try).await?)
    }

    async fn released(&self, work: Work) -> Result<bool, WishError> {
        Ok(self.database.release_cloud_copy(work).await?)
    }

    async fn lost(
        &self,
        point: CloudPointId,
        content: ContentId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.database.note_cloud_lost(point, content, reason, now).await?)
    }

    async fn withdrawn(
        &self,
        point: CloudPointId,
        content: ContentId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.database.note_cloud_withdrawn(point, content, reason, now).await?)
    }

    async fn looked_at(
        &self,
        point: CloudPointId,
        contents: &[ContentId],
        now: Timestamp,
    ) -> Result<(), WishError> {
        Ok(self.database.note_cloud_looked_at(point, contents, now).await?)
    }

    async fn unsettled(
        &self,
        point: CloudPointId,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, WishError> {
        Ok(self.database.unsettled_cloud_copies(point, now, limit).await?)
    }

    async fn settled(
        &self,
        point: CloudPointId,
        content: ContentId,
        now: Timestamp,
        again: Option<Timestamp>,
    ) -> Result<(), WishError> {
        Ok(self.database.note_cloud_settled(point, content, now, again).await?)
    }

    async fn to_remove(
        &self,
        point: CloudPointId,
        unwanted_before: Timestamp,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, WishError> {
        Ok(self.database.begin_cloud_removals(point, unwanted_before, now, limit).await?)
    }

    async fn removed(
        &self,
        point: CloudPointId,
        content: ContentId,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.database.note_cloud_removed(point, content, now).await?)
    }

    async fn deleting(
        &self,
        point: CloudPointId,
        content: ContentId,
        by: Option<DistributionServerId>,
        until: Timestamp,
    ) -> Result<Option<CloudDeletion>, WishError> {
        Ok(self.database.note_cloud_deletion(point, content, by, until).await?)
    }

    async fn deletion_answered(
        &self,
        point: CloudPointId,
        content: ContentId,
        deletion: CloudDeletion,
    ) -> Result<(), WishError> {
        Ok(self.database.note_cloud_deletion_answered(point, content, deletion).await?)
    }

    async fn condemn(
        &self,
        point: CloudPointId,
        content: ContentId,
        size: u64,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.database.condemn_in_cloud(point, content, size, now).await?)
    }

    async fn doubt(
        &self,
        point: CloudPointId,
        content: ContentId,
        heard_before: Timestamp,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.database.doubt_in_cloud(point, content, heard_before, now).await?)
    }

    async fn to_read_back(
        &self,
        point: CloudPointId,
        server: DistributionServerId,
        read_before: Option<Timestamp>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, WishError> {
        Ok(self.database.take_to_read_back(point, server, read_before, now, until).await?)
    }

    async fn keep_reading_back(
        &self,
        work: Work,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, WishError> {
        Ok(self.database.keep_reading_back(work, until).await?)
    }

    async fn read_back(
        &self,
        work: Work,
        found: CloudReadBack<'_>,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.database.note_cloud_read_back(work, found, now).await?)
    }

    async fn left(&self, point: CloudPointId, now: Timestamp) -> Result<bool, WishError> {
        Ok(self.database.note_cloud_left(point, &Actor::system(), now).await?)
    }

    async fn unwant_all(
        &self,
        point: CloudPointId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), WishError> {
        Ok(self.database.unwant_all_in_cloud(point, since, now).await?)
    }

    async fn end(
        &self,
        point: CloudPointId,
        objects: CloudObjects,
        now: Timestamp,
    ) -> Result<Option<CloudForgotten>, WishError> {
        Ok(self.database.end_cloud_point(point, objects, &Actor::system(), now).await?)
    }

    async fn used(
        &self,
        point: CloudPointId,
        month: Month,
        more: &CloudUsage,
    ) -> Result<(), WishError> {
        Ok(self.database.count_cloud_use(point, month, more).await?)
    }

    async fn usage(&self, point: CloudPointId) -> Result<Vec<(Month, CloudUsage)>, WishError> {
        Ok(self.database.cloud_usage(point).await?)
    }
}

/// From where on the wants of a point are followed, as it was read.
fn seen(point: &OpenPoint) -> CloudFollowing {
    let OpenPoint { id, selection, followed, walks, .. } = point;
    let (selection, followed, walks) = (selection.clone(), *followed, *walks);
    CloudFollowing { point: *id, selection, followed, walks }
}

/// What the database keeps as JSON. None of it is secret.
fn read<T: serde::de::DeserializeOwned>(stored: Value) -> Result<T, WishError> {
    serde_json::from_value(stored).map_err(|error| WishError::Store(Box::new(error)))
}

/// Whether the provider is to be told to write where nothing is, only: unless a test found that it
/// cannot, which a note says. Of a test that did not come so far, or was told in another form by
/// another version, nothing is known: a provider that does not know the condition says so.
fn writes_once(test: Value) -> bool {
    let Ok(test) = serde_json::from_value::<CloudTest>(test) else { return true };
    !test.steps.iter().any(|step| {
        step.name == WRITE_ONCE
            && step.outcome == CloudStepOutcome::Passed
            && step.message.is_some()
    })
}

//! The memory store as duties see it.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use async_trait::async_trait;
use xylem_db::{
    CloudCopy, CloudCopyState, CloudCount, CloudDeletion, CloudForgotten, CloudObjects, CloudPart,
    CloudReadBack, CloudUsage, CloudWant, MAX_PAGE, Month,
};
use xylem_model::{CloudPointId, ContentId, DistributionServerId, Generation, Timestamp};

use super::MemoryCloudStore;
use crate::cloud::store::{Broken, CloudStore, MAX_BROKEN_CHARS, OpenPoint, Work};
use crate::wish::WishError;

#[async_trait]
impl CloudStore for MemoryCloudStore {
    async fn active(&self) -> Result<Option<OpenPoint>, WishError> {
        Ok(self.open(true))
    }

    async fn leaving(&self) -> Result<Option<OpenPoint>, WishError> {
        Ok(self.open(false))
    }

    async fn set_broken(
        &self,
        point: CloudPointId,
        revision: u32,
        broken: Option<&Broken>,
    ) -> Result<(), WishError> {
        let broken = broken.map(|broken| {
            let message = broken.message.chars().take(MAX_BROKEN_CHARS).collect();
            Broken { message, ..*broken }
        });
        self.on(point, |point| {
            if point.open.revision == revision {
                point.open.broken = broken;
            }
        });
        Ok(())
    }

    async fn want(
        &self,
        point: &OpenPoint,
        wants: &[CloudWant],
        followed: Generation,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.on(point.id, |stored| {
            if !stored.is_still_as(point) {
                return false;
            }
            // Of several files with the same content, the last one's name counts.
            let wants: BTreeMap<_, _> = wants.iter().map(|want| (want.content, want)).collect();
            for want in wants.into_values() {
                stored.want(want, now);
            }
            stored.open.followed = followed;
            true
        }))
    }

    async fn begin_walk(&self, point: &OpenPoint) -> Result<Option<u64>, WishError> {
        Ok(self.on(point.id, |stored| {
            let is_still = stored.is_still_as(point);
            stored.open.walks += u64::from(is_still);
            is_still.then_some(stored.open.walks)
        }))
    }

    async fn unwant(
        &self,
        point: &OpenPoint,
        contents: &[ContentId],
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.on(point.id, |stored| {
            let is_still = stored.is_still_as(point);
            for content in contents.iter().filter(|_| is_still) {
                stored.unwant(*content, now);
            }
            is_still
        }))
    }

    async fn want_for_upload(
        &self,
        point: CloudPointId,
        want: &CloudWant,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, WishError> {
        Ok(self.on(point, |point| {
            let is_principal = point.open.is_principal && point.open.is_active;
            is_principal.then(|| point.want_for_upload(want, now, until))
        }))
    }

    async fn has_lapsed_uploads(
        &self,
        point: CloudPointId,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        let is_over = |copy: &CloudCopy| copy.upload_until.is_some_and(|until| until <= now);
        Ok(self.on(point, |point| point.copies.values().any(is_over)))
    }

    async fn copy(
        &self,
        point: CloudPointId,
        content: ContentId,
    ) -> Result<Option<CloudCopy>, WishError> {
        Ok(self.on(point, |point| point.copies.get(&content).cloned()))
    }

    async fn copies(
        &self,
        point: CloudPointId,
        state: Option<CloudCopyState>,
        after: Option<ContentId>,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, WishError> {
        Ok(self.on(point, |point| {
            let is_listed = |copy: &&CloudCopy| {
                after.is_none_or(|after| copy.content > after)
                    && state.is_none_or(|state| copy.state == state)
            };
            point.copies.values().filter(is_listed).take(page(limit)).cloned().collect()
        }))
    }

    async fn counts(&self, point: CloudPointId) -> Result<Vec<CloudCount>, WishError> {
        Ok(self.on(point, |point| point.counts()))
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
        Ok(self.on(point, |point| point.take_some(server, busy, most, now, until)))
    }

    async fn keep(&self, work: Work, until: Timestamp) -> Result<Option<CloudCopy>, WishError> {
        Ok(self.on(work.point, |point| {
            let kept = point.step(work.content, |copy| copy.keep(work.server, until));
            point.copies.get(&work.content).filter(|_| kept).cloned()
        }))
    }

    async fn begun(
        &self,
        work: Work,
        part_bytes: Option<NonZeroU64>,
        reference: Option<&str>,
    ) -> Result<bool, WishError> {
        Ok(self.on(work.point, |point| point.begin(work, part_bytes, reference)))
    }

    async fn signed(&self, work: Work, until: Timestamp) -> Result<bool, WishError> {
        Ok(self
            .on(work.point, |point| point.step(work.content, |copy| copy.sign(work.server, until))))
    }

    async fn arrived(&self, work: Work, parts: &[CloudPart]) -> Result<bool, WishError> {
        Ok(self.on(work.point, |point| point.arrive(work, parts)))
    }

    async fn parts_among(
        &self,
        point: CloudPointId,
        content: ContentId,
        numbers: &[u32],
    ) -> Result<Vec<CloudPart>, WishError> {
        let parts = self.parts(point, content).await?.into_iter();
        Ok(parts.filter(|part| numbers.contains(&part.number)).collect())
    }

    async fn count_parts(&self, point: CloudPointId, content: ContentId) -> Result<u64, WishError> {
        Ok(self.parts(point, content).await?.len() as u64)
    }

    async fn parts(
        &self,
        point: CloudPointId,
        content: ContentId,
    ) -> Result<Vec<CloudPart>, WishError> {
        Ok(self.on(point, |point| {
            let parts = point.parts.get(&content);
            parts.map(|parts| parts.values().cloned().collect()).unwrap_or_default()
        }))
    }

    async fn proving(&self, work: Work) -> Result<bool, WishError> {
        Ok(self.on(work.point, |point| point.step(work.content, |copy| copy.prove(work.server))))
    }

    async fn present(
        &self,
        work: Work,
        etag: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.on(work.point, |point| {
            let done = point.step(work.content, |copy| copy.finish(work.server, etag, now));
            if done {
                point.parts.remove(&work.content);
            }
            done
        }))
    }

    async fn failed(
        &self,
        work: Work,
        reason: &str,
        anew: bool,
        now: Timestamp,
        next_try: Option<Timestamp>,
    ) -> Result<bool, WishError> {
        Ok(self.on(work.point, |point| {
            let done = point
                .step(work.content, |copy| copy.fail(work.server, reason, anew, now, next_try));
            if done && anew {
                point.parts.remove(&work.content);
            }
            done
        }))
    }

    async fn released(&self, work: Work) -> Result<bool, WishError> {
        Ok(self.on(work.point, |point| point.step(work.content, |copy| copy.release(work.server))))
    }

    async fn lost(
        &self,
        point: CloudPointId,
        content: ContentId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.on(point, |point| point.step(content, |copy| copy.lose(reason, now))))
    }

    async fn withdrawn(
        &self,
        point: CloudPointId,
        content: ContentId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.on(point, |point| point.step(content, |copy| copy.withdraw(reason, now))))
    }

    async fn looked_at(
        &self,
        point: CloudPointId,
        contents: &[ContentId],
        now: Timestamp,
    ) -> Result<(), WishError> {
        self.on(point, |point| {
            for content in contents {
                point.step(*content, |copy| copy.look_at(now));
            }
        });
        Ok(())
    }

    async fn unsettled(
        &self,
        point: CloudPointId,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, WishError> {
        Ok(self.on(point, |point| point.unsettled(now, page(limit))))
    }

    async fn settled(
        &self,
        point: CloudPointId,
        content: ContentId,
        now: Timestamp,
        again: Option<Timestamp>,
    ) -> Result<(), WishError> {
        self.on(point, |point| point.step(content, |copy| copy.settle(now, again)));
        Ok(())
    }

    async fn to_remove(
        &self,
        point: CloudPointId,
        unwanted_before: Timestamp,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, WishError> {
        Ok(self.on(point, |point| point.begin_removing(unwanted_before, now, page(limit))))
    }

    async fn removed(
        &self,
        point: CloudPointId,
        content: ContentId,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.on(point, |point| point.step(content, |copy| copy.end_removing(now))))
    }

    async fn deleting(
        &self,
        point: CloudPointId,
        content: ContentId,
        by: Option<DistributionServerId>,
        until: Timestamp,
    ) -> Result<Option<CloudDeletion>, WishError> {
        Ok(self.on(point, |point| {
            let deletion = point.copies.get(&content)?.next_deletion(until);
            point.step(content, |copy| copy.delete(by, deletion)).then_some(deletion)
        }))
    }

    async fn deletion_answered(
        &self,
        point: CloudPointId,
        content: ContentId,
        deletion: CloudDeletion,
    ) -> Result<(), WishError> {
        self.on(point, |point| point.step(content, |copy| copy.end_deletion(deletion)));
        Ok(())
    }

    async fn condemn(
        &self,
        point: CloudPointId,
        content: ContentId,
        size: u64,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        let condemned = CloudCopy::condemned(content, size, now)
            .map_err(|error| WishError::Store(Box::new(error)))?;
        Ok(self.on(point, |point| {
            let is_new = !point.copies.contains_key(&content);
            if is_new {
                point.copies.insert(content, condemned);
            }
            is_new
        }))
    }

    async fn doubt(
        &self,
        point: CloudPointId,
        content: ContentId,
        heard_before: Timestamp,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.on(point, |point| point.step(content, |copy| copy.doubt(heard_before, now))))
    }

    async fn to_read_back(
        &self,
        point: CloudPointId,
        server: DistributionServerId,
        read_before: Option<Timestamp>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, WishError> {
        Ok(self.on(point, |point| point.take_to_read_back(server, read_before, now, until)))
    }

    async fn keep_reading_back(
        &self,
        work: Work,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, WishError> {
        Ok(self.on(work.point, |point| {
            let kept = point.step(work.content, |copy| copy.keep_reading_back(work.server, until));
            point.copies.get(&work.content).filter(|_| kept).cloned()
        }))
    }

    async fn read_back(
        &self,
        work: Work,
        found: CloudReadBack<'_>,
        now: Timestamp,
    ) -> Result<bool, WishError> {
        Ok(self.on(work.point, |point| {
            point.step(work.content, |copy| copy.end_reading_back(work.server, found, now))
        }))
    }

    async fn left(&self, point: CloudPointId, now: Timestamp) -> Result<bool, WishError> {
        Ok(self.on(point, |point| point.leave_for_good(now)))
    }

    async fn unwant_all(
        &self,
        point: CloudPointId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), WishError> {
        self.on(point, |point| point.unwant_all(since, now));
        Ok(())
    }

    async fn end(
        &self,
        point: CloudPointId,
        objects: CloudObjects,
        _: Timestamp,
    ) -> Result<Option<CloudForgotten>, WishError> {
        let mut points = self.lock();
        if !points.get(&point).is_some_and(|known| known.may_end(objects)) {
            return Ok(None);
        }
        Ok(points.remove(&point).map(|ended| ended.left_behind()))
    }

    async fn used(
        &self,
        point: CloudPointId,
        month: Month,
        more: &CloudUsage,
    ) -> Result<(), WishError> {
        self.on(point, |point| {
            let used = point.usage.entry(month).or_default();
            *used = CloudUsage {
                sent: used.sent.saturating_add(more.sent),
                read_back: used.read_back.saturating_add(more.read_back),
                told_by_agents: used.told_by_agents.saturating_add(more.told_by_agents),
                writes: used.writes.saturating_add(more.writes),
                reads: used.reads.saturating_add(more.reads),
                lists: used.lists.saturating_add(more.lists),
            };
        });
        Ok(())
    }

    async fn usage(&self, point: CloudPointId) -> Result<Vec<(Month, CloudUsage)>, WishError> {
        Ok(self.on(point, |point| {
            point.usage.iter().rev().map(|(month, usage)| (*month, *usage)).collect()
        }))
    }
}

/// How many rows a caller gets who asks for `limit`.
fn page(limit: u64) -> usize {
    usize::try_from(limit.min(MAX_PAGE)).unwrap_or(usize::MAX)
}

//! What the root is to send next: chosen, and begun at the provider before it is told.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use xylem_api::control_cloud::{AskCloudNext, CloudJob, CloudNext, PartRange};
use xylem_cloud::{Fault, FaultKind, PartPlan, Provider};
use xylem_db::{CloudCopy, CloudCopyState};
use xylem_model::DistributionServerId;

use super::at::{AtPoint, LEASE, kept_part_bytes};
use super::service::CloudService;
use super::store::Work;
use super::trouble::{Trouble, Verdict};
use super::usage::ceiling_reached;
use super::used::Asking;
use crate::failure::Failure;

/// When the root asks again where there is nothing to send. A change wakes it before.
pub(super) const IDLE: Duration = Duration::from_secs(60);
/// When it asks again where several contents could not be begun.
const AFTER_FAILURES: Duration = Duration::from_secs(5);
/// Contents that are tried, or given, for one answer: each one costs some requests, and the first is not
/// to wait long for the last. While they are sent the next ones are asked for.
pub(super) const TRIED_AT_ONCE: usize = 8;

/// What came of contents that were taken.
#[derive(Default)]
struct Begun {
    jobs: Vec<CloudJob>,
    /// After which wait something is tried again that could not be begun.
    wait: Option<Duration>,
}

impl CloudService {
    /// What a server is to send next, beside what it is sending already: one content, or as many as it
    /// asks for and may be begun side by side.
    pub(crate) async fn next(
        &self,
        server: DistributionServerId,
        asked: &AskCloudNext,
    ) -> Result<CloudNext, Failure> {
        let Some(at) = self.at_active().await? else { return Ok(nothing(IDLE)) };
        let next = at.next(server, asked).await;
        at.settle().await;
        next
    }
}

impl AtPoint<'_> {
    async fn next(
        &self,
        server: DistributionServerId,
        asked: &AskCloudNext,
    ) -> Result<CloudNext, Failure> {
        self.follow().await?;
        if let Some(wait) = self.waits_for().await? {
            return Ok(nothing(wait));
        }
        let most = asked.more.saturating_add(1).min(self.begun_at_once());
        let most = usize::try_from(most).unwrap_or(TRIED_AT_ONCE);
        let (point, mut tried) = (self.point.id, 0);
        while tried < TRIED_AT_ONCE {
            let (now, most) = (self.now(), most.min(TRIED_AT_ONCE - tried));
            let taking =
                self.store().take_some(point, server, &asked.busy, most, now, now.plus(LEASE));
            let taken = taking.await?;
            if taken.is_empty() {
                return Ok(nothing(IDLE));
            }
            tried += taken.len();
            let Begun { jobs, wait } = self.begin_all(server, &taken).await?;
            if !jobs.is_empty() || wait.is_some() {
                return Ok(given(jobs, wait.unwrap_or_default()));
            }
            // What broke the point breaks it for the next content too.
            if self.is_broken_by_now().await? {
                return Ok(nothing(IDLE));
            }
        }
        Ok(nothing(AFTER_FAILURES))
    }

    /// Begins contents that were taken, side by side, and stores what becomes of those that cannot be.
    async fn begin_all(
        &self,
        server: DistributionServerId,
        taken: &[CloudCopy],
    ) -> Result<Begun, Failure> {
        let provider = match self.provider().await {
            Ok(provider) => provider,
            Err(trouble) => return self.begin_none(server, taken, trouble).await,
        };
        let beginning: Vec<_> = taken
            .iter()
            .map(|copy| self.job(&*provider, self.work(copy.content, server), copy))
            .collect();
        let mut begun = Begun::default();
        for (copy, job) in taken.iter().zip(join_all(beginning).await) {
            match job {
                Ok(job) => begun.jobs.push(job),
                Err(trouble) => {
                    let work = self.work(copy.content, server);
                    begun.wait = begun.wait.max(self.not_begun(work, copy, trouble).await?);
                }
            }
        }
        Ok(begun)
    }

    /// Nothing can be asked. That is found with one content, and is no affair of the others.
    async fn begin_none(
        &self,
        server: DistributionServerId,
        taken: &[CloudCopy],
        trouble: Trouble,
    ) -> Result<Begun, Failure> {
        let Some((first, others)) = taken.split_first() else { return Ok(Begun::default()) };
        for copy in others {
            self.store().released(self.work(copy.content, server)).await?;
        }
        let wait = self.not_begun(self.work(first.content, server), first, trouble).await?;
        Ok(Begun { jobs: Vec::new(), wait })
    }

    /// What becomes of a content that could not be begun; after which wait it is tried again, where it
    /// soon is.
    async fn not_begun(
        &self,
        work: Work,
        copy: &CloudCopy,
        trouble: Trouble,
    ) -> Result<Option<Duration>, Failure> {
        match self.judge(work, copy, trouble).await? {
            Verdict::Later(_, wait) => {
                self.store().released(work).await?;
                Ok(Some(wait))
            }
            Verdict::Leave(_) => Ok(None),
        }
    }

    /// For how long nothing is sent at all: the point is broken, an administrator said so, or the
    /// ceiling of the month is reached. What is under way at that moment ends.
    pub(super) async fn waits_for(&self) -> Result<Option<Duration>, Failure> {
        // First: clients are sent to a paused point too, once it works again.
        if let Some(wait) = self.broken_for().await? {
            return Ok(Some(wait));
        }
        if self.point.paused {
            return Ok(Some(IDLE));
        }
        let (point, ceiling) = (self.point.id, self.point.month_ceiling);
        let reached = ceiling_reached(self.store(), point, ceiling, self.now()).await?;
        Ok(reached.map(|_| IDLE))
    }

    async fn is_broken_by_now(&self) -> Result<bool, Failure> {
        let point = self.store().active().await?;
        Ok(point.is_none_or(|point| point.id != self.point.id || point.broken.is_some()))
    }

    /// A content as the root is told of it, begun if it was not.
    async fn job(
        &self,
        provider: &dyn Provider,
        work: Work,
        copy: &CloudCopy,
    ) -> Result<CloudJob, Trouble> {
        let arrived = self.store().parts(work.point, work.content).await?;
        let is_begun = copy.state == CloudCopyState::Proving
            || copy.reference.is_some()
            || copy.part_bytes.is_some()
            || !arrived.is_empty();
        let plan = match is_begun {
            true => PartPlan::again(copy.size, copy.part_bytes),
            false => self.begin(provider, work, copy).await?,
        };
        let arrived: BTreeSet<u32> = arrived.into_iter().map(|part| part.number).collect();
        let lacking = plan.lacking(&arrived).map(|part| part.number);
        Ok(CloudJob {
            point: work.point,
            content: work.content,
            size: copy.size,
            class: xylem_sync::Class::of(copy.priority, copy.size),
            part_bytes: kept_part_bytes(&plan),
            lacking: ranges(lacking),
            at_once: self.at_once(provider),
            ca_pem: self.point.settings.ca_pem.clone(),
            in_folder: !self.point.settings.storage.is_given_out(),
        })
    }

    /// Begins an upload at the provider: nothing else of this key is left there, and the provider's
    /// id of it is in the row.
    async fn begin(
        &self,
        provider: &dyn Provider,
        work: Work,
        copy: &CloudCopy,
    ) -> Result<PartPlan, Trouble> {
        let rules = self.service.part_rules(provider);
        let plan = rules.plan(copy.size).map_err(|error| {
            let attempt = format!("sending `{}`", copy.name);
            Fault::new(FaultKind::TooLarge, attempt, error.to_string())
        })?;
        let upload = self.upload(copy, plan, None);
        let segments = self.discard_uploads(provider, &upload.key).await?;
        // No row knows of it: what a restore forgot, or somebody else wrote, is no copy of ours.
        if self.find(provider, &upload.key).await?.is_some() {
            self.remove_wrong(provider, work).await?;
        }
        // After the object, which may be made of them. Where nothing may be removed they stay, and are
        // written over with the same bytes.
        if segments > 0 && self.may_remove().await? {
            self.discard_leftovers(provider, work.content, Some(work.server)).await?;
        }
        self.make_folders(provider, &upload.key).await?;
        let reference = match provider.begin(&upload, self.moment()) {
            Some(request) => {
                let answer = self.send(Asking::Write, &request).await?;
                Some(provider.begun(&upload, &answer)?)
            }
            None => None,
        };
        let told = reference.as_ref().map(|reference| reference.as_str());
        if self.store().begun(work, kept_part_bytes(&plan), told).await? {
            self.moved(work.content);
            return Ok(plan);
        }
        if let Some(id) = reference {
            self.give_up(upload.key, id).await;
        }
        Err(Trouble::NotOurs)
    }
}

fn nothing(again_after: Duration) -> CloudNext {
    given(Vec::new(), again_after)
}

fn given(jobs: Vec<CloudJob>, again_after: Duration) -> CloudNext {
    let again_after_ms = u64::try_from(again_after.as_millis()).unwrap_or(u64::MAX);
    let mut jobs = jobs.into_iter();
    CloudNext { job: jobs.next(), more: jobs.collect(), again_after_ms }
}

/// Successive numbers as ranges.
fn ranges(numbers: impl Iterator<Item = u32>) -> Vec<PartRange> {
    let mut ranges: Vec<PartRange> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some(range) if range.last.checked_add(1) == Some(number) => range.last = number,
            _ => ranges.push(PartRange { first: number, last: number }),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_ranges() {
        let told = |numbers: &[u32]| {
            let ranges = ranges(numbers.iter().copied());
            ranges.into_iter().map(|range| (range.first, range.last)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[]), []);
        assert_eq!(told(&[1, 2, 3]), [(1, 3)]);
        assert_eq!(told(&[1, 3, 4, 9]), [(1, 1), (3, 4), (9, 9)]);
    }
}

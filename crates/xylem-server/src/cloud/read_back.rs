//! What is there is read back whole by the root, as a client would: now and then, where that is set,
//! and once more where somebody found other bytes (`docs/design/cloud.md`, "Read back whole").
//!
//! Nobody is believed who found other bytes, the root apart, which reads twice. Before it reads, and
//! before anything follows from what it read, the object is asked after.

use std::time::Duration;

use xylem_api::control_cloud::CloudContent;
use xylem_api::control_read_back::{
    AskCloudReadBack, CloudReadBack, ReadBackFound, ReadBackJob, TellCloudReadBack,
};
use xylem_api::error::ErrorCode;
use xylem_cloud::{FaultScope, Provider, UrlFor, Verify};
use xylem_db::{CloudCopy, CloudCopyState, CloudReadBack as Outcome};
use xylem_http::ApiError;
use xylem_model::{DistributionServerId, Timestamp};

use super::at::{AtPoint, LEASE};
use super::finish::{BETWEEN_LOOKS, PROOF_LIFE};
use super::inventory::difference;
use super::next::{IDLE, TRIED_AT_ONCE};
use super::service::CloudService;
use super::store::Work;
use super::test::is_bound;
use super::trouble::{FAILED_WAIT, SOON, Trouble, told};
use crate::failure::Failure;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Which part of the days in which everything is to be read back the reading takes, where nothing comes
/// in between: nine tenths, so that a little may.
const SHARE: (u128, u128) = (9, 10);
/// How often a content is read at most until it is told of: twice, and each time in a few pieces that
/// overlap nowhere. What is told beyond that is not counted.
const MOST_READ: u64 = 4;

/// What becomes of a content that was to be read back and is not read now.
enum NotRead {
    /// It is not as it is to be, and was taken back: the next one has its turn.
    Next,
    /// Nothing can be read for so long.
    Wait(Duration),
}

impl CloudService {
    /// What a server is to read back next; or the same again, where it goes on with one.
    pub(crate) async fn read_back(
        &self,
        server: DistributionServerId,
        asked: &AskCloudReadBack,
    ) -> Result<CloudReadBack, Failure> {
        let Some(at) = self.at_active().await? else { return Ok(nothing(IDLE)) };
        let told = match asked.going_on {
            Some(going_on) => at.keep_reading_back(server, going_on).await,
            None => at.next_to_read_back(server).await,
        };
        at.settle().await;
        told
    }

    /// Takes what came of reading a content back.
    pub(crate) async fn read_back_ended(
        &self,
        server: DistributionServerId,
        told: &TellCloudReadBack,
    ) -> Result<(), Failure> {
        let at = self.at(told.point).await?;
        let taken = at.read_back_ended(server, told).await;
        at.settle().await;
        taken
    }
}

impl AtPoint<'_> {
    async fn next_to_read_back(
        &self,
        server: DistributionServerId,
    ) -> Result<CloudReadBack, Failure> {
        if let Some(wait) = self.waits_for().await? {
            return Ok(nothing(wait));
        }
        for _ in 0..TRIED_AT_ONCE {
            let (now, point) = (self.now(), self.point.id);
            let before = self.read_before(now);
            let taken = self.store().to_read_back(point, server, before, now, now.plus(LEASE));
            let Some(copy) = taken.await? else { return Ok(nothing(IDLE)) };
            let work = self.work(copy.content, server);
            let not_read = match self.begin_reading_back(&copy).await {
                Ok(Some(job)) => {
                    if !copy.is_doubted() {
                        self.space_out(&copy, now).await?;
                    }
                    return Ok(CloudReadBack { job: Some(job), again_after_ms: 0 });
                }
                Ok(None) => NotRead::Next,
                Err(trouble) => self.not_read(work, trouble).await?,
            };
            if let NotRead::Wait(wait) = not_read {
                return Ok(nothing(wait));
            }
        }
        Ok(nothing(SOON))
    }

    /// Since before when what is there has to have been read to be read again; none where it is not the
    /// time, or where only what is doubted is read.
    fn read_before(&self, now: Timestamp) -> Option<Timestamp> {
        let settings = &self.point.settings;
        let is_time =
            settings.verify == Verify::All && self.service.pace().may_read_back(self.point.id, now);
        is_time.then(|| now.minus(DAY.saturating_mul(settings.verify_days)))
    }

    /// Sees to it that everything is read in about as many days as are set, and not all at once.
    async fn space_out(&self, copy: &CloudCopy, now: Timestamp) -> Result<(), Failure> {
        let counts = self.store().counts(self.point.id).await?.into_iter();
        let there = counts.filter(|count| count.state == CloudCopyState::Present);
        let there: u64 = there.map(|count| count.bytes).sum();
        let days = DAY.saturating_mul(self.point.settings.verify_days);
        let next = now.plus(span_of(copy.size, there, days));
        self.service.pace().read_back_next(self.point.id, next);
        Ok(())
    }

    /// Asks after a content, and makes an address of it. None where it is not as it is to be, and was
    /// taken back.
    async fn begin_reading_back(&self, copy: &CloudCopy) -> Result<Option<ReadBackJob>, Trouble> {
        let provider = self.provider().await?;
        match self.asked_after(&*provider, copy).await? {
            true => Ok(Some(self.read_back_job(&*provider, copy)?)),
            false => Ok(None),
        }
    }

    /// Asks after a content by its name. Says whether it is as it is to be, as far as that tells; else it
    /// is taken back.
    async fn asked_after(
        &self,
        provider: &dyn Provider,
        copy: &CloudCopy,
    ) -> Result<bool, Trouble> {
        let (store, point, content) = (self.store(), self.point.id, copy.content);
        let Some(found) = self.look_for(provider, &self.key(&content), &BETWEEN_LOOKS).await?
        else {
            // To be asked after one object cannot tell that the bucket is gone: a page of it does.
            self.try_again().await?;
            let reason = "its object in the cloud is gone: somebody else deleted it";
            if store.lost(point, content, reason, self.now()).await? {
                tracing::error!(%content, package.name = %copy.name, "{reason}");
            }
            return Ok(false);
        };
        let Some(difference) = difference(copy, &found) else { return Ok(true) };
        let reason = format!("somebody else changed its object in the cloud: {difference}");
        if store.withdrawn(point, content, &reason, self.now()).await? {
            tracing::error!(%content, package.name = %copy.name, "{reason}");
        }
        Ok(false)
    }

    fn read_back_job(
        &self,
        provider: &dyn Provider,
        copy: &CloudCopy,
    ) -> Result<ReadBackJob, Trouble> {
        let settings = &self.point.settings;
        if is_bound(&settings.storage) {
            let why = "addresses there are bound to a client's own, so it was asked after and is \
                       not read back";
            return Err(Trouble::Waits(why.to_owned(), DAY));
        }
        let (key, at, life) = (&self.key(&copy.content), self.moment(), PROOF_LIFE);
        let wanted = UrlFor { key, size: copy.size, name: &copy.name, client: None, at, life };
        Ok(ReadBackJob {
            point: self.point.id,
            content: copy.content,
            sha256: copy.sha256,
            size: copy.size,
            url: provider.url(&wanted)?.reveal().to_owned(),
            ca_pem: settings.ca_pem.clone(),
            in_folder: !settings.storage.is_given_out(),
        })
    }

    /// Notes why a content that was taken to be read back cannot be.
    async fn not_read(&self, work: Work, trouble: Trouble) -> Result<NotRead, Failure> {
        if self.note_if_broken(&trouble).await? {
            self.store().read_back(work, Outcome::Left, self.now()).await?;
            return Ok(NotRead::Wait(IDLE));
        }
        let (why, wait) = match trouble {
            Trouble::Ours(failure) => return Err(failure),
            Trouble::Fault(fault) if fault.scope() == FaultScope::Content => {
                (fault.to_string(), FAILED_WAIT)
            }
            Trouble::Waits(why, wait) => (why, wait),
            // The provider is busy, or away: it is nothing of this content.
            other => {
                tracing::info!(trouble = ?other, "nothing is read back from the cloud for now");
                self.store().read_back(work, Outcome::Left, self.now()).await?;
                return Ok(NotRead::Wait(SOON));
            }
        };
        self.unread(work, &why, wait).await?;
        Ok(NotRead::Next)
    }

    async fn unread(&self, work: Work, why: &str, wait: Duration) -> Result<bool, Failure> {
        let (reason, now) = (format!("it is there, and was not read back: {why}"), self.now());
        let outcome = Outcome::Unread(&reason, now.plus(wait));
        Ok(self.store().read_back(work, outcome, now).await?)
    }

    async fn keep_reading_back(
        &self,
        server: DistributionServerId,
        going_on: CloudContent,
    ) -> Result<CloudReadBack, Failure> {
        let work = self.work(going_on.content, server);
        if going_on.point != self.point.id {
            return Ok(nothing(Duration::ZERO));
        }
        let kept = self.store().keep_reading_back(work, self.now().plus(LEASE)).await?;
        let Some(copy) = kept else { return Ok(nothing(Duration::ZERO)) };
        if self.stands_still().is_some() {
            self.store().read_back(work, Outcome::Left, self.now()).await?;
            return Ok(nothing(IDLE));
        }
        let job = async {
            let provider = self.provider().await?;
            self.read_back_job(&*provider, &copy)
        };
        match job.await {
            Ok(job) => Ok(CloudReadBack { job: Some(job), again_after_ms: 0 }),
            Err(trouble) => match self.not_read(work, trouble).await? {
                NotRead::Next => Ok(nothing(Duration::ZERO)),
                NotRead::Wait(wait) => Ok(nothing(wait)),
            },
        }
    }

    async fn read_back_ended(
        &self,
        server: DistributionServerId,
        told_of: &TellCloudReadBack,
    ) -> Result<(), Failure> {
        let work = self.work(told_of.content, server);
        let kept = self.store().keep_reading_back(work, self.now().plus(LEASE)).await?;
        let Some(copy) = kept else { return Err(not_its_own()) };
        let is_noted = match &told_of.found {
            ReadBackFound::Same => self.store().read_back(work, Outcome::Right, self.now()).await?,
            ReadBackFound::Other => self.refute(work, &copy).await?,
            ReadBackFound::Unread { why } => self.unread(work, &told(why), FAILED_WAIT).await?,
            ReadBackFound::Leaving => {
                self.store().read_back(work, Outcome::Left, self.now()).await?
            }
        };
        if !is_noted {
            return Err(not_its_own());
        }
        // Last, so that what is told once more after a failure is counted once.
        self.count_read_back(told_of.bytes.min(copy.size.saturating_mul(MOST_READ)));
        Ok(())
    }

    /// Other bytes were read than were published. What is there is asked after once more, and then taken
    /// back: clients first; the next round of removals deletes it, and then it is sent anew.
    async fn refute(&self, work: Work, copy: &CloudCopy) -> Result<bool, Failure> {
        let asked_after = async {
            let provider = self.provider().await?;
            self.asked_after(&*provider, copy).await
        };
        match asked_after.await {
            Ok(true) => {}
            // It is gone, or another by its name alone, and was taken back for that.
            Ok(false) => return Ok(true),
            Err(Trouble::Ours(failure)) => return Err(failure),
            Err(trouble) => {
                self.note_if_broken(&trouble).await?;
                let why = format!("the object could not be asked after: {trouble}");
                return Err(Failure(ApiError::unavailable(why, RETRY_SECONDS)));
            }
        }
        let reason = "read back whole, its object in the cloud has other bytes than were published";
        let is_noted = self.store().read_back(work, Outcome::Wrong(reason), self.now()).await?;
        if is_noted {
            let content = work.content;
            tracing::error!(%content, package.name = %copy.name, "{reason}");
        }
        Ok(is_noted)
    }
}

/// When a server that read other bytes says so again, where the object could not be asked after, seconds.
const RETRY_SECONDS: u32 = 15;

fn nothing(again_after: Duration) -> CloudReadBack {
    let again_after_ms = u64::try_from(again_after.as_millis()).unwrap_or(u64::MAX);
    CloudReadBack { job: None, again_after_ms }
}

fn not_its_own() -> Failure {
    let told = "this content is no longer for this server to read back: ask what is next";
    Failure::new(ErrorCode::Conflict, told)
}

/// The share of so many bytes in a span that is for all that is there.
fn span_of(bytes: u64, all: u64, span: Duration) -> Duration {
    let whole = span.as_millis().saturating_mul(SHARE.0) / SHARE.1;
    let share = whole.saturating_mul(u128::from(bytes)) / u128::from(all.max(bytes).max(1));
    Duration::from_millis(u64::try_from(share).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_read_in_the_days_that_are_set() {
        let month = DAY * 30;
        assert_eq!(span_of(1, 30, month), DAY * 9 / 10);
        assert_eq!(span_of(30, 30, month), DAY * 27);
        assert_eq!(span_of(0, 0, month), Duration::ZERO);
        assert_eq!(span_of(u64::MAX, 1, month), DAY * 27, "it was counted before it came");
    }
}

//! When everything stands still: keys, rights, a bucket that is gone, a full account, a clock that is
//! off. Nothing is asked then but one request every few minutes, until it ends well, or an administrator
//! has it tested and that is passed.

use std::time::Duration;

use xylem_cloud::{Below, Cursor, Fault, FaultKind, FaultScope, swift_of};
use xylem_model::{CloudPointId, Timestamp};

use super::at::AtPoint;
use super::service::CloudService;
use super::store::{Broken, OpenPoint, Work};
use super::trouble::{Trouble, Verdict};
use super::used::Asking;
use crate::failure::Failure;
use crate::wish::WishError;

/// How long nothing is asked of a point that is broken.
const BETWEEN_TRIES: Duration = Duration::from_secs(5 * 60);

impl CloudService {
    /// Tries points that stand still again where it is time, whether or not a root asks for work:
    /// clients are not sent there before. Says what was found.
    pub(super) async fn try_broken_again(&self) -> Result<String, Failure> {
        let points = [self.store().active().await, self.store().leaving().await];
        let (mut told, mut failed) = (Vec::new(), None);
        // Whatever is wrong with the one keeps the other from nothing.
        for point in points {
            match self.try_if_broken(point).await {
                Ok(found) => told.extend(found),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        match failed {
            Some(failure) => Err(failure),
            None if told.is_empty() => Ok("nothing stands still".to_owned()),
            None => Ok(told.join("; ")),
        }
    }

    async fn try_if_broken(
        &self,
        point: Result<Option<OpenPoint>, WishError>,
    ) -> Result<Option<String>, Failure> {
        match point?.filter(|point| point.broken.is_some()) {
            Some(point) => self.try_point_again(point).await.map(Some),
            None => Ok(None),
        }
    }

    /// The active point passed a test with the settings and keys of a revision: where it stood still, it
    /// does not any longer.
    pub(crate) async fn passed_test(&self, id: CloudPointId, revision: u32) -> Result<(), Failure> {
        let active = self.store().active().await?;
        let tested = active.filter(|point| point.id == id && point.revision == revision);
        let Some(broken) = tested.and_then(|point| point.broken) else { return Ok(()) };
        self.store().set_broken(id, revision, None).await?;
        self.mended(id, broken.since);
        Ok(())
    }

    /// A point that stood still since a moment works again.
    fn mended(&self, id: CloudPointId, since: Timestamp) {
        self.pace().mended(id, since, self.environment().clock.now());
        tracing::info!("the cloud distribution point works again");
    }

    /// Notes that a point stands still: with the settings and keys that this was found with, since it says
    /// nothing of others, which were tested.
    pub(super) async fn note_broken(
        &self,
        point: &OpenPoint,
        stop: &Standstill,
    ) -> Result<(), WishError> {
        let now = self.environment().clock.now();
        let since = match &point.broken {
            Some(broken) => broken.since,
            None => {
                tracing::error!("the cloud distribution point stands still: {}", stop.why);
                self.pace().broken_since(point.id, now)
            }
        };
        let broken = stop.broken(since, now);
        self.store().set_broken(point.id, point.revision, Some(&broken)).await
    }

    async fn try_point_again(&self, point: OpenPoint) -> Result<String, Failure> {
        let client = self.client(&point).await?;
        let at = AtPoint::new(self, point, client);
        let waits = at.broken_for().await;
        at.settle().await;
        Ok(match waits? {
            None => "the point works again".to_owned(),
            Some(wait) => {
                format!("the point stands still: it is tried again in {} s", wait.as_secs())
            }
        })
    }
}

impl AtPoint<'_> {
    /// Nothing succeeds here until somebody mends it. The content waits, and is nobody's.
    pub(super) async fn stand_still(
        &self,
        work: Work,
        stop: Standstill,
    ) -> Result<Verdict, Failure> {
        let Standstill { why, .. } = &stop;
        self.note_broken(&stop).await?;
        self.store().released(work).await?;
        Ok(Verdict::Leave(format!("the cloud distribution point stands still: {why}")))
    }

    /// For how long nothing is to be asked; none where the point works. Where it is time, one request
    /// tries whether it does again.
    pub(super) async fn broken_for(&self) -> Result<Option<Duration>, Failure> {
        let Some(broken) = &self.point.broken else { return Ok(None) };
        let now = self.now();
        if let Some(wait) = broken.waits_for(now) {
            return Ok(Some(wait));
        }
        // First of all, so that one server of several asks.
        let claimed = Broken { next_try: now.plus(BETWEEN_TRIES), ..broken.clone() };
        self.set_broken(Some(&claimed)).await?;
        match self.try_again().await {
            Ok(()) => {
                self.set_broken(None).await?;
                self.service.mended(self.point.id, broken.since);
                Ok(None)
            }
            Err(Trouble::Ours(failure)) => Err(failure),
            Err(trouble) => {
                if let Some(stop) = of_the_point(&trouble) {
                    self.note_broken(&stop).await?;
                }
                Ok(Some(BETWEEN_TRIES))
            }
        }
    }

    /// A page of what lies there: for that keys, rights, bucket and clock have to be right. Where
    /// addresses are signed with a key that is set there, whether it still is.
    pub(super) async fn try_again(&self) -> Result<(), Trouble> {
        let provider = self.provider().await?;
        let (below, cursor) = (Below::Contents, Cursor::START);
        let request = provider.list(below, &cursor, self.moment())?;
        let answer = self.send(Asking::List, &request).await?;
        provider.listed(below, &cursor, &answer)?;
        if let Some(access) = self.access().await? {
            let swift = swift_of(&self.point.settings.storage, &self.point.keys, access)
                .map_err(|error| Trouble::Point(error.to_string()))?;
            swift.has_key(&self.send(Asking::Read, &swift.ask_keys()).await?)?;
        }
        Ok(())
    }

    /// Notes trouble that concerns the whole point; says whether it does.
    pub(super) async fn note_if_broken(&self, trouble: &Trouble) -> Result<bool, Failure> {
        match of_the_point(trouble) {
            Some(stop) => self.note_broken(&stop).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn note_broken(&self, stop: &Standstill) -> Result<(), Failure> {
        Ok(self.service.note_broken(&self.point, stop).await?)
    }

    /// With the settings and keys that this was found with: it says nothing of others, which were tested.
    async fn set_broken(&self, broken: Option<&Broken>) -> Result<(), Failure> {
        let (id, revision) = (self.point.id, self.point.revision);
        Ok(self.store().set_broken(id, revision, broken).await?)
    }
}

/// Why everything stands still.
#[derive(Debug)]
pub(super) struct Standstill {
    pub(super) why: String,
    /// Whether what is there can be read by clients all the same.
    pub(super) still_offered: bool,
}

impl Standstill {
    /// As it is stored: since when it is so, and tried again a while from now.
    pub(super) fn broken(&self, since: Timestamp, now: Timestamp) -> Broken {
        let Self { why, still_offered } = self;
        let (message, next_try) = (why.clone(), now.plus(BETWEEN_TRIES));
        Broken { message, since, next_try, still_offered: *still_offered }
    }

    /// Nothing was asked, since nothing can be.
    pub(super) const fn untried(why: String) -> Self {
        Self { why, still_offered: false }
    }

    /// A provider refused. A full account, and rights that lack, may hinder writing alone; by keys
    /// that are wrong, or a clock that is off, no address for a client is good either.
    pub(super) fn of(fault: &Fault) -> Self {
        let still_offered = matches!(fault.kind, FaultKind::Full | FaultKind::Rights);
        Self { why: fault.to_string(), still_offered }
    }
}

impl Broken {
    /// For how long nothing is to be tried; none where it is time. Where a clock that was ahead said
    /// when, which may itself be why everything stands still, that is not waited for.
    fn waits_for(&self, now: Timestamp) -> Option<Duration> {
        let wait = self.next_try.since(now);
        (!wait.is_zero() && wait <= BETWEEN_TRIES).then_some(wait)
    }
}

/// What concerns the whole point.
fn of_the_point(trouble: &Trouble) -> Option<Standstill> {
    match trouble {
        Trouble::Point(why) => Some(Standstill::untried(why.clone())),
        Trouble::Fault(fault) if fault.scope() == FaultScope::Point => Some(Standstill::of(fault)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_clock_said_that_was_ahead_is_not_waited_for() {
        let now = Timestamp::from_unix_ms(1_790_000_000_000);
        let noted_at = |at: Timestamp| Standstill::untried("no".to_owned()).broken(at, at);
        assert_eq!(noted_at(now).waits_for(now), Some(BETWEEN_TRIES));
        let minute = Duration::from_secs(60);
        assert_eq!(noted_at(now.minus(minute)).waits_for(now), Some(BETWEEN_TRIES - minute));
        assert_eq!(noted_at(now.minus(BETWEEN_TRIES)).waits_for(now), None);
        let ahead = now.plus(Duration::from_secs(24 * 3600));
        assert_eq!(noted_at(ahead).waits_for(now), None);
    }

    #[test]
    fn what_hinders_writing_alone_keeps_nobody_from_reading() {
        let offered = |kind| Standstill::of(&Fault::new(kind, "sending", "no")).still_offered;
        assert!(offered(FaultKind::Full) && offered(FaultKind::Rights));
        for closed in [FaultKind::Keys, FaultKind::Clock, FaultKind::Place, FaultKind::Public] {
            assert!(!offered(closed), "{closed:?}");
        }
    }
}

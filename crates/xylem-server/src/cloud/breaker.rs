//! When everything stands still: keys, rights, a bucket that is gone, a full account, a clock that is
//! off. Nothing is asked then but one request every few minutes, until it ends well.

use std::time::Duration;

use xylem_cloud::{Below, Cursor, FaultScope};

use super::at::{Asking, AtPoint};
use super::store::{Broken, Work};
use super::trouble::{Trouble, Verdict};
use crate::failure::Failure;

/// How long nothing is asked of a point that is broken.
const BETWEEN_TRIES: Duration = Duration::from_secs(5 * 60);

impl AtPoint<'_> {
    /// Nothing succeeds here until somebody mends it. The content waits, and is nobody's.
    pub(super) async fn stand_still(&self, work: Work, why: String) -> Result<Verdict, Failure> {
        self.note_broken(&why).await?;
        self.store().released(work).await?;
        Ok(Verdict::Leave(format!("the cloud distribution point stands still: {why}")))
    }

    /// For how long nothing is to be asked; none where the point works. Where it is time, one request
    /// tries whether it does again.
    pub(super) async fn broken_for(&self) -> Result<Option<Duration>, Failure> {
        let Some(broken) = &self.point.broken else { return Ok(None) };
        let now = self.now();
        if now < broken.next_try {
            return Ok(Some(broken.next_try.since(now)));
        }
        // First of all, so that one server of several asks.
        let claimed = Broken { next_try: now.plus(BETWEEN_TRIES), ..broken.clone() };
        self.store().set_broken(self.point.id, Some(&claimed)).await?;
        match self.try_again().await {
            Ok(()) => {
                self.store().set_broken(self.point.id, None).await?;
                self.service.pace().mended(self.point.id, broken.since, now);
                tracing::info!("the cloud distribution point works again");
                Ok(None)
            }
            Err(Trouble::Ours(failure)) => Err(failure),
            Err(trouble) => {
                if let Some(why) = of_the_point(&trouble) {
                    self.note_broken(&why).await?;
                }
                Ok(Some(BETWEEN_TRIES))
            }
        }
    }

    /// A page of what lies there: for that keys, rights, bucket and clock have to be right.
    async fn try_again(&self) -> Result<(), Trouble> {
        let provider = self.provider()?;
        let (below, cursor) = (Below::Contents, Cursor::START);
        let request = provider.list(below, &cursor, self.moment())?;
        let answer = self.send(Asking::List, &request).await?;
        provider.listed(below, &cursor, &answer)?;
        Ok(())
    }

    async fn note_broken(&self, why: &str) -> Result<(), Failure> {
        let now = self.now();
        let since = match &self.point.broken {
            Some(broken) => broken.since,
            None => {
                tracing::error!("the cloud distribution point stands still: {why}");
                self.service.pace().broken_since(self.point.id, now)
            }
        };
        let next_try = now.plus(BETWEEN_TRIES);
        let broken = Broken { message: why.to_owned(), since, next_try };
        Ok(self.store().set_broken(self.point.id, Some(&broken)).await?)
    }
}

/// The message of what concerns the whole point.
fn of_the_point(trouble: &Trouble) -> Option<String> {
    match trouble {
        Trouble::Point(why) => Some(why.clone()),
        Trouble::Fault(fault) if fault.scope() == FaultScope::Point => Some(fault.to_string()),
        _ => None,
    }
}

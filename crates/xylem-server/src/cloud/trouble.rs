//! What becomes of a content where something did not succeed: by how far the fault reaches.

use std::fmt;
use std::time::Duration;

use xylem_api::error::ErrorCode;
use xylem_cloud::{Fault, FaultKind, FaultScope};
use xylem_db::CloudCopy;
use xylem_http::ApiError;
use xylem_model::Timestamp;

use super::at::AtPoint;
use super::breaker::Standstill;
use super::pace::BUSY_TRIES;
use super::store::Work;
use crate::failure::Failure;
use crate::wish::WishError;

/// When what failed is tried again.
pub(super) const FAILED_WAIT: Duration = Duration::from_secs(3600);
/// When it is tried again where the first try may well succeed: the upload vanished, other bytes lay
/// there, somebody was busy.
pub(super) const SOON: Duration = Duration::from_secs(60);
/// When a key may be written again whose deletion got no answer: until then it could still arrive.
pub(super) const DELETION_MAY_ARRIVE: Duration = Duration::from_secs(15 * 60);
/// Longest reason that a server told, characters.
const MAX_TOLD_CHARS: usize = 300;

/// Why something did not succeed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The provider refused, or its answer cannot be used.
    Fault(Fault),
    /// There was no answer.
    Unreached(String),
    /// Nothing can succeed at this point, and nothing was asked.
    Point(String),
    /// What lies there is another thing, and was removed: it is sent anew.
    Anew(String),
    /// It cannot go on before so long.
    Waits(String, Duration),
    /// It is another server's by now, is wanted no longer, or is in another state.
    NotOurs,
    /// Nothing of it is the provider's affair.
    Ours(Failure),
}

/// What the server that asked is to do.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Ask the same again after this wait.
    Later(String, Duration),
    /// Leave this content alone and ask for the next one.
    Leave(String),
}

impl Verdict {
    /// As the server is answered.
    pub(super) fn told(self) -> Failure {
        match self {
            Self::Later(why, wait) => {
                let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1);
                Failure(ApiError::unavailable(why, seconds))
            }
            Self::Leave(why) => Failure::new(ErrorCode::Conflict, why),
        }
    }
}

impl AtPoint<'_> {
    /// Stores what becomes of a content after trouble with it.
    pub(super) async fn judge(
        &self,
        work: Work,
        copy: &CloudCopy,
        trouble: Trouble,
    ) -> Result<Verdict, Failure> {
        match trouble {
            Trouble::Ours(failure) => Err(failure),
            Trouble::NotOurs => Ok(Verdict::Leave(not_ours())),
            Trouble::Point(why) => self.stand_still(work, Standstill::untried(why)).await,
            Trouble::Unreached(why) => self.busy(work, why, None).await,
            Trouble::Anew(why) => {
                self.fail(work, &why, true, Some(self.again_at(copy, SOON))).await
            }
            Trouble::Waits(why, wait) => {
                let next_try = self.now().plus(wait);
                self.fail(work, &why, false, Some(next_try)).await
            }
            Trouble::Fault(fault) => self.judge_fault(work, copy, fault).await,
        }
    }

    async fn judge_fault(
        &self,
        work: Work,
        copy: &CloudCopy,
        fault: Fault,
    ) -> Result<Verdict, Failure> {
        match fault.scope() {
            FaultScope::Point => self.stand_still(work, Standstill::of(&fault)).await,
            FaultScope::Request => {
                if fault.kind == FaultKind::Session
                    && !self.service.pace().renew(work.point, work.content)
                {
                    return self.stand_still(work, Standstill::of(&fault.again())).await;
                }
                self.busy(work, fault.to_string(), fault.retry_after).await
            }
            FaultScope::Content => {
                let is_lost = fault.kind == FaultKind::UploadLost;
                let next_try = match fault.kind {
                    // Nothing but a change of the settings helps, and that tries it anew.
                    FaultKind::TooLarge => None,
                    FaultKind::UploadLost => Some(self.again_at(copy, SOON)),
                    _ => Some(self.now().plus(FAILED_WAIT)),
                };
                self.fail(work, &fault.to_string(), is_lost, next_try).await
            }
        }
    }

    /// It is tried again soon at first, also where an end was waited for before, after the usual wait from
    /// then on.
    fn again_at(&self, copy: &CloudCopy, soon: Duration) -> Timestamp {
        self.now().plus(if copy.tries <= 1 { soon } else { FAILED_WAIT })
    }

    /// The same again after a wait, but not for ever.
    async fn busy(
        &self,
        work: Work,
        why: String,
        at_least: Option<Duration>,
    ) -> Result<Verdict, Failure> {
        let rng = &*self.service.environment().rng;
        let (wait, times) = self.service.pace().wait(work.point, work.content, at_least, rng);
        if times < BUSY_TRIES {
            return Ok(Verdict::Later(why, wait));
        }
        let next_try = self.now().plus(wait.max(SOON));
        self.fail(work, &why, false, Some(next_try)).await
    }

    /// The content is *failed*.
    pub(super) async fn fail(
        &self,
        work: Work,
        reason: &str,
        anew: bool,
        next_try: Option<Timestamp>,
    ) -> Result<Verdict, Failure> {
        let failed = self.store().failed(work, reason, anew, self.now(), next_try).await?;
        match failed {
            true => {
                self.service.pace().forget(work.point, work.content);
                self.moved(work.content);
                let content = work.content;
                tracing::warn!(%content, "a content did not get into the cloud: {reason}");
                Ok(Verdict::Leave(reason.to_owned()))
            }
            false => Ok(Verdict::Leave(not_ours())),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => write!(f, "{fault}"),
            Self::Unreached(why) | Self::Point(why) | Self::Anew(why) | Self::Waits(why, _) => {
                f.write_str(why)
            }
            Self::NotOurs => f.write_str(&not_ours()),
            Self::Ours(failure) => f.write_str(failure.0.message()),
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Ours(failure)
    }
}

impl From<WishError> for Trouble {
    fn from(error: WishError) -> Self {
        Self::Ours(error.into())
    }
}

/// What a server hears that goes on with what is not its own.
pub(super) fn not_ours() -> String {
    "this content is no longer for this server to send: it is wanted no longer, is another server's, \
     or is there already; ask what is to be sent next"
        .to_owned()
}

/// A reason that a server told: one line, not long, and without what may be the query of an address.
pub(super) fn told(why: &str) -> String {
    let words = why.split_whitespace().map(|word| match word.split_once('?') {
        Some((before, after)) if !after.is_empty() => format!("{before}?…"),
        _ => word.to_owned(),
    });
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().filter(|character| !character.is_control()).take(MAX_TOLD_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_server_told_no_query_is_kept() {
        let why =
            "GET https://s3.example.org/b/k?X-Amz-Signature=planted: it answered\r\n 403, why?";
        let kept = told(why);
        assert_eq!(kept, "GET https://s3.example.org/b/k?… it answered 403, why?");
        assert_eq!(told(&"a".repeat(1000)).len(), MAX_TOLD_CHARS);
    }
}

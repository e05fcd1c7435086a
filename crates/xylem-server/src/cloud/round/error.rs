//! Why a round was given up, and how far that reaches.

use std::time::Duration;

use xylem_client::ClientError;
use xylem_cloud::{Fault, FaultKind, FaultScope, ObjectKey};
use xylem_telemetry::chain;

use crate::cloud::breaker::Standstill;
use crate::cloud::session::NoAccess;
use crate::wish::WishError;

/// Why a round was given up. It is begun anew after a while.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoundError {
    /// There was no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The provider refused, or its answer cannot be used.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// What is remembered cannot be read or written.
    #[error("what is remembered of the cloud distribution point cannot be read or written")]
    Store(#[from] WishError),
    /// Nothing can succeed at this point, and nothing was asked.
    #[error("{0}")]
    Point(String),
    /// Nothing of it is the provider's affair.
    #[error("{0}")]
    Ours(String),
    /// The point is not what it was when the round began.
    #[error("the point was changed or paused meanwhile: the next round goes by what it is now")]
    Changed,
    /// What lies there may be another's.
    #[error("nothing is deleted there, because of `{key}`: {why}")]
    NotOurs {
        /// The marker's name.
        key: ObjectKey,
        /// Why not, and what to do.
        why: String,
    },
    /// What lies there may be the active point's: why, and what to do.
    #[error("nothing is deleted at the former point: {0}")]
    NotApart(String),
}

impl From<NoAccess> for RoundError {
    fn from(error: NoAccess) -> Self {
        match error {
            NoAccess::Fault(fault) => Self::Fault(fault),
            NoAccess::Client(error) => Self::Client(error),
            NoAccess::Settings(error) => Self::Point(error.to_string()),
        }
    }
}

impl RoundError {
    /// Whether the same may succeed a little later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Client(_) => true,
            // A token was renewed already by whoever sent it.
            Self::Fault(fault) => {
                fault.scope() == FaultScope::Request && fault.kind != FaultKind::Session
            }
            Self::Store(_)
            | Self::Point(_)
            | Self::Ours(_)
            | Self::Changed
            | Self::NotOurs { .. }
            | Self::NotApart(_) => false,
        }
    }

    pub(super) fn retry_after(&self) -> Duration {
        match self {
            Self::Fault(fault) => fault.retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    /// Whether others may succeed where this one content did not.
    pub(in crate::cloud) fn is_of_one_content(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.scope() == FaultScope::Content)
    }

    /// Why nothing will succeed until somebody mends it, where that is so.
    pub(in crate::cloud) fn stops_the_point(&self) -> Option<Standstill> {
        match self {
            Self::Fault(fault) => {
                let fault = fault.clone().again();
                (fault.scope() == FaultScope::Point).then(|| Standstill::of(&fault))
            }
            Self::Point(why) => Some(Standstill::untried(why.clone())),
            _ => None,
        }
    }
}

/// What came of one content, which stops no other.
pub(crate) fn unless_of_one<T>(outcome: Result<T, RoundError>, or: T) -> Result<T, RoundError> {
    match outcome {
        Err(error) if error.is_of_one_content() => {
            tracing::warn!("{}", chain(&error));
            Ok(or)
        }
        other => other,
    }
}

//! Checking what the management server says before any of it counts.
//!
//! Either a whole state is good, or none of it is taken and the state before stays in force.

use serde::{Deserialize, Serialize};
use xylem_api::control::ControlState;
use xylem_model::{DistributionServerId, Stamp, Timestamp};
use xylem_trust::{Document, Grants, Head, Revocations, TrustError, TrustStore};

use crate::access::{Access, AccessFile};
use crate::manifest::SignedHead;

/// The highest stamps ever seen. Not derived from anything: what was seen once stays seen, even
/// when what it described could not be taken over or was lost since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) head: Stamp,
    pub(crate) grants: Stamp,
    pub(crate) revocations: Stamp,
}

/// A state whose every document was found good.
#[derive(Debug)]
pub(crate) struct CheckedState {
    /// The trust document in force from now on.
    pub(crate) trust: TrustStore,
    pub(crate) head: SignedHead,
    pub(crate) access: Access,
    pub(crate) access_file: AccessFile,
    pub(crate) seen: Seen,
}

/// Why a state is not taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// A document is not to be believed.
    #[error("the management server sent a state that is not believed")]
    Trust(#[from] TrustError),
    /// A document speaks to somebody else.
    #[error("the management server sent the {what} of {given}, but this is {ours}")]
    OtherServer { what: &'static str, given: DistributionServerId, ours: DistributionServerId },
}

/// Checks a state: signatures, times, addressee, no step back.
pub(crate) fn check_state(
    trust: &TrustStore,
    state: &ControlState,
    ours: DistributionServerId,
    seen: Seen,
    now: Timestamp,
) -> Result<CheckedState, StateError> {
    let mut next = trust.clone();
    next.advance(state.trust.clone(), now)?;

    let head = next.open_head(&state.head, Some(seen.head), now)?;
    check_addressee(Head::TYPE, head.server, ours)?;
    let grants: Grants = next.open_stamped(
        &state.grants,
        |grants: &Grants| (grants.stamp, grants.issued, grants.expires),
        Some(seen.grants),
        now,
    )?;
    check_addressee(Grants::TYPE, grants.server, ours)?;
    let revocations: Revocations = next.open_stamped(
        &state.revocations,
        |list: &Revocations| (list.stamp, list.issued, list.expires),
        Some(seen.revocations),
        now,
    )?;
    let seen = Seen { head: head.stamp, grants: grants.stamp, revocations: revocations.stamp };
    let access_file = AccessFile::of(state);
    Ok(CheckedState {
        access: Access::new(grants, revocations, &access_file),
        access_file,
        head: SignedHead { head, envelope: state.head.clone() },
        seen,
        trust: next,
    })
}

fn check_addressee(
    what: &'static str,
    given: DistributionServerId,
    ours: DistributionServerId,
) -> Result<(), StateError> {
    if given == ours { Ok(()) } else { Err(StateError::OtherServer { what, given, ours }) }
}

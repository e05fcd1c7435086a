//! Which parents are worth asking, and whether they are who they should be.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use xylem_client::{ClientError, Transport};
use xylem_model::{DistributionServerId, Party, Timestamp};
use xylem_runtime::{Backoff, Rng};

use crate::access::Parent;

/// How long a parent's certificate counts as seen.
const CONFIRMED_FOR: Duration = Duration::from_secs(600);

/// First and longest time that a parent out of reach is left alone.
const AWAY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// First and longest time that a parent is left alone after it gave wrong bytes.
const LIAR: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3600));

/// What is known of one parent.
#[derive(Debug)]
struct Standing {
    confirmed_until: Timestamp,
    set_aside_until: Timestamp,
    reason: String,
    away: Backoff,
    lied: Backoff,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            confirmed_until: Timestamp::default(),
            set_aside_until: Timestamp::default(),
            reason: String::new(),
            away: Backoff::new(AWAY.0, AWAY.1),
            lied: Backoff::new(LIAR.0, LIAR.1),
        }
    }
}

/// What is known of all parents.
#[derive(Debug, Default)]
pub(crate) struct Parents {
    standing: Mutex<BTreeMap<DistributionServerId, Standing>>,
}

impl Parents {
    fn standing(&self) -> MutexGuard<'_, BTreeMap<DistributionServerId, Standing>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when a parent is left alone, where it is, and why.
    pub(crate) fn set_aside(&self, parent: &Parent, now: Timestamp) -> Option<(Timestamp, String)> {
        let standing = self.standing();
        let one = standing.get(&parent.id)?;
        (one.set_aside_until > now).then(|| (one.set_aside_until, one.reason.clone()))
    }

    /// A parent could not be reached: others are asked for a while.
    pub(crate) fn note_away(&self, parent: &Parent, why: &str, rng: &dyn Rng, now: Timestamp) {
        let mut standing = self.standing();
        let one = standing.entry(parent.id).or_default();
        one.confirmed_until = Timestamp::default();
        let wait = one.away.next_wait(rng).max(AWAY.0);
        one.set_aside_until = one.set_aside_until.max(now.plus(wait));
        one.reason = why.to_owned();
    }

    /// A parent gave bytes that are not what was asked for.
    pub(crate) fn note_lie(&self, parent: &Parent, why: &str, rng: &dyn Rng, now: Timestamp) {
        let mut standing = self.standing();
        let one = standing.entry(parent.id).or_default();
        let wait = one.lied.next_wait(rng).max(LIAR.0);
        one.set_aside_until = one.set_aside_until.max(now.plus(wait));
        one.reason = why.to_owned();
    }

    /// A parent gave what it was asked for.
    pub(crate) fn note_good(&self, parent: &Parent) {
        if let Some(one) = self.standing().get_mut(&parent.id) {
            one.away.reset();
            one.lied.reset();
        }
    }

    /// Makes sure that the certificate at a parent's address is that parent's. Asked now and then
    /// and not for each file: what comes from there is checked byte for byte anyway.
    pub(crate) async fn confirm(
        &self,
        transport: &Transport,
        parent: &Parent,
        now: Timestamp,
    ) -> Result<(), ClientError> {
        let known = self.standing().get(&parent.id).is_some_and(|one| one.confirmed_until > now);
        if known {
            return Ok(());
        }
        let party = transport.peer(&parent.url).await?.map(|certificate| certificate.party);
        if party != Some(Party::DistributionServer(parent.id)) {
            let found = party.map_or_else(|| "nobody".to_owned(), |party| party.to_string());
            return Err(ClientError::Tls {
                server: parent.url.clone(),
                explanation: format!(
                    "its certificate names {found}, but {} was expected: check its public URL",
                    Party::DistributionServer(parent.id)
                ),
            });
        }
        self.standing().entry(parent.id).or_default().confirmed_until = now.plus(CONFIRMED_FOR);
        Ok(())
    }
}

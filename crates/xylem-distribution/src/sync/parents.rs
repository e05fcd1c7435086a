//! Which parents are worth asking, in which order, and whether they are who they should be.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use xylem_client::{ClientError, Transport};
use xylem_model::{ContentId, DistributionServerId, ParentPolicy, Party};
use xylem_runtime::{Backoff, Rng, random_array};
use xylem_sync::{ParentChoice, parent_order};

use crate::access::Parent;

/// How long a parent's certificate counts as seen.
const CONFIRMED_FOR: Duration = Duration::from_secs(600);

/// First and longest time that a parent out of reach is left alone.
const AWAY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// First and longest time that a parent is left alone after it gave wrong bytes.
const LIAR: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3600));

/// When to look again at a parent that another fetch is just trying out.
const PROBING: Duration = Duration::from_secs(1);

/// The breaker of one parent, and what else is known of it.
#[derive(Debug)]
struct Standing {
    /// All moments are by the clock that nobody sets.
    confirmed_until: Option<Instant>,
    /// Open until then; closed when it was never set.
    set_aside_until: Option<Instant>,
    /// The time is over, and one fetch is trying it out.
    is_probed: bool,
    reason: String,
    away: Backoff,
    lied: Backoff,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            confirmed_until: None,
            set_aside_until: None,
            is_probed: false,
            reason: String::new(),
            away: Backoff::new(AWAY.0, AWAY.1),
            lied: Backoff::new(LIAR.0, LIAR.1),
        }
    }
}

impl Standing {
    const fn is_closed(&self) -> bool {
        self.away.failures() == 0 && self.lied.failures() == 0
    }

    /// Until when it is left alone, where that is not over.
    fn open_until(&self, now: Instant) -> Option<Instant> {
        self.set_aside_until.filter(|until| *until > now)
    }

    fn open(&mut self, wait: Duration, why: &str, now: Instant) {
        self.set_aside_until = self.set_aside_until.max(Some(now + wait));
        self.is_probed = false;
        why.clone_into(&mut self.reason);
    }
}

/// What is known of all parents.
#[derive(Debug, Default)]
pub(crate) struct Parents {
    standing: Mutex<BTreeMap<DistributionServerId, Standing>>,
    choosing: Mutex<Choosing>,
}

/// What the policies remember.
#[derive(Debug, Default)]
struct Choosing {
    turn: u64,
    last_good: Option<DistributionServerId>,
}

/// A parent that is just being asked. Dropped without a verdict, it leaves the breaker as it was.
pub(crate) struct Trial<'a> {
    parents: &'a Parents,
    id: DistributionServerId,
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if let Some(one) = self.parents.standing().get_mut(&self.id) {
            one.is_probed = false;
        }
    }
}

impl Parents {
    fn standing(&self) -> MutexGuard<'_, BTreeMap<DistributionServerId, Standing>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn choosing(&self) -> MutexGuard<'_, Choosing> {
        self.choosing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The parents in the order in which to ask them for a content: the named ones as the policy
    /// says, then those that are only there to fall back on.
    pub(crate) fn in_order(
        &self,
        parents: &[Parent],
        policy: ParentPolicy,
        content: &ContentId,
        rng: &dyn Rng,
    ) -> Vec<Parent> {
        let choice = {
            let mut choosing = self.choosing();
            choosing.turn = choosing.turn.wrapping_add(1);
            let (last_good, turn) = (choosing.last_good, choosing.turn);
            ParentChoice { policy, last_good, turn, dice: u64::from_le_bytes(random_array(rng)) }
        };
        let named: Vec<_> = parents.iter().filter(|p| !p.is_fallback).map(|p| p.id).collect();
        let order = parent_order(&named, content, &choice);
        let by_id = |id: &DistributionServerId| parents.iter().find(|parent| parent.id == *id);
        let fallbacks = parents.iter().filter(|parent| parent.is_fallback);
        order.iter().filter_map(by_id).chain(fallbacks).cloned().collect()
    }

    /// Begins to ask a parent, unless its breaker is open; then until when, and why.
    pub(crate) fn try_out(
        &self,
        parent: &Parent,
        now: Instant,
    ) -> Result<Trial<'_>, (Instant, String)> {
        let mut standing = self.standing();
        let one = standing.entry(parent.id).or_default();
        if !one.is_closed() {
            if let Some(until) = one.open_until(now) {
                return Err((until, one.reason.clone()));
            }
            if one.is_probed {
                return Err((now + PROBING, one.reason.clone()));
            }
            one.is_probed = true;
        }
        drop(standing);
        Ok(Trial { parents: self, id: parent.id })
    }

    /// A parent could not be reached: others are asked for a while.
    pub(crate) fn note_away(&self, parent: &Parent, why: &str, rng: &dyn Rng, now: Instant) {
        let mut standing = self.standing();
        let one = standing.entry(parent.id).or_default();
        one.confirmed_until = None;
        if one.open_until(now).is_some() {
            // Several fetches broke with one connection: one failure.
            return;
        }
        let wait = one.away.next_wait(rng).max(AWAY.0);
        one.open(wait, why, now);
    }

    /// A parent gave bytes that are not what was asked for.
    pub(crate) fn note_lie(&self, parent: &Parent, why: &str, rng: &dyn Rng, now: Instant) {
        let mut standing = self.standing();
        let one = standing.entry(parent.id).or_default();
        let wait = one.lied.next_wait(rng).max(LIAR.0);
        one.open(wait, why, now);
    }

    /// A parent gave what it was asked for.
    pub(crate) fn note_good(&self, parent: &Parent) {
        if let Some(one) = self.standing().get_mut(&parent.id) {
            one.away.reset();
            one.lied.reset();
        }
        self.choosing().last_good = Some(parent.id);
    }

    /// A parent answered, though it has not got what it was asked for.
    pub(crate) fn note_answered(&self, parent: &Parent) {
        if let Some(one) = self.standing().get_mut(&parent.id) {
            one.away.reset();
        }
    }

    /// Makes sure that the certificate at a parent's address is that parent's. Asked now and then
    /// and not for each file: what comes from there is checked byte for byte anyway.
    pub(crate) async fn confirm(
        &self,
        transport: &Transport,
        parent: &Parent,
        now: Instant,
    ) -> Result<(), ClientError> {
        let known =
            self.standing().get(&parent.id).is_some_and(|one| one.confirmed_until > Some(now));
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
        self.standing().entry(parent.id).or_default().confirmed_until = Some(now + CONFIRMED_FOR);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use xylem_runtime::SystemRng;

    use super::*;

    fn parent(n: u8, is_fallback: bool) -> Parent {
        let id = DistributionServerId::from_parts(u64::from(n), &[n; 10]);
        let url = format!("https://parent{n}").parse().unwrap();
        Parent { id, name: format!("parent{n}"), url, is_fallback, is_below: false }
    }

    /// Moments since the beginning of a test.
    struct Moments(Instant);

    impl Moments {
        fn at(&self, seconds: u64) -> Instant {
            self.0 + Duration::from_secs(seconds)
        }
    }

    #[test]
    fn a_breaker_opens_after_a_failure_and_lets_one_fetch_try_when_its_time_is_over() {
        let (parents, one) = (Parents::default(), parent(1, false));
        let moments = Moments(Instant::now());
        let at = |seconds| moments.at(seconds);
        drop((
            parents.try_out(&one, at(0)).ok().unwrap(),
            parents.try_out(&one, at(0)).ok().unwrap(),
        ));
        parents.note_away(&one, "gone", &SystemRng, at(0));
        let (until, why) = parents.try_out(&one, at(0)).err().unwrap();
        assert!(until >= at(0) + AWAY.0 && why == "gone");
        let trial = parents.try_out(&one, at(60)).ok().unwrap();
        assert!(parents.try_out(&one, at(60)).is_err(), "it is being tried out");
        drop(trial);
        let trial = parents.try_out(&one, at(60)).ok().unwrap();
        parents.note_good(&one);
        drop(trial);
        let both = (parents.try_out(&one, at(60)), parents.try_out(&one, at(60)));
        assert!(both.0.is_ok() && both.1.is_ok(), "it is closed again");
    }

    #[test]
    fn a_liar_is_left_alone_for_longer_and_an_answer_does_not_clear_it() {
        let (parents, one) = (Parents::default(), parent(1, false));
        let moments = Moments(Instant::now());
        let at = |seconds| moments.at(seconds);
        parents.note_lie(&one, "wrong bytes", &SystemRng, at(0));
        parents.note_answered(&one);
        assert!(parents.try_out(&one, at(29)).is_err());
        assert!(parents.try_out(&one, at(3601)).is_ok());
    }

    #[test]
    fn fetches_that_break_together_count_as_one_failure() {
        let (parents, one) = (Parents::default(), parent(1, false));
        let moments = Moments(Instant::now());
        let at = |seconds| moments.at(seconds);
        for _ in 0..20 {
            parents.note_away(&one, "gone", &SystemRng, at(0));
        }
        assert!(parents.try_out(&one, at(2)).is_ok());
    }

    #[test]
    fn fallbacks_come_last_whatever_the_policy() {
        let parents = Parents::default();
        let list = [parent(1, false), parent(2, false), parent(3, true)];
        let content = ContentId::of(b"x");
        for policy in ParentPolicy::ALL {
            for _ in 0..4 {
                let order = parents.in_order(&list, *policy, &content, &SystemRng);
                assert_eq!(order.len(), 3);
                assert_eq!(order.last(), list.last(), "{policy}");
            }
        }
        parents.note_good(&list[1]);
        let order = parents.in_order(&list, ParentPolicy::Sticky, &content, &SystemRng);
        assert_eq!(order.first(), list.get(1));
    }
}

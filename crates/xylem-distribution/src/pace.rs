//! Who may send now, and how fast.
//!
//! Every answer with content, and every fetch, is a [`Flow`]: it belongs to a direction, a link and
//! a class. Before each piece it asks for its [`turn`](Flow::turn), which comes once no higher
//! class on the link needs it more ([`LinkShare`]) and the token buckets of the server, the link
//! and the class all allow it. Without configured rates only the first costs anything, and that a
//! moment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;
use xylem_model::{DistributionServerId, Timestamp};
use xylem_runtime::Clock;
use xylem_sync::{Class, LinkShare, TokenBucket, WeeklyRate, Zone};

/// Links that are remembered though nothing goes over them, for what their buckets owe.
const MAX_IDLE_LINKS: usize = 4096;

/// How fast bytes may go. Everything that is left out is as fast as it goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimits {
    /// The time zone of the calendars, such as `Europe/Lisbon`.
    pub time_zone: Zone,
    /// What is fetched.
    pub from_parents: DirectionRates,
    /// What other distribution servers fetch from here.
    pub to_children: DirectionRates,
    /// What computers and everybody else fetch from here.
    pub to_clients: DirectionRates,
}

/// How fast bytes may go in one direction; where several rates apply, all must allow it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DirectionRates {
    /// Of the whole server.
    pub server: Option<WeeklyRate>,
    /// Of each link: to one child, from one parent, to one address.
    pub link: Option<WeeklyRate>,
    /// Of each class.
    pub class: BTreeMap<Class, WeeklyRate>,
}

/// The other end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    Server(DistributionServerId),
    Address(IpAddr),
}

/// All directions of one server.
#[derive(Debug)]
pub(crate) struct Pace {
    pub(crate) from_parents: Arc<Direction>,
    pub(crate) to_children: Arc<Direction>,
    pub(crate) to_clients: Arc<Direction>,
}

impl Pace {
    pub(crate) fn new(limits: &RateLimits, clock: &Arc<dyn Clock>) -> Self {
        let direction = |rates: &DirectionRates| {
            let (rates, zone) = (rates.clone(), limits.time_zone.clone());
            let (clock, begin) = (Arc::clone(clock), Instant::now());
            Arc::new(Direction { rates, zone, clock, begin, state: Mutex::default() })
        };
        Self {
            from_parents: direction(&limits.from_parents),
            to_children: direction(&limits.to_children),
            to_clients: direction(&limits.to_clients),
        }
    }
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Direction {
    rates: DirectionRates,
    zone: Zone,
    clock: Arc<dyn Clock>,
    begin: Instant,
    state: Mutex<Flows>,
}

#[derive(Debug, Default)]
struct Flows {
    server: TokenBucket,
    classes: BTreeMap<Class, TokenBucket>,
    links: BTreeMap<Link, LinkState>,
}

#[derive(Debug, Default)]
struct LinkState {
    bucket: TokenBucket,
    share: LinkShare,
    /// A class may have stopped sending.
    freed: Arc<Notify>,
}

/// One answer or fetch under way.
#[derive(Debug)]
pub(crate) struct Flow {
    direction: Arc<Direction>,
    link: Link,
    class: Class,
    freed: Arc<Notify>,
}

impl Direction {
    /// Something begins to go over a link.
    pub(crate) fn open(self: &Arc<Self>, link: Link, class: Class) -> Flow {
        let now = self.begin.elapsed();
        let mut flows = self.flows();
        let state = flows.links.entry(link).or_default();
        state.share.open(class, now);
        let freed = Arc::clone(&state.freed);
        drop(flows);
        Flow { direction: Arc::clone(self), link, class, freed }
    }

    fn flows(&self) -> MutexGuard<'_, Flows> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, link: Link, class: Class) {
        let mut flows = self.flows();
        let Some(state) = flows.links.get_mut(&link) else { return };
        if state.share.close(class) {
            state.freed.notify_waiters();
        }
        let forget = state.share.is_idle() && self.rates.link.is_none();
        if forget {
            flows.links.remove(&link);
        } else if flows.links.len() > MAX_IDLE_LINKS {
            flows.links.retain(|_, state| !state.share.is_idle());
        }
    }

    /// Lets a piece go, or says how long to wait before asking again; the inner time is how long
    /// the buckets make it wait.
    fn ask(&self, link: Link, class: Class, bytes: u64) -> Result<Duration, Duration> {
        let (now, wall) = (self.begin.elapsed(), self.clock.now());
        let mut flows = self.flows();
        let Flows { server, classes, links } = &mut *flows;
        let state = links.entry(link).or_default();
        state.share.ask(class, bytes, now)?;
        let mut wait = Duration::ZERO;
        let mut take = |rate: Option<&WeeklyRate>, bucket: &mut TokenBucket| {
            if let Some(rate) = rate.and_then(|rate| rate.at(wall, &self.zone)) {
                wait = wait.max(bucket.take(bytes, rate, now));
            }
        };
        take(self.rates.server.as_ref(), server);
        take(self.rates.link.as_ref(), &mut state.bucket);
        if let Some(rate) = self.rates.class.get(&class) {
            take(Some(rate), classes.entry(class).or_default());
        }
        Ok(wait)
    }

    /// The lowest rate that applies to a class now, in bytes per second.
    fn lowest_rate(&self, class: Class, wall: Timestamp) -> Option<u64> {
        let rates = [self.rates.server.as_ref(), self.rates.link.as_ref()];
        let rates = rates.into_iter().chain([self.rates.class.get(&class)]).flatten();
        rates.filter_map(|rate| rate.at(wall, &self.zone)).min()
    }
}

impl Flow {
    /// Returns once a piece of so many bytes may go.
    pub(crate) async fn turn(&self, bytes: u64) {
        let wait = self.claim(bytes).await;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Waits for this class's turn on the link, and says how long the buckets still make the piece
    /// wait. Once this returns, the piece counts as gone.
    pub(crate) async fn claim(&self, bytes: u64) -> Duration {
        loop {
            let freed = self.freed.notified();
            match self.direction.ask(self.link, self.class, bytes) {
                Ok(wait) => return wait,
                Err(wait) => {
                    // Whichever comes first; the rest is asked anew.
                    let _ = tokio::time::timeout(wait, freed).await;
                }
            }
        }
    }

    /// How many bytes to let go at once: as many as are good for the disk and the network, and
    /// fewer where a rate is so low that others would wait for long behind them.
    pub(crate) fn piece_bytes(&self, most: u64, least: u64) -> u64 {
        /// The time that a piece may take.
        const PIECE_MS: u64 = 100;
        let rate = self.direction.lowest_rate(self.class, self.direction.clock.now());
        rate.map_or(most, |rate| (rate.saturating_mul(PIECE_MS) / 1000).clamp(least, most))
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.direction.close(self.link, self.class);
    }
}

#[cfg(test)]
mod tests {
    use xylem_runtime::SystemClock;

    use super::*;

    fn pace(json: &str) -> Pace {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Pace::new(&serde_json::from_str(json).unwrap(), &clock)
    }

    const CHILD: Link = Link::Address(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    /// Simulated seconds that a number of pieces take.
    async fn seconds_for(flow: &Flow, pieces: u64, bytes: u64) -> f64 {
        let begin = Instant::now();
        for _ in 0..pieces {
            flow.turn(bytes).await;
        }
        begin.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn all_rates_that_apply_must_allow_it() {
        let pace = pace(
            r#"{"to_children": {"server": {"bytes_per_second": 100000},
                "link": {"bytes_per_second": 50000}, "class": {"bulk": {"bytes_per_second": 1000}}}}"#,
        );
        let normal = pace.to_children.open(CHILD, Class::Normal);
        let took = seconds_for(&normal, 100, 10_000).await;
        assert!((19.0..21.0).contains(&took), "the link's rate: {took}");
        drop(normal);
        let bulk = pace.to_children.open(CHILD, Class::Bulk);
        let took = seconds_for(&bulk, 10, 1000).await;
        assert!((8.5..10.5).contains(&took), "the class's rate: {took}");
        let free = pace.to_clients.open(CHILD, Class::Bulk);
        assert!(seconds_for(&free, 1000, 1 << 20).await < 0.001, "another direction");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lower_class_waits_until_the_higher_one_is_over() {
        let pace = pace("{}");
        let bulk = pace.to_children.open(CHILD, Class::Bulk);
        bulk.turn(1000).await;
        let urgent = pace.to_children.open(CHILD, Class::Urgent);
        urgent.turn(1000).await;
        let begin = Instant::now();
        let waiting = tokio::spawn(async move { bulk.turn(1000).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!waiting.is_finished());
        drop(urgent);
        waiting.await.unwrap();
        assert!(begin.elapsed() < Duration::from_millis(60), "{:?}", begin.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn slow_lines_get_small_pieces() {
        let pace = pace(r#"{"from_parents": {"link": {"bytes_per_second": 300000}}}"#);
        let flow = pace.from_parents.open(CHILD, Class::Small);
        assert_eq!(flow.piece_bytes(1 << 20, 16_384), 30_000);
        let free = pace.to_clients.open(CHILD, Class::Small);
        assert_eq!(free.piece_bytes(1 << 20, 16_384), 1 << 20);
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        for wrong in [
            r#"{"time_zone": "Nowhere"}"#,
            r#"{"to_childs": {}}"#,
            r#"{"to_children": {"class": {"huge": {}}}}"#,
        ] {
            assert!(serde_json::from_str::<RateLimits>(wrong).is_err(), "{wrong}");
        }
    }
}

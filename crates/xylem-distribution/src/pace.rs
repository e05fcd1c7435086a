//! Who may send now, and how fast.
//!
//! Every answer with content, every fetch, and every part for the cloud, is a [`Flow`]: it belongs to a direction, a link and
//! a class. Before each piece it asks for its [`turn`](Flow::turn), which comes once no higher
//! class on the link needs it more ([`LinkShare`]) and the token buckets of the server, the link
//! and the class all allow it. Without configured rates only the first costs anything, and that a
//! moment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use xylem_model::{CloudPointId, DistributionServerId, Timestamp};
use xylem_runtime::Clock;
use xylem_sync::{Class, DirectionRates, LinkShare, RateLimits, TokenBucket, WeeklyRate, Zone};

/// Links that are remembered though nothing goes over them, for what their buckets owe.
const MAX_IDLE_LINKS: usize = 4096;

/// The other end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    Server(DistributionServerId),
    Address(IpAddr),
    Cloud(CloudPointId),
}

/// All directions of one server.
#[derive(Debug)]
pub(crate) struct Pace {
    pub(crate) from_parents: Arc<Direction>,
    pub(crate) to_children: Arc<Direction>,
    pub(crate) to_clients: Arc<Direction>,
    pub(crate) to_cloud: Arc<Direction>,
}

impl Pace {
    pub(crate) fn new(limits: &RateLimits, clock: &Arc<dyn Clock>) -> Self {
        let direction = || {
            let (clock, begin) = (Arc::clone(clock), Instant::now());
            let changes = watch::Sender::new(0);
            Arc::new(Direction { changes, clock, begin, state: Mutex::default() })
        };
        let pace = Self {
            from_parents: direction(),
            to_children: direction(),
            to_clients: direction(),
            to_cloud: direction(),
        };
        pace.set(limits);
        pace
    }

    /// Other limits count from now on, for what is under way too.
    pub(crate) fn set(&self, limits: &RateLimits) {
        self.from_parents.set(&limits.from_parents, &limits.time_zone);
        self.to_children.set(&limits.to_children, &limits.time_zone);
        self.to_clients.set(&limits.to_clients, &limits.time_zone);
        self.to_cloud.set(&limits.to_cloud, &limits.time_zone);
    }
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Direction {
    /// Counts changes of the rates in force.
    changes: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
    begin: Instant,
    state: Mutex<Flows>,
}

#[derive(Debug, Default)]
struct Flows {
    rates: DirectionRates,
    zone: Zone,
    /// What the calendars say, and when they were looked at.
    in_force: Option<(InForce, Duration)>,
    server: TokenBucket,
    classes: BTreeMap<Class, TokenBucket>,
    links: BTreeMap<Link, LinkState>,
}

/// The rates of one moment, in bytes per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct InForce {
    server: Option<u64>,
    link: Option<u64>,
    classes: [Option<u64>; Class::ALL.len()],
}

impl InForce {
    fn class(&self, class: Class) -> Option<u64> {
        self.classes.get(class.index()).copied().flatten()
    }
}

impl Flows {
    /// The rates of now, and whether others were in force before: then no bucket is owed anything.
    /// All buckets at once: whoever asks anew must not find what it paid the first time.
    fn look_at_calendar(&mut self, now: Duration, wall: Timestamp) -> (InForce, bool) {
        if let Some((rates, looked)) = self.in_force
            && now.saturating_sub(looked) < LOOK_EVERY
        {
            return (rates, false);
        }
        let at = |rate: Option<&WeeklyRate>| rate.and_then(|rate| rate.at(wall, &self.zone));
        let rates = InForce {
            server: at(self.rates.server.as_ref()),
            link: at(self.rates.link.as_ref()),
            classes: Class::ALL.map(|class| at(self.rates.class.get(&class))),
        };
        let before = self.in_force.replace((rates, now));
        let is_new = before.is_some_and(|(before, _)| before != rates);
        if is_new {
            self.forgive();
        }
        (rates, is_new)
    }

    /// What each bucket was owed was owed at the rates before.
    fn forgive(&mut self) {
        (self.server, self.classes) = Default::default();
        self.links.values_mut().for_each(|link| link.bucket = TokenBucket::default());
    }
}

/// How often the calendars are looked at: what they say begins with a minute, and is to be kept to
/// within a second.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The longest sleep without such a look: at a low rate a piece may wait for a minute.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// When a piece may go, as long as the rates stay as they are.
#[derive(Debug)]
pub(crate) struct Claim {
    due: Instant,
    change: u64,
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
        let is_limited = flows.rates.link.is_some();
        let Some(state) = flows.links.get_mut(&link) else { return };
        if state.share.close(class) {
            state.freed.notify_waiters();
        }
        let forget = state.share.is_idle() && !is_limited;
        if forget {
            flows.links.remove(&link);
        } else if flows.links.len() > MAX_IDLE_LINKS {
            flows.links.retain(|_, state| !state.share.is_idle());
        }
    }

    fn set(&self, rates: &DirectionRates, zone: &Zone) {
        let mut flows = self.flows();
        if (&flows.rates, &flows.zone) == (rates, zone) {
            return;
        }
        (flows.rates, flows.zone) = (rates.clone(), zone.clone());
        flows.in_force = None;
        flows.forgive();
        self.changed();
    }

    /// The rates of now. Whoever finds that the calendars say something else tells the others.
    fn look(&self, flows: &mut Flows) -> InForce {
        let (rates, is_new) = flows.look_at_calendar(self.begin.elapsed(), self.clock.now());
        if is_new {
            self.changed();
        }
        rates
    }

    /// Lets everybody who waits for a bucket ask anew.
    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Lets a piece go, or says how long to wait before asking again.
    fn ask(&self, link: Link, class: Class, bytes: u64) -> Result<Claim, Duration> {
        let now = self.begin.elapsed();
        let mut flows = self.flows();
        let rates = self.look(&mut flows);
        let Flows { server, classes, links, .. } = &mut *flows;
        let state = links.entry(link).or_default();
        state.share.ask(class, bytes, now)?;
        let mut wait = Duration::ZERO;
        let mut take = |rate: Option<u64>, bucket: &mut TokenBucket| {
            if let Some(rate) = rate {
                wait = wait.max(bucket.take(bytes, rate, now));
            }
        };
        take(rates.server, server);
        take(rates.link, &mut state.bucket);
        if let Some(rate) = rates.class(class) {
            take(Some(rate), classes.entry(class).or_default());
        }
        let change = *self.changes.borrow();
        Ok(Claim { due: Instant::now() + wait, change })
    }

    /// The lowest rate that applies to a class now, in bytes per second.
    fn lowest_rate(&self, class: Class) -> Option<u64> {
        let rates = self.look(&mut self.flows());
        [rates.server, rates.link, rates.class(class)].into_iter().flatten().min()
    }
}

impl Flow {
    /// Returns once a piece of so many bytes may go.
    pub(crate) async fn turn(&self, bytes: u64) {
        self.wait(&mut None, bytes).await;
    }

    /// The same for who may be stopped while it waits: what was claimed stays claimed.
    pub(crate) async fn wait(&self, claimed: &mut Option<Claim>, bytes: u64) {
        loop {
            let claim = match claimed {
                Some(claim) => claim,
                None => claimed.insert(self.claim(bytes).await),
            };
            // A sleep until now lasts to the next millisecond: for each piece, where nothing limits.
            if claim.due <= Instant::now() {
                return;
            }
            let mut changes = self.direction.changes.subscribe();
            let change = claim.change;
            let look = Instant::now() + LONGEST_SLEEP;
            tokio::select! {
                () = tokio::time::sleep_until(claim.due.min(look)) => {
                    self.direction.look(&mut self.direction.flows());
                }
                _ = changes.wait_for(|count| *count != change) => *claimed = None,
            }
        }
    }

    /// Waits for this class's turn on the link, and says when the buckets let the piece go. Once
    /// this returns, the piece counts as gone.
    async fn claim(&self, bytes: u64) -> Claim {
        loop {
            let freed = self.freed.notified();
            match self.direction.ask(self.link, self.class, bytes) {
                Ok(claim) => return claim,
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
        let rate = self.direction.lowest_rate(self.class);
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
    async fn what_goes_to_the_cloud_has_rates_of_its_own() {
        let pace = pace(r#"{"to_cloud": {"server": {"bytes_per_second": 10000}}}"#);
        let cloud = Link::Cloud(CloudPointId::from_parts(1, &[1; 10]));
        let flow = pace.to_cloud.open(cloud, Class::Normal);
        let took = seconds_for(&flow, 10, 10_000).await;
        assert!((8.5..10.5).contains(&took), "{took}");
        let child = pace.to_children.open(CHILD, Class::Normal);
        assert!(seconds_for(&child, 10, 10_000).await < 0.001, "another direction");
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

    /// A clock that goes with the test's own time, from the last second of a calendar's night on.
    #[derive(Debug)]
    struct Morning(Instant);

    impl Clock for Morning {
        fn now(&self) -> Timestamp {
            let begin: Timestamp = "2026-01-05T07:59:58Z".parse().unwrap();
            begin.plus(self.0.elapsed())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_calendar_changes_the_rate_at_its_second_and_nobody_pays_twice() {
        let clock: Arc<dyn Clock> = Arc::new(Morning(Instant::now()));
        let limits = serde_json::json!({ "to_clients": {
            "server": { "bytes_per_second": 2_000, "windows": [
                { "days": ["monday"], "from": "08:00", "to": "18:00", "bytes_per_second": 100_000 }
            ] },
            "link": { "bytes_per_second": 1_000, "windows": [
                { "days": ["monday"], "from": "08:00", "to": "18:00", "bytes_per_second": 50_000 }
            ] },
        } });
        let pace = Pace::new(&serde_json::from_value(limits).unwrap(), &clock);
        let link = |n: u8| Link::Address(IpAddr::from([192, 0, 2, n]));
        let flows: Vec<Flow> =
            (0..40).map(|n| pace.to_clients.open(link(n), Class::Normal)).collect();
        let begin = Instant::now();
        let ends = flows.iter().map(async |flow| {
            for _ in 0..10 {
                flow.turn(1_000).await;
            }
            begin.elapsed().as_secs_f64()
        });
        let ends = futures_util::future::join_all(ends).await;
        // 400,000 bytes: some 4,000 in the two seconds before, the rest in some four after.
        let last = ends.iter().copied().fold(0.0, f64::max);
        assert!((5.5..6.5).contains(&last), "{last}");
    }

    #[tokio::test(start_paused = true)]
    async fn slow_lines_get_small_pieces() {
        let pace = pace(r#"{"from_parents": {"link": {"bytes_per_second": 300000}}}"#);
        let flow = pace.from_parents.open(CHILD, Class::Small);
        assert_eq!(flow.piece_bytes(1 << 20, 16_384), 30_000);
        let free = pace.to_clients.open(CHILD, Class::Small);
        assert_eq!(free.piece_bytes(1 << 20, 16_384), 1 << 20);
    }

    #[tokio::test(start_paused = true)]
    async fn another_rate_counts_at_once_for_what_waits_too() {
        let limit = |rate: u64| -> RateLimits {
            let text = format!(r#"{{"to_clients": {{"server": {{"bytes_per_second": {rate}}}}}}}"#);
            serde_json::from_str(&text).unwrap()
        };
        let pace = pace("{}");
        pace.set(&limit(1000));
        let flows: Vec<Flow> = (0..8).map(|_| pace.to_clients.open(CHILD, Class::Normal)).collect();
        let begin = Instant::now();
        let sending = async |flow: &Flow| {
            for _ in 0..10 {
                flow.turn(10_000).await;
            }
        };
        let all = futures_util::future::join_all(flows.iter().map(sending));
        let change = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            pace.set(&limit(1_000_000));
        };
        tokio::join!(all, change);
        // 800,000 bytes; at the first rate they would have taken 800 s.
        let took = begin.elapsed().as_secs_f64();
        assert!((5.6..6.0).contains(&took), "{took}");
        pace.set(&limit(1000));
        let slow = seconds_for(&flows[0], 3, 1000).await;
        assert!((1.8..3.1).contains(&slow), "{slow}");
    }
}

//! What to do next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use xylem_model::{ContentId, Priority, Stamp, Timestamp};

use crate::{Class, SMALL_BYTES};

/// Files up to this size travel many in one stream: 1 MiB. They are held in memory until they are
/// checked, and a hop in which they are not passed on while they arrive costs next to nothing.
pub const BATCHED_BYTES: u64 = 1 << 20;

/// How long content that is no longer wanted stays on the root at least: from there a deletion can
/// be undone.
pub const ROOT_REMOVAL_GRACE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Content a server is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The content.
    pub content: ContentId,
    /// Its size in bytes.
    pub size: u64,
    /// How much of a hurry it is in.
    pub priority: Priority,
    /// The change that brought it; the oldest of a class goes first.
    pub stamp: Stamp,
}

impl Wanted {
    fn class(&self) -> Class {
        Class::of(self.priority, self.size)
    }

    fn is_batched(&self) -> bool {
        self.size <= BATCHED_BYTES
    }

    /// Whether it has its class's only place for large files.
    fn is_large(&self) -> bool {
        self.size > SMALL_BYTES
    }
}

/// Content a server holds although it is no longer wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwanted {
    /// The content.
    pub content: ContentId,
    /// Since when.
    pub since: Timestamp,
}

/// What a server has, and what it is at.
#[derive(Debug, Clone, Default)]
pub struct Reality {
    /// Content that is published here, verified.
    pub held: BTreeSet<ContentId>,
    /// Content that is being fetched.
    pub in_flight: BTreeSet<ContentId>,
    /// Streams of many small files that are under way.
    pub batches_in_flight: usize,
    /// Content whose last try failed, and how long until it is to be tried again. A span and not a
    /// moment: the time of day may be set back, and nothing may wait for it to come round again.
    pub retry_in: BTreeMap<ContentId, Duration>,
    /// Since when content has not been wanted.
    pub unwanted_since: BTreeMap<ContentId, Timestamp>,
    /// Content that became unwanted while this server was the root: it stays as long as there.
    pub unwanted_as_root: BTreeSet<ContentId>,
}

/// What a plan must keep to.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Fetches of single files at once; of these one in each class may be larger than
    /// [`SMALL_BYTES`], and the last place is kept for what is urgent.
    pub fetches: usize,
    /// Streams of many small files at once; the last place is kept for what is urgent.
    pub batches: usize,
    /// Files of one such stream.
    pub batch_files: usize,
    /// Bytes of one such stream.
    pub batch_bytes: u64,
    /// How long unwanted content stays.
    pub removal_grace: Duration,
    /// Whether anything may be removed at all: not while a restore is unconfirmed.
    pub may_remove: bool,
}

/// One fetch to start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// The content.
    pub content: ContentId,
    /// Its size in bytes.
    pub size: u64,
    /// What it goes before, and after.
    pub class: Class,
}

/// What to do now, and when to ask again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Fetches of single files to start, first things first.
    pub fetch: Vec<Fetch>,
    /// Streams of many small files to start, first things first; all of one class.
    pub batches: Vec<Vec<Fetch>>,
    /// Fetches to give up: what they bring is not wanted any more.
    pub give_up: Vec<ContentId>,
    /// Wanted content that waits for its turn or its next try.
    pub queued: Vec<ContentId>,
    /// Content to remove.
    pub remove: Vec<ContentId>,
    /// Content that has become unwanted, or still is, with the time since when.
    pub unwanted: Vec<Unwanted>,
    /// How long until something that waits comes due.
    pub wake_in: Option<Duration>,
}

/// Compares wish and reality.
pub fn plan(wanted: &[Wanted], reality: &Reality, limits: &Limits, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    plan_fetches(wanted, reality, limits, &mut plan);
    plan_removals(wanted, reality, limits, now, &mut plan);
    plan
}

fn plan_fetches(wanted: &[Wanted], reality: &Reality, limits: &Limits, plan: &mut Plan) {
    let mut missing: BTreeMap<ContentId, &Wanted> = BTreeMap::new();
    for want in wanted.iter().filter(|want| !reality.held.contains(&want.content)) {
        // Wanted under several names, it is in the hurry of the most urgent.
        let known = missing.entry(want.content).or_insert(want);
        if (want.class(), want.stamp) < (known.class(), known.stamp) {
            *known = want;
        }
    }
    plan.give_up =
        reality.in_flight.iter().filter(|it| !missing.contains_key(it)).copied().collect();
    let mut free = Free::new(&missing, reality, limits);
    let mut waiting: Vec<&Wanted> =
        missing.into_values().filter(|want| !reality.in_flight.contains(&want.content)).collect();
    waiting.sort_by_key(|want| (want.class(), want.stamp, want.content));
    for want in waiting {
        if let Some(left) = reality.retry_in.get(&want.content).filter(|left| !left.is_zero()) {
            plan.queued.push(want.content);
            wake(plan, *left);
        } else if !free.place(want, plan) {
            plan.queued.push(want.content);
        }
    }
}

/// What can still be started.
struct Free<'a> {
    limits: &'a Limits,
    fetches: usize,
    batches: usize,
    /// Classes that may start a large file.
    large: BTreeSet<Class>,
    /// Class and bytes of the batch that is being filled.
    filling: Option<(Class, u64)>,
}

impl<'a> Free<'a> {
    fn new(missing: &BTreeMap<ContentId, &Wanted>, reality: &Reality, limits: &'a Limits) -> Self {
        let under_way = reality.in_flight.iter().filter_map(|content| missing.get(content));
        let mut large = BTreeSet::from(Class::ALL);
        let mut single = 0;
        for want in under_way.filter(|want| !want.is_batched()) {
            single += 1;
            if want.is_large() {
                large.remove(&want.class());
            }
        }
        Self {
            limits,
            fetches: limits.fetches.saturating_sub(single),
            batches: limits.batches.saturating_sub(reality.batches_in_flight),
            large,
            filling: None,
        }
    }

    /// Starts a fetch where there is room for it.
    fn place(&mut self, want: &Wanted, plan: &mut Plan) -> bool {
        let fetch = Fetch { content: want.content, size: want.size, class: want.class() };
        if want.is_batched() {
            return self.place_in_batch(fetch, plan);
        }
        if self.fetches <= kept_for_urgent(fetch.class)
            || (want.is_large() && !self.large.remove(&fetch.class))
        {
            return false;
        }
        self.fetches -= 1;
        plan.fetch.push(fetch);
        true
    }

    fn place_in_batch(&mut self, fetch: Fetch, plan: &mut Plan) -> bool {
        let Fetch { size, class, .. } = fetch;
        if let (Some((filling, bytes)), Some(batch)) = (&mut self.filling, plan.batches.last_mut())
            && *filling == class
            && batch.len() < self.limits.batch_files
            && *bytes + size <= self.limits.batch_bytes
        {
            *bytes += size;
            batch.push(fetch);
            return true;
        }
        if self.batches <= kept_for_urgent(class) {
            return false;
        }
        self.batches -= 1;
        self.filling = Some((class, size));
        plan.batches.push(vec![fetch]);
        true
    }
}

/// Places that a class may not take: on a thin line others hold theirs for minutes.
fn kept_for_urgent(class: Class) -> usize {
    usize::from(class != Class::Urgent)
}

fn plan_removals(
    wanted: &[Wanted],
    reality: &Reality,
    limits: &Limits,
    now: Timestamp,
    plan: &mut Plan,
) {
    let wanted: BTreeSet<ContentId> = wanted.iter().map(|w| w.content).collect();
    for content in reality.held.difference(&wanted) {
        let since = reality.unwanted_since.get(content).copied().unwrap_or(now);
        let grace = match reality.unwanted_as_root.contains(content) {
            true => limits.removal_grace.max(ROOT_REMOVAL_GRACE),
            false => limits.removal_grace,
        };
        let due = since.plus(grace);
        if limits.may_remove && due <= now {
            plan.remove.push(*content);
            continue;
        }
        plan.unwanted.push(Unwanted { content: *content, since });
        if limits.may_remove {
            wake(plan, due.since(now));
        }
    }
}

fn wake(plan: &mut Plan, after: Duration) {
    plan.wake_in = Some(plan.wake_in.map_or(after, |earlier| earlier.min(after)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    const LIMITS: Limits = Limits {
        fetches: 4,
        batches: 3,
        batch_files: 3,
        batch_bytes: 4 << 20,
        removal_grace: DAY,
        may_remove: true,
    };

    const MIB: u64 = 1 << 20;

    fn id(n: u8) -> ContentId {
        ContentId::from_bytes([n; 32])
    }

    fn want(n: u8, size: u64) -> Wanted {
        let stamp = Stamp::new(1, u64::from(n));
        Wanted { content: id(n), size, priority: Priority::Normal, stamp }
    }

    fn hurried(n: u8, size: u64, priority: Priority) -> Wanted {
        Wanted { priority, ..want(n, size) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_ms(seconds * 1000)
    }

    fn started(plan: &Plan) -> Vec<ContentId> {
        plan.fetch.iter().map(|fetch| fetch.content).collect()
    }

    fn batches(plan: &Plan) -> Vec<Vec<ContentId>> {
        let ids = |batch: &Vec<Fetch>| batch.iter().map(|fetch| fetch.content).collect();
        plan.batches.iter().map(ids).collect()
    }

    #[test]
    fn what_is_in_a_hurry_goes_first_and_one_large_file_of_a_class_at_a_time() {
        let wanted = [
            hurried(1, 1 << 30, Priority::Bulk),
            want(2, 1 << 30),
            want(3, 1 << 30),
            want(4, 2 * MIB),
            hurried(5, 1 << 30, Priority::Urgent),
        ];
        let limits = Limits { fetches: 9, ..LIMITS };
        let plan = plan(&wanted, &Reality::default(), &limits, at(0));
        assert_eq!(started(&plan), [id(5), id(4), id(2), id(1)]);
        assert_eq!(plan.queued, [id(3)]);
    }

    #[test]
    fn small_files_travel_together_within_the_limits_of_a_batch() {
        let wanted: Vec<Wanted> = (1..=8).map(|n| want(n, 10)).collect();
        let all = plan(&wanted, &Reality::default(), &LIMITS, at(0));
        assert_eq!(batches(&all), [[id(1), id(2), id(3)], [id(4), id(5), id(6)]]);
        assert_eq!(all.queued, [id(7), id(8)]);
        let busy = Reality { batches_in_flight: 1, ..Reality::default() };
        assert_eq!(batches(&plan(&wanted, &busy, &LIMITS, at(0))).len(), 1);
        let limits = Limits { batch_bytes: 2 * MIB, ..LIMITS };
        let heavy: Vec<Wanted> = (1..=3).map(|n| want(n, MIB)).collect();
        let by_bytes = plan(&heavy, &Reality::default(), &limits, at(0));
        assert_eq!(batches(&by_bytes), [vec![id(1), id(2)], vec![id(3)]]);
    }

    #[test]
    fn an_urgent_small_file_does_not_wait_for_a_batch_of_others() {
        let wanted = [want(1, 10), hurried(2, 10, Priority::Urgent), want(3, 10)];
        let plan = plan(&wanted, &Reality::default(), &LIMITS, at(0));
        assert_eq!(batches(&plan), [vec![id(2)], vec![id(1), id(3)]]);
    }

    #[test]
    fn what_is_urgent_has_a_place_where_others_have_taken_theirs() {
        let urgent = Priority::Urgent;
        let mut wanted: Vec<Wanted> = (1..=20).map(|n| want(n, 10)).collect();
        wanted.extend((21..=30).map(|n| want(n, 2 * MIB)));
        let begun = plan(&wanted, &Reality::default(), &LIMITS, at(0));
        let in_flight: BTreeSet<_> =
            started(&begun).into_iter().chain(batches(&begun).concat()).collect();
        let batches_in_flight = begun.batches.len();
        let reality = Reality { in_flight, batches_in_flight, ..Reality::default() };
        wanted.extend([hurried(31, 10, urgent), hurried(32, 2 * MIB, urgent)]);
        wanted.extend([hurried(33, 2 * MIB, urgent)]);
        let then = plan(&wanted, &reality, &LIMITS, at(1));
        assert_eq!(batches(&then), [[id(31)]]);
        assert_eq!(started(&then), [id(32)], "places end for what is urgent too");
    }

    #[test]
    fn what_is_held_or_under_way_is_not_fetched_again() {
        let wanted = [want(1, 10), want(2, 10), want(2, 10), want(3, 10)];
        let reality =
            Reality { held: [id(1)].into(), in_flight: [id(2)].into(), ..Reality::default() };
        let plan = plan(&wanted, &reality, &LIMITS, at(0));
        assert_eq!(batches(&plan), [[id(3)]]);
        assert!(plan.give_up.is_empty());
    }

    #[test]
    fn what_is_not_wanted_any_more_is_given_up_in_the_middle() {
        let reality = Reality { in_flight: [id(1), id(2)].into(), ..Reality::default() };
        assert_eq!(plan(&[want(2, 1 << 30)], &reality, &LIMITS, at(0)).give_up, [id(1)]);
    }

    #[test]
    fn a_failed_fetch_waits_for_its_time_and_holds_up_nobody() {
        let wanted = [want(1, 2 * MIB), want(2, 2 * MIB)];
        let failed = |left| {
            let retry_in = [(id(1), Duration::from_secs(left))].into();
            Reality { retry_in, ..Reality::default() }
        };
        let before = plan(&wanted, &failed(1), &LIMITS, at(0));
        assert_eq!(started(&before), [id(2)]);
        assert_eq!(before.wake_in, Some(Duration::from_secs(1)));
        assert_eq!(started(&plan(&wanted, &failed(0), &LIMITS, at(0))), [id(1), id(2)]);
    }

    #[test]
    fn what_became_unwanted_at_the_root_stays_as_long_as_there_on_a_server_that_is_it_no_longer() {
        let reality = Reality {
            held: [id(1), id(2)].into(),
            unwanted_since: [(id(1), at(0)), (id(2), at(0))].into(),
            unwanted_as_root: [id(2)].into(),
            ..Reality::default()
        };
        let month = i64::try_from(ROOT_REMOVAL_GRACE.as_secs()).unwrap();
        assert_eq!(plan(&[], &reality, &LIMITS, at(month - 1)).remove, [id(1)]);
        assert_eq!(plan(&[], &reality, &LIMITS, at(month)).remove, [id(1), id(2)]);
    }

    #[test]
    fn unwanted_content_goes_after_its_grace_and_never_while_removal_is_held() {
        let reality = Reality {
            held: [id(1), id(2)].into(),
            unwanted_since: [(id(1), at(0))].into(),
            ..Reality::default()
        };
        let grace = i64::try_from(DAY.as_secs()).unwrap();
        let early = plan(&[], &reality, &LIMITS, at(grace - 1));
        assert!(early.remove.is_empty());
        assert_eq!(early.wake_in, Some(Duration::from_secs(1)));
        let late = plan(&[], &reality, &LIMITS, at(grace));
        assert_eq!(late.remove, [id(1)], "the other has only just become unwanted");
        assert_eq!(late.unwanted, [Unwanted { content: id(2), since: at(grace) }]);
        let held = Limits { may_remove: false, ..LIMITS };
        assert!(plan(&[], &reality, &held, at(grace * 9)).remove.is_empty());
    }

    #[test]
    fn content_that_is_wanted_again_is_not_removed() {
        let reality = Reality {
            held: [id(1)].into(),
            unwanted_since: [(id(1), at(0))].into(),
            ..Reality::default()
        };
        let plan = plan(&[want(1, 10)], &reality, &LIMITS, at(i64::from(u32::MAX)));
        assert_eq!(plan, Plan::default());
    }
}

//! What to do next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use xylem_model::{ContentId, Stamp, Timestamp};

/// Files up to this size go before larger ones: 8 MiB. They are what policies wait for, and they
/// cost a large file next to nothing.
pub const SMALL_BYTES: u64 = 8 << 20;

/// How long content that is no longer wanted stays on a server that is not the root.
pub const CHILD_REMOVAL_GRACE: Duration = Duration::from_secs(24 * 3600);

/// How long content that is no longer wanted stays on the root, from where a deletion can be
/// undone.
pub const ROOT_REMOVAL_GRACE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Content a server is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The content.
    pub content: ContentId,
    /// Its size in bytes.
    pub size: u64,
    /// The change that brought it; the oldest of equal size goes first.
    pub stamp: Stamp,
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
    /// Content whose last try failed, and when to try again.
    pub retry_at: BTreeMap<ContentId, Timestamp>,
    /// Since when content has not been wanted.
    pub unwanted_since: BTreeMap<ContentId, Timestamp>,
}

/// What a plan must keep to.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Fetches at once; of these one may be larger than [`SMALL_BYTES`].
    pub fetches: usize,
    /// How long unwanted content stays.
    pub removal_grace: Duration,
    /// Whether anything may be removed at all: not while a restore is unconfirmed.
    pub may_remove: bool,
}

/// One fetch to start now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The content.
    pub content: ContentId,
    /// Its size in bytes.
    pub size: u64,
}

/// What to do now, and when to ask again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Fetches to start, first things first.
    pub fetch: Vec<Fetch>,
    /// Wanted content that waits for its turn or its next try.
    pub queued: Vec<ContentId>,
    /// Content to remove.
    pub remove: Vec<ContentId>,
    /// Content that has become unwanted, or still is, with the time since when.
    pub unwanted: Vec<Unwanted>,
    /// When something that waits comes due.
    pub wake_at: Option<Timestamp>,
}

/// Compares wish and reality.
pub fn plan(wanted: &[Wanted], reality: &Reality, limits: &Limits, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    plan_fetches(wanted, reality, limits, now, &mut plan);
    plan_removals(wanted, reality, limits, now, &mut plan);
    plan
}

fn plan_fetches(
    wanted: &[Wanted],
    reality: &Reality,
    limits: &Limits,
    now: Timestamp,
    plan: &mut Plan,
) {
    let mut seen = BTreeSet::new();
    let mut missing: Vec<&Wanted> = wanted
        .iter()
        .filter(|w| !reality.held.contains(&w.content) && seen.insert(w.content))
        .collect();
    missing.sort_by_key(|w| (w.size > SMALL_BYTES, w.stamp, w.content));
    let is_large = |w: &&&Wanted| w.size > SMALL_BYTES;
    let under_way = |w: &&&Wanted| reality.in_flight.contains(&w.content);
    let mut free = limits.fetches.saturating_sub(reality.in_flight.len());
    let mut large_free = !missing.iter().filter(under_way).any(|w| is_large(&w));
    for want in missing.iter().filter(|w| !under_way(w)) {
        if let Some(due) = reality.retry_at.get(&want.content).filter(|due| **due > now) {
            plan.queued.push(want.content);
            wake(plan, *due);
            continue;
        }
        let large = is_large(&want);
        if free == 0 || (large && !large_free) {
            plan.queued.push(want.content);
            continue;
        }
        free -= 1;
        large_free &= !large;
        plan.fetch.push(Fetch { content: want.content, size: want.size });
    }
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
        let due = since.plus(limits.removal_grace);
        if limits.may_remove && due <= now {
            plan.remove.push(*content);
            continue;
        }
        plan.unwanted.push(Unwanted { content: *content, since });
        if limits.may_remove {
            wake(plan, due);
        }
    }
}

fn wake(plan: &mut Plan, at: Timestamp) {
    plan.wake_at = Some(plan.wake_at.map_or(at, |earlier| earlier.min(at)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { fetches: 3, removal_grace: CHILD_REMOVAL_GRACE, may_remove: true };

    fn id(n: u8) -> ContentId {
        ContentId::from_bytes([n; 32])
    }

    fn want(n: u8, size: u64) -> Wanted {
        Wanted { content: id(n), size, stamp: Stamp::new(1, u64::from(n)) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_ms(seconds * 1000)
    }

    fn started(plan: &Plan) -> Vec<ContentId> {
        plan.fetch.iter().map(|fetch| fetch.content).collect()
    }

    #[test]
    fn small_files_go_first_and_one_large_one_at_a_time() {
        let wanted = [want(1, 1 << 30), want(2, 1 << 30), want(3, 10), want(4, 10)];
        let plan = plan(&wanted, &Reality::default(), &LIMITS, at(0));
        assert_eq!(started(&plan), [id(3), id(4), id(1)]);
        assert_eq!(plan.queued, [id(2)]);
    }

    #[test]
    fn what_is_held_or_under_way_is_not_fetched_again() {
        let wanted = [want(1, 10), want(2, 10), want(2, 10), want(3, 10)];
        let reality =
            Reality { held: [id(1)].into(), in_flight: [id(2)].into(), ..Reality::default() };
        assert_eq!(started(&plan(&wanted, &reality, &LIMITS, at(0))), [id(3)]);
    }

    #[test]
    fn a_failed_fetch_waits_for_its_time_and_holds_up_nobody() {
        let wanted = [want(1, 10), want(2, 10)];
        let reality = Reality { retry_at: [(id(1), at(60))].into(), ..Reality::default() };
        let before = plan(&wanted, &reality, &LIMITS, at(59));
        assert_eq!(started(&before), [id(2)]);
        assert_eq!(before.wake_at, Some(at(60)));
        assert_eq!(started(&plan(&wanted, &reality, &LIMITS, at(60))), [id(1), id(2)]);
    }

    #[test]
    fn unwanted_content_goes_after_its_grace_and_never_while_removal_is_held() {
        let reality = Reality {
            held: [id(1), id(2)].into(),
            unwanted_since: [(id(1), at(0))].into(),
            ..Reality::default()
        };
        let grace = i64::try_from(CHILD_REMOVAL_GRACE.as_secs()).unwrap();
        let early = plan(&[], &reality, &LIMITS, at(grace - 1));
        assert!(early.remove.is_empty());
        assert_eq!(early.wake_at, Some(at(grace)));
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

//! What a server said of a copy, as callers see it. Pure.

use std::time::Duration;

use xylem_api::catalogue::{PlacementState, ServerPlacement};
use xylem_db::Placement;
use xylem_model::Timestamp;

use crate::wish::api_placement;

/// A rate that was reported longer ago than this says nothing of the present. Servers report a
/// file that moves several times a second, and everything every half minute.
const RATE_LIFETIME: Duration = Duration::from_secs(60);

/// The row of one server; `known` is what it said, if anything, of a content of `size` bytes.
pub(super) fn server_placement(
    server: String,
    known: Option<&Placement>,
    size: u64,
    now: Timestamp,
) -> ServerPlacement {
    let Some(Placement { report, updated, .. }) = known else {
        return ServerPlacement {
            server,
            state: PlacementState::Wanted,
            bytes: 0,
            rate: None,
            seconds_left: None,
            verified_at: None,
            reason: None,
            next_try: None,
        };
    };
    let state = api_placement(report.state);
    let moves = state == PlacementState::Transferring && now.since(*updated) < RATE_LIFETIME;
    let rate = report.rate.filter(|rate| moves && *rate > 0);
    ServerPlacement {
        server,
        state,
        bytes: report.bytes,
        rate,
        seconds_left: rate.map(|rate| size.saturating_sub(report.bytes).div_ceil(rate)),
        verified_at: report.verified,
        reason: report.reason.clone(),
        next_try: report.next_try,
    }
}

#[cfg(test)]
mod tests {
    use xylem_db::{PlacementReport, PlacementState as Stored};
    use xylem_model::{ContentId, DistributionServerId, Stamp};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_000_000);

    fn told(state: Stored, rate: Option<u64>, age: Duration) -> ServerPlacement {
        let report = PlacementReport {
            content: ContentId::of(b"it"),
            state,
            bytes: 100,
            rate,
            verified: None,
            reason: None,
            next_try: None,
            stamp: Stamp::default(),
        };
        let server = DistributionServerId::from_parts(1, &[1; 10]);
        let known = Placement { server, report, updated: NOW.minus(age) };
        server_placement("north".to_owned(), Some(&known), 350, NOW)
    }

    #[test]
    fn the_time_left_follows_from_what_is_missing_and_the_rate() {
        let moving = told(Stored::Transferring, Some(100), Duration::from_secs(1));
        assert_eq!((moving.rate, moving.seconds_left), (Some(100), Some(3)));
        let stalled = told(Stored::Transferring, Some(0), Duration::from_secs(1));
        assert_eq!((stalled.rate, stalled.seconds_left), (None, None));
    }

    #[test]
    fn a_rate_is_told_only_while_bytes_arrive() {
        let old = told(Stored::Transferring, Some(100), RATE_LIFETIME);
        assert_eq!((old.bytes, old.rate, old.seconds_left), (100, None, None));
        for state in [Stored::Present, Stored::Failed, Stored::Queued, Stored::Verifying] {
            assert_eq!(told(state, Some(100), Duration::ZERO).rate, None, "{state}");
        }
    }

    #[test]
    fn a_server_that_said_nothing_is_to_hold_it() {
        let silent = server_placement("north".to_owned(), None, 350, NOW);
        assert_eq!((silent.state, silent.bytes), (PlacementState::Wanted, 0));
    }
}

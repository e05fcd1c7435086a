//! Leaving a point (`docs/design/cloud.md`, "From one provider to another"): when nobody is sent there
//! any more, what becomes of its objects, and its end.
//!
//! All that was decided is in the point's row, so each round goes on wherever another one ended.

use std::fmt;
use std::time::Duration;

use xylem_db::{CloudCopyState as State, CloudForgotten, CloudLeaving, CloudObjects};
use xylem_model::{ByteSize, CloudPointId, Timestamp};

use super::apart::Apart;
use super::inventory::inventory;
use super::recheck::recheck;
use super::remove::{Removed, remove, remove_begun};
use super::round::{Round, RoundError};
use super::store::CloudStore;
use super::sweep::sweep;
use super::trouble::DELETION_MAY_ARRIVE;
use crate::wish::WishError;

/// Rows read at a time.
const PAGE: u64 = 500;

/// What the new point lacks of what is wanted there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lacking {
    /// Contents.
    pub(crate) contents: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Those of them that failed.
    pub(crate) failed: u64,
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { contents, bytes, failed } = self;
        write!(f, "{contents} contents ({}) are not at the new one yet", ByteSize(*bytes))?;
        match failed {
            0 => Ok(()),
            failed => write!(f, ", {failed} of them failed: `xylem cloud files --state failed`"),
        }
    }
}

/// What a round did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// What keeps the point from its end at present.
    Waits(String),
    /// The point is forgotten; this stays at the provider.
    Ended(CloudForgotten),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waits(why) => f.write_str(why),
            Self::Ended(CloudForgotten { objects, bytes, .. }) => write!(
                f,
                "the former point is forgotten; {objects} objects ({}) stay at the provider",
                ByteSize(*bytes)
            ),
        }
    }
}

/// What a point lacks of what is wanted there and has a row.
pub(crate) async fn lacking(
    store: &dyn CloudStore,
    point: CloudPointId,
) -> Result<Lacking, WishError> {
    let mut lacking = Lacking::default();
    for count in store.counts(point).await? {
        if matches!(count.state, State::Wanted | State::Sending | State::Proving | State::Failed) {
            lacking.contents += count.contents;
            lacking.bytes = lacking.bytes.saturating_add(count.bytes);
        }
        if count.state == State::Failed {
            lacking.failed = count.contents;
        }
    }
    // What is deleted because it was another is wanted all the same.
    let mut after = None;
    loop {
        let page = store.copies(point, Some(State::Removing), after, PAGE).await?;
        for copy in page.iter().filter(|copy| copy.unwanted.is_none()) {
            lacking.contents += 1;
            lacking.bytes = lacking.bytes.saturating_add(copy.size);
        }
        match page.last() {
            Some(last) if page.len() as u64 >= PAGE => after = Some(last.content),
            _ => return Ok(lacking),
        }
    }
}

/// How long a request may arrive that was signed to send something there, before the point was being
/// left: what is written by it has to be found before the end. No provider takes one later than a
/// deletion, and ours are signed for no longer (S3's 15 minutes, as long as `PIECE_LIFE` of Swift's).
const SENDING_MAY_ARRIVE: Duration = DELETION_MAY_ARRIVE;

/// Until when an address may be good that a computer was given before the point was left, where it
/// lives for so long.
fn addresses_end(address_life: Duration, left: Timestamp) -> Timestamp {
    left.plus(address_life)
}

/// Until when something may arrive that was signed before the point was being left.
fn sending_ends(since: Timestamp) -> Timestamp {
    since.plus(SENDING_MAY_ARRIVE)
}

/// When a point is forgotten at the earliest, that is being left `since` then, and to which nobody is
/// sent since it was `left`.
pub(crate) fn not_before(address_life: Duration, since: Timestamp, left: Timestamp) -> Timestamp {
    addresses_end(address_life, left).max(sending_ends(since))
}

/// Goes on with a point that is being left, as far as it can be at present.
pub(crate) async fn leave(round: &Round<'_>) -> Result<Step, RoundError> {
    let Some(leaving) = round.point.leaving else {
        return Ok(Step::Waits("it is not being left".to_owned()));
    };
    let CloudLeaving { since, left: Some(left), .. } = leaving else {
        // Computers are sent there for now, so it is looked after like the active one.
        recheck(round).await?;
        return Ok(Step::Waits(format!(
            "computers are sent there for what the new one lacks ({})",
            remove(round).await?
        )));
    };
    // Uploads that were under way are aborted, whatever becomes of the objects.
    let removed = match leaving.objects {
        Some(CloudObjects::Deleted) => delete(round, left).await?,
        Some(CloudObjects::Kept) | None => remove_begun(round).await?,
    };
    let Some(objects) = leaving.objects else {
        return Ok(Step::Waits(UNDECIDED.to_owned()));
    };
    if let Some(why) = waits(round, since, left) {
        return Ok(Step::Waits(why));
    }
    if is_work_left(round, objects).await? {
        return Ok(Step::Waits(format!("what is there is being removed: {removed}")));
    }
    end(round, objects).await
}

/// Deletes what nobody may have an address of any more. Before anything is changed it is seen that this
/// is another place than the active point's: else it can be said still that it is kept.
async fn delete(round: &Round<'_>, left: Timestamp) -> Result<Removed, RoundError> {
    if !round.may_remove {
        return Ok(Removed::default());
    }
    round.require_apart().await?;
    round.store.unwant_all(round.point.id, left, round.now()).await?;
    remove(round).await
}

/// What keeps a point from its end that nobody is sent to any more, apart from what lies there.
fn waits(round: &Round<'_>, since: Timestamp, left: Timestamp) -> Option<String> {
    let over = addresses_end(round.point.address_life(), left);
    if round.now() <= over {
        return Some(format!("addresses that computers have are good until {over}"));
    }
    let over = sending_ends(since);
    if round.now() <= over {
        return Some(format!("what was being sent there may arrive until {over}"));
    }
    (!round.may_remove).then(|| {
        "nothing is removed there until the restore is confirmed: `xylem confirm-restore`"
            .to_owned()
    })
}

async fn is_work_left(round: &Round<'_>, objects: CloudObjects) -> Result<bool, RoundError> {
    let counts = round.store.counts(round.point.id).await?;
    let is_work = |state| objects == CloudObjects::Deleted || state == State::Removing;
    Ok(counts.iter().any(|count| count.contents > 0 && is_work(count.state)))
}

/// Removes what no row knows of, and forgets the point.
async fn end(round: &Round<'_>, objects: CloudObjects) -> Result<Step, RoundError> {
    // Where it is gone a round before this one ended here, or somebody else deleted it; either way
    // nothing more is deleted.
    let is_there = match objects {
        CloudObjects::Deleted => round.has_marker().await?,
        // In one place with the active point, uploads and probes there are that one's.
        CloudObjects::Kept => round.apart().await != Apart::No && round.has_marker().await?,
    };
    if is_there {
        let swept = sweep(round).await?;
        tracing::info!("leaving a cloud distribution point: {swept}");
    }
    if is_there && objects == CloudObjects::Deleted {
        let found = inventory(round).await?;
        if found.unknown > found.deleted {
            return Ok(Step::Waits(format!("what no row knows of is being removed: {found}")));
        }
        round.require_unchanged().await?;
        round.delete(&round.point.settings.storage.prefix().marker()).await?;
    }
    round.settle().await;
    match round.store.end(round.point.id, objects, round.now()).await? {
        Some(stays) => {
            tracing::info!(
                objects = stays.objects,
                "the former cloud distribution point is forgotten"
            );
            Ok(Step::Ended(stays))
        }
        None => Ok(Step::Waits("it was changed meanwhile".to_owned())),
    }
}

const UNDECIDED: &str = "nobody said yet what becomes of its objects: `xylem cloud remove --former`, \
                         with `--delete-objects` where they are to go";

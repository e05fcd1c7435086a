//! Removing what crashes left: uploads that nobody ends, segments that nothing names, probes of
//! tests that were killed. All of it is found by its age.

use std::fmt;
use std::time::Duration;

use xylem_cloud::{Below, Cursor, Leftover, Named, Prefix};
use xylem_db::{CloudCopy, CloudCopyState};
use xylem_model::{ContentId, Timestamp};

use super::round::{Round, RoundError};

/// From which age on, by the provider's clock, something was left.
const LEFT_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Uploads that were aborted.
    pub(crate) uploads: u64,
    /// Segments that were deleted.
    pub(crate) segments: u64,
    /// Objects of tests that were deleted.
    pub(crate) probes: u64,
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uploads, segments, probes } = self;
        write!(f, "{uploads} uploads aborted, {segments} segments and {probes} probes deleted")
    }
}

/// Removes what is left below the point's prefix.
pub(crate) async fn sweep(round: &Round<'_>) -> Result<Swept, RoundError> {
    let mut swept = Swept::default();
    if !round.may_remove {
        return Ok(swept);
    }
    round.check_place().await?;
    sweep_leftovers(round, &mut swept).await?;
    sweep_probes(round, &mut swept).await?;
    Ok(swept)
}

async fn sweep_leftovers(round: &Round<'_>, swept: &mut Swept) -> Result<(), RoundError> {
    let mut cursor = Cursor::START;
    while let Some(page) = round.leftovers(None, &cursor).await? {
        round.require_unchanged().await?;
        for leftover in &page.items {
            if is_left(round, leftover.begun())
                && !is_named(round, leftover).await?
                && round.discard(leftover).await?
            {
                match leftover {
                    Leftover::Upload { .. } => swept.uploads += 1,
                    Leftover::Segment { .. } => swept.segments += 1,
                }
            }
        }
        round.settle().await;
        match page.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    Ok(())
}

async fn sweep_probes(round: &Round<'_>, swept: &mut Swept) -> Result<(), RoundError> {
    let prefix = round.point.settings.storage.prefix();
    let mut cursor = Cursor::START;
    loop {
        let page = round.list(Below::Everything, &cursor).await?;
        round.require_unchanged().await?;
        let is_probe = |key: &str| prefix.read(key) == Named::Probe;
        for object in page.items.iter().filter(|object| is_probe(object.key.as_str())) {
            if is_left(round, object.written) {
                round.delete(&object.key).await?;
                swept.probes += 1;
            }
        }
        match page.next {
            Some(next) => cursor = next,
            None => return Ok(()),
        }
    }
}

/// Whether nobody goes on with something: at a point that is being left, with nothing.
fn is_left(round: &Round<'_>, begun: Option<Timestamp>) -> bool {
    !round.point.is_active || is_old(begun, round.now())
}

/// Whether something is old enough to have been left. What tells no age is left alone.
fn is_old(begun: Option<Timestamp>, now: Timestamp) -> bool {
    begun.is_some_and(|begun| now.since(begun) >= LEFT_AFTER)
}

/// Whether a row, or an object that no row knows of, is made with this.
async fn is_named(round: &Round<'_>, leftover: &Leftover) -> Result<bool, RoundError> {
    let prefix = round.point.settings.storage.prefix();
    match (leftover, read(prefix, leftover)) {
        // Nobody takes a day for a test.
        (_, Named::Probe | Named::ProbeSegment) => Ok(false),
        (Leftover::Upload { id, .. }, Named::Content(content)) => {
            let row = row(round, content).await?;
            Ok(row.is_some_and(|row| row.reference.as_deref() == Some(id.as_str())))
        }
        (Leftover::Segment { .. }, Named::Segment { content, part_bytes, .. }) => {
            match row(round, content).await? {
                Some(row) => Ok(is_segment_of(&row, part_bytes)),
                None => Ok(round.find(&round.key(&content)).await?.is_some()),
            }
        }
        _ => Ok(true),
    }
}

/// What a leftover stands for, whichever container it lies in.
pub(super) fn read(prefix: &Prefix, leftover: &Leftover) -> Named {
    let key = leftover.key().as_str();
    match (leftover, prefix.read(key)) {
        (Leftover::Segment { .. }, Named::Foreign) => prefix.read_apart(key),
        (_, named) => named,
    }
}

/// Whether an object that is there, or one on its way, has segments of this size.
fn is_segment_of(row: &CloudCopy, part_bytes: u64) -> bool {
    match row.state {
        // How it is cut may have been forgotten: what is offered keeps everything.
        CloudCopyState::Present | CloudCopyState::Removing => true,
        _ => row.part_bytes.is_some_and(|kept| kept.get() == part_bytes),
    }
}

async fn row(round: &Round<'_>, content: ContentId) -> Result<Option<CloudCopy>, RoundError> {
    Ok(round.store.copy(round.point.id, content).await?)
}

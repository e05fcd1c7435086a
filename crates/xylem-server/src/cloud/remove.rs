//! Deleting what is not wanted at a point any more, its grace over.
//!
//! What is to go is *removing* before the first request, so clients are sent there no more, and
//! nothing is written under its name before the deletion was answered.

use std::fmt;
use std::time::Duration;

use xylem_cloud::{Cursor, ObjectKey};
use xylem_db::CloudCopyState;
use xylem_model::{ContentId, Timestamp};
use xylem_telemetry::chain;

use super::round::{Round, RoundError};
use super::trouble::DELETION_MAY_ARRIVE;

/// Contents that are begun to be removed at a time: as many as a cache is asked to forget at once.
const AT_ONCE: u64 = 100;

/// Nothing is unwanted since before this.
const NEVER: Timestamp = Timestamp::from_unix_ms(0);

/// What a round of removals did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    /// Contents that are gone.
    pub(crate) gone: u64,
    /// Contents whose deletion is tried again in the next round, or may still arrive.
    pub(crate) waiting: u64,
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} contents removed, {} wait", self.gone, self.waiting)?;
        match self.waiting {
            0 => Ok(()),
            _ => write!(
                f,
                " for the next round: a deletion that got no answer may still arrive for {} minutes",
                DELETION_MAY_ARRIVE.as_secs() / 60
            ),
        }
    }
}

/// Removes what is unwanted since longer than its grace, and what was being removed.
pub(crate) async fn remove(round: &Round<'_>) -> Result<Removed, RoundError> {
    remove_unwanted(round, Some(round.grace())).await
}

/// Removes what was being removed, and nothing that is there and merely not wanted.
pub(crate) async fn remove_begun(round: &Round<'_>) -> Result<Removed, RoundError> {
    remove_unwanted(round, None).await
}

/// Removes what was being removed, and what is unwanted since longer than a grace, if one is given.
async fn remove_unwanted(
    round: &Round<'_>,
    grace: Option<Duration>,
) -> Result<Removed, RoundError> {
    let mut removed = Removed::default();
    if !round.may_remove {
        return Ok(removed);
    }
    loop {
        round.require_unchanged().await?;
        let now = round.now();
        let over = grace.map_or(NEVER, |grace| now.minus(grace));
        let batch = round.store.to_remove(round.point.id, over, now, AT_ONCE).await?;
        if batch.is_empty() {
            return Ok(removed);
        }
        round.check_place().await?;
        let (mut gone, mut waiting) = (Vec::new(), 0);
        for copy in &batch {
            // Read anew for each: of a large one there may be hundreds of segments.
            let removed = match round.require_unchanged().await {
                Ok(()) => remove_one(round, copy.content).await,
                Err(changed) => Err(changed),
            };
            match removed {
                Ok(true) => gone.push(round.key(&copy.content)),
                Ok(false) => waiting += 1,
                Err(error) if error.is_of_one_content() => {
                    waiting += 1;
                    let (content, name) = (copy.content, &copy.name);
                    tracing::warn!(%content, package.name = %name, "{}", chain(&error));
                }
                Err(error) => {
                    round.purge(&gone).await;
                    return Err(error);
                }
            }
        }
        round.purge(&gone).await;
        round.settle().await;
        removed.gone += gone.len() as u64;
        removed.waiting = waiting;
        // What waits is given again: a batch of nothing else is the last one.
        if gone.is_empty() || (batch.len() as u64) < AT_ONCE {
            return Ok(removed);
        }
    }
}

/// Deletes one content that is *removing*, and all that is left of its uploads. Says whether it is
/// gone for good; caches are the caller's.
pub(super) async fn remove_one(round: &Round<'_>, content: ContentId) -> Result<bool, RoundError> {
    let row = round.store.copy(round.point.id, content).await?;
    if row.is_none_or(|row| row.state != CloudCopyState::Removing) {
        return Ok(false);
    }
    let (store, point, key) = (round.store, round.point.id, round.key(&content));
    // Noted before it is asked for: whoever is killed before the answer has asked all the same.
    let until = round.now().plus(DELETION_MAY_ARRIVE);
    let Some(deletion) = store.deleting(point, content, None, until).await? else {
        return Ok(false);
    };
    let deleted = async {
        round.delete(&key).await?;
        discard_all(round, &key).await
    };
    let deleted = deleted.await;
    if !matches!(deleted, Err(RoundError::Client(_))) {
        store.deletion_answered(point, content, deletion).await?;
    }
    deleted?;
    // One that got no answer before may still arrive.
    if !store.removed(point, content, round.now()).await? {
        return Ok(false);
    }
    tracing::info!(%content, "a content was removed from the cloud");
    Ok(true)
}

/// Aborts all uploads of an object, and deletes all its segments: nobody else writes there.
async fn discard_all(round: &Round<'_>, key: &ObjectKey) -> Result<(), RoundError> {
    let mut cursor = Cursor::START;
    while let Some(page) = round.leftovers(Some(key), &cursor).await? {
        for leftover in &page.items {
            round.discard(leftover).await?;
        }
        match page.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    Ok(())
}

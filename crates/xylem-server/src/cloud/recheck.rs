//! Asking once more after what could be written by others (`docs/design/cloud-providers.md`, "Small
//! files").
//!
//! Where a signature does not bind the bytes, whoever has a request that was signed can write others
//! for as long as it lives. So what is *present* is asked after once more when the last one has
//! ended: a small file by its digest, a large one by its segments as they are listed, since its own
//! digest stays what it was when a segment becomes another.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use xylem_cloud::{Cursor, Leftover, Named, PartPlan, Piece, StoredPiece, Upload, UploadRef};
use xylem_db::CloudCopy;
use xylem_model::{Md5, Sha256};

use super::inventory::{LOOKS, difference};
use super::remove::remove_one;
use super::round::{Round, RoundError, unless_of_one};
use super::sweep::read;

/// Contents that are looked for at a time.
const AT_ONCE: u64 = 100;
/// When something is asked after again of which nothing could be concluded.
const AGAIN: Duration = Duration::from_secs(3600);
/// From when on what is not found of an object is looked for: until then a store may answer with what was
/// true before everything was there.
const LISTED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What a round found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rechecked {
    /// Contents that are as they are to be.
    pub(crate) good: u64,
    /// Contents that are others, and are sent again.
    pub(crate) changed: u64,
    /// Contents that were not found whole: listings lag, so they are asked after again.
    pub(crate) waiting: u64,
}

impl fmt::Display for Rechecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { good, changed, waiting } = self;
        write!(f, "{good} contents are as they were sent, {changed} are not, {waiting} wait")
    }
}

/// What became of one content.
pub(super) enum Seen {
    Good,
    Other(String),
    /// Nothing is to be concluded.
    NotWhole,
}

/// Asks after what is due.
pub(crate) async fn recheck(round: &Round<'_>) -> Result<Rechecked, RoundError> {
    let mut rechecked = Rechecked::default();
    let point = round.point.id;
    loop {
        let due = round.store.unsettled(point, round.now(), AT_ONCE).await?;
        if due.is_empty() {
            return Ok(rechecked);
        }
        round.require_unchanged().await?;
        for row in &due {
            let settled = |again| round.store.settled(point, row.content, round.now(), again);
            // That it is gone is the inventory's to find, which asks several times.
            let seen = unless_of_one(look(round, row).await, None)?.unwrap_or(Seen::NotWhole);
            match seen {
                Seen::Good => {
                    settled(None).await?;
                    rechecked.good += 1;
                }
                Seen::Other(difference) => {
                    withdraw(round, row, &difference).await?;
                    rechecked.changed += 1;
                }
                // Others have their turn before it is asked after again.
                Seen::NotWhole => {
                    settled(Some(round.now().plus(AGAIN))).await?;
                    rechecked.waiting += 1;
                }
            }
        }
        round.settle().await;
        if (due.len() as u64) < AT_ONCE {
            return Ok(rechecked);
        }
    }
}

/// Asks after an object by its name, and after the segments that it is made of; none where nothing is
/// there.
pub(super) async fn look(round: &Round<'_>, row: &CloudCopy) -> Result<Option<Seen>, RoundError> {
    let Some(found) = round.find(&round.key(&row.content)).await? else { return Ok(None) };
    Ok(Some(match difference(row, &found) {
        Some(difference) => Seen::Other(difference),
        None if found.segmented => look_at_segments(round, row).await?,
        None => Seen::Good,
    }))
}

/// Compares the digest that an object had with the one that follows from its segments.
async fn look_at_segments(round: &Round<'_>, row: &CloudCopy) -> Result<Seen, RoundError> {
    if row.part_bytes.is_none() {
        // How it was cut was forgotten: nobody knows which segments there are to be.
        return Ok(Seen::NotWhole);
    }
    let plan = PartPlan::again(row.size, row.part_bytes);
    let upload = Upload {
        key: round.key(&row.content),
        sha256: row.sha256,
        disposition: String::new(),
        plan,
        reference: None,
        create_only: false,
    };
    let pieces = listed_pieces(round, &upload).await?;
    let listed: BTreeSet<u32> = pieces.iter().map(|stored| stored.piece.part.number).collect();
    let missing: Vec<u32> = (1..=plan.count()).filter(|number| !listed.contains(number)).collect();
    if !missing.is_empty() {
        return look_for_segments(round, row, &upload, &missing).await;
    }
    let follows = round.provider.expected_etag(&upload, &pieces);
    Ok(match (&row.etag, follows) {
        (Some(kept), Some(follows)) if !kept.eq_ignore_ascii_case(&follows) => {
            Seen::Other("a segment of it is not the one that was sent".to_owned())
        }
        _ => Seen::Good,
    })
}

/// Asks by their names after segments that are not listed. One that is not found, asked several times, a
/// day after everything was there, is gone: nobody can read such an object to its end.
async fn look_for_segments(
    round: &Round<'_>,
    row: &CloudCopy,
    upload: &Upload,
    missing: &[u32],
) -> Result<Seen, RoundError> {
    if round.now().since(row.since) < LISTED_AFTER {
        return Ok(Seen::NotWhole);
    }
    for number in missing {
        if is_gone(round, upload, *number).await? {
            let why = format!("segment {number} of {} is gone", upload.plan.count());
            return Ok(Seen::Other(why));
        }
    }
    Ok(Seen::NotWhole)
}

async fn is_gone(round: &Round<'_>, upload: &Upload, number: u32) -> Result<bool, RoundError> {
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(round.waits.between_looks).await;
        }
        if round.has_segment(upload, number).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The segments of an object as they are listed, in order.
async fn listed_pieces(round: &Round<'_>, upload: &Upload) -> Result<Vec<StoredPiece>, RoundError> {
    let (mut pieces, mut cursor) = (Vec::new(), Cursor::START);
    while let Some(page) = round.leftovers(Some(&upload.key), &cursor).await? {
        pieces.extend(page.items.iter().filter_map(|leftover| piece(round, upload, leftover)));
        match page.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    pieces.sort_by_key(|stored| stored.piece.part.number);
    Ok(pieces)
}

/// A segment of this object, of parts as long as it was cut into.
fn piece(round: &Round<'_>, upload: &Upload, leftover: &Leftover) -> Option<StoredPiece> {
    let Leftover::Segment { etag, .. } = leftover else { return None };
    let prefix = round.point.settings.storage.prefix();
    let Named::Segment { part_bytes, number, .. } = read(prefix, leftover) else { return None };
    let md5: Md5 = etag.parse().ok()?;
    let part = upload.plan.part(number).filter(|_| part_bytes == upload.plan.part_bytes())?;
    // What follows from segments follows from their MD5s alone.
    let piece = Piece { part, md5, sha256: Sha256::from_bytes([0; Sha256::BYTES]) };
    Some(StoredPiece { piece, tag: UploadRef::from(md5) })
}

/// Takes back what is another than was sent: clients first, then the object, then it is wanted.
async fn withdraw(round: &Round<'_>, row: &CloudCopy, difference: &str) -> Result<(), RoundError> {
    let reason = format!(
        "its object in the cloud is another than was sent, perhaps by a request that was signed for the \
         root distribution server: {difference}"
    );
    if !round.store.withdrawn(round.point.id, row.content, &reason, round.now()).await? {
        return Ok(());
    }
    tracing::error!(content = %row.content, package.name = %row.name, "{reason}");
    if !round.may_remove {
        return Ok(());
    }
    round.check_place().await?;
    // Where it does not succeed the next round of removals goes on with it.
    if unless_of_one(remove_one(round, row.content).await, false)? {
        round.purge(&[round.key(&row.content)]).await;
    }
    Ok(())
}

//! Asking once more after what could be written by others (`docs/design/cloud-providers.md`, "Small
//! files").
//!
//! Where a signature does not bind the bytes, whoever has a request that was signed can write others
//! for as long as it lives. So what is *present* is asked after once more when the last one has
//! ended: a small file by its digest, a large one by its segments as they are listed, since its own
//! digest stays what it was when a segment becomes another.

use std::fmt;

use xylem_cloud::{Cursor, Leftover, Named, PartPlan, Piece, StoredPiece, Upload, UploadRef};
use xylem_db::CloudCopy;
use xylem_model::{Md5, Sha256};
use xylem_telemetry::chain;

use super::inventory::difference;
use super::remove::remove_one;
use super::round::{Round, RoundError};
use super::sweep::read;

/// Contents that are looked for at a time.
const AT_ONCE: u64 = 100;

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
enum Seen {
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
        let before = rechecked.waiting;
        for row in &due {
            match look(round, row).await? {
                Seen::Good => {
                    round.store.settled(point, row.content, round.now()).await?;
                    rechecked.good += 1;
                }
                Seen::Other(difference) => {
                    withdraw(round, row, &difference).await?;
                    rechecked.changed += 1;
                }
                Seen::NotWhole => rechecked.waiting += 1,
            }
        }
        round.settle().await;
        // What waits is given again: a batch with some of it is the last one.
        if rechecked.waiting > before || (due.len() as u64) < AT_ONCE {
            return Ok(rechecked);
        }
    }
}

async fn look(round: &Round<'_>, row: &CloudCopy) -> Result<Seen, RoundError> {
    let Some(found) = round.find(&round.key(&row.content)).await? else {
        // That it is gone is the inventory's to find, which asks several times.
        return Ok(Seen::NotWhole);
    };
    if let Some(difference) = difference(row, &found) {
        return Ok(Seen::Other(difference));
    }
    match found.segmented {
        true => look_at_segments(round, row).await,
        false => Ok(Seen::Good),
    }
}

/// Compares the digest that an object had with the one that follows from its segments.
async fn look_at_segments(round: &Round<'_>, row: &CloudCopy) -> Result<Seen, RoundError> {
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
    if u32::try_from(pieces.len()).ok() != Some(plan.count()) {
        return Ok(Seen::NotWhole);
    }
    let follows = round.provider.expected_etag(&upload, &pieces);
    Ok(match (&row.etag, follows) {
        (Some(kept), Some(follows)) if !kept.eq_ignore_ascii_case(&follows) => {
            Seen::Other("a segment of it is not the one that was sent".to_owned())
        }
        _ => Seen::Good,
    })
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
        "its object in the cloud was written anew by a request that was signed for the root \
         distribution server: {difference}"
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
    match remove_one(round, row.content).await {
        Ok(true) => round.purge(&[round.key(&row.content)]).await,
        Ok(false) => {}
        Err(error) if error.is_of_one_content() => tracing::warn!("{}", chain(&error)),
        Err(error) => return Err(error),
    }
    Ok(())
}

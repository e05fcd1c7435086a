//! What lies there, compared with what is remembered (`docs/design/cloud.md`, "What is looked at
//! again").
//!
//! Objects and rows both come in the order of their ids, a page at a time, so memory does not grow
//! with their number. Listings may lag: what they seem to say of an object is believed only after
//! it was asked after by its name.

use std::collections::VecDeque;
use std::fmt;

use xylem_cloud::{Below, Cursor, Found, Listed, Named, ObjectKey};
use xylem_db::{CloudCopy, CloudCopyState};
use xylem_model::{ByteSize, ContentId};

use super::recheck::{Seen, look};
use super::remove::remove_one;
use super::round::{Round, RoundError, unless_of_one};

/// How often something is looked for before it counts as gone.
pub(super) const LOOKS: u32 = 3;
/// Rows read at a time, and rows without an object that are asked after at a time.
const ROWS: u64 = 128;
/// In so many days all objects are asked after whose digest no listing tells.
const DAYS_OF_ALL: i64 = 7;
const SECONDS_OF_A_DAY: i64 = 24 * 3600;

/// What an inventory found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Inventoried {
    /// Objects of ours.
    pub(crate) objects: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Contents that are as they are to be.
    pub(crate) good: u64,
    /// Contents that are there no more, and are sent again.
    pub(crate) lost: u64,
    /// Contents whose object is another, which is deleted, and which are sent again.
    pub(crate) changed: u64,
    /// Objects that no row knows of; they go when they are older than the grace.
    pub(crate) unknown: u64,
    /// Those of them that were deleted.
    pub(crate) deleted: u64,
    /// Objects whose names are not of our form. They are left alone.
    pub(crate) foreign: u64,
}

impl fmt::Display for Inventoried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { objects, bytes, good, lost, changed, unknown, deleted, foreign } = self;
        write!(
            f,
            "{objects} objects, {}: {good} as they are to be, {lost} lost, {changed} changed, \
             {unknown} in no row ({deleted} deleted); {foreign} of others",
            ByteSize(*bytes)
        )
    }
}

/// Compares everything below the point's prefix with the rows.
pub(crate) async fn inventory(round: &Round<'_>) -> Result<Inventoried, RoundError> {
    if round.may_remove {
        round.check_place().await?;
    }
    let mut walk = Walk::new(round);
    let mut cursor = Cursor::START;
    loop {
        let page = round.list(Below::Contents, &cursor).await?;
        round.require_unchanged().await?;
        for object in &page.items {
            walk.object(object).await?;
        }
        walk.note_good().await?;
        round.settle().await;
        match page.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    walk.end().await?;
    Ok(walk.found)
}

/// Where both lists are.
struct Walk<'a, 'b> {
    round: &'a Round<'b>,
    found: Inventoried,
    /// Rows that were read and not compared yet.
    rows: VecDeque<CloudCopy>,
    /// The last row that was read.
    after: Option<ContentId>,
    /// Whether there are no more rows.
    is_end: bool,
    /// Rows that are *present* and were not listed.
    unlisted: Vec<CloudCopy>,
    /// Contents that are as they are to be, not noted yet.
    good: Vec<ContentId>,
    /// Objects that were deleted and may be in caches.
    gone: Vec<ObjectKey>,
}

impl<'a, 'b> Walk<'a, 'b> {
    fn new(round: &'a Round<'b>) -> Self {
        Self {
            round,
            found: Inventoried::default(),
            rows: VecDeque::new(),
            after: None,
            is_end: false,
            unlisted: Vec::new(),
            good: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// The next row, which stays the next one.
    async fn peek(&mut self) -> Result<Option<ContentId>, RoundError> {
        if self.rows.is_empty() && !self.is_end {
            let (store, point) = (self.round.store, self.round.point.id);
            let page = store.copies(point, None, self.after, ROWS).await?;
            self.is_end = page.is_empty();
            self.after = page.last().map(|row| row.content).or(self.after);
            self.rows.extend(page);
        }
        Ok(self.rows.front().map(|row| row.content))
    }

    /// An object of the listing, after all rows before it.
    async fn object(&mut self, object: &Listed) -> Result<(), RoundError> {
        let prefix = self.round.point.settings.storage.prefix();
        let Named::Content(content) = prefix.read(object.key.as_str()) else {
            self.foreign(object);
            return Ok(());
        };
        self.found.objects += 1;
        self.found.bytes = self.found.bytes.saturating_add(object.size);
        while self.peek().await?.is_some_and(|next| next < content) {
            self.pass_row().await?;
        }
        let row = match self.peek().await? == Some(content) {
            true => self.rows.pop_front(),
            false => None,
        };
        match row {
            Some(row) => self.compare(row, object).await,
            None => self.without_row(content, object).await,
        }
    }

    fn foreign(&mut self, object: &Listed) {
        self.found.foreign += 1;
        if self.round.memory.is_news(object.key.as_str()) {
            tracing::warn!(
                "`{}` lies in the cloud among our contents and is none of ours: it is left alone",
                object.key
            );
        }
    }

    /// A row that was not listed.
    async fn pass_row(&mut self) -> Result<(), RoundError> {
        let Some(row) = self.rows.pop_front() else { return Ok(()) };
        if row.state == CloudCopyState::Present {
            self.unlisted.push(row);
        }
        if self.unlisted.len() as u64 >= ROWS {
            self.look_for_unlisted().await?;
        }
        Ok(())
    }

    /// An object with its row. What is not *present* is another's work: the upload looks at it.
    async fn compare(&mut self, row: CloudCopy, object: &Listed) -> Result<(), RoundError> {
        if row.state != CloudCopyState::Present {
            return Ok(());
        }
        if object.size == row.size
            && is_tag(&row, object.etag.as_deref())
            && !self.is_to_be_looked_at(&row, object)
        {
            self.good.push(row.content);
            return Ok(());
        }
        match self.look(&row).await? {
            true => Ok(()),
            false => {
                self.unlisted.push(row);
                Ok(())
            }
        }
    }

    /// Whether an object whose digest a listing does not tell, or that is made of others, is asked after
    /// today: to ask after all of these each day would cost as much as filling did.
    fn is_to_be_looked_at(&self, row: &CloudCopy, object: &Listed) -> bool {
        let is_untold = (object.etag.is_none() && row.etag.is_some()) || object.segmented;
        let day = self.round.now().unix_seconds() / SECONDS_OF_A_DAY;
        let of = row.content.as_bytes().first().copied().unwrap_or_default();
        is_untold && i64::from(of) % DAYS_OF_ALL == day.rem_euclid(DAYS_OF_ALL)
    }

    /// Asks after an object by its name, and after the segments that it is made of. Says whether there is
    /// one; what is another is withdrawn. One that cannot be asked after keeps no other from it.
    async fn look(&mut self, row: &CloudCopy) -> Result<bool, RoundError> {
        let Some(seen) = unless_of_one(look(self.round, row).await, Some(Seen::NotWhole))? else {
            return Ok(false);
        };
        match seen {
            Seen::Good => self.good.push(row.content),
            Seen::Other(difference) => self.withdraw(row, &difference).await?,
            Seen::NotWhole => {}
        }
        Ok(true)
    }

    /// Takes back what is another than was sent: clients first, then the object, then it is wanted.
    async fn withdraw(&mut self, row: &CloudCopy, difference: &str) -> Result<(), RoundError> {
        let (store, point, now) = (self.round.store, self.round.point.id, self.round.now());
        let reason = format!("somebody else changed its object in the cloud: {difference}");
        if !store.withdrawn(point, row.content, &reason, now).await? {
            return Ok(());
        }
        self.found.changed += 1;
        tracing::error!(content = %row.content, package.name = %row.name, "{reason}");
        if !self.round.may_remove {
            return Ok(());
        }
        // Where it does not succeed the next round of removals goes on with it.
        if unless_of_one(remove_one(self.round, row.content).await, false)? {
            self.gone.push(self.round.key(&row.content));
        }
        Ok(())
    }

    /// An object of our form that no row knows of: what a crash, a restore or a late request left.
    async fn without_row(&mut self, content: ContentId, object: &Listed) -> Result<(), RoundError> {
        let round = self.round;
        // Its row may be younger than the page of rows that was read.
        if round.store.copy(round.point.id, content).await?.is_some() {
            return Ok(());
        }
        self.found.unknown += 1;
        let age = object.written.map(|written| round.now().since(written));
        let is_over = age.is_some_and(|age| age >= round.grace());
        if !is_over || !round.may_remove || !round.is_followed {
            return Ok(());
        }
        // In a row before it is asked for, so that nothing is written there while it may still arrive.
        if !round.store.condemn(round.point.id, content, object.size, round.now()).await? {
            return Ok(());
        }
        if unless_of_one(remove_one(round, content).await, false)? {
            self.found.deleted += 1;
            self.gone.push(object.key.clone());
        }
        Ok(())
    }

    /// Looks for what is remembered as *present* and was not listed, several times; what is not
    /// found is wanted again, if the place it was in is there.
    async fn look_for_unlisted(&mut self) -> Result<(), RoundError> {
        let mut missing = std::mem::take(&mut self.unlisted);
        for look in 0..LOOKS {
            if missing.is_empty() {
                return Ok(());
            }
            if look > 0 {
                tokio::time::sleep(self.round.waits.between_looks).await;
            }
            let mut still = Vec::new();
            for row in missing {
                if !self.look(&row).await? {
                    still.push(row);
                }
            }
            missing = still;
        }
        if missing.is_empty() {
            return Ok(());
        }
        self.round.require_unchanged().await?;
        // To be asked after one object cannot tell that the bucket is gone: a page of it does.
        self.round.list(Below::Contents, &Cursor::START).await?;
        for row in missing {
            self.lose(&row).await?;
        }
        Ok(())
    }

    async fn lose(&mut self, row: &CloudCopy) -> Result<(), RoundError> {
        let (store, point, now) = (self.round.store, self.round.point.id, self.round.now());
        let reason = "its object in the cloud is gone: somebody else deleted it";
        if store.lost(point, row.content, reason, now).await? {
            self.found.lost += 1;
            tracing::error!(content = %row.content, package.name = %row.name, "{reason}");
        }
        Ok(())
    }

    /// Notes what is as it is to be.
    async fn note_good(&mut self) -> Result<(), RoundError> {
        self.round.purge(&std::mem::take(&mut self.gone)).await;
        let good = std::mem::take(&mut self.good);
        if good.is_empty() {
            return Ok(());
        }
        self.found.good = self.found.good.saturating_add(good.len() as u64);
        let (store, point) = (self.round.store, self.round.point.id);
        Ok(store.looked_at(point, &good, self.round.now()).await?)
    }

    /// After the last page of the listing.
    async fn end(&mut self) -> Result<(), RoundError> {
        while self.peek().await?.is_some() {
            self.pass_row().await?;
        }
        self.look_for_unlisted().await?;
        self.note_good().await
    }
}

/// Whether a tag is that of a row, as far as both are known.
fn is_tag(row: &CloudCopy, etag: Option<&str>) -> bool {
    match (row.etag.as_deref(), etag) {
        (Some(kept), Some(found)) => kept == found,
        _ => true,
    }
}

/// In what an object is another than its row has it.
pub(super) fn difference(row: &CloudCopy, found: &Found) -> Option<String> {
    if found.size != row.size {
        return Some(format!("it has {} B and not {}", found.size, row.size));
    }
    let is_ours = found.sha256.is_none_or(|sha256| sha256 == row.sha256);
    (!is_ours || !is_tag(row, found.etag.as_deref()))
        .then(|| "its digest is not the one that it had".to_owned())
}

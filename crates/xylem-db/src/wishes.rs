//! What distribution servers shall hold: of every live file the version in production and those with
//! a mark, in the order of change, so that a server catches up from the generation it has seen.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, Set,
};
use serde_json::{Value, json};
use xylem_model::{Generation, Stamp, Timestamp, VersionMark};

use crate::audit::{self, Actor};
use crate::commits::{VersionFacts, file_row, version_row_of};
use crate::convert::{self, int};
use crate::entity::{file, version};
use crate::files::{File, LiveFile, live_by_key, live_file, live_files, version_row};
use crate::state::raise;
use crate::transaction::{Outcome, change, query};
use crate::{Database, DbError, search};

impl Database {
    /// Live files, each with the version that its name means, in the order of their last change
    /// ([`File::stamp`]), from the one after `after` on; at most [`MAX_PAGE`](crate::MAX_PAGE).
    /// Every change has a generation of its own, so the last one of a page leads to the next.
    pub async fn live_versions(
        &self,
        after: Option<Generation>,
        limit: u64,
    ) -> Result<Vec<LiveFile>, DbError> {
        let after = int("generation", after.unwrap_or_default().0)?;
        let rows = query!(self, "listing what is wanted", |db| {
            let newer = live_files().filter(file::Column::Generation.gt(after));
            let page = newer.order_by_asc(file::Column::Generation).limit(convert::page(limit));
            Ok(page.all(db).await?)
        })?;
        rows.into_iter().map(live_file).collect()
    }

    /// Files deleted after generation `since`, in that order; at most
    /// [`MAX_PAGE`](crate::MAX_PAGE). Files that were forgotten meanwhile are not among them:
    /// who has been away that long compares with the whole of
    /// [`live_versions`](Self::live_versions).
    pub async fn removed_since(&self, since: Generation, limit: u64) -> Result<Vec<File>, DbError> {
        let since = int("generation", since.0)?;
        let rows = query!(self, "listing what is no longer wanted", |db| {
            let removed = file::Entity::find()
                .filter(file::Column::DeletedAt.is_not_null())
                .filter(file::Column::Generation.gt(since));
            let page = removed.order_by_asc(file::Column::Generation).limit(convert::page(limit));
            Ok(page.all(db).await?)
        })?;
        rows.into_iter().map(File::try_from).collect()
    }

    /// Takes a version into the catalogue that servers hold and a restored backup lacks, from its
    /// signed descriptor: same file, number and content, a new generation. The caller has checked
    /// the signature, and names the state that the restore went back to. Adopting a version that is
    /// there already changes nothing.
    ///
    /// # Errors
    /// [`DbError::Conflict`] where the name, or that version's number, stands for something
    /// else by now; [`DbError::WrongState`] where the file is deleted.
    pub async fn adopt_version(
        &self,
        facts: &VersionFacts,
        descriptor: &[u8],
        restored: Stamp,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Stamp, DbError> {
        convert::bounded("descriptor", descriptor.len())?;
        change!(self, "adopting a version", |tx| {
            let row = file::Entity::find_by_id(facts.file.uuid()).one(tx).await?;
            if let Some(stamp) = already_there(tx, facts, row.as_ref()).await? {
                return Ok(stamp);
            }
            let stamp = raise(tx).await?;
            store_file(tx, facts, stamp, row, restored, now).await?;
            let mut version = version_row_of(facts, stamp, &Value::Null, descriptor.to_vec())?;
            // It was published: that is how the servers came to hold it.
            version.published_at = Some(now.unix_ms());
            version::Entity::insert(version.into_active_model()).exec_without_returning(tx).await?;
            search::renew(tx, facts.file.uuid()).await?;
            let detail = json!({
                "file": facts.file, "version": facts.number, "content": facts.content,
            });
            let name = facts.name.as_str();
            audit::append(tx, actor, now, "version.adopt", name, &detail).await?;
            Ok(stamp)
        })
    }
}

/// The stamp of the file where it has this version already; an error where something else is in
/// the way.
async fn already_there(
    tx: &DatabaseTransaction,
    facts: &VersionFacts,
    row: Option<&file::Model>,
) -> Outcome<Option<Stamp>> {
    let name = facts.name.to_string();
    let Some(row) = row else {
        if facts.mark == Some(VersionMark::Previous) {
            let (what, state) = ("previous version of", "not there yet");
            return Err(DbError::WrongState { what, name, state, wanted: "adopted" }.into());
        }
        return match live_by_key(tx, &facts.name.collision_key()).await? {
            Some(other) => Err(DbError::Conflict { what: "file", name: other.name }.into()),
            None => Ok(None),
        };
    };
    if row.deleted_at.is_some() {
        let (state, wanted) = ("deleted", "adopted before it is restored");
        return Err(DbError::WrongState { what: "file", name, state, wanted }.into());
    }
    let number = convert::small("version number", facts.number)?;
    match version_row(tx, row.id, number).await? {
        None if is_newer(facts, number, row) => {
            match live_by_key(tx, &facts.name.collision_key()).await? {
                Some(other) if other.id != row.id => {
                    Err(DbError::Conflict { what: "file", name: other.name }.into())
                }
                _ => Ok(None),
            }
        }
        None => Ok(None),
        Some(same) if same.content_id == facts.content.as_bytes() => {
            Ok(Some(convert::stamp(row.epoch, row.generation)?))
        }
        Some(_) => {
            let name = format!("{name}, version {number}");
            Err(DbError::Conflict { what: "version", name }.into())
        }
    }
}

/// Whether the name means a version that is adopted, and none of those that are there.
fn is_newer(facts: &VersionFacts, number: i32, row: &file::Model) -> bool {
    facts.mark.is_none() && Some(number) > row.production
}

async fn store_file(
    tx: &DatabaseTransaction,
    facts: &VersionFacts,
    stamp: Stamp,
    row: Option<file::Model>,
    restored: Stamp,
    now: Timestamp,
) -> Outcome<()> {
    let Some(row) = row else {
        let row = file_row(facts, stamp)?.into_active_model();
        file::Entity::insert(row).exec_without_returning(tx).await?;
        return Ok(());
    };
    let (epoch, generation) = convert::columns(stamp)?;
    let number = convert::small("version number", facts.number)?;
    let mut change = row.clone().into_active_model();
    let is_of_before = is_previous_of_before(tx, &row, restored).await?;
    let leads_back_anew = row.previous.is_none() || is_of_before;
    match facts.mark {
        None if is_newer(facts, number, &row) => {
            // The file was renamed after the backup, where the names differ.
            let key = facts.name.collision_key();
            change.name = Set(facts.name.as_str().into());
            change.live_key = Set(Some(key.clone()));
            change.collision_key = Set(key);
            change.production = Set(Some(number));
            change.production_since = Set(Some(facts.created.unix_ms()));
            // What the backup knew of is of before: it neither waits any more nor leads back. What
            // was adopted itself is of now, for marks may come before what they stand beside.
            change.test = Set(row.test.filter(|test| *test > number));
            if is_of_before {
                change.previous = Set(None);
                change.previous_since = Set(None);
            }
        }
        Some(VersionMark::Test) if Some(number) > row.production.max(row.test) => {
            change.test = Set(Some(number));
        }
        Some(VersionMark::Previous) if leads_back_anew => {
            change.previous = Set(Some(number));
            change.previous_since = Set(Some(now.unix_ms()));
        }
        None | Some(VersionMark::Previous | VersionMark::Test) => {}
    }
    change.latest = Set(row.latest.max(number));
    change.epoch = Set(epoch);
    change.generation = Set(generation);
    change.update(tx).await?;
    Ok(())
}

/// Whether the version that leads back was in the restored backup.
async fn is_previous_of_before(
    tx: &DatabaseTransaction,
    row: &file::Model,
    restored: Stamp,
) -> Outcome<bool> {
    let Some(number) = row.previous else { return Ok(false) };
    let Some(version) = version_row(tx, row.id, number).await? else { return Ok(true) };
    Ok(convert::stamp(version.epoch, version.generation)? <= restored)
}

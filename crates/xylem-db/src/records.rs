//! The records of files: what is said of them, with every revision.
//!
//! A revision is never changed. The newest is in force; an edit names the one that it was made on,
//! and one made on something older is refused. A file begins at revision 0, in which nobody has
//! said anything: it is stored with revision 1, so that what was there before stays known.
//!
//! The category of a live file is a column of its own, because selections ask for it. It is part
//! of the record all the same: every change of it, whichever way it comes, is a revision.
//!
//! **Records raise no generation**, but for the category, which decides who holds a file.

mod edit;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use xylem_model::{CategoryId, FileId, PackageRecord, Timestamp};

use crate::audit::Actor;
use crate::convert::{self, count, from_json_text};
use crate::entity::file;
use crate::entity::record_revision::{Column, Entity, Model};
use crate::transaction::{Outcome, read};
use crate::{Database, DbError};

pub use edit::SavedRecord;
pub(crate) use edit::{note_category, note_removal};

const WHAT: &str = "record of a file";

/// A revision of a record, without the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRevision {
    /// Which one; 0 is the one that a file begins with.
    pub number: u32,
    /// Who made it.
    pub author: String,
    /// When.
    pub created: Timestamp,
    /// The fields that differ from the revision before.
    pub changed: Vec<String>,
    /// The revision that it repeats.
    pub restores: Option<u32>,
}

/// A record as it is in one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordNow {
    /// The revision.
    pub revision: RecordRevision,
    /// What is said of the file.
    pub record: PackageRecord,
}

impl Database {
    /// What is said of a file, live or deleted, now.
    pub async fn record(&self, file: FileId) -> Result<RecordNow, DbError> {
        read!(self, "looking up the record of a file", |tx| {
            newest(tx, &require_row(tx, file).await?).await
        })
    }

    /// What was said of a file in one revision.
    pub async fn record_revision(&self, file: FileId, number: u32) -> Result<RecordNow, DbError> {
        read!(self, "looking up a revision of a record", |tx| {
            revision(tx, &require_row(tx, file).await?, number).await
        })
    }

    /// Revisions of a file's record, newest first, from the one before `before` on; at most
    /// [`MAX_PAGE`](crate::MAX_PAGE).
    pub async fn record_revisions(
        &self,
        file: FileId,
        before: Option<u32>,
        limit: u64,
    ) -> Result<Vec<RecordRevision>, DbError> {
        let before = before.map(|number| convert::small("revision", number)).transpose()?;
        read!(self, "listing the revisions of a record", |tx| {
            let row = require_row(tx, file).await?;
            let mut all = of_file(file);
            if let Some(before) = before {
                all = all.filter(Column::Number.lt(before));
            }
            let page = all.order_by_desc(Column::Number).limit(convert::page(limit));
            let facts = facts(page).into_model::<Facts>().all(tx).await?;
            let found = facts.into_iter().map(RecordRevision::try_from);
            let found = found.collect::<Result<Vec<_>, DbError>>()?;
            match found.is_empty() && before.is_none_or(|before| before > 0) {
                true => Ok(vec![first(&row).revision]),
                false => Ok(found),
            }
        })
    }
}

/// The columns of a revision but the record: a page of a history is to be small.
#[derive(Debug, Clone, FromQueryResult)]
struct Facts {
    number: i32,
    changed: String,
    author: String,
    created_at: i64,
    restores: Option<i32>,
}

fn facts(of: Select<Entity>) -> Select<Entity> {
    of.select_only().columns([
        Column::Number,
        Column::Changed,
        Column::Author,
        Column::CreatedAt,
        Column::Restores,
    ])
}

fn of_file(file: FileId) -> Select<Entity> {
    Entity::find().filter(Column::FileId.eq(file.uuid()))
}

async fn require_row<C: ConnectionTrait>(connection: &C, id: FileId) -> Outcome<file::Model> {
    let row = file::Entity::find_by_id(id.uuid()).one(connection).await?;
    row.ok_or_else(|| DbError::NotFound { what: "file", name: id.to_string() }.into())
}

/// The record that a file begins with.
fn first(row: &file::Model) -> RecordNow {
    let revision = RecordRevision {
        number: 0,
        author: Actor::system().as_str().to_owned(),
        created: Timestamp::from_unix_ms(row.created_at),
        changed: Vec::new(),
        restores: None,
    };
    let category = row.category_id.map(CategoryId::from_uuid);
    RecordNow { revision, record: PackageRecord { category, ..PackageRecord::default() } }
}

/// The record in force. A category that was removed since is in force no longer.
pub(crate) async fn newest<C: ConnectionTrait>(
    connection: &C,
    row: &file::Model,
) -> Outcome<RecordNow> {
    let all = of_file(FileId::from_uuid(row.id)).order_by_desc(Column::Number);
    let mut now = match all.one(connection).await? {
        Some(stored) => RecordNow::try_from(stored)?,
        None => first(row),
    };
    now.record.category = row.category_id.map(CategoryId::from_uuid);
    Ok(now)
}

/// The record in one revision.
async fn revision<C: ConnectionTrait>(
    connection: &C,
    row: &file::Model,
    number: u32,
) -> Outcome<RecordNow> {
    let key = (row.id, convert::small("revision", number)?);
    if let Some(stored) = Entity::find_by_id(key).one(connection).await? {
        return Ok(stored.try_into()?);
    }
    let now = newest(connection, row).await?;
    match now.revision.number == number {
        true => Ok(now),
        false => {
            let name = number.to_string();
            Err(DbError::NotFound { what: "revision of this record", name }.into())
        }
    }
}

impl TryFrom<Facts> for RecordRevision {
    type Error = DbError;

    fn try_from(row: Facts) -> Result<Self, DbError> {
        Ok(Self {
            number: count("revision", row.number)?,
            author: row.author,
            created: Timestamp::from_unix_ms(row.created_at),
            changed: from_json_text(WHAT, Some(&row.changed))?.unwrap_or_default(),
            restores: row.restores.map(|number| count("revision", number)).transpose()?,
        })
    }
}

impl TryFrom<Model> for RecordNow {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        let record = from_json_text(WHAT, Some(&row.record))?.unwrap_or_default();
        let facts = Facts {
            number: row.number,
            changed: row.changed,
            author: row.author,
            created_at: row.created_at,
            restores: row.restores,
        };
        Ok(Self { revision: facts.try_into()?, record })
    }
}

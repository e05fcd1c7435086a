//! What contents put on a Mac: one packed index for each content of which there is one.
//!
//! It is written with the first version that brings one, in the transaction of its commit, and
//! forgotten with the last version that has the content.

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QuerySelect,
};
use xylem_model::{CheckedIndex, ContentId};

use crate::convert;
use crate::entity::content_index::{Column, Entity, Model};
use crate::entity::file;
use crate::files::version_row;
use crate::transaction::{Outcome, query};
use crate::{Database, DbError};

const ENTRIES: &str = "number of entries of an index";

impl Database {
    /// The index of a content, where there is one.
    pub async fn index(&self, content: ContentId) -> Result<Option<CheckedIndex>, DbError> {
        let row = query!(self, "looking up an index", |db| {
            Ok(Entity::find_by_id(content.as_bytes().to_vec()).one(db).await?)
        })?;
        let read = |row: Model| {
            Ok(CheckedIndex::stored(convert::count(ENTRIES, row.entries)?, row.packed))
        };
        row.map(read).transpose()
    }

    /// How many entries the index of a content has, where there is one.
    pub async fn index_entries(&self, content: ContentId) -> Result<Option<u32>, DbError> {
        let entries: Option<i32> = query!(self, "looking up the length of an index", |db| {
            let row = Entity::find_by_id(content.as_bytes().to_vec());
            Ok(row.select_only().column(Column::Entries).into_tuple().one(db).await?)
        })?;
        entries.map(|entries| convert::count(ENTRIES, entries)).transpose()
    }
}

/// Keeps the index of a content. It takes the place of another one: readers get better, and the same
/// bytes are sent again.
pub(crate) async fn store(
    tx: &DatabaseTransaction,
    content: ContentId,
    index: &CheckedIndex,
) -> Outcome<()> {
    let content_id = content.as_bytes().to_vec();
    let row = Model {
        content_id,
        entries: convert::small(ENTRIES, index.entries())?,
        packed: index.packed().to_vec(),
    };
    match Entity::find_by_id(row.content_id.clone()).one(tx).await? {
        Some(present) if present == row => return Ok(()),
        Some(_) => forget(tx, &row.content_id).await?,
        None => {}
    }
    Entity::insert(row.into_active_model()).exec_without_returning(tx).await?;
    Ok(())
}

/// Forgets the index of a content that no version has any more.
pub(crate) async fn forget(tx: &DatabaseTransaction, content: &[u8]) -> Outcome<()> {
    Entity::delete_by_id(content.to_vec()).exec(tx).await?;
    Ok(())
}

/// Whether there is an index of the version of a file that is in production, or of the one that
/// waits where none is yet.
pub(crate) async fn is_of_shown(tx: &DatabaseTransaction, row: &file::Model) -> Outcome<bool> {
    let Some(number) = row.production.or(row.test) else { return Ok(false) };
    match version_row(tx, row.id, number).await? {
        Some(version) => is_there(tx, &version.content_id).await,
        None => Ok(false),
    }
}

async fn is_there(tx: &DatabaseTransaction, content: &[u8]) -> Outcome<bool> {
    Ok(Entity::find().filter(Column::ContentId.eq(content)).count(tx).await? > 0)
}

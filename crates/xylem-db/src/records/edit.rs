//! Changing records, and taking them back to what they were.

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, Set,
};
use serde_json::{Map, Value, json};
use xylem_model::{
    CategoryId, FileId, FileKind, FileName, PackageRecord, RecordSubject, Timestamp,
};

use super::{RecordNow, WHAT, newest, require_row, revision};
use crate::audit::{self, Actor};
use crate::convert::{self, parsed};
use crate::entity::file;
use crate::entity::record_revision::{Entity, Model};
use crate::files::store_stamped;
use crate::sites::require_category;
use crate::transaction::{Outcome, change};
use crate::{Database, DbError, indexes, search};

/// What came of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedRecord {
    /// The record as it is now.
    pub now: RecordNow,
    /// Whether it became a revision; not where nothing would be different.
    pub changed: bool,
}

/// What a revision is to be.
struct Edit<'a> {
    record: PackageRecord,
    restores: Option<u32>,
    actor: &'a Actor,
    now: Timestamp,
}

impl Database {
    /// Changes what is said of a live file by a JSON merge patch, made on a revision. What is so
    /// already is no revision, so that a call whose answer was lost can be repeated.
    ///
    /// # Errors
    /// [`DbError::Stale`] where it was not made on the newest revision, and nothing is overwritten;
    /// [`DbError::Record`] where a file cannot have such a record; [`DbError::Reference`] where
    /// something it refers to is not there.
    pub async fn change_record(
        &self,
        file: FileId,
        based_on: u32,
        patch: &Map<String, Value>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<SavedRecord, DbError> {
        // Nobody has to wait meanwhile.
        PackageRecord::check_lists(patch)?;
        change!(self, "changing the record of a file", |tx| {
            let row = require_live(tx, file).await?;
            let present = newest(tx, &row).await?;
            let record = present.record.changed(patch, &subject(tx, &row).await?)?;
            save(tx, row, present, based_on, Edit { record, restores: None, actor, now }).await
        })
    }

    /// Makes an earlier revision of a live file's record the newest, as one more.
    ///
    /// # Errors
    /// [`DbError::NotFound`] where there is no such revision; [`DbError::Reference`] where
    /// something it refers to is gone; [`DbError::Stale`] where another than `based_on` is the
    /// newest.
    pub async fn restore_record(
        &self,
        file: FileId,
        number: u32,
        based_on: u32,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<SavedRecord, DbError> {
        change!(self, "restoring the record of a file", |tx| {
            let row = require_live(tx, file).await?;
            let record = revision(tx, &row, number).await?.record;
            // What was taken once may have been ruled out since.
            let present = newest(tx, &row).await?;
            record.check_after(&present.record, &subject(tx, &row).await?)?;
            let restores = Some(number);
            save(tx, row, present, based_on, Edit { record, restores, actor, now }).await
        })
    }
}

async fn require_live(tx: &DatabaseTransaction, id: FileId) -> Outcome<file::Model> {
    let row = require_row(tx, id).await?;
    match row.deleted_at {
        None => Ok(row),
        Some(_) => Err(DbError::NotFound { what: "file", name: row.name }.into()),
    }
}

/// The file, as far as the rules ask.
async fn subject(tx: &DatabaseTransaction, row: &file::Model) -> Outcome<RecordSubject> {
    let (kind, name): (FileKind, FileName) =
        (parsed("file's kind", &row.kind)?, parsed("file's name", &row.name)?);
    let has_index = indexes::is_of_shown(tx, row).await?;
    Ok(RecordSubject::new(FileId::from_uuid(row.id), kind, &name, has_index))
}

async fn save(
    tx: &DatabaseTransaction,
    row: file::Model,
    present: RecordNow,
    based_on: u32,
    edit: Edit<'_>,
) -> Outcome<SavedRecord> {
    let (before, after) = (&present.record, &edit.record);
    if before == after {
        return Ok(SavedRecord { now: present, changed: false });
    }
    if present.revision.number != based_on {
        return Err(stale(&row, &present, based_on).into());
    }
    let known = before.packages();
    for (field, package) in after.packages() {
        if !known.contains(&(field, package)) {
            require_package(tx, package).await.map_err(|fault| fault.of_field(field))?;
        }
    }
    let category = after.category;
    if before.category != category {
        require_category(tx, category).await.map_err(|fault| fault.of_field("category"))?;
        let mut change = row.clone().into_active_model();
        change.category_id = Set(category.map(CategoryId::uuid));
        store_stamped(tx, change).await?;
    }
    let now = insert(tx, &row, present, edit).await?;
    Ok(SavedRecord { now, changed: true })
}

/// Notes that a file is about to be sorted into another category, as a revision of its record.
/// `row` is the file as it is.
pub(crate) async fn note_category(
    tx: &DatabaseTransaction,
    row: &file::Model,
    category: Option<CategoryId>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<()> {
    let present = newest(tx, row).await?;
    if present.record.category != category {
        let record = PackageRecord { category, ..present.record.clone() };
        insert(tx, row, present, Edit { record, restores: None, actor, now }).await?;
    }
    Ok(())
}

/// Notes that a category is about to be removed, for the files that are sorted into it: deleted
/// ones, since live ones keep it from being removed. One of which nothing is stored begins without
/// it when it comes back.
pub(crate) async fn note_removal(
    tx: &DatabaseTransaction,
    category: uuid::Uuid,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<()> {
    let sorted = file::Entity::find().filter(file::Column::CategoryId.eq(category));
    for row in sorted.order_by_asc(file::Column::Id).all(tx).await? {
        if newest(tx, &row).await?.revision.number > 0 {
            note_category(tx, &row, None, actor, now).await?;
        }
    }
    Ok(())
}

/// Stores the revision after `present`, and the one that a file begins with before the first.
async fn insert(
    tx: &DatabaseTransaction,
    row: &file::Model,
    present: RecordNow,
    edit: Edit<'_>,
) -> Outcome<RecordNow> {
    let file = row.id;
    let changed = present.record.changed_fields(&edit.record);
    let after = present.revision.number.saturating_add(1);
    if present.revision.number == 0 {
        store(tx, file, &present).await?;
    }
    let mut revision = present.revision;
    revision.number = after;
    revision.author = edit.actor.as_str().to_owned();
    revision.created = edit.now;
    revision.changed = changed;
    revision.restores = edit.restores;
    let detail = json!({
        "revision": after, "changed": revision.changed, "restores": revision.restores,
    });
    let now = RecordNow { revision, record: edit.record };
    store(tx, file, &now).await?;
    search::set_display_name(tx, file, now.record.display_name.as_str()).await?;
    audit::append(tx, edit.actor, edit.now, "file.record", &row.name, &detail).await?;
    Ok(now)
}

async fn store(tx: &DatabaseTransaction, file: uuid::Uuid, it: &RecordNow) -> Outcome<()> {
    let RecordNow { revision, record } = it;
    let restores = revision.restores.map(|number| convert::small("revision", number));
    let row = Model {
        file_id: file,
        number: convert::small("revision", revision.number)?,
        record: convert::json_text(WHAT, record)?,
        changed: convert::json_text(WHAT, &revision.changed)?,
        author: revision.author.clone(),
        created_at: revision.created.unix_ms(),
        restores: restores.transpose()?,
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx).await?;
    Ok(())
}

/// Refuses a package that is not there, or no package.
async fn require_package(tx: &DatabaseTransaction, id: Option<FileId>) -> Outcome<()> {
    let Some(id) = id else { return Ok(()) };
    let row = require_live(tx, id).await?;
    match row.kind == FileKind::Package.as_str() {
        true => Ok(()),
        false => Err(DbError::NotFound { what: "package", name: row.name }.into()),
    }
}

fn stale(row: &file::Model, present: &RecordNow, based_on: u32) -> DbError {
    DbError::Stale {
        name: row.name.clone(),
        what: "revision",
        based_on,
        now: present.revision.number,
        by: present.revision.author.clone(),
        at: present.revision.created,
    }
}

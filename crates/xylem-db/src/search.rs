//! Files found by what is in them, and by how they are called.
//!
//! Each file, live or deleted, has terms: its name, the display name of its record, and what the
//! inspection of the version says that it is shown with. They are written in the transaction that changes what they
//! are made from. All of it follows from other tables: backups leave it out, and where a file has no
//! terms they are made, when a backup is loaded and when a database is opened that an older program
//! wrote.
//!
//! Text is folded on the way in and when it is searched for, so that every database finds the same.

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, ExprTrait, IntoActiveModel, JoinType,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, SelectTwo,
    sea_query::{Expr, LikeExpr},
};
use serde_json::Value;
use uuid::Uuid;
use xylem_model::{FileKind, FileName, SearchField, SearchTerm, SearchText, search_terms};

use crate::entity::search_term::{Column, Entity, Model};
use crate::entity::{file, version};
use crate::files::{LiveFile, live_file, live_files};
use crate::marks::shown_version;
use crate::transaction::{Outcome, change, query};
use crate::{Database, DbError, convert, records};

/// Where the name stands among the terms of a file.
const NAME: i32 = 0;
/// Where the display name of its record stands.
const DISPLAY_NAME: i32 = 1;
/// Where the terms of the inspection begin.
const INSPECTION: i32 = 2;
/// What takes the special meaning from a character of a pattern. A backslash would not do: the
/// databases differ in what it means in a text.
const ESCAPE: char = '!';
/// Files whose terms are made in one transaction.
const FILES_AT_ONCE: u64 = 100;

/// Which files are looked for. What is `None` makes no difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSearch {
    /// Files of this kind.
    pub kind: Option<FileKind>,
    /// Files of which some term contains this.
    pub text: Option<SearchText>,
    /// Files whose signer has this team identifier.
    pub team: Option<SearchText>,
    /// Files that have, or contain what has, this identifier.
    pub identifier: Option<SearchText>,
}

impl Database {
    /// Live files that are all of what is looked for, by name, from the one after `after` on; at
    /// most [`MAX_PAGE`](crate::MAX_PAGE).
    pub async fn find_files(
        &self,
        search: &FileSearch,
        after: Option<&FileName>,
        limit: u64,
    ) -> Result<Vec<LiveFile>, DbError> {
        let rows = query!(self, "searching for files", |db| {
            let mut files = live_files();
            if let Some(kind) = search.kind {
                files = files.filter(file::Column::Kind.eq(kind.as_str()));
            }
            if let Some(text) = &search.text {
                let pattern = LikeExpr::new(containing(text.as_str())).escape(ESCAPE);
                files = files.filter(having(Column::Term.like(pattern)));
            }
            let exactly =
                [(SearchField::Team, &search.team), (SearchField::Identifier, &search.identifier)];
            for (field, text) in exactly {
                if let Some(text) = text {
                    let is_it =
                        Column::Field.eq(field.as_str()).and(Column::Term.eq(text.as_str()));
                    files = files.filter(having(is_it));
                }
            }
            if let Some(after) = after {
                files = files.filter(file::Column::LiveKey.gt(after.collision_key()));
            }
            let page = files.order_by_asc(file::Column::LiveKey).limit(convert::page(limit));
            Ok(page.all(db).await?)
        })?;
        rows.into_iter().map(live_file).collect()
    }

    /// Makes the terms of files that have none.
    pub(crate) async fn fill_terms(&self) -> Result<(), DbError> {
        const DOING: &str = "making the search terms of files";

        // Nearly every opening finds nothing to do: it waits for no writer.
        let first = query!(self, DOING, |db| Ok(lacking(None).one(db).await?))?;
        if first.is_none() {
            return Ok(());
        }
        let mut after = None;
        while let Some(last) = change!(self, DOING, |tx| fill(tx, after).await)? {
            after = Some(last);
        }
        Ok(())
    }
}

/// Makes the terms of some files that have none, from the one after `after` on; gives the last.
pub(crate) async fn fill(tx: &DatabaseTransaction, after: Option<Uuid>) -> Outcome<Option<Uuid>> {
    let rows = lacking(after).limit(FILES_AT_ONCE).all(tx).await?;
    let last = rows.last().map(|(file, _)| file.id);
    for (file, version) in rows {
        set(tx, &file, version).await?;
        let record = records::newest(tx, &file).await?.record;
        set_display_name(tx, file.id, record.display_name.as_str()).await?;
    }
    Ok(last)
}

/// Makes the terms of a file anew, once it is shown with another version or has another name.
pub(crate) async fn renew(tx: &DatabaseTransaction, id: Uuid) -> Outcome<()> {
    match with_shown().filter(file::Column::Id.eq(id)).one(tx).await? {
        Some((file, version)) => set(tx, &file, version).await,
        None => Ok(()),
    }
}

/// Has a file be found by the display name of its record; by none where that is empty.
pub(crate) async fn set_display_name(
    tx: &DatabaseTransaction,
    id: Uuid,
    name: &str,
) -> Outcome<()> {
    let present = Column::FileId.eq(id).and(Column::Position.eq(DISPLAY_NAME));
    Entity::delete_many().filter(present).exec(tx).await?;
    let term = SearchTerm::new(SearchField::DisplayName, name);
    insert(tx, term.map(|term| row(id, DISPLAY_NAME, term)).into_iter().collect()).await
}

/// Forgets what a file is found by.
pub(crate) async fn forget(tx: &DatabaseTransaction, id: Uuid) -> Outcome<()> {
    Entity::delete_many().filter(Column::FileId.eq(id)).exec(tx).await?;
    Ok(())
}

/// Stores all terms of a file but its display name.
async fn set(
    tx: &DatabaseTransaction,
    file: &file::Model,
    version: Option<version::Model>,
) -> Outcome<()> {
    let others = Column::FileId.eq(file.id).and(Column::Position.ne(DISPLAY_NAME));
    Entity::delete_many().filter(others).exec(tx).await?;
    // One that cannot be read says nothing.
    let inspection = version.and_then(|version| serde_json::from_str(&version.inspection).ok());
    let found = search_terms(&inspection.unwrap_or(Value::Null));
    let name = SearchTerm::new(SearchField::Name, &file.name);
    let name = name.map(|term| row(file.id, NAME, term));
    let found = (INSPECTION..).zip(found).map(|(position, term)| row(file.id, position, term));
    insert(tx, name.into_iter().chain(found).collect()).await
}

fn row(file_id: Uuid, position: i32, term: SearchTerm) -> Model {
    Model { file_id, position, field: term.field.as_str().to_owned(), term: term.text }
}

async fn insert(tx: &DatabaseTransaction, rows: Vec<Model>) -> Outcome<()> {
    if !rows.is_empty() {
        let rows = rows.into_iter().map(|row| row.into_active_model());
        Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// Files, live or deleted, each with the version that it is shown with.
fn with_shown() -> SelectTwo<file::Entity, version::Entity> {
    file::Entity::find().join(JoinType::InnerJoin, shown_version()).select_also(version::Entity)
}

/// Files without terms, by id. Each has at least its name once they are made.
fn lacking(after: Option<Uuid>) -> SelectTwo<file::Entity, version::Entity> {
    let known = Entity::find().select_only().column(Column::FileId).into_query();
    let mut files = with_shown().filter(file::Column::Id.not_in_subquery(known));
    if let Some(after) = after {
        files = files.filter(file::Column::Id.gt(after));
    }
    files.order_by_asc(file::Column::Id)
}

/// Files that have a term of which this holds.
fn having(condition: Expr) -> Expr {
    let files = Entity::find().select_only().column(Column::FileId).filter(condition);
    file::Column::Id.in_subquery(files.into_query())
}

/// The pattern of what contains a text, in which nothing has a special meaning.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | ESCAPE) {
            pattern.push(ESCAPE);
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_has_a_special_meaning() {
        assert_eq!(containing("a_100%!"), "%a!_100!%!!%");
    }
}

//! Versions beside the one that a file's name means: `docs/design/marks.md`.
//!
//! A mark is in the signed descriptor. So each step signs the versions that it touches anew, in the
//! one transaction that raises the generation. Each names the version that it was decided on: where
//! somebody else was faster, nothing changes.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, ExprTrait, IntoActiveModel,
    JoinType, QueryFilter, QueryOrder, QuerySelect, RelationDef, Set,
    sea_query::{Condition, DynIden, Expr},
};
use serde_json::json;
use xylem_model::{FileId, FileName, Stamp, Timestamp, VersionMark};

use crate::audit::{self, Actor};
use crate::commits::{VersionFacts, checked_signature};
use crate::convert;
use crate::entity::{file, version};
use crate::files::{File, Version, live_by_key, store_stamped, version_row};
use crate::placements::is_held_at_the_top;
use crate::state::raise;
use crate::transaction::{Outcome, change, query};
use crate::{Database, DbError, search};

/// Files of which one call forgets the previous version, at most.
pub const FORGOTTEN_AT_ONCE: u64 = 500;

impl Database {
    /// Makes the version that waits to be promoted the one that the name means. What was that
    /// before is the previous one from now on. `sign` is as in
    /// [`commit_upload`](Self::commit_upload). Promoting again what was promoted changes nothing.
    ///
    /// # Errors
    /// [`DbError::NoMark`] where no version waits, [`DbError::MarkMoved`] where another one than
    /// `version` does.
    pub async fn promote_version<S, E>(
        &self,
        name: &FileName,
        version: u32,
        actor: &Actor,
        now: Timestamp,
        sign: S,
    ) -> Result<Stamp, DbError>
    where
        S: Fn(&VersionFacts) -> Result<Vec<u8>, E>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let promoted = convert::small("version number", version)?;
        change!(self, "promoting a version", |tx| {
            let row = require_live(tx, name).await?;
            match row.test {
                None if row.production == Some(promoted) => {
                    return Ok(convert::stamp(row.epoch, row.generation)?);
                }
                None => return Err(no_mark(&row, VersionMark::Test).into()),
                Some(test) if test != promoted => {
                    return Err(moved(&row, "waits to be promoted", test, version)?.into());
                }
                Some(_) => require_offered(tx, &row, promoted, now).await?,
            }
            let detail = json!({ "id": row.id, "version": version, "before": row.production });
            let action = "version.promote";
            audit::append(tx, actor, now, action, &row.name, &detail).await?;
            let marks = Marks {
                production: promoted,
                test: None,
                previous: row.production.filter(|before| *before != promoted),
            };
            store(tx, row, &marks, now, &sign).await
        })
    }

    /// Makes the version that was in production before the last promotion or rollback the one that
    /// the name means. What is in production now is the previous one from then on: rolling back
    /// once more goes forward again. `sign` is as in [`commit_upload`](Self::commit_upload).
    ///
    /// # Errors
    /// [`DbError::NoMark`] where there is no previous version, [`DbError::MarkMoved`] where another
    /// version than `from` is in production.
    pub async fn roll_back<S, E>(
        &self,
        name: &FileName,
        from: u32,
        actor: &Actor,
        now: Timestamp,
        sign: S,
    ) -> Result<Stamp, DbError>
    where
        S: Fn(&VersionFacts) -> Result<Vec<u8>, E>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let left = convert::small("version number", from)?;
        change!(self, "rolling back", |tx| {
            let row = require_live(tx, name).await?;
            let (Some(production), Some(previous)) = (row.production, row.previous) else {
                return Err(no_mark(&row, VersionMark::Previous).into());
            };
            if production != left {
                return Err(moved(&row, "is in production", production, from)?.into());
            }
            let detail = json!({ "id": row.id, "version": previous, "before": production });
            let action = "version.rollback";
            audit::append(tx, actor, now, action, &row.name, &detail).await?;
            let marks = Marks { production: previous, test: row.test, previous: Some(production) };
            store(tx, row, &marks, now, &sign).await
        })
    }

    /// Forgets which versions were in production before, where they are not since before `before`:
    /// servers need not hold them any longer. Says of how many files.
    ///
    /// At most [`FORGOTTEN_AT_ONCE`], so that commits beside it need not wait for long: ask again
    /// where there were so many.
    pub async fn forget_previous(
        &self,
        before: Timestamp,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<u64, DbError> {
        change!(self, "forgetting previous versions", |tx| {
            let old = file::Entity::find()
                .filter(file::Column::DeletedAt.is_null())
                .filter(file::Column::PreviousSince.lt(before.unix_ms()));
            let mut forgotten = 0;
            let old = old.order_by_asc(file::Column::Id).limit(FORGOTTEN_AT_ONCE);
            for row in old.all(tx).await? {
                let (kept, detail) =
                    (row.name.clone(), json!({ "id": row.id, "version": row.previous }));
                let mut change = row.into_active_model();
                change.previous = Set(None);
                change.previous_since = Set(None);
                store_stamped(tx, change).await?;
                audit::append(tx, actor, now, "version.forget", &kept, &detail).await?;
                forgotten += 1;
            }
            Ok(forgotten)
        })
    }

    /// The versions of these files that have a mark, by file and number.
    pub async fn marked_versions(&self, files: &[FileId]) -> Result<Vec<Version>, DbError> {
        let ids: Vec<uuid::Uuid> = files.iter().map(|id| id.uuid()).collect();
        let rows = query!(self, "listing marked versions", |db| {
            let files = file::Entity::find().filter(file::Column::Id.is_in(ids.clone()));
            let marked = files
                .join(JoinType::InnerJoin, marked_version())
                .select_also(version::Entity)
                .order_by_asc(version::Column::FileId)
                .order_by_asc(version::Column::Number);
            Ok(marked.all(db).await?)
        })?;
        rows.into_iter().filter_map(|(_, version)| version).map(Version::try_from).collect()
    }
}

/// Which versions of a file are what.
struct Marks {
    production: i32,
    test: Option<i32>,
    previous: Option<i32>,
}

async fn require_live(tx: &DatabaseTransaction, name: &FileName) -> Outcome<file::Model> {
    let row = live_by_key(tx, &name.collision_key()).await?;
    Ok(row.ok_or_else(|| DbError::NotFound { what: "file", name: name.to_string() })?)
}

/// A version is promoted once its bytes are where they are fetched from: until then the name would mean
/// what nobody has. Whoever took the upload may never have come to say that it offers it, and a restored
/// backup may not know that it did: a verified copy says as much.
async fn require_offered(
    tx: &DatabaseTransaction,
    row: &file::Model,
    number: i32,
    now: Timestamp,
) -> Outcome<()> {
    if let Some(version) = version_row(tx, row.id, number).await? {
        if version.published_at.is_some() {
            return Ok(());
        }
        if is_held_at_the_top(tx, &version.content_id).await? {
            let mut change = version.into_active_model();
            change.published_at = Set(Some(now.unix_ms()));
            change.update(tx).await?;
            return Ok(());
        }
    }
    let name = format!("{}, version {number}", row.name);
    let state = "not offered by the server where files enter yet";
    Err(DbError::WrongState { what: "version", name, state, wanted: "promoted" }.into())
}

fn no_mark(row: &file::Model, mark: VersionMark) -> DbError {
    DbError::NoMark { name: row.name.clone(), mark }
}

fn moved(row: &file::Model, is: &'static str, now: i32, asked: u32) -> Result<DbError, DbError> {
    let now = convert::count("version number", now)?;
    Ok(DbError::MarkMoved { name: row.name.clone(), is, now, asked })
}

/// Stores what production and the previous version are from now on, and signs both.
async fn store<S, E>(
    tx: &DatabaseTransaction,
    row: file::Model,
    marks: &Marks,
    now: Timestamp,
    sign: &S,
) -> Outcome<Stamp>
where
    S: Fn(&VersionFacts) -> Result<Vec<u8>, E>,
    E: std::error::Error + Send + Sync + 'static,
{
    let stamp = raise(tx).await?;
    let (epoch, generation) = convert::columns(stamp)?;
    let mut change = row.into_active_model();
    change.production = Set(Some(marks.production));
    change.production_since = Set(Some(now.unix_ms()));
    change.test = Set(marks.test);
    change.previous = Set(marks.previous);
    change.previous_since = Set(marks.previous.map(|_| now.unix_ms()));
    change.epoch = Set(epoch);
    change.generation = Set(generation);
    let row = change.update(tx).await?;
    let signed = [Some(marks.production), marks.previous];
    sign_anew(tx, &row, signed.into_iter().flatten(), stamp, now, sign).await?;
    search::renew(tx, row.id).await?;
    Ok(stamp)
}

/// Signs versions of a file anew, with its name and their marks as they are in `row`.
pub(crate) async fn sign_anew<S, E>(
    tx: &DatabaseTransaction,
    row: &file::Model,
    numbers: impl Iterator<Item = i32> + Send,
    stamp: Stamp,
    now: Timestamp,
    sign: &S,
) -> Outcome<()>
where
    S: Fn(&VersionFacts) -> Result<Vec<u8>, E>,
    E: std::error::Error + Send + Sync + 'static,
{
    let file = File::try_from(row.clone())?;
    for number in numbers {
        let version = version_row(tx, row.id, number).await?.ok_or_else(|| DbError::Corrupt {
            what: "file",
            problem: format!("`{}` has no version {number}", row.name),
        })?;
        let facts = facts(&file, version.clone().try_into()?, stamp, now);
        let mut change = version.into_active_model();
        change.descriptor = Set(checked_signature(sign, &facts)?);
        change.update(tx).await?;
    }
    Ok(())
}

/// What the descriptor of a version states now.
fn facts(file: &File, version: Version, stamp: Stamp, now: Timestamp) -> VersionFacts {
    VersionFacts {
        file: file.id,
        kind: file.kind,
        name: file.name.clone(),
        number: version.number,
        content: version.content,
        sha256: version.sha256,
        size: version.size,
        priority: version.priority,
        mark: file.mark_of(version.number),
        content_source: version.content_source,
        sha256_source: version.sha256_source,
        stamp,
        created: now,
    }
}

/// From a file to the version that it is shown with: the one in production, or the one that waits
/// while none is.
pub(crate) fn shown_version() -> RelationDef {
    versions(|is| {
        let none = Expr::col((is.file.clone(), file::Column::Production)).is_null();
        Condition::any()
            .add(is.number_in(file::Column::Production))
            .add(none.and(is.number_in(file::Column::Test)))
    })
}

/// From a file to all its versions that are to be held.
pub(crate) fn held_versions() -> RelationDef {
    versions(|is| {
        Condition::any()
            .add(is.number_in(file::Column::Production))
            .add(is.number_in(file::Column::Test))
            .add(is.number_in(file::Column::Previous))
    })
}

/// From a file to its versions that have a mark.
fn marked_version() -> RelationDef {
    versions(|is| {
        Condition::any()
            .add(is.number_in(file::Column::Test))
            .add(is.number_in(file::Column::Previous))
    })
}

/// A join of files with versions: how both tables are called in it.
struct Joined {
    file: DynIden,
    version: DynIden,
}

impl Joined {
    /// The version's number is in this column of its file.
    fn number_in(&self, column: file::Column) -> Expr {
        let number = Expr::col((self.version.clone(), version::Column::Number));
        Expr::col((self.file.clone(), column)).eq(number)
    }
}

fn versions(which: fn(&Joined) -> Condition) -> RelationDef {
    file::Entity::belongs_to(version::Entity)
        .from(file::Column::Id)
        .to(version::Column::FileId)
        .on_condition(move |file, version| which(&Joined { file, version }))
        .into()
}

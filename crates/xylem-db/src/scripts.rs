//! Scripts: in the database, and nowhere else.
//!
//! - [`record`]: what a script is called and what is said of it.
//! - [`contents`]: the versions of its text, each with its author; none is ever overwritten.
//! - [`edits`]: edits that are under way, for those who want the editor to be the only way.
//! - [`settings`]: what administrators decide about all scripts.
//!
//! Two people who change the same thing at once do not undo each other's work: a change of the
//! contents names the version that it is based on, a change of the rest the revision, and one that
//! is based on something older is refused.
//!
//! **Scripts raise no generation.** A generation tells distribution servers that something is
//! different for them, and nothing of a script ever is.

mod contents;
mod edits;
mod record;
mod settings;

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, JoinType, QueryFilter,
    QueryOrder, QuerySelect, RelationDef, Select, sea_query::Expr,
};
use uuid::Uuid;
use xylem_model::{
    CategoryId, ContentId, OsRequirement, ParameterLabels, ScriptId, ScriptName, ScriptPriority,
    Timestamp,
};

use crate::convert::{self, bytes32, count, moment, parsed, uint};
use crate::entity::{script, script_version};
use crate::transaction::{Outcome, read};
use crate::{Database, DbError};

pub use contents::{NewContents, SavedContents};
pub use edits::{EDIT_LASTS, MAX_EDITS, NewEdit};
pub use record::{MAX_COMMENT_BYTES, MAX_NOTES_BYTES, NewScript, ScriptChange};
pub use settings::{ScriptSettings, ScriptSettingsChange};

pub(crate) const WHAT: &str = "script";

/// What is said of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Which.
    pub id: ScriptId,
    /// Its name.
    pub name: ScriptName,
    /// The category it is sorted into.
    pub category: Option<CategoryId>,
    /// Shown to whoever uses it.
    pub info: String,
    /// For those who keep it.
    pub notes: String,
    /// When it runs, unless a policy says otherwise.
    pub priority: ScriptPriority,
    /// What its parameters stand for.
    pub labels: ParameterLabels,
    /// The versions of macOS that it is for.
    pub os_requirement: OsRequirement,
    /// The number of the newest version of its contents.
    pub latest: u32,
    /// How often anything but the contents was changed, from 1.
    pub revision: u32,
    /// When it was added.
    pub created: Timestamp,
    /// When anything but the contents was last changed.
    pub changed: Timestamp,
    /// By whom.
    pub changed_by: String,
    /// When it was deleted.
    pub deleted: Option<Timestamp>,
}

/// A version of a script's contents, without these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptVersion {
    /// Of which script.
    pub script: ScriptId,
    /// Which one, counted from 1.
    pub number: u32,
    /// BLAKE3 of the contents.
    pub digest: ContentId,
    /// Their bytes.
    pub bytes: u64,
    /// Who wrote it.
    pub author: String,
    /// When.
    pub created: Timestamp,
    /// What the author says of it.
    pub comment: String,
    /// The version that it repeats.
    pub restores: Option<u32>,
}

/// A script with the newest version of its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptNow {
    /// The script.
    pub script: Script,
    /// Its newest version.
    pub version: ScriptVersion,
}

impl Database {
    /// The live script of this name. Names that differ only by case or Unicode form are the same.
    pub async fn script_by_name(&self, name: &ScriptName) -> Result<ScriptNow, DbError> {
        read!(self, "looking up a script", |tx| {
            let row = require_live(tx, name).await?;
            now(tx, row).await
        })
    }

    /// Live scripts by name, from the one after `after` on; at most [`MAX_PAGE`](crate::MAX_PAGE).
    pub async fn list_scripts(
        &self,
        after: Option<&ScriptName>,
        limit: u64,
    ) -> Result<Vec<ScriptNow>, DbError> {
        read!(self, "listing scripts", |tx| {
            let mut live = script::Entity::find().filter(script::Column::DeletedAt.is_null());
            if let Some(after) = after {
                live = live.filter(script::Column::LiveKey.gt(after.collision_key()));
            }
            let page = live.order_by_asc(script::Column::LiveKey).limit(convert::page(limit));
            with_newest(tx, page.all(tx).await?).await
        })
    }

    /// Deleted scripts that can still be brought back, last deleted first; at most
    /// [`MAX_PAGE`](crate::MAX_PAGE).
    pub async fn deleted_scripts(&self, limit: u64) -> Result<Vec<ScriptNow>, DbError> {
        read!(self, "listing deleted scripts", |tx| {
            let page = deleted().limit(convert::page(limit));
            with_newest(tx, page.all(tx).await?).await
        })
    }
}

/// Deleted scripts, last deleted first.
fn deleted() -> Select<script::Entity> {
    script::Entity::find()
        .filter(script::Column::DeletedAt.is_not_null())
        .order_by_desc(script::Column::DeletedAt)
        .order_by_desc(script::Column::Id)
}

/// The row of the live script of this name, if there is one.
async fn live<C: ConnectionTrait>(
    connection: &C,
    name: &ScriptName,
) -> Outcome<Option<script::Model>> {
    let found = script::Entity::find().filter(script::Column::LiveKey.eq(name.collision_key()));
    Ok(found.one(connection).await?)
}

async fn require_live<C: ConnectionTrait>(
    connection: &C,
    name: &ScriptName,
) -> Outcome<script::Model> {
    let row = live(connection, name).await?;
    row.ok_or_else(|| DbError::NotFound { what: WHAT, name: name.to_string() }.into())
}

/// The columns of a version but its contents: a page of a history is to be small.
#[derive(Debug, Clone, FromQueryResult)]
struct Facts {
    script_id: Uuid,
    number: i32,
    digest: Vec<u8>,
    bytes: i64,
    author: String,
    created_at: i64,
    comment: String,
    restores: Option<i32>,
}

fn facts() -> Select<script_version::Entity> {
    use script_version::Column;
    script_version::Entity::find().select_only().columns([
        Column::ScriptId,
        Column::Number,
        Column::Digest,
        Column::Bytes,
        Column::Author,
        Column::CreatedAt,
        Column::Comment,
        Column::Restores,
    ])
}

/// From a version to its script, where it is the newest.
fn of_which_newest() -> RelationDef {
    script_version::Entity::belongs_to(script::Entity)
        .from(script_version::Column::ScriptId)
        .to(script::Column::Id)
        .on_condition(|version, script| {
            let latest = Expr::col((script, script::Column::Latest));
            Expr::col((version, script_version::Column::Number)).eq(latest).into()
        })
        .into()
}

/// Scripts, each with its newest version.
async fn with_newest<C: ConnectionTrait>(
    connection: &C,
    rows: Vec<script::Model>,
) -> Outcome<Vec<ScriptNow>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let newest = facts()
        .join(JoinType::InnerJoin, of_which_newest())
        .filter(script_version::Column::ScriptId.is_in(ids));
    let newest = newest.into_model::<Facts>().all(connection).await?;
    let mut newest: HashMap<Uuid, Facts> =
        newest.into_iter().map(|facts| (facts.script_id, facts)).collect();
    let whole = rows.into_iter().map(|row| {
        let version = newest.remove(&row.id).ok_or_else(|| DbError::Corrupt {
            what: WHAT,
            problem: format!("`{}` has no version {}", row.name, row.latest),
        })?;
        Ok(ScriptNow { script: row.try_into()?, version: version.try_into()? })
    });
    Ok(whole.collect::<Result<_, DbError>>()?)
}

/// One script with its newest version.
async fn now<C: ConnectionTrait>(connection: &C, row: script::Model) -> Outcome<ScriptNow> {
    let name = row.name.clone();
    let found = with_newest(connection, vec![row]).await?.pop();
    found.ok_or_else(|| DbError::NotFound { what: WHAT, name }.into())
}

impl TryFrom<script::Model> for Script {
    type Error = DbError;

    fn try_from(row: script::Model) -> Result<Self, DbError> {
        Ok(Self {
            id: ScriptId::from_uuid(row.id),
            name: parsed("script's name", &row.name)?,
            category: row.category_id.map(CategoryId::from_uuid),
            info: row.info,
            notes: row.notes,
            priority: parsed("script's priority", &row.priority)?,
            labels: convert::from_json_text("script's labels", Some(&row.labels))?
                .unwrap_or_default(),
            os_requirement: parsed("script's OS requirement", &row.os_requirement)?,
            latest: count("version number", row.latest)?,
            revision: count("revision", row.revision)?,
            created: Timestamp::from_unix_ms(row.created_at),
            changed: Timestamp::from_unix_ms(row.changed_at),
            changed_by: row.changed_by,
            deleted: moment(row.deleted_at),
        })
    }
}

impl TryFrom<Facts> for ScriptVersion {
    type Error = DbError;

    fn try_from(row: Facts) -> Result<Self, DbError> {
        Ok(Self {
            script: ScriptId::from_uuid(row.script_id),
            number: count("version number", row.number)?,
            digest: ContentId::from_bytes(bytes32("digest of a script", &row.digest)?),
            bytes: uint("size of a script", row.bytes)?,
            author: row.author,
            created: Timestamp::from_unix_ms(row.created_at),
            comment: row.comment,
            restores: row.restores.map(|number| count("version number", number)).transpose()?,
        })
    }
}

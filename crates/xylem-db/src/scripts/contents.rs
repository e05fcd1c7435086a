//! The versions of the contents of scripts.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, Set,
};
use serde_json::json;
use xylem_model::{ScriptContents, ScriptEditId, ScriptId, ScriptName, Timestamp};

use super::edits::{self, Edited};
use super::record::MAX_COMMENT_BYTES;
use super::{Facts, ScriptNow, ScriptVersion, facts, now as script_now, require_live};
use crate::audit::{self, Actor};
use crate::convert;
use crate::entity::script;
use crate::entity::script_version::{Column, Entity, Model};
use crate::transaction::{Outcome, change, query};
use crate::{Database, DbError};

/// Contents that are to become the next version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewContents {
    /// The contents.
    pub contents: ScriptContents,
    /// The version that they were made from.
    pub based_on: u32,
    /// What their author says of them.
    pub comment: String,
    /// The version that they repeat.
    pub restores: Option<u32>,
    /// The edit that they come from.
    pub edit: Option<ScriptEditId>,
}

/// What came of new contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedContents {
    /// The script as it is now.
    pub now: ScriptNow,
    /// Whether they became a version; not where they are those of the newest.
    pub changed: bool,
}

/// Contents with what their author says of them, checked.
#[derive(Clone, Copy)]
pub(super) struct Authored<'a> {
    pub(super) contents: &'a ScriptContents,
    pub(super) comment: &'a str,
}

impl<'a> Authored<'a> {
    pub(super) fn of(contents: &'a ScriptContents, comment: &'a str) -> Result<Self, DbError> {
        convert::storable("contents of a script", contents.as_str())?;
        convert::short("comment on a version", comment, MAX_COMMENT_BYTES)?;
        Ok(Self { contents, comment })
    }
}

impl Database {
    /// Makes contents the next version of a script. Those of the newest version once more are no
    /// version, so that a call whose answer was lost can be repeated.
    ///
    /// # Errors
    /// [`DbError::Stale`] where they are not based on the newest version, and nothing is
    /// overwritten; [`DbError::EditorOnly`] where they would have to come from an edit.
    pub async fn change_script_contents(
        &self,
        name: &ScriptName,
        new: &NewContents,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<SavedContents, DbError> {
        let authored = Authored::of(&new.contents, &new.comment)?;
        change!(self, "changing the contents of a script", |tx| {
            let row = require_live(tx, name).await?;
            edits::require(tx, Edited::Script(&row), new.edit, actor, now).await?;
            let present = script_now(tx, row.clone()).await?;
            if present.version.digest == new.contents.digest() {
                return Ok(SavedContents { now: present, changed: false });
            }
            if present.script.latest != new.based_on {
                return Err(stale(&present, new.based_on).into());
            }
            let mut change = row.clone().into_active_model();
            change.latest = Set(row.latest.saturating_add(1));
            let row = change.update(tx).await?;
            insert_version(tx, &row, authored, new.restores, actor, now).await?;
            let detail = json!({
                "version": row.latest,
                "blake3": new.contents.digest(),
                "restores": new.restores,
            });
            audit::append(tx, actor, now, "script.contents", &row.name, &detail).await?;
            Ok(SavedContents { now: script_now(tx, row).await?, changed: true })
        })
    }

    /// Versions of a script, newest first, from the one before `before` on; at most
    /// [`MAX_PAGE`](crate::MAX_PAGE).
    pub async fn script_versions(
        &self,
        id: ScriptId,
        before: Option<u32>,
        limit: u64,
    ) -> Result<Vec<ScriptVersion>, DbError> {
        let before = before.map(|number| convert::small("version number", number)).transpose()?;
        let rows = query!(self, "listing the versions of a script", |db| {
            let mut all = facts().filter(Column::ScriptId.eq(id.uuid()));
            if let Some(before) = before {
                all = all.filter(Column::Number.lt(before));
            }
            let page = all.order_by_desc(Column::Number).limit(convert::page(limit));
            Ok(page.into_model::<Facts>().all(db).await?)
        })?;
        rows.into_iter().map(ScriptVersion::try_from).collect()
    }

    /// One version of a script, with its contents.
    pub async fn script_version(
        &self,
        id: ScriptId,
        number: u32,
    ) -> Result<(ScriptVersion, ScriptContents), DbError> {
        let key = (id.uuid(), convert::small("version number", number)?);
        let row = query!(self, "looking up a version of a script", |db| {
            let row = Entity::find_by_id(key).one(db).await?;
            let name = number.to_string();
            Ok(row.ok_or(DbError::NotFound { what: "version of this script", name })?)
        })?;
        let contents = ScriptContents::stored(row.contents.clone());
        Ok((Facts::from(row).try_into()?, contents))
    }
}

/// Stores contents as the newest version of a script's row.
pub(super) async fn insert_version(
    tx: &DatabaseTransaction,
    script: &script::Model,
    authored: Authored<'_>,
    restores: Option<u32>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<()> {
    let contents = authored.contents;
    let row = Model {
        script_id: script.id,
        number: script.latest,
        contents: contents.as_str().to_owned(),
        digest: contents.digest().as_bytes().to_vec(),
        bytes: convert::int("size of a script", contents.as_str().len() as u64)?,
        author: actor.as_str().into(),
        created_at: now.unix_ms(),
        comment: authored.comment.to_owned(),
        restores: restores.map(|number| convert::small("version number", number)).transpose()?,
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx).await?;
    Ok(())
}

fn stale(present: &ScriptNow, based_on: u32) -> DbError {
    DbError::Stale {
        name: present.script.name.to_string(),
        what: "version",
        based_on,
        now: present.script.latest,
        by: present.version.author.clone(),
        at: present.version.created,
    }
}

impl From<Model> for Facts {
    fn from(row: Model) -> Self {
        Self {
            script_id: row.script_id,
            number: row.number,
            digest: row.digest,
            bytes: row.bytes,
            author: row.author,
            created_at: row.created_at,
            comment: row.comment,
            restores: row.restores,
        }
    }
}

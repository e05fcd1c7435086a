//! What a script is called and what is said of it: added, changed, deleted, brought back.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, Set,
};
use serde_json::{Map, Value, json};
use xylem_model::{
    CategoryId, OsRequirement, ParameterLabels, ScriptContents, ScriptEditId, ScriptId, ScriptName,
    ScriptPriority, Timestamp,
};

use super::contents::{Authored, insert_version};
use super::edits::{self, Edited};
use super::{ScriptNow, WHAT, deleted, live, now as script_now, require_live};
use crate::audit::{self, Actor};
use crate::convert;
use crate::entity::{script, script_edit, script_version};
use crate::sites::require_category;
use crate::transaction::{Outcome, change};
use crate::{Database, DbError};

/// Longest info and longest notes of a script, in bytes.
pub const MAX_NOTES_BYTES: usize = 16 << 10;
/// Longest comment on a version, in bytes.
pub const MAX_COMMENT_BYTES: usize = 2_000;

/// A script to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewScript {
    /// Its id.
    pub id: ScriptId,
    /// Its name.
    pub name: ScriptName,
    /// The category it is sorted into.
    pub category: Option<CategoryId>,
    /// Shown to whoever uses it.
    pub info: String,
    /// For those who keep it.
    pub notes: String,
    /// When it runs.
    pub priority: ScriptPriority,
    /// What its parameters stand for.
    pub labels: ParameterLabels,
    /// The versions of macOS that it is for.
    pub os_requirement: OsRequirement,
    /// Its contents.
    pub contents: ScriptContents,
    /// What its author says of them.
    pub comment: String,
    /// The edit that it comes from.
    pub edit: Option<ScriptEditId>,
}

/// A change of what is said of a script; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptChange {
    /// Another name.
    pub name: Option<ScriptName>,
    /// Another category, or none (`Some(None)`).
    pub category: Option<Option<CategoryId>>,
    /// Another info.
    pub info: Option<String>,
    /// Other notes.
    pub notes: Option<String>,
    /// Another priority.
    pub priority: Option<ScriptPriority>,
    /// Other labels, all of them.
    pub labels: Option<ParameterLabels>,
    /// Another OS requirement.
    pub os_requirement: Option<OsRequirement>,
}

impl Database {
    /// Adds a script with the first version of its contents.
    ///
    /// # Errors
    /// [`DbError::Conflict`] where another has the name; [`DbError::EditorOnly`] where it would
    /// have to come from an edit.
    pub async fn add_script(
        &self,
        new: &NewScript,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<ScriptNow, DbError> {
        bounded_texts(Some(&new.info), Some(&new.notes))?;
        let authored = Authored::of(&new.contents, &new.comment)?;
        let row = new_row(new, actor, now)?;
        change!(self, "adding a script", |tx| {
            refuse_taken(live(tx, &new.name).await?)?;
            require_category(tx, new.category).await?;
            edits::require(tx, Edited::New(&new.name), new.edit, actor, now).await?;
            script::Entity::insert(row.clone().into_active_model())
                .exec_without_returning(tx)
                .await?;
            insert_version(tx, &row, authored, None, actor, now).await?;
            let detail = json!({ "id": new.id, "blake3": new.contents.digest() });
            audit::append(tx, actor, now, "script.add", &row.name, &detail).await?;
            script_now(tx, row.clone()).await
        })
    }

    /// Changes what is said of a script, as it was at a revision.
    ///
    /// # Errors
    /// [`DbError::Stale`] where it was changed since; [`DbError::Conflict`] where another has the
    /// new name.
    pub async fn change_script(
        &self,
        name: &ScriptName,
        revision: u32,
        asked: &ScriptChange,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<ScriptNow, DbError> {
        bounded_texts(asked.info.as_deref(), asked.notes.as_deref())?;
        let revision = convert::small("revision", revision)?;
        change!(self, "changing a script", |tx| {
            let row = require_live(tx, name).await?;
            if row.revision != revision {
                return Err(stale(&row, revision).into());
            }
            if let Some(new) = &asked.name {
                let other = live(tx, new).await?.filter(|other| other.id != row.id);
                refuse_taken(other)?;
            }
            if let Some(category) = asked.category {
                require_category(tx, category).await?;
            }
            let kept = row.name.clone();
            let changed = changed(row, asked)?;
            let stored = store_revised(tx, changed, actor, now).await?;
            let detail = told(asked);
            audit::append(tx, actor, now, "script.change", &kept, &detail).await?;
            script_now(tx, stored).await
        })
    }

    /// Deletes a script; its name is free again. It can be brought back, with its whole history,
    /// until [`purge_scripts`](Self::purge_scripts) forgets it.
    pub async fn delete_script(
        &self,
        name: &ScriptName,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), DbError> {
        change!(self, "deleting a script", |tx| {
            let row = require_live(tx, name).await?;
            let (id, kept) = (row.id, row.name.clone());
            let mut change = row.into_active_model();
            change.live_key = Set(None);
            change.deleted_at = Set(Some(now.unix_ms()));
            store_revised(tx, change, actor, now).await?;
            audit::append(tx, actor, now, "script.delete", &kept, &json!({ "id": id })).await
        })
    }

    /// Brings the last deleted script of this name back, as it was.
    ///
    /// # Errors
    /// [`DbError::Conflict`] where another script has taken the name meanwhile.
    pub async fn undelete_script(
        &self,
        name: &ScriptName,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<ScriptNow, DbError> {
        let key = name.collision_key();
        change!(self, "bringing back a script", |tx| {
            refuse_taken(live(tx, name).await?)?;
            let last = deleted().filter(script::Column::CollisionKey.eq(&*key)).one(tx).await?;
            let Some(row) = last else {
                let name = name.to_string();
                return Err(DbError::NotFound { what: "deleted script", name }.into());
            };
            let (id, kept) = (row.id, row.name.clone());
            let mut change = row.into_active_model();
            change.live_key = Set(Some(key.clone()));
            change.deleted_at = Set(None);
            let stored = store_revised(tx, change, actor, now).await?;
            let detail = json!({ "id": id });
            audit::append(tx, actor, now, "script.undelete", &kept, &detail).await?;
            script_now(tx, stored).await
        })
    }

    /// Forgets scripts deleted before `before`, with their whole history; says which.
    pub async fn purge_scripts(
        &self,
        before: Timestamp,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Vec<ScriptId>, DbError> {
        change!(self, "forgetting deleted scripts", |tx| {
            let old = script::Entity::find().filter(script::Column::DeletedAt.lt(before.unix_ms()));
            let mut purged = Vec::new();
            for row in old.order_by_asc(script::Column::Id).all(tx).await? {
                let edits = script_edit::Column::ScriptId.eq(row.id);
                script_edit::Entity::delete_many().filter(edits).exec(tx).await?;
                let versions = script_version::Column::ScriptId.eq(row.id);
                script_version::Entity::delete_many().filter(versions).exec(tx).await?;
                script::Entity::delete_by_id(row.id).exec(tx).await?;
                let detail = json!({ "id": row.id });
                audit::append(tx, actor, now, "script.purge", &row.name, &detail).await?;
                purged.push(ScriptId::from_uuid(row.id));
            }
            Ok(purged)
        })
    }
}

fn new_row(new: &NewScript, actor: &Actor, now: Timestamp) -> Result<script::Model, DbError> {
    Ok(script::Model {
        id: new.id.uuid(),
        name: new.name.as_str().into(),
        collision_key: new.name.collision_key(),
        live_key: Some(new.name.collision_key()),
        category_id: new.category.map(CategoryId::uuid),
        info: new.info.clone(),
        notes: new.notes.clone(),
        priority: new.priority.as_str().into(),
        labels: convert::json_text("script's labels", &new.labels)?,
        os_requirement: new.os_requirement.to_string(),
        latest: 1,
        revision: 1,
        created_at: now.unix_ms(),
        changed_at: now.unix_ms(),
        changed_by: actor.as_str().into(),
        deleted_at: None,
    })
}

fn changed(row: script::Model, asked: &ScriptChange) -> Result<script::ActiveModel, DbError> {
    let mut change = row.into_active_model();
    if let Some(name) = &asked.name {
        change.name = Set(name.as_str().into());
        change.collision_key = Set(name.collision_key());
        change.live_key = Set(Some(name.collision_key()));
    }
    if let Some(category) = asked.category {
        change.category_id = Set(category.map(CategoryId::uuid));
    }
    if let Some(info) = &asked.info {
        change.info = Set(info.clone());
    }
    if let Some(notes) = &asked.notes {
        change.notes = Set(notes.clone());
    }
    if let Some(priority) = asked.priority {
        change.priority = Set(priority.as_str().into());
    }
    if let Some(labels) = &asked.labels {
        change.labels = Set(convert::json_text("script's labels", labels)?);
    }
    if let Some(requirement) = &asked.os_requirement {
        change.os_requirement = Set(requirement.to_string());
    }
    Ok(change)
}

/// Stores a row as the next revision.
async fn store_revised(
    tx: &DatabaseTransaction,
    mut change: script::ActiveModel,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<script::Model> {
    change.revision = Set(change.revision.take().unwrap_or_default().saturating_add(1));
    change.changed_at = Set(now.unix_ms());
    change.changed_by = Set(actor.as_str().into());
    Ok(change.update(tx).await?)
}

/// What the audit record tells of a change: texts can be long, so that they were changed is enough.
fn told(asked: &ScriptChange) -> Value {
    let changes = [
        ("name", asked.name.as_ref().map(|name| json!(name))),
        ("category", asked.category.map(|category| json!(category))),
        ("info", asked.info.as_ref().map(|_| json!(true))),
        ("notes", asked.notes.as_ref().map(|_| json!(true))),
        ("priority", asked.priority.map(|priority| json!(priority))),
        ("labels", asked.labels.as_ref().map(|labels| json!(labels))),
        ("os_requirement", asked.os_requirement.as_ref().map(|it| json!(it))),
    ];
    let made = changes.into_iter().filter_map(|(name, to)| Some((name.to_owned(), to?)));
    Value::Object(made.collect::<Map<_, _>>())
}

fn stale(row: &script::Model, based_on: i32) -> DbError {
    DbError::Stale {
        name: row.name.clone(),
        what: "revision",
        based_on: based_on.unsigned_abs(),
        now: row.revision.unsigned_abs(),
        by: row.changed_by.clone(),
        at: Timestamp::from_unix_ms(row.changed_at),
    }
}

fn refuse_taken(taken: Option<script::Model>) -> Result<(), DbError> {
    match taken {
        Some(row) => Err(DbError::Conflict { what: WHAT, name: row.name }),
        None => Ok(()),
    }
}

fn bounded_texts(info: Option<&str>, notes: Option<&str>) -> Result<(), DbError> {
    let texts = [("info of a script", info), ("notes of a script", notes)];
    texts.into_iter().try_for_each(|(what, text)| {
        text.map_or(Ok(()), |text| convert::short(what, text, MAX_NOTES_BYTES))
    })
}

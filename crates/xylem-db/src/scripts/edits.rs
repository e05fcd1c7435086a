//! Edits that are under way: who opened which script in the editor.
//!
//! Where the editor is to be the only way to change contents, a change has to come from an edit
//! that its author opened. Nothing else depends on edits: two people may have the same script
//! open, and the version that a change is based on decides who was first.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;
use xylem_model::{ContentsThrough, ScriptContents, ScriptEditId, ScriptName, Timestamp};

use super::{ScriptNow, live, now as script_now, require_live, settings};
use crate::audit::Actor;
use crate::entity::script_edit::{Column, Entity, Model};
use crate::entity::{script, script_version};
use crate::transaction::{Outcome, change, report};
use crate::{Database, DbError};

/// How long an edit lasts: a working day with whatever comes between.
pub const EDIT_LASTS: Duration = Duration::from_secs(12 * 60 * 60);
/// Most edits that one person has open; a further one ends the oldest.
pub const MAX_EDITS: u64 = 100;

/// An edit to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEdit {
    /// Its id.
    pub id: ScriptEditId,
    /// The script.
    pub name: ScriptName,
    /// Whether that script is yet to be made.
    pub is_new: bool,
}

/// What an edit has to be of.
pub(super) enum Edited<'a> {
    /// A script that is yet to be made.
    New(&'a ScriptName),
    /// A script that is there.
    Script(&'a script::Model),
}

impl Database {
    /// Opens an edit; gives the script and its contents, where it is there already.
    ///
    /// # Errors
    /// [`DbError::NotFound`] where there is no such script, [`DbError::Conflict`] where there is one
    /// that was to be made.
    pub async fn open_script_edit(
        &self,
        new: &NewEdit,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Option<(ScriptNow, ScriptContents)>, DbError> {
        change!(self, "opening a script in the editor", |tx| {
            let present = match new.is_new {
                true => {
                    if let Some(row) = live(tx, &new.name).await? {
                        return Err(DbError::Conflict { what: super::WHAT, name: row.name }.into());
                    }
                    None
                }
                false => Some(newest_contents(tx, require_live(tx, &new.name).await?).await?),
            };
            let row = Model {
                id: new.id.uuid(),
                script_id: present.as_ref().map(|(present, _)| present.script.id.uuid()),
                collision_key: new.name.collision_key(),
                actor: actor.as_str().into(),
                opened_at: now.unix_ms(),
                expires_at: now.plus(EDIT_LASTS).unix_ms(),
            };
            Entity::insert(row.into_active_model()).exec_without_returning(tx).await?;
            end_oldest(tx, actor).await?;
            Ok(present)
        })
    }

    /// Forgets edits that are over; says how many.
    pub async fn expire_script_edits(&self, now: Timestamp) -> Result<u64, DbError> {
        report!(self, "forgetting edits that are over", |tx| {
            let over = Entity::delete_many().filter(Column::ExpiresAt.lte(now.unix_ms()));
            Ok(over.exec(tx).await?.rows_affected)
        })
    }
}

async fn newest_contents(
    tx: &DatabaseTransaction,
    row: script::Model,
) -> Outcome<(ScriptNow, ScriptContents)> {
    let key = (row.id, row.latest);
    let present = script_now(tx, row).await?;
    let version = script_version::Entity::find_by_id(key).one(tx).await?;
    let text = version.map(|version| version.contents).unwrap_or_default();
    Ok((present, ScriptContents::stored(text)))
}

/// Keeps only so many edits of one person.
async fn end_oldest(tx: &DatabaseTransaction, actor: &Actor) -> Outcome<()> {
    let own = Entity::find().filter(Column::Actor.eq(actor.as_str()));
    let newest_first = own.order_by_desc(Column::OpenedAt).order_by_desc(Column::Id);
    // One more at a time comes, so there are never many more than that.
    let surplus: Vec<Uuid> = newest_first
        .select_only()
        .column(Column::Id)
        .offset(MAX_EDITS)
        .limit(MAX_EDITS)
        .into_tuple()
        .all(tx)
        .await?;
    if !surplus.is_empty() {
        Entity::delete_many().filter(Column::Id.is_in(surplus)).exec(tx).await?;
    }
    Ok(())
}

/// Refuses a change of contents that does not come from the editor, where it has to.
pub(super) async fn require(
    tx: &DatabaseTransaction,
    of: Edited<'_>,
    edit: Option<ScriptEditId>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<()> {
    if settings::read(tx).await?.contents_through == ContentsThrough::EditorAndApi {
        return Ok(());
    }
    let name = match &of {
        Edited::New(name) => name.to_string(),
        Edited::Script(row) => row.name.clone(),
    };
    let Some(edit) = edit else {
        return Err(DbError::EditorOnly { name }.into());
    };
    let opened = Entity::find_by_id(edit.uuid()).one(tx).await?;
    let is_its = opened.is_some_and(|opened| {
        let fits = match of {
            Edited::New(name) => {
                opened.script_id.is_none() && opened.collision_key == name.collision_key()
            }
            Edited::Script(row) => opened.script_id == Some(row.id),
        };
        fits && opened.actor == actor.as_str() && opened.expires_at > now.unix_ms()
    });
    match is_its {
        true => Ok(()),
        false => Err(DbError::EditOver { name }.into()),
    }
}

//! What is decided of a point while it works, and what it is found to be: apart from settings and
//! keys, whose revision none of this changes.

use std::time::Duration;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    Set,
    sea_query::{Condition, Expr},
};
use serde_json::{Value, json};
use xylem_model::{CloudPointId, Timestamp};
use xylem_sync::Selection;

use super::{CloudPoint, SELECTION, document, require_locked};
use crate::audit::{self, Actor};
use crate::convert;
use crate::entity::cloud_point::{ActiveModel, Column, Entity};
use crate::state::raise;
use crate::transaction::{Outcome, change, report};
use crate::{Database, DbError};

/// By how much clocks of several management servers may differ without harm.
const CLOCKS_AGREE: Duration = Duration::from_secs(15 * 60);

impl Database {
    /// Chooses what is to be at a point; none: everything. Its wants are followed anew, from the
    /// beginning of the catalogue.
    ///
    /// # Errors
    /// [`DbError::Invalid`] where the selection cannot be, [`DbError::HoldsEverything`] where the point
    /// is the principal.
    pub async fn set_cloud_selection(
        &self,
        id: CloudPointId,
        selection: Option<&Selection>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<CloudPoint, DbError> {
        let text = selection.map(selection_text).transpose()?;
        change!(self, "choosing what is to be in the cloud", |tx| {
            let row = require_locked(tx, id).await?;
            if row.is_principal && selection.is_some() {
                let name = "the cloud distribution point".to_owned();
                let role = "the principal, where every new file is first";
                return Err(DbError::HoldsEverything { name, role }.into());
            }
            let mut row = row.into_active_model();
            row.selection = Set(text.clone());
            row.followed = Set(0);
            let detail = json!({ "id": id, "selection": selection });
            store(tx, row, actor, now, &detail).await
        })
    }

    /// Has a point stand still, or go on: nothing is sent or deleted meanwhile. Saying again what is
    /// so changes nothing.
    pub async fn pause_cloud(
        &self,
        id: CloudPointId,
        paused: bool,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<CloudPoint, DbError> {
        change!(self, "pausing the cloud distribution point", |tx| {
            let row = require_locked(tx, id).await?;
            if row.paused == paused {
                return Ok(CloudPoint::try_from(row)?);
            }
            let mut row = row.into_active_model();
            row.paused = Set(paused);
            store(tx, row, actor, now, &json!({ "id": id, "paused": paused })).await
        })
    }

    /// Bounds how many bytes are sent to a point and read back in a month; none: nothing does.
    pub async fn set_cloud_ceiling(
        &self,
        id: CloudPointId,
        bytes: Option<u64>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<CloudPoint, DbError> {
        let ceiling = bytes.map(|bytes| convert::int("ceiling of a month", bytes)).transpose()?;
        change!(self, "bounding the use of the cloud", |tx| {
            let mut row = require_locked(tx, id).await?.into_active_model();
            row.month_ceiling = Set(ceiling);
            store(tx, row, actor, now, &json!({ "id": id, "month_ceiling_bytes": bytes })).await
        })
    }

    /// Notes why nothing succeeds at a point, or that something does again, as it was found with the
    /// settings and keys of a revision. A point that was changed since, or is gone, is none's business:
    /// what was found of others says nothing of it.
    pub async fn note_cloud_broken(
        &self,
        id: CloudPointId,
        revision: u32,
        broken: Option<&Value>,
    ) -> Result<(), DbError> {
        let revision = convert::small("revision", revision)?;
        let text = broken.map(|broken| document("fault of the cloud", broken)).transpose()?;
        report!(self, "noting a fault of the cloud", |tx| {
            Entity::update_many()
                .col_expr(Column::Broken, Expr::value(text.clone()))
                .filter(Column::Id.eq(id.uuid()))
                .filter(Column::Revision.eq(revision))
                .exec(tx)
                .await?;
            Ok(())
        })
    }

    /// Records who asked that all that is at a point be looked through.
    pub async fn note_cloud_inventory_asked(
        &self,
        id: CloudPointId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), DbError> {
        change!(self, "asking for an inventory of the cloud", |tx| {
            let row = require_locked(tx, id).await?;
            let detail = json!({ "id": id });
            audit::append(tx, actor, now, "cloud.inventory", &row.provider, &detail).await
        })
    }

    /// Begins to look through all that is at a point, where that was begun last before `due_before`
    /// or never, or by a clock that was ahead. Says whether it is to be done: of several callers one does it.
    pub async fn begin_cloud_inventory(
        &self,
        id: CloudPointId,
        due_before: Timestamp,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let is_due = Condition::any()
            .add(Column::LastInventory.is_null())
            .add(Column::LastInventory.lt(due_before.unix_ms()))
            .add(Column::LastInventory.gt(now.plus(CLOCKS_AGREE).unix_ms()));
        report!(self, "beginning an inventory of the cloud", |tx| {
            let begun = Entity::update_many()
                .col_expr(Column::LastInventory, Expr::value(now.unix_ms()))
                .filter(Column::Id.eq(id.uuid()))
                .filter(is_due.clone())
                .exec(tx)
                .await?;
            Ok(begun.rows_affected > 0)
        })
    }
}

/// Stores a change of a point under a new stamp, with its audit record.
async fn store(
    tx: &DatabaseTransaction,
    mut row: ActiveModel,
    actor: &Actor,
    now: Timestamp,
    detail: &Value,
) -> Outcome<CloudPoint> {
    let (epoch, generation) = convert::columns(raise(tx).await?)?;
    row.epoch = Set(epoch);
    row.generation = Set(generation);
    let stored = row.update(tx).await?;
    audit::append(tx, actor, now, "cloud.change", &stored.provider, detail).await?;
    Ok(CloudPoint::try_from(stored)?)
}

/// A selection as it is stored.
fn selection_text(selection: &Selection) -> Result<String, DbError> {
    selection
        .check()
        .map_err(|error| DbError::Invalid { what: SELECTION, problem: error.to_string() })?;
    convert::json_text(SELECTION, selection)
}

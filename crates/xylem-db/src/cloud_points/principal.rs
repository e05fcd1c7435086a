//! The cloud as principal (`docs/design/cloud.md`): files enter at the root, and nothing is committed
//! before it is there.

use std::time::Duration;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, QuerySelect, Set,
};
use serde_json::json;
use xylem_model::{CloudPointId, ContentId, Timestamp};

use super::{WHAT, require_locked};
use crate::audit::{self, Actor};
use crate::cloud_copies::{CloudCopyState, hold_for_commit};
use crate::convert::{self, uint};
use crate::entity::cloud_copy;
use crate::entity::cloud_point::{Column, Entity, Model};
use crate::hand_over::{Missing, lacking, move_ingest_to_root, raise_root_epoch};
use crate::state::{raise, row as state_row};
use crate::transaction::{Outcome, change, query};
use crate::{Database, DbError};

/// For how long an upload wants its content in the cloud after each word of it. The root gives one
/// every 30 s; what it does not speak of any more was refused or given up, or is in the catalogue.
pub const UPLOAD_WANTED_FOR: Duration = Duration::from_secs(3600);

/// How the point is called where something is said of it as of a server.
const NAME: &str = "the cloud distribution point";

impl Database {
    /// What a point lacks of all there is, and the names of some files.
    pub async fn missing_in_cloud(
        &self,
        id: CloudPointId,
    ) -> Result<(Missing, Vec<String>), DbError> {
        query!(self, "comparing what the cloud holds", |db| missing(db, id).await)
    }

    /// Whether the cloud is the principal.
    pub async fn cloud_is_principal(&self) -> Result<bool, DbError> {
        let point = query!(self, "looking for the principal", |db| the_principal(db).await)?;
        Ok(point.is_some())
    }

    /// Makes the active point the principal. Files enter at the root from then on, and uploads that are
    /// under way go on there. Gives the new root epoch.
    ///
    /// # Errors
    /// [`DbError::Incomplete`] where it, or a root at which files did not enter before, does not hold
    /// everything; [`DbError::WrongState`] where it stands still, holds a selection, or a restore is
    /// unconfirmed: what is remembered of it may be of before. Then nothing has changed.
    pub async fn make_cloud_principal(
        &self,
        id: CloudPointId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<u64, DbError> {
        change!(self, "making the cloud the principal", |tx| {
            let row = require_locked(tx, id).await?;
            let state = state_row(tx).await?;
            if row.is_principal {
                return Ok(uint("root epoch", state.root_epoch)?);
            }
            if let Some(why) = hindrance(&row, state.restore_unconfirmed) {
                return Err(wrong(&row, why, "made the principal").into());
            }
            let (Missing { contents, bytes }, files) = missing(tx, id).await?;
            if contents > 0 {
                let name = NAME.to_owned();
                return Err(DbError::Incomplete { name, contents, bytes, files }.into());
            }
            let root = move_ingest_to_root(tx).await?;
            set(tx, row.clone(), true).await?;
            let detail = json!({ "cloud": id, "root": root });
            audit::append(tx, actor, now, "principal.set", &row.provider, &detail).await?;
            raise_root_epoch(tx).await
        })
    }
}

/// The point that is the principal, where one is.
pub(crate) async fn the_principal<C: ConnectionTrait>(connection: &C) -> Outcome<Option<Model>> {
    Ok(Entity::find().filter(Column::IsPrincipal.eq(true)).one(connection).await?)
}

/// A server becomes the principal: the cloud is that no more. Says whether it was.
pub(crate) async fn give_up(tx: &DatabaseTransaction) -> Outcome<bool> {
    let Some(row) = the_principal(tx).await? else { return Ok(false) };
    set(tx, row, false).await?;
    Ok(true)
}

/// Lets a content into the catalogue: where the cloud is the principal, only if it is there.
pub(crate) async fn require_in_principal(
    tx: &DatabaseTransaction,
    content: ContentId,
    now: Timestamp,
) -> Outcome<()> {
    let Some(row) = the_principal(tx).await? else { return Ok(()) };
    let id = CloudPointId::from_uuid(row.id);
    match hold_for_commit(tx, id, content, now.plus(UPLOAD_WANTED_FOR)).await? {
        true => Ok(()),
        false => Err(DbError::NotInPrincipal.into()),
    }
}

/// Refuses what the principal may not be.
pub(super) fn refuse(row: &Model, wanted: &'static str) -> Result<(), DbError> {
    if !row.is_principal {
        return Ok(());
    }
    let why = "the principal, which another is to be made first (`xylem principal set SERVER`),";
    Err(wrong(row, why, wanted))
}

/// Why a point cannot be the principal now, whatever is there.
fn hindrance(row: &Model, is_restoring: bool) -> Option<&'static str> {
    if row.active_key.is_none() {
        Some("being left")
    } else if row.selection.is_some() {
        Some(
            "to hold what was chosen alone (choose everything, with `xylem cloud select \
             --everything` or --fill)",
        )
    } else if row.paused {
        Some("paused (go on with `xylem cloud resume`)")
    } else if row.broken.is_some() {
        Some("standing still (`xylem cloud show` says why, and what to do)")
    } else if is_restoring {
        Some("not looked through since the restore, which is to be confirmed first,")
    } else {
        None
    }
}

fn wrong(row: &Model, state: &'static str, wanted: &'static str) -> DbError {
    DbError::WrongState { what: WHAT, name: row.provider.clone(), state, wanted }
}

async fn set(tx: &DatabaseTransaction, row: Model, is_principal: bool) -> Outcome<()> {
    let (epoch, generation) = convert::columns(raise(tx).await?)?;
    let mut row = row.into_active_model();
    row.is_principal = Set(is_principal);
    row.epoch = Set(epoch);
    row.generation = Set(generation);
    row.update(tx).await?;
    Ok(())
}

async fn missing<C: ConnectionTrait>(
    connection: &C,
    id: CloudPointId,
) -> Outcome<(Missing, Vec<String>)> {
    let present: Vec<Vec<u8>> = cloud_copy::Entity::find()
        .filter(cloud_copy::Column::PointId.eq(id.uuid()))
        .filter(cloud_copy::Column::State.eq(CloudCopyState::Present.as_str()))
        .filter(cloud_copy::Column::UnwantedAt.is_null())
        .select_only()
        .column(cloud_copy::Column::ContentId)
        .into_tuple()
        .all(connection)
        .await?;
    lacking(connection, present.into_iter().collect()).await
}

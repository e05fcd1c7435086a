//! How a point goes: replaced or removed, nobody sent there any more, forgotten (`docs/design/cloud.md`,
//! "From one provider to another").

use sea_orm::{
    ActiveModelTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryOrder, QuerySelect,
    Set,
};
use serde_json::json;
use xylem_model::{CloudPointId, Timestamp};

use super::record::{CloudForgotten, CloudObjects, CloudPoint, CloudReplaced};
use super::{WHAT, principal, require_as_seen, require_locked};
use crate::audit::{self, Actor};
use crate::convert;
use crate::entity::cloud_point::{Column, Entity, Model};
use crate::state::raise;
use crate::transaction::{Outcome, change, report};
use crate::{Database, DbError, cloud_copies};

impl Database {
    /// Removes a point, and says what becomes of its objects. The active one is being left from now
    /// on, and nobody is sent there any more. Of one that is being left already this is what becomes
    /// of its objects once nobody is sent there. It is forgotten by
    /// [`end_cloud_point`](Self::end_cloud_point).
    ///
    /// # Errors
    /// [`DbError::WrongState`] where it is active and another one is still being left.
    pub async fn remove_cloud_point(
        &self,
        id: CloudPointId,
        objects: CloudObjects,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<CloudPoint, DbError> {
        change!(self, "removing a cloud distribution point", |tx| {
            let row = require_locked(tx, id).await?;
            let was_active = row.active_key.is_some();
            let row = match was_active {
                true => {
                    principal::refuse(&row, "removed")?;
                    check_may_leave(&all_locked(tx).await?)?;
                    leave(tx, row, actor, now).await?
                }
                false => row,
            };
            if let (CloudObjects::Kept, Some(left)) = (objects, convert::moment(row.left_at)) {
                cloud_copies::want_left(tx, id.uuid(), left).await?;
            }
            let mut change = row.clone().into_active_model();
            if was_active {
                change.left_at = Set(Some(now.unix_ms()));
            }
            change.objects = Set(Some(objects.as_str().to_owned()));
            let stored = change.update(tx).await?;
            raise(tx).await?;
            let detail = json!({ "id": id, "active": was_active, "objects": objects.as_str() });
            audit::append(tx, actor, now, "cloud.remove", &row.provider, &detail).await?;
            Ok(CloudPoint::try_from(stored)?)
        })
    }

    /// Sends nobody to a point that is being left any more. Says whether it was so until now.
    pub async fn note_cloud_left(
        &self,
        id: CloudPointId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        change!(self, "leaving a cloud distribution point", |tx| {
            let Some(row) = Entity::find_by_id(id.uuid()).lock_exclusive().one(tx).await? else {
                return Ok(false);
            };
            if row.active_key.is_some() || row.left_at.is_some() {
                return Ok(false);
            }
            let provider = row.provider.clone();
            let mut change = row.into_active_model();
            change.left_at = Set(Some(now.unix_ms()));
            change.update(tx).await?;
            audit::append(tx, actor, now, "cloud.leave", &provider, &json!({ "id": id })).await?;
            Ok(true)
        })
    }

    /// Wants nothing any more at a point that is being left and whose objects are to be deleted: what
    /// is *present* is unwanted since `since`, where it was not before, and of the rest nothing stays
    /// but what is to be removed. Where they are kept, by what was said last, nothing is done.
    pub async fn unwant_all_in_cloud(
        &self,
        id: CloudPointId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), DbError> {
        report!(self, "wanting nothing any more in the cloud", |tx| {
            let row = Entity::find_by_id(id.uuid()).lock_exclusive().one(tx).await?;
            let is_to_go = |row: &Model| {
                let objects = row.objects.as_deref();
                row.active_key.is_none() && objects == Some(CloudObjects::Deleted.as_str())
            };
            if !row.as_ref().is_some_and(is_to_go) {
                return Ok(());
            }
            cloud_copies::give_up_unfinished(tx, id.uuid(), now).await?;
            cloud_copies::unwant_present(tx, id.uuid(), since).await
        })
    }

    /// Ends a point that nobody is sent to any more, of whose objects became what was said: it is
    /// forgotten with its keys and rows. None where it is not so far: nothing may be left that is
    /// *removing*, and no row at all where objects are deleted.
    pub async fn end_cloud_point(
        &self,
        id: CloudPointId,
        objects: CloudObjects,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Option<CloudForgotten>, DbError> {
        change!(self, "ending a cloud distribution point", |tx| {
            let Some(row) = Entity::find_by_id(id.uuid()).lock_exclusive().one(tx).await? else {
                return Ok(None);
            };
            let is_as_said = row.objects.as_deref() == Some(objects.as_str());
            if row.active_key.is_some() || row.left_at.is_none() || !is_as_said {
                return Ok(None);
            }
            let kept = objects == CloudObjects::Kept;
            if cloud_copies::is_work_left(tx, id.uuid(), kept).await? {
                return Ok(None);
            }
            Ok(Some(forget(tx, &row, actor, now).await?))
        })
    }

    /// Forgets a point with its keys, and all that is remembered of what is there, whatever is left
    /// to be done. Says what stays at the provider.
    pub async fn forget_cloud_point(
        &self,
        id: CloudPointId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<CloudForgotten, DbError> {
        change!(self, "forgetting a cloud distribution point", |tx| {
            let row = require_locked(tx, id).await?;
            principal::refuse(&row, "removed")?;
            forget(tx, &row, actor, now).await
        })
    }
}

/// Sees to it that no point is active: the one that is replaced is being left from now on. It has to
/// be as it was when the new one's place was compared with its own.
pub(super) async fn make_room(
    tx: &DatabaseTransaction,
    replaces: Option<CloudReplaced>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<()> {
    let points = all_locked(tx).await?;
    let active = points.iter().find(|point| point.active_key.is_some());
    let replaced = points.iter().find(|it| replaces.is_some_and(|seen| seen.id.uuid() == it.id));
    if let Some(active) = active
        && replaced.is_none_or(|replaced| replaced.id != active.id)
    {
        return Err(DbError::SecondCloudPoint { provider: active.provider.clone() }.into());
    }
    // One that is forgotten meanwhile leaves room.
    let (Some(replaced), Some(seen)) = (replaced, replaces) else { return Ok(()) };
    require_as_seen(replaced, seen.revision)?;
    principal::refuse(replaced, "replaced")?;
    check_may_leave(&points)?;
    leave(tx, replaced.clone(), actor, now).await?;
    Ok(())
}

/// Whether the active point may be left: the one place that says what keeps it.
fn check_may_leave(points: &[Model]) -> Result<(), DbError> {
    match points.iter().find(|point| point.active_key.is_none()) {
        None => Ok(()),
        Some(leaving) => Err(DbError::WrongState {
            what: WHAT,
            name: leaving.provider.clone(),
            state: "still being left",
            wanted: "joined by another: end it first, with `xylem cloud remove --former`",
        }),
    }
}

/// A point is being left. It is paused no more, since nothing else could end that. It has another
/// revision, so that a change that is under way comes too late.
async fn leave(
    tx: &DatabaseTransaction,
    active: Model,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Model> {
    let (id, next) = (active.id, active.revision.saturating_add(1));
    let mut change = active.into_active_model();
    change.active_key = Set(None);
    change.paused = Set(false);
    change.leaving_since = Set(Some(now.unix_ms()));
    change.revision = Set(next);
    change.changed_at = Set(now.unix_ms());
    change.changed_by = Set(actor.as_str().to_owned());
    let left = change.update(tx).await?;
    cloud_copies::give_up_unfinished(tx, id, now).await?;
    Ok(left)
}

async fn forget(
    tx: &DatabaseTransaction,
    row: &Model,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<CloudForgotten> {
    let stays = cloud_copies::left_behind(tx, row.id).await?;
    cloud_copies::forget_point(tx, row.id).await?;
    Entity::delete_by_id(row.id).exec(tx).await?;
    raise(tx).await?;
    let detail = json!({
        "id": CloudPointId::from_uuid(row.id),
        "active": row.active_key.is_some(),
        "objects": stays.objects,
        "bytes": stays.bytes,
        "uploads": stays.uploads,
    });
    audit::append(tx, actor, now, "cloud.forget", &row.provider, &detail).await?;
    Ok(stays)
}

/// All points, which nobody else changes until the transaction ends: in one order everywhere.
async fn all_locked(tx: &DatabaseTransaction) -> Outcome<Vec<Model>> {
    Ok(Entity::find().order_by_asc(Column::Id).lock_exclusive().all(tx).await?)
}

//! What is to be at a point, as it follows from the catalogue and from what was chosen.
//!
//! Whoever follows it says from where. Where the selection was changed meanwhile, or somebody else
//! was faster, what they computed is of the past and nothing is done.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, Set, sea_query::Expr,
};
use uuid::Uuid;
use xylem_model::{CloudPointId, ContentId, Generation, Timestamp};

use super::record::{CloudCopy, CloudCopyState, CloudFollowing, CloudWant};
use super::rows::{self, BATCH};
use super::steps::CloudStep;
use crate::cloud_points::chosen;
use crate::convert::{int, uint};
use crate::entity::cloud_copy::{Column, Entity};
use crate::entity::cloud_point;
use crate::transaction::{Outcome, query, report};
use crate::{Database, DbError};

impl Database {
    /// Wants contents at a point, and notes up to which change of the catalogue that was followed.
    /// What has a row is wanted again where it was not; what is *removing* stays so until it is gone.
    ///
    /// Says whether it was done: not where `seen` is of the past.
    pub async fn want_in_cloud(
        &self,
        seen: &CloudFollowing,
        wants: &[CloudWant],
        followed: Generation,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let generation = int("generation", followed.0)?;
        // In one order everywhere; of several files with the same content, the last one's name counts.
        let wants: BTreeMap<_, _> = wants.iter().map(|want| (want.content, want)).collect();
        let wants: Vec<&CloudWant> = wants.into_values().collect();
        report!(self, "wanting contents in the cloud", |tx| {
            let Some(point) = still_followed(tx, seen).await? else { return Ok(false) };
            for batch in wants.chunks(BATCH) {
                want(tx, seen, batch, now).await?;
            }
            let mut point = point.into_active_model();
            point.followed = Set(generation);
            point.update(tx).await?;
            Ok(true)
        })
    }

    /// Begins a full walk through the catalogue: whoever began one before, and did not end it, is of the
    /// past from now on. Gives the number of this one; none where `seen` is of the past.
    pub async fn begin_cloud_walk(&self, seen: &CloudFollowing) -> Result<Option<u64>, DbError> {
        let next = seen.walks.saturating_add(1);
        let stored = int("number of walks", next)?;
        report!(self, "beginning to follow the catalogue into the cloud", |tx| {
            let Some(point) = still_followed(tx, seen).await? else { return Ok(None) };
            let mut point = point.into_active_model();
            point.walks = Set(Some(stored));
            point.update(tx).await?;
            Ok(Some(next))
        })
    }

    /// Wants contents at a point no longer. What was not begun is forgotten; what is *sending*,
    /// *proving* or *failed* is *removing* from now on; what is *present* stays until its grace is
    /// over.
    ///
    /// Says whether it was done: not where `seen` is of the past.
    pub async fn unwant_in_cloud(
        &self,
        seen: &CloudFollowing,
        contents: &[ContentId],
        now: Timestamp,
    ) -> Result<bool, DbError> {
        report!(self, "wanting contents in the cloud no longer", |tx| {
            if still_followed(tx, seen).await?.is_none() {
                return Ok(false);
            }
            for batch in contents.chunks(BATCH) {
                unwant(tx, seen, batch, now).await?;
            }
            Ok(true)
        })
    }
}

impl Database {
    /// Wants a content at the principal for an upload that is not committed, until then; gives how it
    /// stands. None where the point is not the principal, or is gone: then nothing is done.
    pub async fn want_in_cloud_for_upload(
        &self,
        point: CloudPointId,
        want: &CloudWant,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, DbError> {
        report!(self, "wanting an upload in the cloud", |tx| {
            // With its row locked, so that nobody else adds rows.
            let row =
                cloud_point::Entity::find_by_id(point.uuid()).lock_exclusive().one(tx).await?;
            if row.is_none_or(|row| !row.is_principal || row.active_key.is_none()) {
                return Ok(None);
            }
            let known = rows::locked(tx, point, want.content).await?;
            let mut copy = known.unwrap_or_else(|| CloudCopy::of_want(want, now));
            if copy.want_for_upload(want, now, until).is_done() {
                rows::store(tx, point, &[&copy]).await?;
            }
            Ok(Some(copy))
        })
    }

    /// Whether something at a point was wanted by an upload whose time is over: committed or not, what
    /// becomes of it shows only when everything is walked through.
    pub async fn has_lapsed_cloud_uploads(
        &self,
        point: CloudPointId,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let lapsed = query!(self, "looking for uploads that are over in the cloud", |db| {
            let lapsed = Entity::find()
                .filter(Column::PointId.eq(point.uuid()))
                .filter(Column::UploadUntil.lte(now.unix_ms()));
            Ok(lapsed.one(db).await?)
        })?;
        Ok(lapsed.is_some())
    }
}

/// Whether a content is at the principal; kept there until then, so that nobody removes it between the
/// commit that names it and the moment at which that is followed.
pub(crate) async fn hold_for_commit(
    tx: &DatabaseTransaction,
    point: CloudPointId,
    content: ContentId,
    until: Timestamp,
) -> Outcome<bool> {
    let Some(mut copy) = rows::locked(tx, point, content).await?.filter(CloudCopy::is_there) else {
        return Ok(false);
    };
    copy.upload_until = copy.upload_until.max(Some(until));
    rows::store(tx, point, &[&copy]).await?;
    Ok(true)
}

/// How many full walks were begun at a point.
pub(crate) fn walks(point: &cloud_point::Model) -> Result<u64, DbError> {
    uint("number of walks", point.walks.unwrap_or_default())
}

/// What failed at a point is due: what made it fail may have been changed.
pub(crate) async fn retry_failed(
    tx: &DatabaseTransaction,
    point: Uuid,
    now: Timestamp,
) -> Outcome<()> {
    Entity::update_many()
        .col_expr(Column::NextTry, Expr::value(now.unix_ms()))
        .filter(Column::PointId.eq(point))
        .filter(Column::State.eq(CloudCopyState::Failed.as_str()))
        .exec(tx)
        .await?;
    Ok(())
}

/// The point, locked, where its wants are still followed from there. So nobody else adds rows.
async fn still_followed(
    tx: &DatabaseTransaction,
    seen: &CloudFollowing,
) -> Outcome<Option<cloud_point::Model>> {
    let point = cloud_point::Entity::find_by_id(seen.point.uuid());
    let Some(point) = point.lock_exclusive().one(tx).await? else { return Ok(None) };
    let followed = int("generation", seen.followed.0)?;
    let is_still = chosen(&point)? == seen.selection
        && point.followed == followed
        && walks(&point)? == seen.walks;
    // Nothing is wanted any more at one that is being left.
    let is_still = is_still && point.active_key.is_some();
    Ok(is_still.then_some(point))
}

async fn want(
    tx: &DatabaseTransaction,
    seen: &CloudFollowing,
    wants: &[&CloudWant],
    now: Timestamp,
) -> Outcome<()> {
    let contents: Vec<ContentId> = wants.iter().map(|want| want.content).collect();
    let mut known = known(tx, seen, &contents).await?;
    let mut changed = Vec::new();
    for want in wants {
        match known.remove(&want.content) {
            None => changed.push(CloudCopy::of_want(want, now)),
            Some(mut copy) => {
                if copy.want(want).is_done() {
                    changed.push(copy);
                }
            }
        }
    }
    rows::store(tx, seen.point, &changed.iter().collect::<Vec<_>>()).await
}

async fn unwant(
    tx: &DatabaseTransaction,
    seen: &CloudFollowing,
    contents: &[ContentId],
    now: Timestamp,
) -> Outcome<()> {
    let (mut changed, mut gone) = (Vec::new(), Vec::new());
    for (content, mut copy) in known(tx, seen, contents).await? {
        match copy.unwant(now) {
            CloudStep::Refused => {}
            CloudStep::Forgotten => gone.push(content),
            CloudStep::Done => changed.push(copy),
        }
    }
    let removing = changed.iter().filter(|copy| copy.state == CloudCopyState::Removing);
    let removing: Vec<ContentId> = removing.map(|copy| copy.content).collect();
    rows::forget_parts(tx, seen.point, &removing).await?;
    rows::forget(tx, seen.point, &gone).await?;
    rows::store(tx, seen.point, &changed.iter().collect::<Vec<_>>()).await
}

/// Those of these contents that have rows, locked, in the order of their ids, so that two callers
/// cannot wait for each other.
async fn known(
    tx: &DatabaseTransaction,
    seen: &CloudFollowing,
    contents: &[ContentId],
) -> Outcome<BTreeMap<ContentId, CloudCopy>> {
    let rows = Entity::find()
        .filter(Column::PointId.eq(seen.point.uuid()))
        .filter(Column::ContentId.is_in(contents.iter().copied().map(rows::bytes)))
        .order_by_asc(Column::ContentId)
        .lock_exclusive()
        .all(tx)
        .await?;
    let mut known = BTreeMap::new();
    for row in rows {
        let copy = CloudCopy::try_from(row)?;
        known.insert(copy.content, copy);
    }
    Ok(known)
}

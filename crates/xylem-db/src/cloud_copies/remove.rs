//! What becomes of a content that is, or was, at a point.

use std::collections::BTreeSet;

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use xylem_model::{CloudPointId, ContentId, Timestamp};

use super::record::{CloudCopy, CloudCopyState as State};
use super::rows::{self, BATCH};
use crate::convert;
use crate::entity::cloud_copy::{Column, Entity};
use crate::transaction::{Outcome, query, report};
use crate::{Database, DbError};

impl Database {
    /// Notes that what was *present* is not, or is not as it was: *wanted* anew, with the reason. What
    /// is wanted no longer is forgotten instead. Says whether it was *present*.
    pub async fn note_cloud_lost(
        &self,
        point: CloudPointId,
        content: ContentId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        report!(self, "noting that a content in the cloud was lost", |tx| {
            let (step, _) = rows::step(tx, point, content, |copy| copy.lose(reason, now)).await?;
            Ok(step.is_done())
        })
    }

    /// Notes that what is *present* is another than was sent: *removing*, and *wanted* anew once it is
    /// gone, with the reason. Says whether it was *present*.
    pub async fn note_cloud_withdrawn(
        &self,
        point: CloudPointId,
        content: ContentId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        report!(self, "withdrawing a content in the cloud", |tx| {
            let withdrawn = rows::step(tx, point, content, |copy| copy.withdraw(reason, now));
            let (step, _) = withdrawn.await?;
            Ok(step.is_done())
        })
    }

    /// Notes that contents that are *present* are as they are to be.
    pub async fn note_cloud_looked_at(
        &self,
        point: CloudPointId,
        contents: &[ContentId],
        now: Timestamp,
    ) -> Result<(), DbError> {
        // In one order everywhere, so that two callers cannot wait for each other.
        let contents: BTreeSet<ContentId> = contents.iter().copied().collect();
        let contents: Vec<Vec<u8>> = contents.into_iter().map(rows::bytes).collect();
        report!(self, "noting what was found in the cloud", |tx| {
            for batch in contents.chunks(BATCH) {
                Entity::update_many()
                    .col_expr(Column::LookedAt, Expr::value(now.unix_ms()))
                    .filter(Column::PointId.eq(point.uuid()))
                    .filter(Column::ContentId.is_in(batch.iter().cloned()))
                    .filter(Column::State.eq(State::Present.as_str()))
                    .exec(tx)
                    .await?;
            }
            Ok(())
        })
    }

    /// Contents that are *present*, and that nothing can write any more since before `now` that was
    /// signed for other bytes: the longest first, at most [`MAX_PAGE`](crate::MAX_PAGE).
    pub async fn unsettled_cloud_copies(
        &self,
        point: CloudPointId,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, DbError> {
        let limit = convert::page(limit);
        let rows = query!(self, "listing what is to be asked after in the cloud", |db| {
            let due = Entity::find()
                .filter(Column::PointId.eq(point.uuid()))
                .filter(Column::State.eq(State::Present.as_str()))
                .filter(Column::UnboundUntil.lte(now.unix_ms()))
                .order_by_asc(Column::UnboundUntil)
                .order_by_asc(Column::ContentId);
            Ok(due.limit(limit).all(db).await?)
        })?;
        rows.into_iter().map(CloudCopy::try_from).collect()
    }

    /// Notes that a content is as it is to be, and that nothing could write other bytes there any more
    /// when it was asked after; or that nothing could be concluded, and when it is asked after `again`.
    pub async fn note_cloud_settled(
        &self,
        point: CloudPointId,
        content: ContentId,
        now: Timestamp,
        again: Option<Timestamp>,
    ) -> Result<(), DbError> {
        report!(self, "noting that a content in the cloud is settled", |tx| {
            let settling = rows::step(tx, point, content, |copy| copy.settle(now, again));
            let (_settled, _) = settling.await?;
            Ok(())
        })
    }

    /// Begins to remove what is *present* and unwanted since before `unwanted_before`, and gives what
    /// is *removing*: what is so for longest first, at most [`MAX_PAGE`](crate::MAX_PAGE). Nothing
    /// more is begun than is given.
    pub async fn begin_cloud_removals(
        &self,
        point: CloudPointId,
        unwanted_before: Timestamp,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, DbError> {
        let limit = convert::page(limit);
        report!(self, "looking for what is to be removed from the cloud", |tx| {
            let mut removing = in_state(tx, point, State::Removing, None, limit).await?;
            let room = limit.saturating_sub(u64::try_from(removing.len()).unwrap_or(u64::MAX));
            let over = in_state(tx, point, State::Present, Some(unwanted_before), room).await?;
            for CloudCopy { content, .. } in over {
                let begun =
                    rows::step(tx, point, content, |copy| copy.remove(unwanted_before, now));
                let (step, copy) = begun.await?;
                removing.extend(copy.filter(|_| step.is_done()));
            }
            Ok(removing)
        })
    }

    /// Notes that what was *removing* is gone: its row too, unless it is wanted again. Says whether it was
    /// noted: not while a deletion may still arrive.
    pub async fn note_cloud_removed(
        &self,
        point: CloudPointId,
        content: ContentId,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        report!(self, "noting that a content was removed from the cloud", |tx| {
            let (step, _) = rows::step(tx, point, content, |copy| copy.end_removing(now)).await?;
            Ok(step.is_done())
        })
    }
}

/// Contents in a state; where a moment is given, those that are unwanted since before.
async fn in_state(
    tx: &DatabaseTransaction,
    point: CloudPointId,
    state: State,
    unwanted_before: Option<Timestamp>,
    limit: u64,
) -> Outcome<Vec<CloudCopy>> {
    let mut rows = Entity::find()
        .filter(Column::PointId.eq(point.uuid()))
        .filter(Column::State.eq(state.as_str()));
    if let Some(before) = unwanted_before {
        rows = rows.filter(Column::UnwantedAt.lt(before.unix_ms()));
    }
    let rows = rows.order_by_asc(Column::Since).order_by_asc(Column::ContentId).limit(limit);
    let rows = rows.all(tx).await?;
    Ok(rows.into_iter().map(CloudCopy::try_from).collect::<Result<Vec<_>, DbError>>()?)
}

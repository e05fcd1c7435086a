//! What is at a cloud distribution point, and how far the rest is on its way there
//! (`docs/design/cloud.md`, "States of one content").
//!
//! A row is a content at a point; while it is sent, it has a row for each part that arrived. How a
//! content goes from one state to the next is decided by the pure [steps](steps) on a row that is
//! locked: of several callers one does it, and every one is told whether it was.
//!
//! Here is what is read; [`want`] follows what is to be there, [`take`] gives out what is sent next,
//! [`leave`] is what becomes of all at once, [`upload`] notes how far it is, [`remove`] what becomes of what
//! is there, [`read_back`] what is read
//! back whole, [`delete`] which deletions may still arrive, [`usage`] what it took.
//!
//! Where nothing is there is no row, and of a point that is forgotten there is none either: then
//! steps are refused, and lists are empty.

mod delete;
mod leave;
mod read_back;
mod record;
mod remove;
mod rows;
mod steps;
mod take;
mod upload;
mod usage;
mod want;

use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};
use xylem_model::{CloudPointId, ContentId};

pub(crate) use leave::{give_up_unfinished, is_work_left, left_behind, unwant_present, want_left};
pub use record::{
    CloudCopy, CloudCopyState, CloudCount, CloudDeletion, CloudFollowing, CloudLease, CloudPart,
    CloudReadBack, CloudUsage, CloudWant, CloudWork, Month,
};
pub(crate) use rows::{forget_contents, forget_point};
pub use steps::CloudStep;
pub(crate) use want::{hold_for_commit, retry_failed, walks};

use crate::convert::{self, parsed, uint};
use crate::entity::cloud_copy::{Column, Entity};
use crate::entity::cloud_part;
use crate::transaction::query;
use crate::{Database, DbError};

impl Database {
    /// A content at a point, where there is a row of it.
    pub async fn cloud_copy(
        &self,
        point: CloudPointId,
        content: ContentId,
    ) -> Result<Option<CloudCopy>, DbError> {
        let row = query!(self, "looking up a content in the cloud", |db| {
            Ok(Entity::find_by_id(rows::key(point, content)).one(db).await?)
        })?;
        row.map(CloudCopy::try_from).transpose()
    }

    /// Contents at a point in the order of their ids, from behind `after` on, of one state where one
    /// is named; at most [`MAX_PAGE`](crate::MAX_PAGE).
    pub async fn cloud_copies(
        &self,
        point: CloudPointId,
        state: Option<CloudCopyState>,
        after: Option<ContentId>,
        limit: u64,
    ) -> Result<Vec<CloudCopy>, DbError> {
        let rows = query!(self, "listing contents in the cloud", |db| {
            let mut listed = Entity::find().filter(Column::PointId.eq(point.uuid()));
            if let Some(state) = state {
                listed = listed.filter(Column::State.eq(state.as_str()));
            }
            if let Some(after) = after {
                listed = listed.filter(Column::ContentId.gt(after.as_bytes().to_vec()));
            }
            Ok(listed.order_by_asc(Column::ContentId).limit(convert::page(limit)).all(db).await?)
        })?;
        rows.into_iter().map(CloudCopy::try_from).collect()
    }

    /// How much is in which state, in the order of the states. States without contents are left out.
    pub async fn cloud_counts(&self, point: CloudPointId) -> Result<Vec<CloudCount>, DbError> {
        let rows: Vec<(String, i64, i64, i64)> = query!(self, "counting in the cloud", |db| {
            // Sums come as decimals from all but SQLite.
            let number = match db.get_database_backend() {
                DbBackend::MySql => "SIGNED",
                _ => "BIGINT",
            };
            let counts = Entity::find()
                .select_only()
                .column(Column::State)
                .column_as(Expr::col(Column::State).count(), "contents")
                .column_as(Expr::col(Column::Size).sum().cast_as(number), "bytes")
                .column_as(Expr::col(Column::Arrived).sum().cast_as(number), "arrived_bytes")
                .filter(Column::PointId.eq(point.uuid()))
                .group_by(Column::State);
            Ok(counts.into_tuple().all(db).await?)
        })?;
        let count = |(state, contents, bytes, arrived): (String, i64, i64, i64)| {
            Ok::<_, DbError>(CloudCount {
                state: parsed("state of a content in the cloud", &state)?,
                contents: uint("count", contents)?,
                bytes: uint("bytes", bytes)?,
                arrived: uint("bytes", arrived)?,
            })
        };
        let mut counts = rows.into_iter().map(count).collect::<Result<Vec<_>, _>>()?;
        counts.sort_unstable_by_key(|count| count.state);
        Ok(counts)
    }

    /// The parts of a content that arrived, in order.
    pub async fn cloud_parts(
        &self,
        point: CloudPointId,
        content: ContentId,
    ) -> Result<Vec<CloudPart>, DbError> {
        let rows = query!(self, "listing parts in the cloud", |db| {
            let arrived = cloud_part::Entity::find().filter(rows::parts_of(point, content));
            Ok(arrived.order_by_asc(cloud_part::Column::Number).all(db).await?)
        })?;
        rows.into_iter().map(CloudPart::try_from).collect()
    }

    /// Those of the parts of a content that arrived and have one of these numbers, in order.
    pub async fn cloud_parts_among(
        &self,
        point: CloudPointId,
        content: ContentId,
        numbers: &[u32],
    ) -> Result<Vec<CloudPart>, DbError> {
        // What no column holds is the number of no part.
        let numbers: Vec<i32> = numbers.iter().filter_map(|it| i32::try_from(*it).ok()).collect();
        let mut parts = Vec::new();
        for batch in numbers.chunks(rows::BATCH) {
            let rows = query!(self, "looking up parts in the cloud", |db| {
                let arrived = cloud_part::Entity::find()
                    .filter(rows::parts_of(point, content))
                    .filter(cloud_part::Column::Number.is_in(batch.iter().copied()));
                Ok(arrived.order_by_asc(cloud_part::Column::Number).all(db).await?)
            })?;
            for row in rows {
                parts.push(CloudPart::try_from(row)?);
            }
        }
        Ok(parts)
    }

    /// How many parts of a content arrived.
    pub async fn count_cloud_parts(
        &self,
        point: CloudPointId,
        content: ContentId,
    ) -> Result<u64, DbError> {
        query!(self, "counting parts in the cloud", |db| {
            Ok(cloud_part::Entity::find().filter(rows::parts_of(point, content)).count(db).await?)
        })
    }
}

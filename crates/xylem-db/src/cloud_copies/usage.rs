//! What a point was used for, by calendar month.

use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use xylem_model::CloudPointId;

use super::record::{CloudUsage, Month};
use crate::convert::{self, int, uint};
use crate::entity::cloud_point;
use crate::entity::cloud_usage::{Column, Entity, Model};
use crate::transaction::{query, report};
use crate::{Database, DbError};

/// The month of a row.
const MONTH: &str = "month";

impl Database {
    /// Adds to what a point was used for in a month. What was done for a point that is gone meanwhile
    /// is counted nowhere.
    pub async fn count_cloud_use(
        &self,
        point: CloudPointId,
        month: Month,
        more: &CloudUsage,
    ) -> Result<(), DbError> {
        let row = row(point, month, more)?;
        let amounts = [
            (Column::Sent, row.sent),
            (Column::ReadBack, row.read_back),
            (Column::ToldByAgents, row.told_by_agents),
            (Column::Writes, row.writes),
            (Column::Reads, row.reads),
            (Column::Lists, row.lists),
        ];
        report!(self, "counting the use of the cloud", |tx| {
            if cloud_point::Entity::find_by_id(point.uuid()).one(tx).await?.is_none() {
                return Ok(());
            }
            let mut add = OnConflict::columns([Column::PointId, Column::Month]);
            for (column, amount) in amounts {
                // With the table's name: a new row has a value of that name as well.
                add.value(column, Expr::col((Entity, column)).add(amount));
            }
            let insert = Entity::insert(row.clone().into_active_model()).on_conflict(add);
            insert.exec_without_returning(tx).await?;
            Ok(())
        })
    }

    /// What a point was used for, the latest month first; at most [`MAX_PAGE`](crate::MAX_PAGE), which
    /// is 83 years.
    pub async fn cloud_usage(
        &self,
        point: CloudPointId,
    ) -> Result<Vec<(Month, CloudUsage)>, DbError> {
        let rows = query!(self, "looking up the use of the cloud", |db| {
            let of_point = Entity::find().filter(Column::PointId.eq(point.uuid()));
            let latest = of_point.order_by_desc(Column::Month).limit(convert::MAX_PAGE);
            Ok(latest.all(db).await?)
        })?;
        rows.into_iter().map(read).collect()
    }
}

fn row(point: CloudPointId, month: Month, usage: &CloudUsage) -> Result<Model, DbError> {
    Ok(Model {
        point_id: point.uuid(),
        month: convert::small(MONTH, month.0)?,
        sent: int("bytes", usage.sent)?,
        read_back: int("bytes", usage.read_back)?,
        told_by_agents: int("bytes", usage.told_by_agents)?,
        writes: int("requests", usage.writes)?,
        reads: int("requests", usage.reads)?,
        lists: int("requests", usage.lists)?,
    })
}

fn read(row: Model) -> Result<(Month, CloudUsage), DbError> {
    let usage = CloudUsage {
        sent: uint("bytes", row.sent)?,
        read_back: uint("bytes", row.read_back)?,
        told_by_agents: uint("bytes", row.told_by_agents)?,
        writes: uint("requests", row.writes)?,
        reads: uint("requests", row.reads)?,
        lists: uint("requests", row.lists)?,
    };
    Ok((Month(convert::count(MONTH, row.month)?), usage))
}

//! What is read back whole: one content after the other, what is doubted first.

use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Condition, Expr},
};
use xylem_model::{CloudPointId, ContentId, DistributionServerId, Timestamp};

use super::record::{CloudCopy, CloudCopyState as State, CloudReadBack, CloudWork};
use super::rows;
use super::take::{LOOKED_AT, is_free};
use crate::entity::cloud_copy::{Column, Entity};
use crate::transaction::report;
use crate::{Database, DbError};

impl Database {
    /// Notes that somebody found other bytes of a content, as [`CloudCopy::doubt`] has it. Says whether
    /// it was heard.
    pub async fn doubt_in_cloud(
        &self,
        point: CloudPointId,
        content: ContentId,
        heard_before: Timestamp,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        report!(self, "doubting a content in the cloud", |tx| {
            let doubting = rows::step(tx, point, content, |copy| copy.doubt(heard_before, now));
            let (step, _) = doubting.await?;
            Ok(step.is_done())
        })
    }

    /// Takes what a server is to read back next, until `until`, in the order of
    /// [`CloudCopy::place_in_reading_back`]; where no `read_before` is given, what is doubted alone.
    pub async fn take_to_read_back(
        &self,
        point: CloudPointId,
        server: DistributionServerId,
        read_before: Option<Timestamp>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, DbError> {
        report!(self, "looking for what is read back from the cloud next", |tx| {
            let open = open(point, server, now);
            let mut lists = vec![open.clone().filter(is_doubted()).order_by_asc(Column::DoubtedAt)];
            if let Some(before) = read_before {
                let due = open.filter(Column::Since.lt(before.unix_ms()));
                let never = due.clone().filter(Column::ReadBackAt.is_null());
                lists.push(never.order_by_asc(Column::Since));
                let read = due.filter(Column::ReadBackAt.lt(before.unix_ms()));
                lists.push(read.order_by_asc(Column::ReadBackAt));
            }
            for list in lists {
                for row in list.order_by_asc(Column::ContentId).limit(LOOKED_AT).all(tx).await? {
                    let content = CloudCopy::try_from(row)?.content;
                    let taking = rows::step(tx, point, content, |copy| {
                        copy.take_to_read_back(server, now, until)
                    });
                    if let (step, Some(copy)) = taking.await?
                        && step.is_done()
                    {
                        return Ok(Some(copy));
                    }
                }
            }
            Ok(None)
        })
    }

    /// Keeps what a server reads back; gives the content, or none where it is another's by now, or not
    /// to be read back any more.
    pub async fn keep_reading_back(
        &self,
        work: CloudWork,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, DbError> {
        let CloudWork { point, content, server } = work;
        report!(self, "keeping a content for whoever reads it back", |tx| {
            let keeping =
                rows::step(tx, point, content, |copy| copy.keep_reading_back(server, until));
            let (step, copy) = keeping.await?;
            Ok(copy.filter(|_| step.is_done()))
        })
    }

    /// Notes what came of reading a content back. Says whether it was noted.
    pub async fn note_cloud_read_back(
        &self,
        work: CloudWork,
        found: CloudReadBack<'_>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let CloudWork { point, content, server } = work;
        report!(self, "noting what was read back from the cloud", |tx| {
            let ending =
                rows::step(tx, point, content, |copy| copy.end_reading_back(server, found, now));
            let (step, _) = ending.await?;
            Ok(step.is_done())
        })
    }
}

/// What a server may read back.
fn open(point: CloudPointId, server: DistributionServerId, now: Timestamp) -> Select<Entity> {
    let is_open = is_free(now).add(Column::LeaseServer.eq(server.uuid()));
    let is_due =
        Condition::any().add(Column::NextTry.is_null()).add(Column::NextTry.lte(now.unix_ms()));
    Entity::find()
        .filter(Column::PointId.eq(point.uuid()))
        .filter(Column::State.eq(State::Present.as_str()))
        .filter(Column::UnwantedAt.is_null())
        .filter(is_open)
        .filter(is_due)
}

fn is_doubted() -> Condition {
    let since = Expr::col(Column::ReadBackAt).lt(Expr::col(Column::DoubtedAt));
    Condition::all()
        .add(Column::DoubtedAt.is_not_null())
        .add(Condition::any().add(Column::ReadBackAt.is_null()).add(since))
}

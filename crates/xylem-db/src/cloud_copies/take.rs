//! What is sent next, and by whom.

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Condition, Expr},
};
use xylem_model::{CloudPointId, ContentId, DistributionServerId, Timestamp};
use xylem_sync::{Class, SMALL_BYTES};

use super::record::{CloudCopy, CloudCopyState as State};
use super::rows::{self, BATCH};
use crate::convert::int;
use crate::entity::cloud_copy::{Column, Entity};
use crate::transaction::{Outcome, report};
use crate::{Database, DbError};

/// How many contents are looked at, beyond those that are to be taken, for one that nobody else takes
/// at this moment. Where all of them were taken, the caller asks again later.
pub(super) const LOOKED_AT: u64 = 8;

/// Who takes, and for how long.
#[derive(Clone, Copy)]
struct Taker {
    point: CloudPointId,
    server: DistributionServerId,
    now: Timestamp,
    until: Timestamp,
}

impl Database {
    /// Takes one of [`take_some_from_cloud_wants`](Self::take_some_from_cloud_wants).
    pub async fn take_from_cloud_wants(
        &self,
        point: CloudPointId,
        server: DistributionServerId,
        busy: &[ContentId],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<CloudCopy>, DbError> {
        let taking = self.take_some_from_cloud_wants(point, server, busy, 1, now, until);
        Ok(taking.await?.pop())
    }

    /// Takes what a server is to send next, `most` contents at most, until `until`: first what it works
    /// on already, then what nobody works on and is *sending*, *proving*, *wanted*, or *failed* and due;
    /// of these by [`Class`], then the smaller one. What was *wanted* or *failed* is *sending* from now
    /// on. Nothing is given of which a deletion may still arrive.
    ///
    /// `busy` are contents that it is sending already, of which at most 500 are looked at: they are
    /// kept for it and not given again, and beside a large one ([`SMALL_BYTES`]) no other large one
    /// of its class is given, nor are two such at once.
    pub async fn take_some_from_cloud_wants(
        &self,
        point: CloudPointId,
        server: DistributionServerId,
        busy: &[ContentId],
        most: usize,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<CloudCopy>, DbError> {
        let busy = busy.get(..BATCH).unwrap_or(busy);
        let taker = Taker { point, server, now, until };
        report!(self, "looking for what is sent into the cloud next", |tx| {
            let mut large = keep_busy(tx, point, server, busy, until).await?;
            let (mut busy, mut taken) = (busy.to_vec(), Vec::new());
            while taken.len() < most {
                let room = most - taken.len();
                let limit = LOOKED_AT.saturating_add(room as u64);
                let open = open(point, &busy, &large, limit)?.filter(may_be_written(now));
                let worked_on = open.clone().filter(is_worked_on_by(server));
                let mut next = take_first(tx, taker, worked_on, room).await?;
                if next.is_empty() {
                    let free = open.filter(is_free(now)).filter(is_due(now));
                    next = take_first(tx, taker, free, room).await?;
                }
                if next.is_empty() {
                    break;
                }
                busy.extend(next.iter().map(|copy| copy.content));
                large.extend(next.iter().filter(|copy| copy.is_large()).map(CloudCopy::class));
                taken.append(&mut next);
            }
            Ok(taken)
        })
    }
}

/// Keeps what a server is sending, and gives the classes of which a large one is among it.
async fn keep_busy(
    tx: &DatabaseTransaction,
    point: CloudPointId,
    server: DistributionServerId,
    busy: &[ContentId],
    until: Timestamp,
) -> Outcome<Vec<Class>> {
    if busy.is_empty() {
        return Ok(Vec::new());
    }
    let kept = Condition::all()
        .add(Column::PointId.eq(point.uuid()))
        .add(Column::ContentId.is_in(busy.iter().copied().map(rows::bytes)))
        .add(Column::UnwantedAt.is_null())
        .add(is_worked_on_by(server));
    Entity::update_many()
        .col_expr(Column::LeaseUntil, Expr::value(until.unix_ms()))
        .filter(kept.clone())
        .exec(tx)
        .await?;
    let mut classes = Vec::new();
    for row in Entity::find().filter(kept).all(tx).await? {
        let copy = CloudCopy::try_from(row)?;
        if copy.is_large() {
            classes.push(copy.class());
        }
    }
    Ok(classes)
}

/// What may be given at all, in the order in which it goes.
fn open(
    point: CloudPointId,
    busy: &[ContentId],
    large: &[Class],
    limit: u64,
) -> Result<Select<Entity>, DbError> {
    let mut open = Entity::find()
        .filter(Column::PointId.eq(point.uuid()))
        .filter(Column::UnwantedAt.is_null());
    if !busy.is_empty() {
        let busy = busy.iter().copied().map(rows::bytes);
        open = open.filter(Column::ContentId.is_not_in(busy));
    }
    for class in large {
        let other = Column::Class.ne(rows::place(*class));
        let is_small = Column::Size.lte(int("size", SMALL_BYTES)?);
        open = open.filter(Condition::any().add(other).add(is_small));
    }
    Ok(open
        .order_by_asc(Column::Class)
        .order_by_asc(Column::Size)
        .order_by_asc(Column::ContentId)
        .limit(limit))
}

fn is_worked_on_by(server: DistributionServerId) -> Condition {
    let states = [State::Sending, State::Proving].map(State::as_str);
    Condition::all().add(Column::LeaseServer.eq(server.uuid())).add(Column::State.is_in(states))
}

pub(super) fn is_free(now: Timestamp) -> Condition {
    Condition::any().add(Column::LeaseUntil.is_null()).add(Column::LeaseUntil.lte(now.unix_ms()))
}

fn may_be_written(now: Timestamp) -> Condition {
    Condition::any().add(Column::NotBefore.is_null()).add(Column::NotBefore.lte(now.unix_ms()))
}

fn is_due(now: Timestamp) -> Condition {
    let states = [State::Sending, State::Proving, State::Wanted].map(State::as_str);
    let failed = Condition::all()
        .add(Column::State.eq(State::Failed.as_str()))
        .add(Column::NextTry.lte(now.unix_ms()));
    Condition::any().add(Column::State.is_in(states)).add(failed)
}

/// Takes the first that nobody else took since the list was read, so many at most. Of what is large one
/// alone, and nothing behind it: what may go beside it is another list.
async fn take_first(
    tx: &DatabaseTransaction,
    taker: Taker,
    open: Select<Entity>,
    most: usize,
) -> Outcome<Vec<CloudCopy>> {
    let Taker { point, server, now, until } = taker;
    let mut taken = Vec::new();
    for row in open.all(tx).await? {
        let content = CloudCopy::try_from(row)?.content;
        let taking = rows::step(tx, point, content, |copy| copy.take(server, now, until));
        let (step, copy) = taking.await?;
        if !step.is_done() {
            continue;
        }
        let is_large = copy.as_ref().is_some_and(CloudCopy::is_large);
        taken.extend(copy);
        if is_large || taken.len() >= most {
            break;
        }
    }
    Ok(taken)
}

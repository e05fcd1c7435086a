//! What becomes of all contents at a point that is being left, and what of them stays there.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, ExprTrait,
    PaginatorTrait, QueryFilter, QuerySelect,
    sea_query::{Condition, Expr},
};
use uuid::Uuid;
use xylem_model::Timestamp;

use super::record::CloudCopyState as State;
use crate::cloud_points::CloudForgotten;
use crate::convert::uint;
use crate::entity::cloud_copy::{Column, Entity};
use crate::entity::cloud_part;
use crate::transaction::Outcome;

/// Sends nothing any more: what was not begun is forgotten, what is *sending*, *proving* or *failed*
/// is *removing* from now on, as by [`CloudCopy::unwant`](super::CloudCopy::unwant). In few
/// statements, however much is wanted.
pub(crate) async fn give_up_unfinished(
    tx: &DatabaseTransaction,
    point: Uuid,
    now: Timestamp,
) -> Outcome<()> {
    let of_point = || Condition::all().add(Column::PointId.eq(point));
    // An upload that is not committed wants nothing there any more.
    let by_uploads = of_point().add(Column::UploadUntil.is_not_null());
    Entity::update_many()
        .col_expr(Column::UploadUntil, Expr::value(None::<i64>))
        .filter(by_uploads)
        .exec(tx)
        .await?;
    // What is *present* has none.
    let parts = cloud_part::Entity::delete_many().filter(cloud_part::Column::PointId.eq(point));
    parts.exec(tx).await?;
    let wanted = of_point().add(Column::State.eq(State::Wanted.as_str()));
    Entity::delete_many().filter(wanted).exec(tx).await?;
    let begun = [State::Sending, State::Proving, State::Failed].map(State::as_str);
    Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Removing.as_str()))
        .col_expr(Column::Since, Expr::value(now.unix_ms()))
        .col_expr(Column::LeaseServer, Expr::value(None::<Uuid>))
        .col_expr(Column::LeaseUntil, Expr::value(None::<i64>))
        .col_expr(Column::NextTry, Expr::value(None::<i64>))
        .filter(of_point().add(Column::State.is_in(begun)))
        .exec(tx)
        .await?;
    unwant(tx, point, State::Removing, now).await
}

/// What is *present* is unwanted since then, where it was not before.
pub(crate) async fn unwant_present(
    tx: &DatabaseTransaction,
    point: Uuid,
    since: Timestamp,
) -> Outcome<()> {
    unwant(tx, point, State::Present, since).await
}

/// What is *present* and unwanted since a point was `left`, because its objects were to be deleted, is
/// so no more: they are kept.
pub(crate) async fn want_left(
    tx: &DatabaseTransaction,
    point: Uuid,
    left: Timestamp,
) -> Outcome<()> {
    Entity::update_many()
        .col_expr(Column::UnwantedAt, Expr::value(None::<i64>))
        .filter(Column::PointId.eq(point))
        .filter(Column::State.eq(State::Present.as_str()))
        .filter(Column::UnwantedAt.gte(left.unix_ms()))
        .exec(tx)
        .await?;
    Ok(())
}

/// Whether something is to be done at the provider before a point is forgotten, whose objects are
/// `kept` or not.
pub(crate) async fn is_work_left(
    tx: &DatabaseTransaction,
    point: Uuid,
    kept: bool,
) -> Outcome<bool> {
    let mut rows = Entity::find().filter(Column::PointId.eq(point));
    if kept {
        rows = rows.filter(Column::State.eq(State::Removing.as_str()));
    }
    Ok(rows.count(tx).await? > 0)
}

/// What stays at the provider of a point that is forgotten now.
pub(crate) async fn left_behind(tx: &DatabaseTransaction, point: Uuid) -> Outcome<CloudForgotten> {
    let is = |state: State| Column::State.eq(state.as_str());
    // As `CloudCopy::was_there` and `CloudCopy::has_upload`.
    let there = Column::Etag.is_not_null().or(Column::LookedAt.is_not_null());
    let objects = Condition::any().add(is(State::Present)).add(is(State::Removing).and(there));
    let unseen = Column::LookedAt.is_null();
    let begun = || Column::UploadRef.is_not_null().or(Column::PartBytes.is_not_null());
    let uploads = Condition::any()
        .add(is(State::Sending).and(begun()))
        .add(is(State::Proving).and(begun()))
        .add(is(State::Failed).and(begun()))
        .add(is(State::Removing).and(begun()).and(Column::Etag.is_null()).and(unseen));
    // Sums come as decimals from all but SQLite.
    let number = match tx.get_database_backend() {
        DbBackend::MySql => "SIGNED",
        _ => "BIGINT",
    };
    let counted = Entity::find()
        .select_only()
        .column_as(Column::State.count(), "objects")
        .column_as(Expr::col(Column::Size).sum().cast_as(number), "bytes")
        .filter(Column::PointId.eq(point))
        .filter(objects);
    let counted: Option<(i64, Option<i64>)> = counted.into_tuple().one(tx).await?;
    let (objects, bytes) = counted.unwrap_or_default();
    let uploads = Entity::find().filter(Column::PointId.eq(point)).filter(uploads);
    Ok(CloudForgotten {
        objects: uint("count", objects)?,
        bytes: uint("bytes", bytes.unwrap_or(0))?,
        uploads: uploads.count(tx).await?,
    })
}

async fn unwant(
    tx: &DatabaseTransaction,
    point: Uuid,
    state: State,
    since: Timestamp,
) -> Outcome<()> {
    Entity::update_many()
        .col_expr(Column::UnwantedAt, Expr::value(since.unix_ms()))
        .filter(Column::PointId.eq(point))
        .filter(Column::State.eq(state.as_str()))
        .filter(Column::UnwantedAt.is_null())
        .exec(tx)
        .await?;
    Ok(())
}

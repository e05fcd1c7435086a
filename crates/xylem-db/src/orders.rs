//! Orders to computers to install something.
//!
//! Each computer counts the changes of its orders; the agent's signed head names that count, so
//! that an order withheld from it is noticed.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Set, sea_query::Expr,
};
use serde_json::{Value, json};
use xylem_model::{ComputerId, ContentId, FileId, Generation, OrderId, Timestamp};

use crate::audit::{self, Actor};
use crate::computers::{raise_orders, require_live};
use crate::convert::{self, bytes32, moment, parsed_json, uint};
use crate::entity::order::{Column, Entity, Model};
use crate::transaction::{Outcome, change, query, read};
use crate::words::words;
use crate::{Database, DbError};

words! {
    /// How far an order has come.
    OrderState, "state of an order" {
        /// The computer has not reported on it yet.
        Pending => "pending",
        /// Carried out.
        Done => "done",
        /// The computer could not carry it out; its report says why.
        Failed => "failed",
        /// Taken back before the computer reported.
        Cancelled => "cancelled",
    }
}

/// An order to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// Its id.
    pub id: OrderId,
    /// Who shall carry it out.
    pub computer: ComputerId,
    /// The file to install.
    pub file: FileId,
    /// Which version of it.
    pub version: u32,
    /// The content of that version.
    pub content: ContentId,
    /// The signed descriptor, byte for byte.
    pub descriptor: Vec<u8>,
}

/// A stored order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Who shall carry it out.
    pub computer: ComputerId,
    /// The file to install.
    pub file: FileId,
    /// Which version of it.
    pub version: u32,
    /// The content of that version.
    pub content: ContentId,
    /// The signed descriptor, byte for byte.
    pub descriptor: Vec<u8>,
    /// How far it has come.
    pub state: OrderState,
    /// Who gave it.
    pub created_by: String,
    /// When it was given.
    pub created: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// What the computer reported.
    pub report: Option<Value>,
    /// The computer's orders generation at the order's last change.
    pub generation: Generation,
}

/// All that a computer still has to do, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingOrders {
    /// The computer's orders generation.
    pub generation: Generation,
    /// The orders, oldest first.
    pub orders: Vec<Order>,
}

impl Database {
    /// Gives an order.
    pub async fn add_order(
        &self,
        new: &NewOrder,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Order, DbError> {
        convert::bounded("descriptor", new.descriptor.len())?;
        let version = convert::small("version number", new.version)?;
        change!(self, "giving an order", |tx| {
            let computer = require_live(tx, new.computer).await?;
            let row = Model {
                id: new.id.uuid(),
                computer_id: new.computer.uuid(),
                file_id: new.file.uuid(),
                version,
                content_id: new.content.as_bytes().to_vec(),
                descriptor: new.descriptor.clone(),
                state: OrderState::Pending.as_str().into(),
                created_by: actor.as_str().into(),
                created_at: now.unix_ms(),
                finished_at: None,
                report: None,
                generation: raise_orders(tx, new.computer).await?,
            };
            Entity::insert(row.clone().into_active_model()).exec_without_returning(tx).await?;
            let detail = json!({ "id": new.id, "file": new.file, "version": new.version });
            audit::append(tx, actor, now, "order.add", &computer.name, &detail).await?;
            Ok(Order::try_from(row)?)
        })
    }

    /// What a computer still has to do, and its orders generation, seen at one moment.
    pub async fn pending_orders(&self, computer: ComputerId) -> Result<PendingOrders, DbError> {
        let (row, orders) = read!(self, "reading a computer's orders", |tx| {
            let row = require_live(tx, computer).await?;
            let pending = pending_of(computer).order_by_asc(Column::Id).all(tx).await?;
            Ok((row, pending))
        })?;
        Ok(PendingOrders {
            generation: Generation(uint("orders generation", row.orders_generation)?),
            orders: orders.into_iter().map(Order::try_from).collect::<Result<_, _>>()?,
        })
    }

    /// Notes how an order ended, as reported by the computer it was given to. Reporting the same
    /// end again changes nothing.
    ///
    /// # Errors
    /// [`DbError::NotFound`] for another computer's order, [`DbError::WrongState`] where it has
    /// ended otherwise.
    pub async fn finish_order(
        &self,
        computer: ComputerId,
        id: OrderId,
        done: bool,
        report: &Value,
        now: Timestamp,
    ) -> Result<Order, DbError> {
        let state = if done { OrderState::Done } else { OrderState::Failed };
        let report = convert::json("report", report)?;
        change!(self, "ending an order", |tx| {
            let row = find(tx, id).await?;
            if row.computer_id != computer.uuid() {
                return Err(not_found(id).into());
            }
            if row.state == state.as_str() {
                return Ok(Order::try_from(row)?);
            }
            Ok(end(tx, row, state, Some(report.clone()), now).await?.try_into()?)
        })
    }

    /// Takes an order back, unless the computer has reported on it.
    pub async fn cancel_order(
        &self,
        id: OrderId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Order, DbError> {
        change!(self, "cancelling an order", |tx| {
            let row = find(tx, id).await?;
            let order = end(tx, row, OrderState::Cancelled, None, now).await?;
            audit::append(tx, actor, now, "order.cancel", &id.to_string(), &json!({})).await?;
            Ok(Order::try_from(order)?)
        })
    }

    /// One order.
    pub async fn order(&self, id: OrderId) -> Result<Order, DbError> {
        query!(self, "looking up an order", |db| find(db, id).await)?.try_into()
    }

    /// Orders, newest first, from the one before `before` on; of one computer or of all.
    pub async fn orders(
        &self,
        computer: Option<ComputerId>,
        before: Option<OrderId>,
        limit: u64,
    ) -> Result<Vec<Order>, DbError> {
        let rows = query!(self, "listing orders", |db| {
            let mut orders = Entity::find();
            if let Some(computer) = computer {
                orders = orders.filter(Column::ComputerId.eq(computer.uuid()));
            }
            if let Some(before) = before {
                orders = orders.filter(Column::Id.lt(before.uuid()));
            }
            Ok(orders.order_by_desc(Column::Id).limit(convert::page(limit)).all(db).await?)
        })?;
        rows.into_iter().map(Order::try_from).collect()
    }
}

fn not_found(id: OrderId) -> DbError {
    DbError::NotFound { what: "order", name: id.to_string() }
}

async fn find<C: ConnectionTrait>(connection: &C, id: OrderId) -> Outcome<Model> {
    let row = Entity::find_by_id(id.uuid()).one(connection).await?;
    Ok(row.ok_or_else(|| not_found(id))?)
}

fn pending_of(computer: ComputerId) -> sea_orm::Select<Entity> {
    Entity::find()
        .filter(Column::ComputerId.eq(computer.uuid()))
        .filter(Column::State.eq(OrderState::Pending.as_str()))
}

/// Ends a pending order.
async fn end(
    tx: &DatabaseTransaction,
    row: Model,
    state: OrderState,
    report: Option<String>,
    now: Timestamp,
) -> Outcome<Model> {
    let present: OrderState = convert::parsed("order's state", &row.state)?;
    if present != OrderState::Pending {
        return Err(DbError::WrongState {
            what: "order",
            name: row.id.to_string(),
            state: present.as_str(),
            wanted: state.as_str(),
        }
        .into());
    }
    let generation = raise_orders(tx, ComputerId::from_uuid(row.computer_id)).await?;
    let mut change = row.into_active_model();
    change.state = Set(state.as_str().into());
    change.finished_at = Set(Some(now.unix_ms()));
    change.report = Set(report);
    change.generation = Set(generation);
    Ok(change.update(tx).await?)
}

/// Cancels what a computer still has to do, in the transaction that removes it.
pub(crate) async fn cancel_pending(
    tx: &DatabaseTransaction,
    computer: ComputerId,
    now: Timestamp,
) -> Outcome<()> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(OrderState::Cancelled.as_str()))
        .col_expr(Column::FinishedAt, Expr::value(now.unix_ms()))
        .filter(Column::ComputerId.eq(computer.uuid()))
        .filter(Column::State.eq(OrderState::Pending.as_str()))
        .exec(tx)
        .await?;
    Ok(())
}

impl TryFrom<Model> for Order {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        let report = row.report.as_deref().map(|text| parsed_json("order's report", text));
        Ok(Self {
            id: OrderId::from_uuid(row.id),
            computer: ComputerId::from_uuid(row.computer_id),
            file: FileId::from_uuid(row.file_id),
            version: convert::count("version number", row.version)?,
            content: ContentId::from_bytes(bytes32("content id", &row.content_id)?),
            descriptor: row.descriptor,
            state: convert::parsed("order's state", &row.state)?,
            created_by: row.created_by,
            created: Timestamp::from_unix_ms(row.created_at),
            finished: moment(row.finished_at),
            report: report.transpose()?,
            generation: Generation(uint("orders generation", row.generation)?),
        })
    }
}

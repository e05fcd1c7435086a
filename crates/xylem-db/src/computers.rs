//! Managed Macs.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, ExprTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Set, sea_query::Expr,
};
use serde_json::json;
use xylem_model::{ComputerId, Generation, Party, SiteId, Stamp, Timestamp};

use crate::audit::{self, Actor};
use crate::certificates::revoke_all;
use crate::convert::{self, clip, moment, uint};
use crate::entity::computer::{Column, Entity, Model};
use crate::orders::cancel_pending;
use crate::sites::require_site;
use crate::state::raise;
use crate::transaction::{Outcome, change, query, report};
use crate::{Believing, Database, DbError};

const WHAT: &str = "computer";

/// A computer that enrols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewComputer {
    /// Its id.
    pub id: ComputerId,
    /// Its name.
    pub name: String,
    /// The maker's serial number, where it is known.
    pub serial_number: Option<String>,
    /// Where it belongs.
    pub site: Option<SiteId>,
}

/// A managed Mac.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computer {
    /// Which.
    pub id: ComputerId,
    /// Its name, unique without regard to case among those not removed.
    pub name: String,
    /// The maker's serial number, where it is known.
    pub serial_number: Option<String>,
    /// Where it belongs.
    pub site: Option<SiteId>,
    /// Its operating system and version.
    pub os: Option<String>,
    /// The version of its agent.
    pub program_version: Option<String>,
    /// The address it last came from.
    pub address: Option<String>,
    /// When it enrolled.
    pub enrolled: Timestamp,
    /// When it was removed.
    pub removed: Option<Timestamp>,
    /// When it last checked in.
    pub last_seen: Option<Timestamp>,
    /// Raised with every change of its orders.
    pub orders_generation: Generation,
    /// Its last change by an administrator.
    pub stamp: Stamp,
}

/// What a computer says of itself at a check-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckIn {
    /// Which.
    pub id: ComputerId,
    /// When it came.
    pub at: Timestamp,
    /// Its operating system and version.
    pub os: String,
    /// The version of its agent.
    pub program_version: String,
    /// The address it came from.
    pub address: String,
    /// What it says of the certificate authorities.
    pub believing: Believing,
}

impl Database {
    /// Enrols a computer; [`DbError::Conflict`] where one of that name is enrolled already.
    pub async fn enroll_computer(
        &self,
        new: &NewComputer,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Computer, DbError> {
        let name = convert::name(WHAT, &new.name)?;
        change!(self, "enrolling a computer", |tx| {
            if let Some(row) = named(tx, &name).await? {
                return Err(DbError::Conflict { what: WHAT, name: row.name }.into());
            }
            require_site(tx, new.site).await?;
            let (epoch, generation) = convert::columns(raise(tx).await?)?;
            let row = Model {
                believes: None,
                certified_by: None,
                id: new.id.uuid(),
                name: name.clone(),
                live_key: Some(convert::name_key(&name)),
                serial_number: new.serial_number.as_deref().map(clip),
                site_id: new.site.map(SiteId::uuid),
                os: None,
                program_version: None,
                address: None,
                enrolled_at: now.unix_ms(),
                removed_at: None,
                last_seen: None,
                orders_generation: 0,
                epoch,
                generation,
            };
            Entity::insert(row.clone().into_active_model()).exec_without_returning(tx).await?;
            let detail = json!({ "id": new.id, "site": new.site });
            audit::append(tx, actor, now, "computer.enroll", &name, &detail).await?;
            Ok(Computer::try_from(row)?)
        })
    }

    /// Computers that have not been removed, in the order of their ids from the one after `after`
    /// on; at most [`MAX_PAGE`](crate::MAX_PAGE).
    pub async fn computers(
        &self,
        after: Option<ComputerId>,
        limit: u64,
    ) -> Result<Vec<Computer>, DbError> {
        let rows = query!(self, "listing computers", |db| {
            let mut live = Entity::find().filter(Column::RemovedAt.is_null());
            if let Some(after) = after {
                live = live.filter(Column::Id.gt(after.uuid()));
            }
            Ok(live.order_by_asc(Column::Id).limit(convert::page(limit)).all(db).await?)
        })?;
        rows.into_iter().map(Computer::try_from).collect()
    }

    /// One computer, removed or not.
    pub async fn computer(&self, id: ComputerId) -> Result<Computer, DbError> {
        let row = query!(self, "looking up a computer", |db| {
            let row = Entity::find_by_id(id.uuid()).one(db).await?;
            Ok(row.ok_or_else(|| not_found(id))?)
        })?;
        row.try_into()
    }

    /// The computer of this name, without regard to case, that has not been removed.
    pub async fn computer_by_name(&self, name: &str) -> Result<Computer, DbError> {
        let row = query!(self, "looking up a computer", |db| {
            let row = named(db, name).await?;
            Ok(row.ok_or_else(|| DbError::NotFound { what: WHAT, name: clip(name) })?)
        })?;
        row.try_into()
    }

    /// Notes a batch of check-ins in one transaction. Computers that are unknown or removed are
    /// passed by.
    pub async fn touch_computers(&self, check_ins: &[CheckIn]) -> Result<(), DbError> {
        // In one order everywhere, so that two batches cannot wait for each other.
        let mut sorted: Vec<&CheckIn> = check_ins.iter().collect();
        sorted.sort_by_key(|check_in| check_in.id);
        report!(self, "noting check-ins", |tx| {
            for check_in in &sorted {
                let (believes, certified_by) = check_in.believing.columns();
                Entity::update_many()
                    .col_expr(Column::LastSeen, Expr::value(check_in.at.unix_ms()))
                    .col_expr(Column::Os, Expr::value(clip(&check_in.os)))
                    .col_expr(Column::ProgramVersion, Expr::value(clip(&check_in.program_version)))
                    .col_expr(Column::Address, Expr::value(clip(&check_in.address)))
                    .col_expr(Column::Believes, Expr::value(believes))
                    .col_expr(Column::CertifiedBy, Expr::value(certified_by))
                    .filter(Column::Id.eq(check_in.id.uuid()))
                    .filter(Column::RemovedAt.is_null())
                    .exec(tx)
                    .await?;
            }
            Ok(())
        })
    }

    /// Removes a computer: its certificates are revoked, its pending orders cancelled, its name
    /// is free again.
    pub async fn remove_computer(
        &self,
        id: ComputerId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Stamp, DbError> {
        change!(self, "removing a computer", |tx| {
            let row = require_live(tx, id).await?;
            revoke_all(tx, Party::Computer(id), now).await?;
            cancel_pending(tx, id, now).await?;
            let stamp = raise(tx).await?;
            let (epoch, generation) = convert::columns(stamp)?;
            let name = row.name.clone();
            let mut change = row.into_active_model();
            change.live_key = Set(None);
            change.removed_at = Set(Some(now.unix_ms()));
            change.epoch = Set(epoch);
            change.generation = Set(generation);
            change.update(tx).await?;
            audit::append(tx, actor, now, "computer.remove", &name, &json!({})).await?;
            Ok(stamp)
        })
    }
}

fn not_found(id: ComputerId) -> DbError {
    DbError::NotFound { what: WHAT, name: id.to_string() }
}

async fn named<C: ConnectionTrait>(connection: &C, name: &str) -> Outcome<Option<Model>> {
    let same = Entity::find().filter(Column::LiveKey.eq(convert::name_key(name)));
    Ok(same.one(connection).await?)
}

pub(crate) async fn require_live(tx: &DatabaseTransaction, id: ComputerId) -> Outcome<Model> {
    let row = Entity::find_by_id(id.uuid()).one(tx).await?;
    Ok(row.filter(|row| row.removed_at.is_none()).ok_or_else(|| not_found(id))?)
}

/// Raises a computer's orders generation by one; gives the new one. The row stays locked until
/// the transaction ends.
pub(crate) async fn raise_orders(tx: &DatabaseTransaction, id: ComputerId) -> Outcome<i64> {
    Entity::update_many()
        .col_expr(Column::OrdersGeneration, Expr::col(Column::OrdersGeneration).add(1))
        .filter(Column::Id.eq(id.uuid()))
        .exec(tx)
        .await?;
    let row = Entity::find_by_id(id.uuid()).one(tx).await?;
    Ok(row.ok_or_else(|| not_found(id))?.orders_generation)
}

impl TryFrom<Model> for Computer {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        Ok(Self {
            id: ComputerId::from_uuid(row.id),
            name: row.name,
            serial_number: row.serial_number,
            site: row.site_id.map(SiteId::from_uuid),
            os: row.os,
            program_version: row.program_version,
            address: row.address,
            enrolled: Timestamp::from_unix_ms(row.enrolled_at),
            removed: moment(row.removed_at),
            last_seen: moment(row.last_seen),
            orders_generation: Generation(uint("orders generation", row.orders_generation)?),
            stamp: convert::stamp(row.epoch, row.generation)?,
        })
    }
}

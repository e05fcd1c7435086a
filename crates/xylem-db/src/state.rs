//! The one row every change of a wish passes through: epoch, generation, restore, organisation.

use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, ExprTrait, sea_query::Expr};
use serde_json::json;
use uuid::Uuid;
use xylem_model::{Epoch, Stamp, Timestamp};

use crate::audit::{self, Actor};
use crate::convert::{self, int};
use crate::entity::state::{Column, Entity, Model};
use crate::transaction::{Outcome, change, query};
use crate::{Database, DbError};

/// Whose management server this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Made once, at set-up; part of what keeps two installations apart.
    pub id: Uuid,
    /// As shown to people.
    pub name: String,
}

impl Database {
    /// The present epoch and generation.
    pub async fn stamp(&self) -> Result<Stamp, DbError> {
        query!(self, "reading the generation", |db| current_stamp(db).await)
    }

    /// The organisation, once [`found_organization`](Self::found_organization) has set it.
    pub async fn organization(&self) -> Result<Option<Organization>, DbError> {
        let row = query!(self, "reading the organization", |db| row(db).await)?;
        Ok(organization_of(&row))
    }

    /// Sets the organisation where there is none yet; answers with the one that is stored, so
    /// that of two servers set up at once both go on with the same.
    pub async fn found_organization(
        &self,
        organization: &Organization,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Organization, DbError> {
        let name = convert::name("organization's name", &organization.name)?;
        let new = Organization { id: organization.id, name };
        change!(self, "setting the organization", |tx| {
            if let Some(stored) = organization_of(&row(tx).await?) {
                return Ok(stored);
            }
            Entity::update_many()
                .col_expr(Column::OrganizationId, Expr::value(new.id))
                .col_expr(Column::OrganizationName, Expr::value(new.name.clone()))
                .exec(tx)
                .await?;
            let detail = json!({ "id": new.id });
            audit::append(tx, actor, now, "organization.found", &new.name, &detail).await?;
            Ok(new.clone())
        })
    }

    /// After a backup has been loaded: starts an epoch above this database's own and above
    /// `at_least`, the highest any peer has reported, so that what is wished from now on counts
    /// as newer than anything a peer saw before. Until [`confirm_restore`](Self::confirm_restore)
    /// nothing may be deleted anywhere.
    pub async fn begin_epoch(
        &self,
        at_least: Epoch,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Stamp, DbError> {
        let at_least = int("epoch", at_least.0)?;
        change!(self, "starting a new epoch", |tx| {
            let epoch = Ord::max(row(tx).await?.epoch, at_least).saturating_add(1);
            Entity::update_many()
                .col_expr(Column::Epoch, Expr::value(epoch))
                .col_expr(Column::RestoreUnconfirmed, Expr::value(true))
                .exec(tx)
                .await?;
            let stamp = raise(tx).await?;
            let detail = json!({ "epoch": epoch });
            audit::append(tx, actor, now, "restore.begin", "database", &detail).await?;
            Ok(stamp)
        })
    }

    /// Whether a restored backup still waits for an administrator's confirmation.
    pub async fn restore_unconfirmed(&self) -> Result<bool, DbError> {
        let row = query!(self, "reading the restore state", |db| row(db).await)?;
        Ok(row.restore_unconfirmed)
    }

    /// An administrator has looked: deletions are allowed again.
    pub async fn confirm_restore(&self, actor: &Actor, now: Timestamp) -> Result<Stamp, DbError> {
        change!(self, "confirming the restore", |tx| {
            if !row(tx).await?.restore_unconfirmed {
                return current_stamp(tx).await;
            }
            Entity::update_many()
                .col_expr(Column::RestoreUnconfirmed, Expr::value(false))
                .exec(tx)
                .await?;
            let stamp = raise(tx).await?;
            audit::append(tx, actor, now, "restore.confirm", "database", &json!({})).await?;
            Ok(stamp)
        })
    }
}

/// Raises the generation by one. The row stays locked until the transaction ends, so generations
/// become visible in their order and without gaps.
pub(crate) async fn raise(tx: &DatabaseTransaction) -> Outcome<Stamp> {
    Entity::update_many()
        .col_expr(Column::Generation, Expr::col(Column::Generation).add(1))
        .exec(tx)
        .await?;
    current_stamp(tx).await
}

pub(crate) async fn current_stamp<C: ConnectionTrait>(connection: &C) -> Outcome<Stamp> {
    let row = row(connection).await?;
    Ok(convert::stamp(row.epoch, row.generation)?)
}

pub(crate) async fn row<C: ConnectionTrait>(connection: &C) -> Outcome<Model> {
    let row = Entity::find_by_id(1).one(connection).await?;
    Ok(row.ok_or_else(|| DbError::Corrupt {
        what: "state",
        problem: "its only row is missing".into(),
    })?)
}

fn organization_of(row: &Model) -> Option<Organization> {
    Some(Organization { id: row.organization_id?, name: row.organization_name.clone()? })
}

//! WebDAV accounts of distribution servers.
//!
//! An account is part of its server: a change of it raises the generation and stamps the server's
//! row, so that the server hears of it. Passwords arrive as hashes and are named in no audit
//! record. A new password leaves the one before it good until the rotation is ended.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, Set,
};
use serde_json::{Value, json};
use xylem_model::{AccountAccess, AccountName, DistributionServerId, Stamp, Timestamp};

use crate::audit::{self, Actor};
use crate::convert::{self, parsed};
use crate::entity::account::{Column, Entity, Model};
use crate::entity::distribution_server as server;
use crate::servers::{require_live, store_stamped};
use crate::transaction::{Outcome, change, query};
use crate::{Database, DbError};

/// Most WebDAV accounts of one distribution server: all of them are in each of its documents.
pub const MAX_ACCOUNTS: u64 = 100;

const WHAT: &str = "WebDAV account";

/// A WebDAV account of a distribution server.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose account it is.
    pub server: DistributionServerId,
    /// Its name, unique on that server.
    pub name: AccountName,
    /// What it may do.
    pub access: AccountAccess,
    /// When it was made.
    pub created: Timestamp,
    /// When its newest password was made.
    pub password_at: Timestamp,
    /// Hashes of the passwords that count, newest first: two while the password is rotated.
    pub passwords: Vec<String>,
}

/// A WebDAV account to be added.
#[derive(Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// Whose account it is.
    pub server: DistributionServerId,
    /// Its name.
    pub name: AccountName,
    /// What it may do.
    pub access: AccountAccess,
    /// The hash of its password.
    pub password: String,
}

impl Database {
    /// The accounts of a server, by name.
    pub async fn accounts(&self, server: DistributionServerId) -> Result<Vec<Account>, DbError> {
        let rows = query!(self, "listing WebDAV accounts", |db| {
            let own = Entity::find().filter(Column::ServerId.eq(server.uuid()));
            Ok(own.order_by_asc(Column::Name).all(db).await?)
        })?;
        rows.into_iter().map(Account::try_from).collect()
    }

    /// The accounts of all servers, by server and name: at most [`MAX_ACCOUNTS`] for each.
    pub async fn all_accounts(&self) -> Result<Vec<Account>, DbError> {
        let rows = query!(self, "listing all WebDAV accounts", |db| {
            let all = Entity::find().order_by_asc(Column::ServerId).order_by_asc(Column::Name);
            Ok(all.all(db).await?)
        })?;
        rows.into_iter().map(Account::try_from).collect()
    }

    /// Adds an account.
    ///
    /// # Errors
    /// [`DbError::Conflict`] where the server has one of this name, [`DbError::TooMany`] where it
    /// has [`MAX_ACCOUNTS`].
    pub async fn add_account(
        &self,
        new: &NewAccount,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Account, DbError> {
        convert::storable("hash of a password", &new.password)?;
        let row = Model {
            server_id: new.server.uuid(),
            name: new.name.as_str().into(),
            access: new.access.as_str().into(),
            created_at: now.unix_ms(),
            password_at: now.unix_ms(),
            password_hash: new.password.clone(),
            previous_hash: None,
        };
        change!(self, "adding a WebDAV account", |tx| {
            let server = require_live(tx, new.server).await?;
            if account(tx, new.server, &new.name).await?.is_some() {
                let name = new.name.to_string();
                return Err(DbError::Conflict { what: WHAT, name }.into());
            }
            let own = Entity::find().filter(Column::ServerId.eq(new.server.uuid()));
            if own.count(tx).await? >= MAX_ACCOUNTS {
                let (what, of, limit) = ("WebDAV accounts", server.name, MAX_ACCOUNTS);
                return Err(DbError::TooMany { what, of, limit }.into());
            }
            Entity::insert(row.clone().into_active_model()).exec_without_returning(tx).await?;
            let detail = json!({ "access": new.access });
            note(tx, server, &new.name, "account.add", detail, actor, now).await?;
            Ok(Account::try_from(row.clone())?)
        })
    }

    /// Removes an account: none of its passwords counts any more.
    pub async fn remove_account(
        &self,
        server: DistributionServerId,
        name: &AccountName,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Stamp, DbError> {
        change!(self, "removing a WebDAV account", |tx| {
            let (of, row) = require_account(tx, server, name).await?;
            Entity::delete_by_id((row.server_id, row.name)).exec(tx).await?;
            note(tx, of, name, "account.remove", json!({}), actor, now).await
        })
    }

    /// Gives an account another password, by its hash. The one it had counts beside it, until
    /// [`drop_previous_password`](Self::drop_previous_password) or the next new one.
    pub async fn renew_password(
        &self,
        server: DistributionServerId,
        name: &AccountName,
        password: &str,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Account, DbError> {
        convert::storable("hash of a password", password)?;
        change!(self, "giving a WebDAV account a new password", |tx| {
            let (of, row) = require_account(tx, server, name).await?;
            let former = row.password_hash.clone();
            let mut change = row.into_active_model();
            change.previous_hash = Set(Some(former));
            change.password_hash = Set(password.to_owned());
            change.password_at = Set(now.unix_ms());
            let row = change.update(tx).await?;
            note(tx, of, name, "account.new-password", json!({}), actor, now).await?;
            Ok(Account::try_from(row)?)
        })
    }

    /// Ends a rotation: only the newest password of the account counts. Where only one did,
    /// nothing changes.
    pub async fn drop_previous_password(
        &self,
        server: DistributionServerId,
        name: &AccountName,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Account, DbError> {
        change!(self, "dropping the former password of a WebDAV account", |tx| {
            let (of, row) = require_account(tx, server, name).await?;
            if row.previous_hash.is_none() {
                return Ok(Account::try_from(row)?);
            }
            let mut change = row.into_active_model();
            change.previous_hash = Set(None);
            let row = change.update(tx).await?;
            note(tx, of, name, "account.drop-password", json!({}), actor, now).await?;
            Ok(Account::try_from(row)?)
        })
    }
}

/// Forgets all accounts of a server that is being removed.
pub(crate) async fn forget_all(tx: &DatabaseTransaction, id: DistributionServerId) -> Outcome<()> {
    Entity::delete_many().filter(Column::ServerId.eq(id.uuid())).exec(tx).await?;
    Ok(())
}

async fn account<C: ConnectionTrait>(
    connection: &C,
    server: DistributionServerId,
    name: &AccountName,
) -> Outcome<Option<Model>> {
    let key = (server.uuid(), name.as_str().to_owned());
    Ok(Entity::find_by_id(key).one(connection).await?)
}

async fn require_account(
    tx: &DatabaseTransaction,
    server: DistributionServerId,
    name: &AccountName,
) -> Outcome<(server::Model, Model)> {
    let of = require_live(tx, server).await?;
    match account(tx, server, name).await? {
        Some(row) => Ok((of, row)),
        None => {
            let name = format!("{name} on {}", of.name);
            Err(DbError::NotFound { what: WHAT, name }.into())
        }
    }
}

/// Raises the generation, stamps the server's row with it, and writes the audit record.
async fn note(
    tx: &DatabaseTransaction,
    server: server::Model,
    name: &AccountName,
    action: &str,
    detail: Value,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stamp> {
    let object = format!("{name} on {}", server.name);
    let stored = store_stamped(tx, server.into_active_model()).await?;
    audit::append(tx, actor, now, action, &object, &detail).await?;
    Ok(convert::stamp(stored.epoch, stored.generation)?)
}

impl TryFrom<Model> for Account {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        Ok(Self {
            server: DistributionServerId::from_uuid(row.server_id),
            name: parsed("account's name", &row.name)?,
            access: parsed("account's access", &row.access)?,
            created: Timestamp::from_unix_ms(row.created_at),
            password_at: Timestamp::from_unix_ms(row.password_at),
            passwords: [row.password_hash].into_iter().chain(row.previous_hash).collect(),
        })
    }
}

//! API tokens. Only the hash of a token is kept.

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use serde_json::json;
use xylem_model::{Timestamp, TokenId};

use crate::audit::{self, Actor};
use crate::convert::{self, moment};
use crate::entity::token::{Column, Entity, Model};
use crate::transaction::{change, query, report};
use crate::{Database, DbError};

/// A token to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Its id.
    pub id: TokenId,
    /// What it is for, in the words of whoever made it. Need not be unique.
    pub name: String,
    /// Hash of the token; the token itself is never stored.
    pub token_hash: [u8; 32],
    /// What it may do, in the words of the API.
    pub scopes: Vec<String>,
    /// Until when it is good, if there is an end.
    pub expires: Option<Timestamp>,
}

/// A stored token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it is good, if there is an end.
    pub expires: Option<Timestamp>,
    /// When it was last used, as far as [`Database::touch_token`] was told.
    pub last_used: Option<Timestamp>,
    /// When it was taken back.
    pub revoked: Option<Timestamp>,
}

impl Database {
    /// Adds a token.
    pub async fn add_token(
        &self,
        new: &NewToken,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Token, DbError> {
        let name = convert::name("token's name", &new.name)?;
        let row = Model {
            id: new.id.uuid(),
            name: name.clone(),
            token_hash: new.token_hash.to_vec(),
            scopes: convert::json("token's scopes", &json!(new.scopes))?,
            created_by: actor.as_str().into(),
            created_at: now.unix_ms(),
            expires_at: new.expires.map(Timestamp::unix_ms),
            last_used_at: None,
            revoked_at: None,
        };
        change!(self, "adding a token", |tx| {
            Entity::insert(row.clone().into_active_model()).exec_without_returning(tx).await?;
            let detail = json!({ "id": new.id, "scopes": new.scopes, "expires": new.expires });
            audit::append(tx, actor, now, "token.add", &name, &detail).await?;
            Ok(Token::try_from(row.clone())?)
        })
    }

    /// The token with this hash, if it is good at `now`.
    pub async fn token_by_hash(
        &self,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Token>, DbError> {
        let row = query!(self, "looking up a token", |db| {
            let good = Entity::find()
                .filter(Column::TokenHash.eq(token_hash.to_vec()))
                .filter(Column::RevokedAt.is_null())
                .filter(
                    Condition::any()
                        .add(Column::ExpiresAt.is_null())
                        .add(Column::ExpiresAt.gt(now.unix_ms())),
                );
            Ok(good.one(db).await?)
        })?;
        row.map(Token::try_from).transpose()
    }

    /// The newest tokens, at most [`MAX_PAGE`](crate::MAX_PAGE); those no longer good included.
    pub async fn tokens(&self, limit: u64) -> Result<Vec<Token>, DbError> {
        let rows = query!(self, "listing tokens", |db| {
            let newest = Entity::find().order_by_desc(Column::CreatedAt).order_by_desc(Column::Id);
            Ok(newest.limit(convert::page(limit)).all(db).await?)
        })?;
        rows.into_iter().map(Token::try_from).collect()
    }

    /// Notes that a token was used. Callers do this now and then, not on every request.
    pub async fn touch_token(&self, id: TokenId, now: Timestamp) -> Result<(), DbError> {
        report!(self, "noting the use of a token", |tx| {
            Entity::update_many()
                .col_expr(Column::LastUsedAt, Expr::value(now.unix_ms()))
                .filter(Column::Id.eq(id.uuid()))
                .exec(tx)
                .await?;
            Ok(())
        })
    }

    /// Takes a token back, for ever.
    pub async fn revoke_token(
        &self,
        id: TokenId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), DbError> {
        change!(self, "revoking a token", |tx| {
            let Some(row) = Entity::find_by_id(id.uuid()).one(tx).await? else {
                return Err(DbError::NotFound { what: "token", name: id.to_string() }.into());
            };
            Entity::update_many()
                .col_expr(Column::RevokedAt, Expr::value(now.unix_ms()))
                .filter(Column::Id.eq(id.uuid()))
                .filter(Column::RevokedAt.is_null())
                .exec(tx)
                .await?;
            audit::append(tx, actor, now, "token.revoke", &row.name, &json!({ "id": id })).await
        })
    }
}

impl TryFrom<Model> for Token {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        Ok(Self {
            id: TokenId::from_uuid(row.id),
            name: row.name,
            scopes: serde_json::from_str(&row.scopes).map_err(|error| DbError::Corrupt {
                what: "token's scopes",
                problem: error.to_string(),
            })?,
            created_by: row.created_by,
            created: Timestamp::from_unix_ms(row.created_at),
            expires: moment(row.expires_at),
            last_used: moment(row.last_used_at),
            revoked: moment(row.revoked_at),
        })
    }
}

//! Invitations to enrol. Only the hash of a code is kept.

use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use serde_json::json;
use xylem_model::{InvitationId, SiteId, Timestamp};

use crate::audit::{self, Actor};
use crate::convert::{self, moment};
use crate::entity::invitation::{Column, Entity, Model};
use crate::sites::require_site;
use crate::transaction::{change, query, report};
use crate::words::words;
use crate::{Database, DbError, InvitationRefusal};

words! {
    /// Whom an invitation invites.
    InvitationKind, "kind of invitation" {
        /// A managed Mac.
        Computer => "computer",
        /// A distribution server.
        Distribution => "distribution",
    }
}

/// An invitation to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvitation {
    /// Its id.
    pub id: InvitationId,
    /// Whom it invites.
    pub kind: InvitationKind,
    /// Where those who come with it belong.
    pub site: Option<SiteId>,
    /// Hash of the code; the code itself is never stored.
    pub code_hash: [u8; 32],
    /// How many may come.
    pub uses: u32,
    /// Until when.
    pub expires: Timestamp,
}

/// A stored invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// Whom it invites.
    pub kind: InvitationKind,
    /// Where those who come with it belong.
    pub site: Option<SiteId>,
    /// How many may come in all.
    pub uses: u32,
    /// How many may still come.
    pub uses_left: u32,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it admits.
    pub expires: Timestamp,
    /// When it was taken back.
    pub revoked: Option<Timestamp>,
}

impl Database {
    /// Adds an invitation.
    pub async fn add_invitation(
        &self,
        new: &NewInvitation,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Invitation, DbError> {
        let uses = convert::small("number of uses", new.uses)?;
        let row = Model {
            id: new.id.uuid(),
            kind: new.kind.as_str().into(),
            site_id: new.site.map(SiteId::uuid),
            code_hash: new.code_hash.to_vec(),
            uses,
            uses_left: uses,
            created_by: actor.as_str().into(),
            created_at: now.unix_ms(),
            expires_at: new.expires.unix_ms(),
            revoked_at: None,
        };
        change!(self, "adding an invitation", |tx| {
            require_site(tx, new.site).await?;
            Entity::insert(row.clone().into_active_model()).exec_without_returning(tx).await?;
            let detail = json!({
                "kind": new.kind.as_str(), "site": new.site, "uses": new.uses,
                "expires": new.expires,
            });
            let object = new.id.to_string();
            audit::append(tx, actor, now, "invitation.add", &object, &detail).await?;
            Ok(Invitation::try_from(row.clone())?)
        })
    }

    /// Spends one use of the invitation with this code. However many ask at once, no more are let
    /// in than it has uses: the count is taken down by one conditional update.
    ///
    /// # Errors
    /// [`DbError::Invitation`] says why it does not admit.
    pub async fn redeem(
        &self,
        code_hash: &[u8; 32],
        kind: InvitationKind,
        now: Timestamp,
    ) -> Result<Invitation, DbError> {
        report!(self, "redeeming an invitation", |tx| {
            let spent = Entity::update_many()
                .col_expr(Column::UsesLeft, Expr::col(Column::UsesLeft).sub(1))
                .filter(Column::CodeHash.eq(code_hash.to_vec()))
                .filter(Column::Kind.eq(kind.as_str()))
                .filter(Column::UsesLeft.gt(0))
                .filter(Column::ExpiresAt.gt(now.unix_ms()))
                .filter(Column::RevokedAt.is_null())
                .exec(tx)
                .await?;
            let same_code = Entity::find().filter(Column::CodeHash.eq(code_hash.to_vec()));
            let row = same_code.one(tx).await?.ok_or(InvitationRefusal::Unknown)?;
            if spent.rows_affected == 0 {
                return Err(refusal(&row, kind, now).into());
            }
            Ok(Invitation::try_from(row)?)
        })
    }

    /// The newest invitations, at most [`MAX_PAGE`](crate::MAX_PAGE); those that no longer admit included.
    pub async fn invitations(&self, limit: u64) -> Result<Vec<Invitation>, DbError> {
        let rows = query!(self, "listing invitations", |db| {
            let newest = Entity::find().order_by_desc(Column::CreatedAt).order_by_desc(Column::Id);
            Ok(newest.limit(convert::page(limit)).all(db).await?)
        })?;
        rows.into_iter().map(Invitation::try_from).collect()
    }

    /// Takes an invitation back. Those who came with it stay.
    pub async fn revoke_invitation(
        &self,
        id: InvitationId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let name = id.to_string();
        change!(self, "withdrawing an invitation", |tx| {
            if Entity::find_by_id(id.uuid()).one(tx).await?.is_none() {
                return Err(DbError::NotFound { what: "invitation", name: name.clone() }.into());
            }
            Entity::update_many()
                .col_expr(Column::RevokedAt, Expr::value(now.unix_ms()))
                .filter(Column::Id.eq(id.uuid()))
                .filter(Column::RevokedAt.is_null())
                .exec(tx)
                .await?;
            audit::append(tx, actor, now, "invitation.revoke", &name, &json!({})).await
        })
    }
}

/// Why the conditional update passed this row by. The kind comes first: the code was right, and
/// the person will want to know that above all.
fn refusal(row: &Model, kind: InvitationKind, now: Timestamp) -> InvitationRefusal {
    if row.kind != kind.as_str() {
        InvitationRefusal::WrongKind
    } else if row.revoked_at.is_some() {
        InvitationRefusal::Revoked
    } else if row.expires_at <= now.unix_ms() {
        InvitationRefusal::Expired
    } else {
        InvitationRefusal::UsedUp
    }
}

impl TryFrom<Model> for Invitation {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        Ok(Self {
            id: InvitationId::from_uuid(row.id),
            kind: convert::parsed("invitation's kind", &row.kind)?,
            site: row.site_id.map(SiteId::from_uuid),
            uses: convert::count("invitation's uses", row.uses)?,
            uses_left: convert::count("invitation's uses", row.uses_left)?,
            created_by: row.created_by,
            created: Timestamp::from_unix_ms(row.created_at),
            expires: Timestamp::from_unix_ms(row.expires_at),
            revoked: moment(row.revoked_at),
        })
    }
}

//! Certificates issued to our own programs, and which of them count no longer.

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    sea_query::Expr,
};
use serde_json::json;
use xylem_model::{Party, Stamp, Timestamp};

use crate::audit::{self, Actor};
use crate::convert::{self, moment};
use crate::entity::certificate::{Column, Entity, Model};
use crate::state::raise;
use crate::transaction::{Outcome, change, query, report};
use crate::{Database, DbError};

/// Longest serial number in hexadecimal characters (RFC 5280 allows 20 bytes).
const MAX_SERIAL_CHARS: usize = 40;

/// A certificate as it was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its serial number, lower-case hexadecimal.
    pub serial: String,
    /// Whom it names.
    pub party: Party,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends by itself.
    pub not_after: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
}

impl Database {
    /// Records a certificate before it is handed out.
    pub async fn record_certificate(
        &self,
        serial: &str,
        party: Party,
        not_after: Timestamp,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if serial.is_empty() || serial.len() > MAX_SERIAL_CHARS || !serial.chars().all(hex) {
            return Err(DbError::Invalid {
                what: "certificate",
                problem: "its serial number must be 1 to 40 lower-case hexadecimal characters"
                    .into(),
            });
        }
        let row = Model {
            serial: serial.into(),
            party: party.to_string(),
            issued_at: now.unix_ms(),
            not_after: not_after.unix_ms(),
            revoked_at: None,
        };
        report!(self, "recording a certificate", |tx| {
            Entity::insert(row.clone().into_active_model()).exec_without_returning(tx).await?;
            Ok(())
        })
    }

    /// The certificate with this serial number. After a restore there may be valid certificates
    /// that the database does not know.
    pub async fn certificate(&self, serial: &str) -> Result<Option<Certificate>, DbError> {
        let serial = convert::clip(serial);
        let row = query!(self, "looking up a certificate", |db| {
            Ok(Entity::find_by_id(&*serial).one(db).await?)
        })?;
        row.map(Certificate::try_from).transpose()
    }

    /// Whether the certificate is on record as this party's and not revoked. Its end is the
    /// caller's to check: renewal accepts certificates that have ended.
    pub async fn is_current(&self, serial: &str, party: Party) -> Result<bool, DbError> {
        let found = self.certificate(serial).await?;
        Ok(found.is_some_and(|c| c.party == party && c.revoked.is_none()))
    }

    /// Revokes all certificates of a party. The generation rises, so that every management and
    /// distribution server that follows it learns of this at once.
    pub async fn revoke_party(
        &self,
        party: Party,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Stamp, DbError> {
        change!(self, "revoking certificates", |tx| {
            let count = revoke_all(tx, party, now).await?;
            let detail = json!({ "certificates": count });
            let object = party.to_string();
            audit::append(tx, actor, now, "certificate.revoke", &object, &detail).await?;
            raise(tx).await
        })
    }

    /// Revoked certificates that would otherwise still be good at `now`, by serial number.
    pub async fn revoked(&self, now: Timestamp) -> Result<Vec<Certificate>, DbError> {
        let rows = query!(self, "listing revoked certificates", |db| {
            let revoked = Entity::find()
                .filter(Column::RevokedAt.is_not_null())
                .filter(Column::NotAfter.gt(now.unix_ms()));
            Ok(revoked.order_by_asc(Column::Serial).all(db).await?)
        })?;
        rows.into_iter().map(Certificate::try_from).collect()
    }

    /// Forgets certificates that ended before `before`; says how many.
    pub async fn purge_certificates(&self, before: Timestamp) -> Result<u64, DbError> {
        report!(self, "forgetting ended certificates", |tx| {
            let ended = Entity::delete_many().filter(Column::NotAfter.lt(before.unix_ms()));
            Ok(ended.exec(tx).await?.rows_affected)
        })
    }
}

/// Revokes within the transaction that removes the party.
pub(crate) async fn revoke_all<C: ConnectionTrait>(
    connection: &C,
    party: Party,
    now: Timestamp,
) -> Outcome<u64> {
    let revoked = Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(now.unix_ms()))
        .filter(Column::Party.eq(party.to_string()))
        .filter(Column::RevokedAt.is_null())
        .exec(connection)
        .await?;
    Ok(revoked.rows_affected)
}

impl TryFrom<Model> for Certificate {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        Ok(Self {
            party: convert::parsed("certificate's party", &row.party)?,
            serial: row.serial,
            issued: Timestamp::from_unix_ms(row.issued_at),
            not_after: Timestamp::from_unix_ms(row.not_after),
            revoked: moment(row.revoked_at),
        })
    }
}

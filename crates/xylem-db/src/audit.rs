//! What was done, by whom: append-only and hash-chained.
//!
//! Each record holds SHA-256 over the previous record's hash and its own content. The last number
//! and hash are kept in the state row as well, so that records cut off at the end are missed too.
//! The chain shows tampering by anyone who cannot recompute all of it; against someone who can,
//! the last hash belongs in a log elsewhere.

use aws_lc_rs::digest::{Context, SHA256};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};
use serde_json::Value;
use xylem_model::Timestamp;

use crate::convert::{self, bytes32, clip, int, json, parsed_json, uint};
use crate::entity::audit::{Column, Entity, Model};
use crate::entity::state;
use crate::state::row as state_row;
use crate::transaction::{Outcome, change, query, read};
use crate::{Database, DbError};

/// Keeps these hashes apart from every other use of SHA-256.
const DOMAIN: &[u8] = b"xylem audit record 1\0";
/// Records read at a time while the chain is verified.
const VERIFY_PAGE: u64 = 500;

/// Who makes a change, as the audit record shall name them: `token:ci`, `computer:UUID`,
/// `system`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// An actor under a name that the audit record keeps.
    pub fn new(name: &str) -> Self {
        Self(clip(name))
    }

    /// The program itself, acting on nobody's order.
    pub fn system() -> Self {
        Self("system".into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its place in the chain, from 1.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What was done: `site.add`.
    pub action: String,
    /// To what.
    pub object: String,
    /// Particulars.
    pub detail: Value,
    /// Over the previous record's hash and this record.
    pub hash: [u8; 32],
}

/// What a check of the chain has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditCheck {
    /// Every record is as it was written.
    Intact {
        /// How many there are.
        records: u64,
        /// The last one's hash, to be compared with one noted elsewhere.
        last_hash: [u8; 32],
    },
    /// A record was changed, removed or put in.
    Broken {
        /// The first place where the chain does not hold.
        sequence: u64,
    },
}

impl Database {
    /// Records something that changed nothing in the database, such as a refused request.
    pub async fn append_audit(
        &self,
        actor: &Actor,
        action: &str,
        object: &str,
        detail: &Value,
        now: Timestamp,
    ) -> Result<(), DbError> {
        change!(self, "writing an audit record", |tx| {
            append(tx, actor, now, action, object, detail).await
        })
    }

    /// Records from the newest on, or from the one before `before`; at most [`MAX_PAGE`](crate::MAX_PAGE).
    pub async fn audit_records(
        &self,
        before: Option<u64>,
        limit: u64,
    ) -> Result<Vec<AuditRecord>, DbError> {
        let before = int("audit sequence", before.unwrap_or(i64::MAX.unsigned_abs()))?;
        let rows = query!(self, "listing audit records", |db| {
            let older = Entity::find().filter(Column::Sequence.lt(before));
            let page = older.order_by_desc(Column::Sequence).limit(convert::page(limit));
            Ok(page.all(db).await?)
        })?;
        rows.into_iter().map(record).collect()
    }

    /// Checks the whole chain.
    pub async fn verify_audit(&self) -> Result<AuditCheck, DbError> {
        read!(self, "verifying the audit records", |tx| verify(tx).await)
    }
}

/// Adds a record within the transaction of the change that it tells of.
pub(crate) async fn append(
    tx: &DatabaseTransaction,
    actor: &Actor,
    now: Timestamp,
    action: &str,
    object: &str,
    detail: &Value,
) -> Outcome<()> {
    let state = state_row(tx).await?;
    let mut row = Model {
        sequence: state.audit_sequence.saturating_add(1),
        at: now.unix_ms(),
        actor: actor.0.clone(),
        action: clip(action),
        object: clip(object),
        detail: json("audit detail", detail)?,
        hash: Vec::new(),
    };
    row.hash = chain(&state.audit_hash, &row).to_vec();
    state::Entity::update_many()
        .col_expr(state::Column::AuditSequence, Expr::value(row.sequence))
        .col_expr(state::Column::AuditHash, Expr::value(row.hash.clone()))
        .exec(tx)
        .await?;
    Entity::insert(row.into_active_model()).exec_without_returning(tx).await?;
    Ok(())
}

/// SHA-256 over the previous hash and the record's fields, each text led by its length so that
/// no two records give the same bytes.
fn chain(previous: &[u8], row: &Model) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(DOMAIN);
    context.update(previous);
    context.update(&row.sequence.to_be_bytes());
    context.update(&row.at.to_be_bytes());
    for text in [&row.actor, &row.action, &row.object, &row.detail] {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

async fn verify(tx: &DatabaseTransaction) -> Outcome<AuditCheck> {
    let state = state_row(tx).await?;
    let (mut sequence, mut hash) = (0_i64, [0_u8; 32]);
    loop {
        let later = Entity::find().filter(Column::Sequence.gt(sequence));
        let page = later.order_by_asc(Column::Sequence).limit(VERIFY_PAGE).all(tx).await?;
        if page.is_empty() {
            break;
        }
        for row in page {
            let expected = chain(&hash, &row);
            if row.sequence != sequence + 1 || row.hash != expected {
                return broken(sequence + 1);
            }
            (sequence, hash) = (row.sequence, expected);
        }
    }
    if state.audit_sequence != sequence || state.audit_hash != hash {
        return broken(sequence.min(state.audit_sequence) + 1);
    }
    Ok(AuditCheck::Intact { records: uint("audit sequence", sequence)?, last_hash: hash })
}

fn broken(sequence: i64) -> Outcome<AuditCheck> {
    Ok(AuditCheck::Broken { sequence: uint("audit sequence", sequence)? })
}

fn record(row: Model) -> Result<AuditRecord, DbError> {
    Ok(AuditRecord {
        sequence: uint("audit sequence", row.sequence)?,
        at: Timestamp::from_unix_ms(row.at),
        hash: bytes32("audit hash", &row.hash)?,
        detail: parsed_json("audit detail", &row.detail)?,
        actor: row.actor,
        action: row.action,
        object: row.object,
    })
}

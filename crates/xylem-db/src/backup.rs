//! Backups: every row of every table as JSON lines, the same from every backend. Left out are search
//! terms, which whoever loads a backup makes from the rest, and contents on their way into a cloud or
//! out of it, which are begun anew: nobody knows how far they are when the backup is loaded.
//!
//! ```text
//! {"format":"xylem-backup","version":1,"schema":1,"stamp":{"epoch":1,"generation":7}}
//! {"table":"sites","row":{"id":"…","name":"North"}}
//! …
//! {"rows":812,"sha256":"…"}
//! ```
//!
//! The last line counts the rows and holds SHA-256 over every byte before it, so that a backup
//! cut short or changed is told from a whole one. It is a check against damage, not a signature:
//! keep backups where nobody can rewrite them. They hold hashes of tokens, invitation codes
//! and passwords, never these themselves, and keys of servers and of a cloud as they are sealed.

use std::io::Write;

use aws_lc_rs::digest::{Context, SHA256};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityName, EntityTrait, Identity, IntoIdentity, Iterable,
    ModelTrait, QueryFilter, Select, sea_query::IntoIden,
};
use sea_orm_migration::MigratorTrait;
use serde::{Deserialize, Serialize};
use xylem_model::Stamp;

use crate::entity::{cloud_copy, content_index};
use crate::migration::Migrator;
use crate::state::current_stamp;
use crate::transaction::{Kind, Outcome, Transaction};
use crate::{BackupError, CloudCopyState, Database, DbError};

mod load;

/// What the first line of every backup says it is.
const FORMAT: &str = "xylem-backup";
/// The form of the lines; raised when older programs could no longer read them.
const FORMAT_VERSION: u32 = 1;
/// Rows read from the database at a time.
const PAGE: u64 = 500;
/// Indexes read from the database at a time, of up to 1.5 MB each: as many bytes as a page of digests
/// of parts.
const PAGE_OF_INDEXES: u64 = 16;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    schema: usize,
    stamp: Stamp,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct Trailer {
    rows: u64,
    sha256: String,
}

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupSummary {
    /// The state of the wish at the time of the backup.
    pub stamp: Stamp,
    /// Rows of all tables.
    pub rows: u64,
}

/// Names every table of which there are rows in backups, those that others refer to first. `$table` stands for the table's module.
macro_rules! each_table {
    (|$table:ident| $body:expr) => {
        each_table!(@ $table, $body, state, setting, site, category, invitation, token,
            certificate, distribution_server, further_parent, account, computer, file, version,
            record_revision, content_digest, chunk_digest, content_index, upload, placement, order, script,
            script_version,
            script_edit, cloud_point, cloud_copy, cloud_usage, audit)
    };
    (@ $table:ident, $body:expr, $($entity:ident),*) => {
        each_table!(@@ $table, $body, $($entity)*)
    };
    (@@ $table:ident, $body:expr,) => {};
    (@@ $table:ident, $body:expr, $first:ident $($rest:ident)*) => {
        {
            use $crate::entity::$first as $table;
            $body
        }
        each_table!(@@ $table, $body, $($rest)*)
    };
}
use each_table;

impl Database {
    /// Writes a backup of everything as of one moment, while others go on writing.
    ///
    /// Writes to `out` block the calling thread: hand in a buffered writer, and let the caller
    /// make the file durable.
    pub async fn dump<W: Write + Send>(&self, out: &mut W) -> Result<BackupSummary, DbError> {
        let doing = "writing a backup";
        let transaction = Transaction::begin(self, Kind::Read).await.map_err(|f| f.doing(doing))?;
        let summary = dump(transaction.handle(), out).await.map_err(|f| f.doing(doing))?;
        transaction.finish().await.map_err(|f| f.doing(doing))?;
        Ok(summary)
    }
}

async fn dump<W: Write + Send>(tx: &DatabaseTransaction, out: &mut W) -> Outcome<BackupSummary> {
    let stamp = current_stamp(tx).await?;
    let mut lines = Lines { out, hash: Context::new(&SHA256), rows: 0 };
    lines.write(&Header {
        format: FORMAT.into(),
        version: FORMAT_VERSION,
        schema: Migrator::migrations().len(),
        stamp,
    })?;
    each_table!(|table| dump_table(tx, table::Entity, &mut lines).await?);
    let rows = lines.rows;
    let sha256 = hex::encode(lines.hash.clone().finish());
    lines.write(&Trailer { rows, sha256 })?;
    lines.out.flush().map_err(BackupError::Write)?;
    Ok(BackupSummary { stamp, rows })
}

async fn dump_table<E, W>(
    tx: &DatabaseTransaction,
    entity: E,
    lines: &mut Lines<'_, W>,
) -> Outcome<()>
where
    E: EntityTrait + EntityName,
    E::Model: Serialize + Sync,
    W: Write + Send,
{
    let is_large = entity.table_name() == content_index::Entity.table_name();
    let rows = if is_large { PAGE_OF_INDEXES } else { PAGE };
    let mut last = None;
    loop {
        let mut cursor = kept(entity).cursor_by(PrimaryKey::<E>::default());
        if let Some(last) = last {
            cursor.after::<sea_orm::sea_query::ValueTuple>(last);
        }
        let page = cursor.first(rows).all(tx).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = Some(end.get_primary_key_value());
        for row in &page {
            lines.write(&Line { table: entity.table_name(), row })?;
            lines.rows += 1;
        }
    }
}

/// The rows of a table that go into a backup.
fn kept<E: EntityTrait + EntityName>(entity: E) -> Select<E> {
    match entity.table_name() == cloud_copy::Entity.table_name() {
        true => {
            let is_there = cloud_copy::Column::State.eq(CloudCopyState::Present.as_str());
            E::find().filter(is_there)
        }
        false => E::find(),
    }
}

#[derive(Serialize)]
struct Line<'a, M> {
    table: &'a str,
    row: &'a M,
}

/// The columns of a table's primary key, for seeking.
struct PrimaryKey<E>(std::marker::PhantomData<E>);

impl<E> Default for PrimaryKey<E> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<E: EntityTrait> IntoIdentity for PrimaryKey<E> {
    fn into_identity(self) -> Identity {
        let columns: Vec<_> = E::PrimaryKey::iter().map(IntoIden::into_iden).collect();
        match &*columns {
            [only] => Identity::Unary(only.clone()),
            [first, second] => Identity::Binary(first.clone(), second.clone()),
            _ => Identity::Many(columns),
        }
    }
}

/// Writes lines, counting rows and hashing what it writes.
struct Lines<'a, W> {
    out: &'a mut W,
    hash: Context,
    rows: u64,
}

impl<W: Write> Lines<'_, W> {
    fn write<T: Serialize>(&mut self, value: &T) -> Result<(), BackupError> {
        let mut line =
            serde_json::to_vec(value).map_err(|error| BackupError::Write(error.into()))?;
        line.push(b'\n');
        self.hash.update(&line);
        self.out.write_all(&line).map_err(BackupError::Write)
    }
}

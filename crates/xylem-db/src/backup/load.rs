//! Filling an empty database from a backup.
//!
//! Everything happens in one transaction that is committed only after the last line has proved
//! the whole; a damaged or truncated backup leaves the database empty.

use std::io::{BufRead, BufReader, Read};

use aws_lc_rs::digest::{Context, SHA256};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, DatabaseTransaction, EntityName, EntityTrait,
    IntoActiveModel, PaginatorTrait,
};
use sea_orm_migration::MigratorTrait;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{BackupSummary, FORMAT, FORMAT_VERSION, Header, Trailer, each_table};
use crate::entity::state;
use crate::migration::{Migrator, upgrade_row};
use crate::state::row as state_row;
use crate::transaction::{Kind, Outcome, Transaction};
use crate::{BackupError, Database, DbError, search};

/// Longest line: a row with two documents of the largest size, written as JSON. An index of the
/// largest size takes 3 MB.
const MAX_LINE_BYTES: u64 = 16 << 20;
/// Rows stored by one statement: at twenty columns well below every backend's limit of values.
const BATCH_ROWS: usize = 200;
/// A statement is also ended once its rows took this many bytes of backup.
const BATCH_BYTES: usize = 4 << 20;

impl Database {
    /// Fills this database, which must be empty, from a backup made on any backend. Afterwards
    /// start a new epoch with [`begin_epoch`](Self::begin_epoch).
    ///
    /// Reads from `input` block the calling thread.
    ///
    /// # Errors
    /// [`DbError::Backup`] says what is wrong with the backup or the database; nothing has been
    /// stored then.
    pub async fn load<R: Read + Send>(&self, input: &mut R) -> Result<BackupSummary, DbError> {
        let doing = "loading a backup";
        let transaction =
            Transaction::begin(self, Kind::Change).await.map_err(|f| f.doing(doing))?;
        let summary = load(transaction.handle(), input).await.map_err(|f| f.doing(doing))?;
        transaction.finish().await.map_err(|f| f.doing(doing))?;
        Ok(summary)
    }
}

async fn load<R: Read + Send>(tx: &DatabaseTransaction, input: &mut R) -> Outcome<BackupSummary> {
    refuse_filled(tx).await?;
    let mut lines = Lines::new(input);
    let header = header(&mut lines)?;
    let mut batch = Batch::default();
    let mut rows = 0;
    let trailer = loop {
        let before = lines.hash.clone();
        let Some(text) = lines.next()? else {
            return Err(BackupError::Truncated { rows }.into());
        };
        let length = text.len();
        match parse(&text, lines.number)? {
            Parsed::Row { table, mut row } => {
                upgrade_row(header.schema, &table, &mut row);
                if !batch.takes(&table) {
                    batch.store(tx).await?;
                }
                batch.push(table, row, length, lines.number);
                rows += 1;
            }
            Parsed::Trailer(trailer) => break (trailer, before),
        }
    };
    batch.store(tx).await?;
    finish(&mut lines, rows, trailer)?;
    if state::Entity::find().count(tx).await? != 1 {
        return Err(lines.damaged("it holds no state row").into());
    }
    let mut filled = None;
    while let Some(last) = search::fill(tx, filled).await? {
        filled = Some(last);
    }
    Ok(BackupSummary { stamp: header.stamp, rows })
}

/// Refuses a database in which anything has been done.
async fn refuse_filled(tx: &DatabaseTransaction) -> Outcome<()> {
    each_table!(|table| if table::Entity.table_name() != state::Entity.table_name()
        && table::Entity::find().count(tx).await? > 0
    {
        let table = table::Entity.table_name();
        return Err(BackupError::NotEmpty { table }.into());
    });
    let state = state_row(tx).await?;
    if state.generation > 0 || state.organization_id.is_some() {
        return Err(BackupError::NotEmpty { table: "state" }.into());
    }
    // Gone until the backup brings its own, which shows that it has one.
    state::Entity::delete_by_id(state.id).exec(tx).await?;
    Ok(())
}

fn header<R: Read>(lines: &mut Lines<'_, R>) -> Result<Header, BackupError> {
    let Some(text) = lines.next()? else { return Err(lines.damaged("it is empty")) };
    let header: Header = serde_json::from_slice(&text)
        .map_err(|_| lines.damaged("it does not begin as a backup of xylem does"))?;
    if header.format != FORMAT {
        return Err(lines.damaged("it is no backup of xylem"));
    }
    if header.version > FORMAT_VERSION || header.schema > Migrator::migrations().len() {
        return Err(BackupError::Newer { format: header.version, schema: header.schema });
    }
    Ok(header)
}

enum Parsed {
    Row { table: String, row: Value },
    Trailer(Trailer),
}

fn parse(text: &[u8], line: u64) -> Result<Parsed, BackupError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Line {
        Row { table: String, row: Value },
        Trailer(Trailer),
    }
    match serde_json::from_slice(text) {
        Ok(Line::Row { table, row }) => Ok(Parsed::Row { table, row }),
        Ok(Line::Trailer(trailer)) => Ok(Parsed::Trailer(trailer)),
        Err(error) => Err(BackupError::Damaged { line, problem: error.to_string() }),
    }
}

/// Compares the last line with what was read before it.
fn finish<R: Read>(
    lines: &mut Lines<'_, R>,
    rows: u64,
    (trailer, hash): (Trailer, Context),
) -> Result<(), BackupError> {
    if trailer.rows != rows {
        return Err(lines.damaged("the number of rows differs from what was written"));
    }
    if trailer.sha256 != hex::encode(hash.finish()) {
        return Err(lines.damaged("its contents differ from what was written"));
    }
    match lines.next()? {
        Some(_) => Err(lines.damaged("something follows the last line")),
        None => Ok(()),
    }
}

/// Rows of one table on their way into it.
#[derive(Default)]
struct Batch {
    table: String,
    rows: Vec<Value>,
    bytes: usize,
    line: u64,
}

impl Batch {
    fn takes(&self, table: &str) -> bool {
        self.table == table && self.rows.len() < BATCH_ROWS && self.bytes < BATCH_BYTES
    }

    fn push(&mut self, table: String, row: Value, bytes: usize, line: u64) {
        self.table = table;
        self.rows.push(row);
        self.bytes += bytes;
        self.line = line;
    }

    async fn store(&mut self, tx: &DatabaseTransaction) -> Outcome<()> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        if rows.is_empty() {
            return Ok(());
        }
        let line = self.line;
        each_table!(|table| if self.table == table::Entity.table_name() {
            return insert::<table::Entity, table::ActiveModel>(tx, rows, line).await;
        });
        let problem = format!("`{}` is no table of this program", self.table);
        Err(BackupError::Damaged { line, problem }.into())
    }
}

async fn insert<E, A>(tx: &DatabaseTransaction, rows: Vec<Value>, line: u64) -> Outcome<()>
where
    E: EntityTrait,
    E::Model: DeserializeOwned + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = E> + ActiveModelBehavior + Send,
{
    let damaged = |error: serde_json::Error| BackupError::Damaged {
        line,
        problem: format!("a row near here does not fit: {error}"),
    };
    let mut models = Vec::with_capacity(rows.len());
    for row in rows {
        let model: E::Model = serde_json::from_value(row).map_err(damaged)?;
        models.push(model.into_active_model());
    }
    E::insert_many(models).exec_without_returning(tx).await?;
    Ok(())
}

/// Reads lines of bounded length, hashing and counting them.
struct Lines<'a, R> {
    input: BufReader<&'a mut R>,
    hash: Context,
    number: u64,
}

impl<'a, R: Read> Lines<'a, R> {
    fn new(input: &'a mut R) -> Self {
        Self { input: BufReader::new(input), hash: Context::new(&SHA256), number: 0 }
    }

    /// The next line with its line feed; `None` at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>, BackupError> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.input).take(MAX_LINE_BYTES);
        bounded.read_until(b'\n', &mut line).map_err(BackupError::Read)?;
        if line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        if line.last() != Some(&b'\n') {
            if (line.len() as u64) < MAX_LINE_BYTES {
                return Err(BackupError::Truncated { rows: self.number.saturating_sub(2) });
            }
            return Err(self.damaged("it is longer than any row"));
        }
        self.hash.update(&line);
        Ok(Some(line))
    }

    fn damaged(&self, problem: &str) -> BackupError {
        BackupError::Damaged { line: self.number, problem: problem.into() }
    }
}

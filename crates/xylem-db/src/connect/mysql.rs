//! What MySQL and MariaDB need beyond what the other databases do.
//!
//! - Transactions keep one snapshot from their first reading on, which is the server's default.
//! - Text is compared by its bytes, as SQLite and PostgreSQL do, and not by what looks alike: the
//!   collation of the database and of its tables is a binary one.
//! - Changes of tables know no transactions. Programs that start at once queue for a named lock, and
//!   whoever has it looks first whether a newer program was there.
//! - Columns of text hold 64 KiB unless they are made wide.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    Statement, TransactionTrait,
};

use super::{CONNECT_TIMEOUT, connect_error, migrate, refuse_newer};
use crate::DbError;

/// Connections one management server holds at most.
const CONNECTIONS: u32 = 16;
/// Connections before the database is as it has to be: one keeps the lock, the other changes it.
const FIRST_CONNECTIONS: u32 = 2;
/// How long a program waits for another one that changes the tables.
const MIGRATION_WAIT: Duration = Duration::from_secs(600);
/// The lock's name, which is one for the whole server: databases side by side wait for each other.
const LOCK: &str = "xylem-migration";

/// Columns that are to hold more than 64 KiB of text or bytes, and do not yet, as they are made or as
/// they are once they were converted from another character set.
const NARROW: &str = "SELECT table_name AS t, column_name AS c, data_type AS d, is_nullable AS n \
     FROM information_schema.columns \
     WHERE table_schema = DATABASE() AND data_type IN ('text', 'blob', 'mediumtext')";

/// Connects, and brings the tables up to date. The address is as for the client programs:
/// `mysql://user:password@host/name`.
pub(super) async fn open_and_migrate(url: &str) -> Result<DatabaseConnection, DbError> {
    // The driver knows its own name only.
    let url = url.replacen("mariadb://", "mysql://", 1);
    let first = connect(&url, FIRST_CONNECTIONS).await?;
    let updated = update(&first, &url).await;
    let closed = first.close_by_ref().await;
    let connection = updated?;
    closed.map_err(failed)?;
    Ok(connection)
}

/// Everything that changes tables, under the lock.
async fn update(first: &DatabaseConnection, url: &str) -> Result<DatabaseConnection, DbError> {
    let lock = lock(first).await.map_err(failed)?;
    refuse_newer(first).await?;
    compare_by_bytes(first).await.map_err(failed)?;
    // Connections that were opened before the change would still make tables as the database was then.
    let connection = connect(url, CONNECTIONS).await?;
    migrate(&connection).await?;
    widen(&connection).await.map_err(failed)?;
    unlock(lock).await.map_err(failed)?;
    Ok(connection)
}

fn failed(error: DbErr) -> DbError {
    DbError::Migrate(error.into())
}

async fn connect(url: &str, connections: u32) -> Result<DatabaseConnection, DbError> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .connect_timeout(CONNECT_TIMEOUT)
        .acquire_timeout(CONNECT_TIMEOUT)
        .sqlx_logging(false);
    let connected = sea_orm::Database::connect(options).await;
    connected.map_err(|error| connect_error("MySQL or MariaDB", error))
}

/// Waits until no other program changes the tables. The lock belongs to the connection of the
/// transaction that is given back, and ends with it.
async fn lock(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let transaction = connection.begin().await?;
    let wait = format!("SELECT GET_LOCK('{LOCK}', {}) AS got", MIGRATION_WAIT.as_secs());
    let got = transaction.query_one_raw(statement(wait)).await?;
    match got.map(|row| row.try_get::<Option<i64>>("", "got")).transpose()?.flatten() {
        Some(1) => Ok(transaction),
        _ => Err(DbErr::Custom("another program has been changing the tables for too long".into())),
    }
}

/// Gives the lock back.
async fn unlock(transaction: DatabaseTransaction) -> Result<(), DbErr> {
    let release = format!("SELECT RELEASE_LOCK('{LOCK}')");
    transaction.query_one_raw(statement(release)).await?;
    transaction.commit().await
}

/// Sees to it that text is compared by its bytes, in the tables that are there and in those to come.
async fn compare_by_bytes(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let asked = statement("SELECT VERSION() AS version, @@collation_database AS collation");
    let row = connection.query_one_raw(asked).await?;
    let row = row.ok_or_else(|| DbErr::Custom("the server does not say its version".into()))?;
    let (version, present): (String, String) =
        (row.try_get("", "version")?, row.try_get("", "collation")?);
    let is_mariadb = version.contains("MariaDB");
    require_snapshots(connection, is_mariadb).await?;
    // The two have no binary collation in common that minds blanks at the end.
    let wanted = match is_mariadb {
        true => "utf8mb4_nopad_bin",
        false => "utf8mb4_0900_bin",
    };
    if present != wanted {
        let change = format!("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE {wanted}");
        connection.execute_unprepared(&change).await?;
    }
    convert_tables(connection, wanted).await
}

/// Converts the tables that were made while the database had another collation. What a binary one
/// tells apart is more, so no two rows become the same.
async fn convert_tables(connection: &DatabaseConnection, wanted: &str) -> Result<(), DbErr> {
    let others = format!(
        "SELECT b.table_name AS t FROM information_schema.tables b \
         WHERE b.table_schema = DATABASE() AND b.table_type = 'BASE TABLE' \
         AND (b.table_collation <> '{wanted}' OR EXISTS (SELECT 1 \
         FROM information_schema.columns c WHERE c.table_schema = b.table_schema \
         AND c.table_name = b.table_name AND c.collation_name <> '{wanted}'))"
    );
    for row in connection.query_all_raw(statement(others)).await? {
        let table: String = row.try_get("", "t")?;
        tracing::info!(table, collation = wanted, "converting a table");
        let change =
            format!("ALTER TABLE `{table}` CONVERT TO CHARACTER SET utf8mb4 COLLATE {wanted}");
        connection.execute_unprepared(&change).await?;
    }
    Ok(())
}

/// Transactions have to keep one snapshot, as they do unless the server is told otherwise.
async fn require_snapshots(connection: &DatabaseConnection, is_mariadb: bool) -> Result<(), DbErr> {
    let variable = if is_mariadb { "tx_isolation" } else { "transaction_isolation" };
    let row = connection.query_one_raw(statement(format!("SELECT @@{variable} AS level"))).await?;
    let level = row.map(|row| row.try_get::<String>("", "level")).transpose()?.unwrap_or_default();
    match level.as_str() {
        "REPEATABLE-READ" => Ok(()),
        other => Err(DbErr::Custom(format!(
            "the server's transaction isolation is {other}: set it to REPEATABLE-READ, its default"
        ))),
    }
}

/// Widens the columns that hold too little.
async fn widen(connection: &DatabaseConnection) -> Result<(), DbErr> {
    for row in connection.query_all_raw(statement(NARROW)).await? {
        let named = |column| row.try_get::<String>("", column);
        let (table, column, narrow) = (named("t")?, named("c")?, named("d")?);
        let kind = narrow.trim_start_matches("medium");
        let null = if named("n")? == "YES" { "NULL" } else { "NOT NULL" };
        let change = format!("ALTER TABLE `{table}` MODIFY `{column}` long{kind} {null}");
        connection.execute_unprepared(&change).await?;
    }
    Ok(())
}

fn statement(sql: impl Into<String>) -> Statement {
    Statement::from_string(DbBackend::MySql, sql)
}

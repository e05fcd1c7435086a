//! Opening a database and bringing its tables up to date.

mod mysql;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, DatabaseConnection, DbErr};
use sea_orm_migration::MigratorTrait;
use tokio::sync::Mutex;
use xylem_runtime::{Fs, RealFs};

use crate::DbError;
use crate::error::{is_busy, is_damage};
use crate::migration::Migrator;

/// Connections of an SQLite database: one writes at a time, the others read meanwhile.
const SQLITE_CONNECTIONS: u32 = 4;
/// Connections one management server holds to PostgreSQL at most.
const POSTGRES_CONNECTIONS: u32 = 16;
/// How long SQLite waits for another *process* that writes (within this one nobody collides).
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a call waits for a free connection, and a connection for its server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Several management servers may start at once on a new database; the losers of that race look
/// again this many times after each change of the tables that one of them made.
const MIGRATION_TRIES: u32 = 5;
/// The same for opening the file.
const CONNECT_TRIES: u32 = 10;
/// Between two such tries.
const PAUSE: Duration = Duration::from_millis(200);

/// An open database. Cheap to clone; all clones share the connections.
#[derive(Debug, Clone)]
pub struct Database {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) connection: DatabaseConnection,
    /// SQLite has one writer. Waiting for this lock is fair and has no limit; waiting inside
    /// SQLite would be neither, and end in SQLITE_BUSY.
    pub(crate) writer: Option<Mutex<()>>,
}

impl Database {
    /// Opens a database, making and updating its tables as needed.
    ///
    /// - `sqlite:///var/lib/xylem/xylem.db`: a file, made with mode 0600 where there is none; its
    ///   folder must exist. Everything after `sqlite://` is the path, taken literally.
    /// - `postgres://user:password@host/name`: as in libpq; the database must exist.
    /// - `mysql://user:password@host/name` or `mariadb://…`: the database must exist, be empty or
    ///   ours, and its user must be allowed to change it: it and its tables get a binary collation.
    ///
    /// # Errors
    /// [`DbError::NewerSchema`] where a newer program has changed the tables: nothing is touched
    /// then. Otherwise what stood in the way, see [`DbError`].
    pub async fn connect(url: &str) -> Result<Self, DbError> {
        let (connection, writer) = if let Some(path) = url.strip_prefix("sqlite://") {
            let connection = open_sqlite(Path::new(path)).await?;
            migrate(&connection).await?;
            (connection, Some(Mutex::new(())))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let connection = open_postgres(url).await?;
            migrate(&connection).await?;
            (connection, None)
        } else if url.starts_with("mysql://") || url.starts_with("mariadb://") {
            (mysql::open_and_migrate(url).await?, None)
        } else {
            return Err(DbError::Address);
        };
        let database = Self { inner: Arc::new(Inner { connection, writer }) };
        database.fill_terms().await?;
        Ok(database)
    }

    /// Closes all connections, after which every call fails. SQLite folds its write-ahead log
    /// into the file, so that the file alone can be copied.
    pub async fn close(&self) -> Result<(), DbError> {
        let closed = self.inner.connection.close_by_ref().await;
        closed.map_err(|source| DbError::Failed { doing: "closing", source: source.into() })
    }
}

async fn open_sqlite(path: &Path) -> Result<DatabaseConnection, DbError> {
    if path.as_os_str().is_empty() {
        return Err(DbError::Address);
    }
    create_private(path)?;
    // The address only selects the driver; the path goes in as it is, whatever it holds.
    let mut options = ConnectOptions::new("sqlite://xylem.db");
    let path = PathBuf::from(path);
    options
        .max_connections(SQLITE_CONNECTIONS)
        .acquire_timeout(CONNECT_TIMEOUT)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .filename(&path)
                .create_if_missing(false)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
        });
    let mut tries_left = CONNECT_TRIES;
    loop {
        tries_left -= 1;
        match sea_orm::Database::connect(options.clone()).await {
            // Whoever changes a new file's journal mode waits for nobody, whatever the timeout.
            Err(error) if is_busy(&error) && tries_left > 0 => tokio::time::sleep(PAUSE).await,
            connected => return connected.map_err(|error| connect_error("SQLite", error)),
        }
    }
}

/// Makes the file before SQLite would, for its owner only: it holds password and token hashes.
/// SQLite gives its side files (`-wal`, `-shm`) the same mode.
fn create_private(path: &Path) -> Result<(), DbError> {
    let open = |source| DbError::Open { path: path.into(), source };
    match RealFs.create_private(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Opened for writing, so that a file without the right to write is found out now.
            RealFs.open_write(path).map(drop).map_err(open)
        }
        Err(error) => Err(open(error)),
    }
}

async fn open_postgres(url: &str) -> Result<DatabaseConnection, DbError> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(POSTGRES_CONNECTIONS)
        .connect_timeout(CONNECT_TIMEOUT)
        .acquire_timeout(CONNECT_TIMEOUT)
        .sqlx_logging(false)
        .set_application_name("xylem");
    sea_orm::Database::connect(options).await.map_err(|error| connect_error("PostgreSQL", error))
}

fn connect_error(backend: &'static str, error: DbErr) -> DbError {
    if is_damage(&error) {
        return DbError::Damaged(error.into());
    }
    DbError::Connect { backend, source: error.into() }
}

/// Brings the tables up to date.
async fn migrate(connection: &DatabaseConnection) -> Result<(), DbError> {
    let mut tries_left = MIGRATION_TRIES;
    let mut fewest_pending = usize::MAX;
    loop {
        refuse_newer(connection).await?;
        tries_left -= 1;
        let error = match Migrator::up(connection, None).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if is_damage(&error) {
            return Err(DbError::Damaged(error.into()));
        }
        // As long as somebody gets further, this is a race and no failure.
        let pending = Migrator::get_pending_migrations(connection).await.map_or(0, |all| all.len());
        if pending > 0 && pending < fewest_pending {
            (fewest_pending, tries_left) = (pending, MIGRATION_TRIES);
        }
        if tries_left == 0 {
            return Err(DbError::Migrate(error.into()));
        }
        tracing::debug!(%error, "another server may be updating the tables; trying again");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Looks at what was applied before touching anything.
async fn refuse_newer(connection: &DatabaseConnection) -> Result<(), DbError> {
    let failed = |error: DbErr| match is_damage(&error) {
        true => DbError::Damaged(error.into()),
        false => DbError::Migrate(error.into()),
    };
    let manager = sea_orm_migration::SchemaManager::new(connection);
    if !manager.has_table("seaql_migrations").await.map_err(failed)? {
        return Ok(());
    }
    let known: Vec<String> =
        Migrator::migrations().iter().map(|change| change.name().to_owned()).collect();
    let applied = Migrator::get_migration_models(connection).await.map_err(failed)?;
    match applied.into_iter().find(|change| !known.contains(&change.version)) {
        Some(change) => Err(DbError::NewerSchema { change: change.version }),
        None => Ok(()),
    }
}

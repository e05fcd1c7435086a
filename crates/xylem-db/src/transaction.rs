//! Four ways into the database, and who waits for whom.
//!
//! - [`query!`] runs a single statement.
//! - [`read!`] runs several statements on one consistent snapshot.
//! - [`change!`] is for changes of what is wanted and whatever an administrator does. On
//!   PostgreSQL and MySQL it first locks the one `state` row, so such changes form a single queue
//!   across all management servers: checks made inside them ("is this name free?", "is this still a
//!   tree?") stay true until commit, and generations have no gaps.
//! - [`report!`] is for what machines report. Reports touch rows of their own and take no common
//!   lock on PostgreSQL and MySQL.
//!
//! On SQLite both kinds of writer pass through one lock. A transaction that is dropped half-way
//! (its caller went away) leaves nothing behind.
//!
//! They are macros because a body may run more than once, borrows from its surroundings, and its
//! future must be `Send`: the compiler cannot yet prove that of async closures that borrow.

use std::time::Duration;

use sea_orm::{
    DatabaseTransaction, DbBackend, EntityTrait, IsolationLevel, QuerySelect,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::MutexGuard;

use crate::entity::state;
use crate::error::Fault;
use crate::{Database, DbError};

/// How often a transaction is tried when the database reports a serialization failure or deadlock.
const TRIES: u32 = 8;
/// The wait after the first failed try; it grows by as much with each further one.
const RETRY_WAIT: Duration = Duration::from_millis(10);

/// What the body of a transaction gives back.
pub(crate) type Outcome<T> = Result<T, Fault>;

/// Runs a body (`|tx| …`, which may use `?` and `.await`) in a transaction of the given kind.
macro_rules! in_transaction {
    ($db:expr, $kind:ident, $doing:expr, |$tx:ident| $body:expr) => {{
        let mut tries = $crate::transaction::Tries::new($doing);
        loop {
            let outcome: $crate::transaction::Outcome<_> = async {
                let transaction =
                    $crate::transaction::Transaction::begin($db, $crate::transaction::Kind::$kind)
                        .await?;
                let $tx = transaction.handle();
                let value: $crate::transaction::Outcome<_> = async { $body }.await;
                let value = value?;
                transaction.finish().await?;
                Ok(value)
            }
            .await;
            match outcome {
                Ok(value) => break Ok(value),
                Err(fault) => match tries.failed(fault).await {
                    Ok(()) => {}
                    Err(error) => break Err(error),
                },
            }
        }
    }};
}

/// Runs a body of a single reading statement, without a transaction around it.
macro_rules! query {
    ($db:expr, $doing:expr, |$connection:ident| $body:expr) => {{
        let $connection = &$db.inner.connection;
        let outcome: $crate::transaction::Outcome<_> = async { $body }.await;
        outcome.map_err(|fault| fault.doing($doing))
    }};
}

/// Runs a body on one consistent snapshot.
macro_rules! read {
    ($db:expr, $doing:expr, |$tx:ident| $body:expr) => {
        $crate::transaction::in_transaction!($db, Read, $doing, |$tx| $body)
    };
}

/// Runs a body as an administrative change: all of it happens, or nothing.
macro_rules! change {
    ($db:expr, $doing:expr, |$tx:ident| $body:expr) => {
        $crate::transaction::in_transaction!($db, Change, $doing, |$tx| $body)
    };
}

/// Runs a body as a machine's report: all of it happens, or nothing, without the common lock.
macro_rules! report {
    ($db:expr, $doing:expr, |$tx:ident| $body:expr) => {
        $crate::transaction::in_transaction!($db, Report, $doing, |$tx| $body)
    };
}

pub(crate) use {change, in_transaction, query, read, report};

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Change,
    Report,
}

/// An open transaction; dropped unfinished, it is rolled back.
pub(crate) struct Transaction<'a> {
    handle: DatabaseTransaction,
    kind: Kind,
    /// Declared after the handle, so that the turn ends only when the transaction has.
    _turn: Option<MutexGuard<'a, ()>>,
}

impl<'a> Transaction<'a> {
    pub(crate) async fn begin(db: &'a Database, kind: Kind) -> Outcome<Self> {
        let (writer, is_read) = (&db.inner.writer, kind == Kind::Read);
        let turn = match writer {
            Some(writer) if !is_read => Some(writer.lock().await),
            _ => None,
        };
        let is_sqlite = writer.is_some();
        let is_postgres = db.inner.connection.get_database_backend() == DbBackend::Postgres;
        let handle = db
            .inner
            .connection
            .begin_with_options(TransactionOptions {
                // SQLite: take the write lock at once. A transaction that read first and wanted
                // to write later could find its snapshot overtaken, which no waiting mends.
                sqlite_transaction_mode: (is_sqlite && !is_read)
                    .then_some(SqliteTransactionMode::Immediate),
                // SQLite's readers keep one snapshot anyway, and so does everybody on MySQL, who is
                // asked for that when it is opened; PostgreSQL must be asked for it.
                isolation_level: (is_postgres && is_read).then_some(IsolationLevel::RepeatableRead),
                access_mode: None,
            })
            .await?;
        if kind == Kind::Change {
            // SQLite has no row locks and needs none: the clause is left out there. On MySQL the
            // snapshot is taken by the first reading after this one, so that it has what was
            // committed while this one waited.
            state::Entity::find_by_id(1).lock_exclusive().one(&handle).await?;
        }
        Ok(Self { handle, kind, _turn: turn })
    }

    pub(crate) const fn handle(&self) -> &DatabaseTransaction {
        &self.handle
    }

    pub(crate) async fn finish(self) -> Outcome<()> {
        match self.kind {
            Kind::Read => self.handle.rollback().await?,
            Kind::Change | Kind::Report => self.handle.commit().await?,
        }
        Ok(())
    }
}

/// Counts the tries of one transaction.
pub(crate) struct Tries {
    doing: &'static str,
    failures: u32,
}

impl Tries {
    pub(crate) const fn new(doing: &'static str) -> Self {
        Self { doing, failures: 0 }
    }

    /// Waits before another try, or says that there is to be none.
    pub(crate) async fn failed(&mut self, fault: Fault) -> Result<(), DbError> {
        self.failures += 1;
        if self.failures >= TRIES || !fault.is_transient() {
            return Err(fault.doing(self.doing));
        }
        tokio::time::sleep(RETRY_WAIT * self.failures).await;
        Ok(())
    }
}

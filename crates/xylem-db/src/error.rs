//! What can go wrong with the database, in words that say how to mend it.

use std::io;
use std::path::PathBuf;

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{DbErr, RuntimeErr, SqlxError, SqlxMySqlError, SqlxSqliteError};
use xylem_model::{ByteSize, RecordError, Timestamp, TreeError, VersionMark};
use xylem_sync::SettingsError;

/// What MySQL and MariaDB say where a row was changed since it was read (ER_CHECKREAD), and where a
/// lock was waited for too long (ER_LOCK_WAIT_TIMEOUT).
const MYSQL_TRANSIENT: [u16; 2] = [1020, 1205];

/// Why a call on the database failed or was refused.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The address given for the database has no form that is understood. The address itself is
    /// not repeated: it may hold a password.
    #[error(
        "the database address is not understood: use sqlite:///folder/xylem.db, postgres://user@host/name or mysql://user@host/name"
    )]
    Address,
    /// The file of an SQLite database cannot be made or opened.
    #[error("the database file {} cannot be opened: its folder must exist and be writable", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No connection could be made.
    #[error(
        "the {backend} database cannot be reached: check that it runs and that the address and password are right"
    )]
    Connect {
        /// Which kind of database.
        backend: &'static str,
        /// What the driver said.
        #[source]
        source: DriverError,
    },
    /// The tables could not be brought up to date.
    #[error("the tables of the database cannot be brought up to date")]
    Migrate(#[source] DriverError),
    /// A newer version of the program has used this database.
    #[error(
        "the database was made by a newer version of xylem (it holds the schema change `{change}`, which this program does not know): upgrade this program"
    )]
    NewerSchema {
        /// The first unknown change.
        change: String,
    },
    /// The file is no database, or parts of it are lost.
    #[error(
        "the database file is damaged or is no SQLite database: restore it from a backup with `xylem server restore`"
    )]
    Damaged(#[source] DriverError),
    /// The database failed while at work.
    #[error("the database failed while {doing}")]
    Failed {
        /// What was being attempted.
        doing: &'static str,
        /// What the driver said.
        #[source]
        source: DriverError,
    },
    /// A stored row does not hold what it should.
    #[error("the stored {what} cannot be read: {problem}")]
    Corrupt {
        /// Which noun.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A value given by the caller cannot be stored.
    #[error("the {what} cannot be stored: {problem}")]
    Invalid {
        /// Which value.
        what: &'static str,
        /// What is wrong with it and how to mend it.
        problem: String,
    },
    /// There is none of that name or id.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// Which noun.
        what: &'static str,
        /// The name or id asked for.
        name: String,
    },
    /// A field refers to something that is not there.
    #[error("`{field}` cannot be set: there is no {what} `{name}`")]
    Reference {
        /// The field.
        field: &'static str,
        /// Which noun.
        what: &'static str,
        /// The name or id that it was to have.
        name: String,
    },
    /// The name is taken.
    #[error("there is already a {what} named `{name}`: choose another name or remove that one")]
    Conflict {
        /// Which noun.
        what: &'static str,
        /// The name as the other one bears it.
        name: String,
    },
    /// It cannot be removed while something depends on it.
    #[error("the {what} `{name}` is in use by {by}: change or remove that first")]
    InUse {
        /// Which noun.
        what: &'static str,
        /// Its name.
        name: String,
        /// What uses it.
        by: String,
    },
    /// There are as many as there may be.
    #[error("`{of}` has {limit} {what} already, the most there can be: remove one first")]
    TooMany {
        /// Which nouns.
        what: &'static str,
        /// Of which server or other thing.
        of: String,
        /// How many there may be.
        limit: u64,
    },
    /// A change that is based on something older than what is there.
    #[error(
        "`{name}` was changed meanwhile: {what} {now} by {by} of {at} is the newest, and your change \
         is based on {what} {based_on}. Nothing was overwritten: look at what is there now, and \
         change that"
    )]
    Stale {
        /// Of what.
        name: String,
        /// What is counted.
        what: &'static str,
        /// What the change is based on.
        based_on: u32,
        /// The newest.
        now: u32,
        /// Who made that.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// A second cloud distribution point.
    #[error(
        "there is a cloud distribution point already, of the provider {provider}, and there is at \
         most one: change it, remove it with `xylem cloud remove`, or replace it with `xylem cloud \
         set … --replace`"
    )]
    SecondCloudPoint {
        /// The provider of the one that is there.
        provider: String,
    },
    /// Contents that do not come from the editor, where they have to.
    #[error(
        "the contents of `{name}` are changed in the editor alone (scripts.change-contents is \
         editor-only): use `xylem script edit`"
    )]
    EditorOnly {
        /// The script.
        name: String,
    },
    /// Contents from an edit that is not, or no longer, their author's.
    #[error(
        "the edit of `{name}` that this comes from is over, is somebody else's or was opened for \
         another script: open it anew with `xylem script edit`"
    )]
    EditOver {
        /// The script.
        name: String,
    },
    /// It is no longer, or not yet, in a state that allows this.
    #[error("the {what} `{name}` is {state} and cannot be {wanted}")]
    WrongState {
        /// Which noun.
        what: &'static str,
        /// Its name or id.
        name: String,
        /// Its present state.
        state: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
    /// No version of the file has the mark that a step needs.
    #[error("{}", no_mark(name, *mark))]
    NoMark {
        /// The file.
        name: String,
        /// The mark.
        mark: VersionMark,
    },
    /// A step that was decided on while another version had the mark, or was in production.
    #[error(
        "`{name}` was changed meanwhile: version {now} {is}, not version {asked}. Nothing was \
         changed: look at its versions, and decide again"
    )]
    MarkMoved {
        /// The file.
        name: String,
        /// What the version is, as in "version 3 is in production".
        is: &'static str,
        /// Which version it is now.
        now: u32,
        /// Which version it was decided on.
        asked: u32,
    },
    /// An invitation that does not admit.
    #[error(transparent)]
    Invitation(#[from] InvitationRefusal),
    /// A change that would break the tree of distribution servers.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A server that is to become root or principal does not hold everything.
    #[error(
        "`{name}` does not hold everything yet: {contents} contents, {}, are missing{}. Have it \
         filled first, with --fill",
        ByteSize(*bytes), some_of(files)
    )]
    Incomplete {
        /// The server.
        name: String,
        /// How many contents it lacks.
        contents: u64,
        /// Their bytes.
        bytes: u64,
        /// The names of some of them.
        files: Vec<String>,
    },
    /// A server that is to become root or principal has not said since its last change whether it
    /// holds everything.
    #[error(
        "`{name}` has not said since its last change whether it holds everything: see that it runs \
         and reaches the management server, and try again"
    )]
    Unproven {
        /// The server.
        name: String,
    },
    /// A change by somebody who has not heard yet that the root or the principal was moved.
    #[error(
        "the root or the principal was moved (root epoch {now}), which `{name}` has not heard yet"
    )]
    Behind {
        /// The server.
        name: String,
        /// The root epoch in force.
        now: u64,
    },
    /// A content that is to be in the catalogue and is not in the cloud, which is the principal.
    #[error(
        "the cloud distribution point is the principal, and the content is not there yet: the root \
         sends it there first. Nothing is lost: complete the upload again"
    )]
    NotInPrincipal,
    /// A selection for a server that holds everything whatever is chosen.
    #[error(
        "`{name}` is {role}, so it holds everything: make another server that first, or choose for \
         the servers below it"
    )]
    HoldsEverything {
        /// The server.
        name: String,
        /// Why it holds everything.
        role: &'static str,
    },
    /// Settings of a distribution server that cannot be.
    #[error(transparent)]
    Settings(SettingsError),
    /// A record that a file cannot have.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The descriptor of a new version could not be signed; nothing was stored.
    #[error("the descriptor of the new version could not be signed; nothing was stored")]
    Sign(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A backup could not be written or loaded; the database is as it was.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

impl DbError {
    /// Where something was not found: which field refers to it.
    #[must_use]
    pub fn of_field(self, field: &'static str) -> Self {
        match self {
            Self::NotFound { what, name } => Self::Reference { field, what, name },
            error => error,
        }
    }
}

/// Why nothing is promoted, or taken back.
fn no_mark(name: &str, mark: VersionMark) -> String {
    match mark {
        VersionMark::Previous => format!(
            "`{name}` cannot be rolled back: no version is kept that was in production before; it \
             is kept for 30 days after a promotion, unless another version replaces it"
        ),
        VersionMark::Test => {
            format!("`{name}` has no version for testing: upload one with --test, then promote it")
        }
    }
}

/// Why an invitation does not admit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvitationRefusal {
    /// No such code.
    #[error("the invitation code is not known: check it, or make a new one with `xylem invite`")]
    Unknown,
    /// Its time is over.
    #[error("the invitation has expired: make a new one with `xylem invite`")]
    Expired,
    /// All its uses are spent.
    #[error("the invitation has been used up: make a new one with `xylem invite`")]
    UsedUp,
    /// It invites the other kind of party.
    #[error(
        "the invitation is for the other kind of party: make one with `xylem invite distribution` or `xylem invite computer`"
    )]
    WrongKind,
    /// An administrator took it back.
    #[error("the invitation has been withdrawn: make a new one with `xylem invite`")]
    Revoked,
}

/// Why a backup could not be written or loaded.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file could not be written.
    #[error("the backup could not be written")]
    Write(#[source] io::Error),
    /// The file could not be read.
    #[error("the backup could not be read")]
    Read(#[source] io::Error),
    /// The database to be filled is in use already.
    #[error("the database is not empty (it has {table}): restore into a new, empty one")]
    NotEmpty {
        /// The first table that has rows.
        table: &'static str,
    },
    /// A newer version of the program has written the backup.
    #[error(
        "the backup was written by a newer version of xylem (format {format}, schema {schema}): upgrade this program"
    )]
    Newer {
        /// The format's number.
        format: u32,
        /// The schema's number.
        schema: usize,
    },
    /// It is no backup, or a damaged one.
    #[error("line {line} of the backup is damaged ({problem}): use another copy")]
    Damaged {
        /// Where, counted from one.
        line: u64,
        /// What is wrong there.
        problem: String,
    },
    /// Its end is missing.
    #[error(
        "the backup ends after {rows} rows without its last line: it was cut short; use another copy"
    )]
    Truncated {
        /// Rows read.
        rows: u64,
    },
}

/// What the database driver said.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DriverError(DbErr);

impl From<DbErr> for DriverError {
    fn from(error: DbErr) -> Self {
        Self(error)
    }
}

/// What ends a transaction early: the driver, whose faults may be worth another try, or a refusal
/// of our own, which is final.
#[derive(Debug)]
pub(crate) enum Fault {
    Driver(DbErr),
    Refused(DbError),
}

impl Fault {
    /// Gives a driver's fault the name of the attempted work.
    pub(crate) fn doing(self, doing: &'static str) -> DbError {
        match self {
            Self::Refused(error) => error,
            Self::Driver(error) if is_damage(&error) => DbError::Damaged(error.into()),
            Self::Driver(source) => DbError::Failed { doing, source: source.into() },
        }
    }

    /// Where something was not found: which field refers to it.
    pub(crate) fn of_field(self, field: &'static str) -> Self {
        match self {
            Self::Refused(error) => Self::Refused(error.of_field(field)),
            fault @ Self::Driver(_) => fault,
        }
    }

    /// Whether the same transaction may succeed when it is tried again: a serialization failure or
    /// deadlock of PostgreSQL, MySQL or MariaDB, or what else the latter two give up for.
    pub(crate) fn is_transient(&self) -> bool {
        let Self::Driver(error) = self else { return false };
        let mysql = driver::<SqlxMySqlError>(error);
        matches!(driver_code(error).as_deref(), Some("40001" | "40P01"))
            || mysql.is_some_and(|error| MYSQL_TRANSIENT.contains(&error.number()))
    }
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        Self::Driver(error)
    }
}

impl<E: Into<DbError>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Whether SQLite found its file damaged (SQLITE_CORRUPT, 11, with its extended forms) or to be
/// no database at all (SQLITE_NOTADB, 26).
pub(crate) fn is_damage(error: &DbErr) -> bool {
    sqlite_code(error).is_some_and(|code| matches!(code, 11 | 26))
}

/// Some names, where there are any.
fn some_of(files: &[String]) -> String {
    match files {
        [] => String::new(),
        files => format!(", such as {}", files.join(", ")),
    }
}

/// Whether another program has a lock on the SQLite file (SQLITE_BUSY).
pub(crate) fn is_busy(error: &DbErr) -> bool {
    sqlite_code(error) == Some(5)
}

fn driver_error(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn driver_code(error: &DbErr) -> Option<String> {
    Some(driver_error(error)?.as_database_error()?.code()?.into_owned())
}

/// SQLite's primary code, where it is SQLite that speaks.
fn sqlite_code(error: &DbErr) -> Option<u32> {
    driver::<SqlxSqliteError>(error)?;
    Some(driver_code(error)?.parse::<u32>().ok()? & 0xff)
}

/// The error as one kind of driver puts it.
fn driver<E: DatabaseError>(error: &DbErr) -> Option<&E> {
    driver_error(error)?.as_database_error()?.try_downcast_ref()
}

//! A throw-away MariaDB server, and the whole suite on it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use xylem_db::{Database, DbError};

use crate::throwaway::{Home, find_programs, run_all_cases};

/// The collation that compares by bytes.
const BINARY: &str = "utf8mb4_nopad_bin";

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_case_holds_on_mariadb_too() {
    let server = Server::start().await;
    let admin = server.connect().await;
    let create = |name: &str| {
        let made = format!("CREATE DATABASE {name} CHARACTER SET latin1");
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(admin.execute_unprepared(&made)).unwrap();
        });
        server.url(name)
    };
    run_all_cases("MariaDB", create).await;
    what_is_long_is_kept_whole(create("long_text")).await;
    assert_eq!(collations(&admin, "case%").await, [BINARY], "in all databases of this run");
    tables_with_another_collation_are_converted(create("old_tables"), &admin).await;
    what_a_newer_program_made_is_left_as_it_is(create("newer"), &admin).await;
    a_database_that_cannot_be_changed_is_refused(&admin, &server).await;
}

/// How text is compared in the tables of databases. A table that a connection made which knew the
/// database as it was before would take no name of other scripts.
async fn collations(admin: &DatabaseConnection, databases: &str) -> Vec<String> {
    let asked = format!(
        "SELECT DISTINCT collation_name AS c FROM information_schema.columns \
         WHERE table_schema LIKE '{databases}' AND collation_name IS NOT NULL ORDER BY c"
    );
    texts(admin, &asked).await
}

/// The texts in the column `c` of an answer.
async fn texts(admin: &DatabaseConnection, asked: &str) -> Vec<String> {
    let statement = Statement::from_string(DbBackend::MySql, asked);
    let rows = admin.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get("", "c").unwrap()).collect()
}

/// As they were made before the database had its collation first.
async fn tables_with_another_collation_are_converted(url: String, admin: &DatabaseConnection) {
    let db = Database::connect(&url).await.unwrap();
    let (actor, now) = (xylem_db::Actor::system(), crate::bench::at(1));
    db.set_setting("greeting", Some("Grüße"), &actor, now).await.unwrap();
    db.close().await.unwrap();
    for step in [
        "ALTER TABLE old_tables.settings CONVERT TO CHARACTER SET latin1",
        "ALTER TABLE old_tables.files CONVERT TO CHARACTER SET latin1",
        "ALTER TABLE old_tables.files MODIFY marked_sites TEXT CHARACTER SET latin1",
        "ALTER TABLE old_tables.sites CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
    ] {
        admin.execute_unprepared(step).await.unwrap();
    }
    assert_eq!(collations(admin, "old_tables").await.len(), 3);
    let db = Database::connect(&url).await.unwrap();
    assert_eq!(db.setting("greeting").await.unwrap().as_deref(), Some("Grüße"));
    assert_eq!(collations(admin, "old_tables").await, [BINARY]);
    let kind = "SELECT data_type AS c FROM information_schema.columns \
         WHERE table_schema = 'old_tables' AND column_name = 'marked_sites'";
    assert_eq!(texts(admin, kind).await, ["longtext"]);
}

async fn what_a_newer_program_made_is_left_as_it_is(url: String, admin: &DatabaseConnection) {
    Database::connect(&url).await.unwrap().close().await.unwrap();
    for step in [
        "INSERT INTO newer.seaql_migrations VALUES ('m0999_tomorrow', 0)",
        "ALTER DATABASE newer CHARACTER SET latin1",
        "ALTER TABLE newer.sites CONVERT TO CHARACTER SET latin1",
    ] {
        admin.execute_unprepared(step).await.unwrap();
    }
    let error = Database::connect(&url).await.unwrap_err();
    assert!(matches!(error, DbError::NewerSchema { .. }), "{error:?}");
    let of_database = "SELECT default_collation_name AS c FROM information_schema.schemata \
         WHERE schema_name = 'newer'";
    assert!(texts(admin, of_database).await[0].starts_with("latin1"));
    assert_eq!(collations(admin, "newer").await.len(), 2, "nothing is converted");
}

/// Columns of text that nobody widened would hold 64 KiB.
async fn what_is_long_is_kept_whole(url: String) {
    // Under its other name too.
    let db = Database::connect(&url.replacen("mysql", "mariadb", 1)).await.unwrap();
    let long = "é".repeat(400_000);
    let (actor, now) = (xylem_db::Actor::system(), crate::bench::at(1));
    db.set_setting("long", Some(&long), &actor, now).await.unwrap();
    assert_eq!(db.setting("long").await.unwrap().as_deref(), Some(&*long));
}

/// Whoever may not change the database cannot have its text compared by bytes.
async fn a_database_that_cannot_be_changed_is_refused(admin: &DatabaseConnection, server: &Server) {
    for step in [
        "CREATE DATABASE foreign_one CHARACTER SET latin1",
        "CREATE USER reader@localhost IDENTIFIED BY 'secret'",
        "GRANT SELECT, INSERT ON foreign_one.* TO reader@localhost",
    ] {
        admin.execute_unprepared(step).await.unwrap();
    }
    let url = server.url("foreign_one").replacen("root@", "reader:secret@", 1);
    let error = Database::connect(&url).await.unwrap_err();
    assert!(matches!(error, DbError::Migrate(_)), "{error:?}");
    let wrong = url.replacen("secret", "wrong", 1);
    let error = Database::connect(&wrong).await.unwrap_err();
    assert!(matches!(error, DbError::Connect { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("wrong"), "no password in {error:?}");
}

/// A server with its files and its socket in a temporary folder; stopped when dropped.
struct Server {
    home: Home,
    process: Child,
}

impl Server {
    async fn start() -> Self {
        let home = Home::new("xylem-maria");
        let folders = ["/usr/bin", "/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
        let install = find_programs(&["mariadb-install-db"], folders.clone(), "mariadb-server");
        let daemon = find_programs(&["mariadbd"], folders, "mariadb-server");
        let data = format!("--datadir={}", home.path().join("data").display());
        let setup = ["--no-defaults", &data, "--auth-root-authentication-method=normal"];
        let setup = setup.iter().chain(&["--skip-test-db"]).map(OsStr::new);
        home.run(&install.join("mariadb-install-db"), setup);
        let socket = format!("--socket={}", home.path().join("socket").display());
        let log = std::fs::File::create(home.path().join("log")).unwrap();
        let mut command = home.command(&daemon.join("mariadbd"));
        // No network port at all: nothing to collide with, and nobody else can come in.
        command.args(["--no-defaults", &data, &socket, "--skip-networking", "--pid-file=pid"]);
        command.args(["--innodb-flush-log-at-trx-commit=0", "--max-connections=400"]);
        // Each connection that nobody said goodbye on is a line otherwise.
        command.args(["--log-warnings=0", "--innodb-use-native-aio=0"]);
        let process = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut server = Self { home, process };
        server.wait().await;
        server
    }

    /// Waits until it listens.
    async fn wait(&mut self) {
        let begin = Instant::now();
        while std::os::unix::net::UnixStream::connect(self.home.path().join("socket")).is_err() {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none() && begin.elapsed() < START, "it does not start: {ended:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn url(&self, database: &str) -> String {
        let socket = self.home.path().join("socket");
        format!("mysql://root@localhost/{database}?socket={}", socket.display())
    }

    async fn connect(&self) -> DatabaseConnection {
        sea_orm::Database::connect(self.url("mysql")).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.home.show_log("log");
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

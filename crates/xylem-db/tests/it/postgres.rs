//! A throw-away PostgreSQL server, and the whole suite on it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use xylem_db::{PlacementReport, PlacementState};
use xylem_model::{ContentId, Stamp};

use crate::bench::{Bench, at, enroll};
use crate::throwaway::{Home, find_programs, run_all_cases};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_case_holds_on_postgresql_too() {
    let cluster = Cluster::start();
    run_all_cases("PostgreSQL", |name| cluster.create_database(name)).await;
    deadlocks_are_tried_again(Bench::on(cluster.create_database("deadlock"))).await;
}

/// Somebody else (an administrator in `psql`, say) locks the rows of a report in the opposite
/// order. PostgreSQL then ends one of the two transactions; ours must come through either way.
async fn deadlocks_are_tried_again(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let mut contents = [ContentId::of(b"one"), ContentId::of(b"two")];
    contents.sort();
    let report = contents.map(|content| PlacementReport {
        content,
        state: PlacementState::Present,
        bytes: 1,
        rate: None,
        verified: None,
        reason: None,
        next_try: None,
        stamp: Stamp::new(1, 1),
    });
    db.report_placements(server, &report, false, at(1)).await.unwrap();

    let other = sea_orm::Database::connect(&bench.url).await.unwrap();
    let locks = other.begin().await.unwrap();
    let touch = |content: ContentId| {
        format!("UPDATE placements SET bytes = 7 WHERE content_id = '\\x{content}'")
    };
    locks.execute_unprepared(&touch(contents[1])).await.unwrap();
    let ours = tokio::spawn({
        let db = db.clone();
        async move { db.report_placements(server, &report, false, at(2)).await }
    });
    let waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let waiting = Statement::from_string(DbBackend::Postgres, waiting);
    while other.query_one_raw(waiting.clone()).await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Now each waits for the other. Which of the two is ended is PostgreSQL's choice.
    if locks.execute_unprepared(&touch(contents[0])).await.is_ok() {
        locks.commit().await.unwrap();
    } else {
        locks.rollback().await.unwrap();
    }
    ours.await.unwrap().unwrap();
    for content in contents {
        assert_eq!(db.placements_of_content(content).await.unwrap()[0].updated, at(2));
    }
}

/// A server with its files and its socket in a temporary folder; stopped when dropped.
struct Cluster {
    home: Home,
    programs: PathBuf,
}

impl Cluster {
    fn start() -> Self {
        let cluster = Self { home: Home::new("xylem-pg"), programs: programs() };
        let data = cluster.data();
        let options = ["-U", "xylem", "-A", "trust", "-E", "UTF8", "--no-sync", "-D"];
        cluster.run("initdb", options.iter().map(OsStr::new).chain([data.as_os_str()]));
        // No network port at all: nothing to collide with, and nobody else can come in.
        let settings = format!(
            "-k {} -c listen_addresses='' -c fsync=off -c max_connections=200",
            cluster.home.path().display()
        );
        cluster.control(&["-w", "-o", &settings, "start"]);
        cluster
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn create_database(&self, name: &str) -> String {
        let socket = self.home.path().display().to_string();
        let arguments = ["-h", &socket, "-U", "xylem", name];
        self.run("createdb", arguments.iter().map(OsStr::new));
        format!("postgres://xylem@localhost/{name}?host={socket}")
    }

    fn control(&self, arguments: &[&str]) {
        let (data, log) = (self.data(), self.home.path().join("log"));
        let files = [OsStr::new("-D"), data.as_os_str(), OsStr::new("-l"), log.as_os_str()];
        self.run("pg_ctl", files.into_iter().chain(arguments.iter().map(OsStr::new)));
    }

    fn run<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) {
        self.home.run(&self.programs.join(program), arguments);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.home.show_log("log");
        if self.data().join("postmaster.pid").exists() {
            self.control(&["-m", "immediate", "stop"]);
        }
    }
}

/// Where its programs are: Debian and its kin put each version into a folder of its own.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    find_programs(&["initdb", "pg_ctl", "createdb"], folders, "postgresql")
}

//! A throw-away PostgreSQL server, and the whole suite on it.

use std::ffi::OsStr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use tempfile::TempDir;
use xylem_db::{PlacementReport, PlacementState};
use xylem_model::{ContentId, Stamp};

use crate::bench::{Bench, at, enroll};

/// PostgreSQL refuses to run as root; then it runs as this user and group (`nobody`).
const UNPRIVILEGED: (u32, u32) = (65_534, 65_534);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_case_holds_on_postgresql_too() {
    let cluster = Cluster::start();
    let mut failed = Vec::new();
    for (index, (case, run)) in crate::all_cases().into_iter().enumerate() {
        let url = cluster.create_database(&format!("case_{index}"));
        // In a task of its own, so that one case's panic does not hide the others'.
        if tokio::spawn(run(Bench::on(url))).await.is_err() {
            failed.push(case);
        }
    }
    assert!(failed.is_empty(), "failed on PostgreSQL: {failed:?}");
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
    folder: TempDir,
    programs: PathBuf,
    as_root: bool,
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("xylem-pg").tempdir().unwrap();
        let as_root = std::fs::metadata("/proc/self").is_ok_and(|m| owner(&m) == 0);
        if as_root {
            chown(folder.path(), Some(UNPRIVILEGED.0), Some(UNPRIVILEGED.1)).unwrap();
        }
        let cluster = Self { folder, programs: find_programs(), as_root };
        let data = cluster.data();
        let options = ["-U", "xylem", "-A", "trust", "-E", "UTF8", "--no-sync", "-D"];
        cluster.run("initdb", options.iter().map(OsStr::new).chain([data.as_os_str()]));
        // No network port at all: nothing to collide with, and nobody else can come in.
        let settings = format!(
            "-k {} -c listen_addresses='' -c fsync=off -c max_connections=200",
            cluster.folder.path().display()
        );
        cluster.control(&["-w", "-o", &settings, "start"]);
        cluster
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn create_database(&self, name: &str) -> String {
        let socket = self.folder.path().display().to_string();
        let arguments = ["-h", &socket, "-U", "xylem", name];
        self.run("createdb", arguments.iter().map(OsStr::new));
        format!("postgres://xylem@localhost/{name}?host={socket}")
    }

    fn control(&self, arguments: &[&str]) {
        let (data, log) = (self.data(), self.folder.path().join("log"));
        let files = [OsStr::new("-D"), data.as_os_str(), OsStr::new("-l"), log.as_os_str()];
        self.run("pg_ctl", files.into_iter().chain(arguments.iter().map(OsStr::new)));
    }

    fn run<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) {
        let path = self.programs.join(program);
        let mut command = if self.as_root {
            let (user, group) = UNPRIVILEGED;
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={user}"), format!("--regid={group}")]);
            command.arg("--clear-groups").arg(path);
            command
        } else {
            Command::new(path)
        };
        command.args(arguments).current_dir(self.folder.path());
        // To a file, not a pipe: the server inherits it and would keep a pipe open for ever.
        let output = self.folder.path().join(format!("{program}.out"));
        let file = std::fs::File::create(&output).unwrap();
        let status = command.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
        let said = std::fs::read_to_string(&output).unwrap_or_default();
        assert!(status.success(), "{program}: {said}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!("the server's log, newest line first:\n{}", tail.join("\n"));
        }
        if self.data().join("postmaster.pid").exists() {
            self.control(&["-m", "immediate", "stop"]);
        }
    }
}

fn owner(metadata: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt;
    metadata.uid()
}

/// The folder of `initdb`, `pg_ctl` and `createdb`: from the search path, else where Debian and
/// its kin put each version.
fn find_programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders.into_iter().find(|folder| holds_programs(folder)).unwrap_or_else(|| {
        panic!("PostgreSQL is not installed: `apt-get install postgresql`, or add its programs' folder to PATH")
    })
}

fn holds_programs(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "createdb"].iter().all(|program| {
        let metadata = std::fs::metadata(folder.join(program));
        metadata.is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    })
}

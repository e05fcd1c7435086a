//! What database servers that live for one test have in common.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::bench::Bench;

/// Servers refuse to run as root; then they run as this user and group (`nobody`).
const UNPRIVILEGED: (u32, u32) = (65_534, 65_534);

/// Where Linux keeps files in memory.
const IN_MEMORY: &str = "/dev/shm";

/// Runs every case, each on a database of its own.
pub(crate) async fn run_all_cases(on: &str, create_database: impl Fn(&str) -> String) {
    let mut failed = Vec::new();
    for (index, (case, run)) in crate::all_cases().into_iter().enumerate() {
        let url = create_database(&format!("case_{index}"));
        // In a task of its own, so that one case's panic does not hide the others'.
        if tokio::spawn(run(Bench::on(url))).await.is_err() {
            failed.push(case);
        }
    }
    assert!(failed.is_empty(), "failed on {on}: {failed:?}");
    eprintln!("cases={}", crate::all_cases().len());
}

/// A folder in which a server can live, and whoever it is started as.
pub(crate) struct Home {
    folder: TempDir,
    as_root: bool,
}

impl Home {
    pub(crate) fn new(prefix: &str) -> Self {
        let mut named = tempfile::Builder::new();
        let named = named.prefix(prefix);
        // In memory, where there is such a place: nothing of it is to survive anything.
        let folder = named.tempdir_in(IN_MEMORY).or_else(|_| named.tempdir()).unwrap();
        let as_root = std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
        if as_root {
            chown(folder.path(), Some(UNPRIVILEGED.0), Some(UNPRIVILEGED.1)).unwrap();
        }
        Self { folder, as_root }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A program that is started here, without the rights of root.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(if self.as_root { Path::new("setpriv") } else { program });
        if self.as_root {
            let (user, group) = UNPRIVILEGED;
            command.args([format!("--reuid={user}"), format!("--regid={group}")]);
            command.arg("--clear-groups").arg(program);
        }
        command.current_dir(self.path());
        command
    }

    /// Runs a program to its end, which must be good.
    pub(crate) fn run<'a>(&self, program: &Path, args: impl IntoIterator<Item = &'a OsStr>) {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        // To a file, not a pipe: a server inherits it and would keep a pipe open for ever.
        let output = self.path().join(format!("{name}.out"));
        let file = std::fs::File::create(&output).unwrap();
        let mut command = self.command(program);
        command.args(args).stdout(file.try_clone().unwrap()).stderr(file);
        let status = command.status().unwrap();
        let said = std::fs::read_to_string(&output).unwrap_or_default();
        assert!(status.success(), "{name}: {said}");
    }

    /// The end of a log, where a test has failed.
    pub(crate) fn show_log(&self, name: &str) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.path().join(name)).unwrap_or_default();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!("the server's log, newest line first:\n{}", tail.join("\n"));
        }
    }
}

/// The folder that holds all of these programs: one of the search path, or of the others given.
pub(crate) fn find_programs(
    programs: &[&str],
    others: impl IntoIterator<Item = PathBuf>,
    package: &str,
) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(others);
    let all_in =
        |folder: &PathBuf| programs.iter().all(|program| is_program(&folder.join(program)));
    folders.find(all_in).unwrap_or_else(|| {
        panic!(
            "{} missing: `apt-get install {package}`, or add their folder to PATH",
            programs.join(", ")
        )
    })
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

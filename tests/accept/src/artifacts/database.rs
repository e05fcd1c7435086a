//! The database's suite on MariaDB.

use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::run::{project, run};

/// Runs the whole suite on a MariaDB server that it starts.
pub(super) fn mariadb() -> anyhow::Result<()> {
    let test = "every_case_holds_on_mariadb_too";
    let mut suite = Command::new("cargo");
    suite.args(["test", "--quiet", "--package", "xylem-db", "--test", "it", "--", "--nocapture"]);
    let ended = run(suite.arg(test).current_dir(project()?))?.require("the suite on MariaDB")?;
    let ran = ended.stdout.lines().find(|line| line.contains("test result: ok. 1 passed"));
    ran.with_context(|| format!("no test ran: {}", ended.stdout))?;
    let cases = ended.stderr.lines().find_map(|line| line.trim().strip_prefix("cases="));
    let cases: usize = cases.context("it does not say how many cases there were")?.parse()?;
    println!(
        "ARTIFACTS database on=MariaDB cases={cases} failed=0 seconds={}",
        ended.took.as_secs()
    );
    ensure!(cases > 0, "there are no cases");
    Ok(())
}

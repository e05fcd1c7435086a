//! Debian's litmus on the folder tree.
//!
//! It asks a relay of ours on this machine, which speaks TLS to the server: litmus trusts the
//! system's authorities only, and leaves out one of its tests where it speaks TLS itself.

use std::process::Command;

use anyhow::{Context as _, ensure};
use xylem_bench::debian;

use super::CLIENTS;
use super::account::{USER, share};
use crate::pair::stage;
use crate::run::run;

/// What the five suites hold.
const TESTS: u32 = 104;

/// All of litmus passes.
pub(crate) fn litmus() -> anyhow::Result<()> {
    debian::require(CLIENTS)?;
    stage(async |scratch| {
        let share = share(scratch).await?;
        let url = format!("{}/Drop/", share.relay.url());
        let mut command = Command::new("litmus");
        command.args(["-k", &url, USER, &share.password]).current_dir(scratch.path());
        // litmus is waited for on a thread of its own: the relay needs this one's runtime.
        let ended = tokio::task::spawn_blocking(move || run(&mut command)).await??;
        share.fleet.stop().await;
        let (mut passed, mut tried) = (0, 0);
        for line in ended.stdout.lines().filter(|line| line.contains("summary for")) {
            let (of, by) = counts(line).with_context(|| format!("not understood: {line}"))?;
            (passed, tried) = (passed + by, tried + of);
        }
        println!("SERVING litmus passed={passed} of={tried}");
        let failed = ended.stdout.lines().filter(|line| line.contains("FAIL"));
        ensure!(
            passed == TESTS && tried == TESTS,
            "{}\n{}",
            failed.collect::<Vec<_>>().join("\n"),
            ended.stderr
        );
        Ok(())
    })
}

/// Of `… of 16 tests run: 15 passed, 1 failed. 93.8%`: 16 and 15.
fn counts(line: &str) -> Option<(u32, u32)> {
    let (_, rest) = line.split_once(" of ")?;
    let (of, rest) = rest.split_once(" tests run: ")?;
    let (by, _) = rest.split_once(" passed")?;
    Some((of.parse().ok()?, by.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read() {
        let line = "<- summary for `basic': of 16 tests run: 15 passed, 1 failed. 93.8%";
        assert_eq!(counts(line), Some((16, 15)));
        assert_eq!(counts("<- summary for `basic': nothing"), None);
    }
}

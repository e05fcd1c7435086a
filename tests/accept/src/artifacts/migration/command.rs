//! `xylem migrate` as somebody types it, and as somebody kills it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::{sleep, timeout};
use xylem_bench::fleet::Fleet;
use xylem_migration::Document;

/// How long a run may take to the moment at which it is killed.
const LIMIT: Duration = Duration::from_secs(300);
/// How often the journal of a run that reads is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// The signal that no process can hold off.
const SIGKILL: i32 = 9;

/// A share on its way to a server.
pub(super) struct Migrating<'a> {
    fleet: &'a Fleet,
    share: &'a Path,
    state: PathBuf,
}

/// When a run is killed: once it has done so much since it was started.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// So many files were read and noted in the journal.
    Read(usize),
    /// So many files were sent.
    Sent(usize),
}

impl<'a> Migrating<'a> {
    pub(super) fn new(fleet: &'a Fleet, share: &'a Path, state: PathBuf) -> Self {
        Self { fleet, share, state }
    }

    /// What would come of it.
    pub(super) async fn dry_run(&self) -> anyhow::Result<Document> {
        self.ended(&["--dry-run", "--json"], "dry-run.json").await
    }

    /// Runs to the end.
    pub(super) async fn run(&self) -> anyhow::Result<Document> {
        self.ended(&["--json"], "migration.json").await
    }

    /// The report as it is printed, which must be the one that is kept.
    async fn ended(&self, more: &[&str], kept: &str) -> anyhow::Result<Document> {
        let printed: Document = serde_json::from_str(&self.fleet.xylem(&self.words(more)?).await?)?;
        let kept: Document = serde_json::from_slice(&fs::read(self.state.join(kept))?)?;
        ensure!(printed == kept, "what is printed is not what is kept");
        Ok(printed)
    }

    fn words<'b>(&'b self, more: &[&'b str]) -> anyhow::Result<Vec<&'b str>> {
        let text = |path: &'b Path| path.to_str().context("the path is not Unicode");
        let words = ["migrate", text(self.share)?, "--state", text(&self.state)?];
        Ok([&words, more].concat())
    }

    /// Runs until the moment and a little longer, and kills it; gives how many files it has sent.
    pub(super) async fn kill_at(&self, moment: Moment, wait: Duration) -> anyhow::Result<usize> {
        let noted_before = self.noted()?;
        let mut command = self.fleet.command(&self.words(&[])?);
        let mut run = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let said = run.stdout.take().context("it has no output")?;
        let mut said = BufReader::new(said).lines();
        let coming = async {
            match moment {
                Moment::Read(many) => self.read(many + noted_before).await.map(|()| 0),
                Moment::Sent(many) => sent(&mut said, many).await,
            }
        };
        let before = timeout(LIMIT, coming).await.context("it does not come so far")??;
        sleep(wait).await;
        kill(&mut run).await?;
        // What it said before it died is in the pipe.
        let more = timeout(LIMIT, sent(&mut said, usize::MAX)).await;
        let in_all = before + more.context("its output does not end")??;
        let was_reading = in_all == 0 || matches!(moment, Moment::Sent(_));
        ensure!(was_reading, "it had sent {in_all} files when it was to be killed while it read");
        Ok(in_all)
    }

    /// Waits until so many files are noted.
    async fn read(&self, many: usize) -> anyhow::Result<()> {
        while self.noted()? < many {
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Lines of the journal.
    fn noted(&self) -> anyhow::Result<usize> {
        let mut lines = 0;
        for entry in fs::read_dir(&self.state).into_iter().flatten() {
            let path = entry?.path();
            if path.extension() == Some(OsStr::new("jsonl")) {
                lines += fs::read(path)?.iter().filter(|byte| **byte == b'\n').count();
            }
        }
        Ok(lines)
    }
}

/// Kills a run, which must be running.
async fn kill(run: &mut Child) -> anyhow::Result<()> {
    ensure!(run.try_wait()?.is_none(), "it had ended before it was killed");
    run.start_kill()?;
    let ended = run.wait().await?;
    ensure!(ended.signal() == Some(SIGKILL), "it ended with {ended}, not by the kill");
    Ok(())
}

/// Hears of so many files that were sent, or of all until the end; gives how many there were.
async fn sent(said: &mut Lines<BufReader<ChildStdout>>, many: usize) -> anyhow::Result<usize> {
    let mut sent = 0;
    while sent < many {
        // A line that was torn by the kill is not Unicode, perhaps.
        let Ok(Some(line)) = said.next_line().await else {
            ensure!(many == usize::MAX, "it ended after {sent} of {many} files");
            break;
        };
        sent += usize::from(line.contains(": sent as "));
    }
    Ok(sent)
}

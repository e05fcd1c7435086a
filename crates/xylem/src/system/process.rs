//! A part of the system as a process of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::Failure;

/// How long a process may take to end after it was asked to.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running part.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; what it says is added to a log file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        name: &str,
        program: &Path,
        arguments: &[&str],
        logs: &Path,
    ) -> Result<Self, Failure> {
        let log = logs.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            // A process group of its own: an interrupt at the keyboard reaches the parent alone,
            // which then stops its parts in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// The part's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Fails, with the last line it said, when the process has ended.
    ///
    /// # Errors
    /// When it has ended.
    pub fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let said = std::fs::read_to_string(&self.log).unwrap_or_default();
                let last = said.lines().last().unwrap_or("it said nothing");
                Err(Failure::new(format!("{} ended with {status}: {last}", self.name)))
            }
        }
    }

    /// Waits until the process ends by itself, well.
    ///
    /// # Errors
    /// When it does not in time, or fails.
    pub async fn end(mut self, limit: Duration) -> Result<(), Failure> {
        match tokio::time::timeout(limit, self.child.wait()).await {
            Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => Ok(()),
            Ok(status) => Err(Failure::new(format!("{} ended with {}", self.name, status?))),
            Err(_) => Err(Failure::new(format!("{} does not end", self.name))),
        }
    }

    /// Asks the process to end, and ends it when it does not.
    pub async fn stop(&mut self) {
        if let Some(pid) = self.pid() {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, Signal::TERM);
        }
        if tokio::time::timeout(STOP_LIMIT, self.child.wait()).await.is_err() {
            tracing::warn!(process = self.name, "did not end when asked to; it was killed");
            self.kill().await;
        }
    }

    /// Sends SIGKILL and does not wait.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn strike(&self) -> Result<(), Failure> {
        let pid = self.pid().ok_or_else(|| Failure::new(format!("{} has ended", self.name)))?;
        Ok(kill_process(pid, Signal::KILL)?)
    }

    fn pid(&self) -> Option<Pid> {
        self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }

    /// Ends the process at once (SIGKILL).
    pub async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(process = self.name, %error, "could not be killed");
        }
    }
}

/// Runs a command to its end and gives what it printed.
///
/// # Errors
/// When it cannot be started or fails, with the last line it said.
pub async fn run_to_end(
    program: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<String, Failure> {
    let done = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        // Whoever waits for it may stop waiting, as a test that kills an upload does.
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot start {}", program.display()))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let reason = said.lines().last().unwrap_or("it said nothing").trim_start_matches("error: ");
    let words: Vec<&str> = arguments.iter().copied().take(2).collect();
    Err(Failure::new(format!("`{}` failed: {reason}", words.join(" "))))
}

//! A worker as a process of its own, that is listened to, frozen and killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::worker::Options;

/// A worker that says nothing for so long has stuck.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// The running worker.
pub(crate) struct Victim {
    child: Child,
    lines: Receiver<String>,
}

impl Victim {
    /// Starts one, and waits until it is publishing.
    pub(crate) fn start(options: &Options) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments(options)).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start the worker")?;
        let output = child.stdout.take().context("the worker has no output")?;
        let victim = Self { child, lines: read_lines(output) };
        ensure!(victim.line(SILENCE_LIMIT)?.as_deref() == Some("ready"), "the worker is not ready");
        Ok(victim)
    }

    /// Waits for the next acknowledgement.
    pub(crate) fn acknowledgement(&self) -> anyhow::Result<()> {
        let end = Instant::now() + SILENCE_LIMIT;
        ensure!(self.acknowledgement_until(end)?, "the worker has stuck");
        Ok(())
    }

    /// Waits for the next acknowledgement until a moment; whether there was one.
    pub(crate) fn acknowledgement_until(&self, end: Instant) -> anyhow::Result<bool> {
        let Some(line) = self.line(end.saturating_duration_since(Instant::now()))? else {
            return Ok(false);
        };
        // Anything else is why it gave up.
        ensure!(line.starts_with("ack "), "the worker said: {line}");
        Ok(true)
    }

    fn line(&self, wait: Duration) -> anyhow::Result<Option<String>> {
        match self.lines.recv_timeout(wait) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("the worker ended by itself"),
        }
    }

    /// Stops it where it stands; returns when it stands.
    pub(crate) fn freeze(&self) -> anyhow::Result<()> {
        kill_process(self.pid()?, Signal::STOP)?;
        let stopped = waitpid(Some(self.pid()?), WaitOptions::UNTRACED)?;
        let stopped = stopped.is_some_and(|(_, status)| status.stopped());
        ensure!(stopped, "the worker ended by itself");
        Ok(())
    }

    /// Ends it, wherever it is.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        let id = i32::try_from(self.child.id())?;
        Pid::from_raw(id).context("the worker has no process id")
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // After `kill` there is nobody left to kill, which is no failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The worker's own words on the command line.
pub(crate) fn arguments(options: &Options) -> Vec<std::ffi::OsString> {
    use clap::ValueEnum as _;

    let mut words =
        vec!["publish".into(), "--repository".into(), options.repository.clone().into()];
    words.extend(["--parent".into(), options.parent.clone().into()]);
    let mut option = |name: &str, value: String| words.extend([name.into(), value.into()]);
    option("--seed", options.seed.to_string());
    option("--first", options.first.to_string());
    option("--publishes", options.publishes.to_string());
    if let Some(way) = options.way.and_then(|way| way.to_possible_value()) {
        option("--way", way.get_name().to_owned());
    }
    if let Some(size) = options.size {
        option("--size", size.to_string());
    }
    if let Some(forgets) = options.forgets.to_possible_value() {
        option("--forgets", forgets.get_name().to_owned());
    }
    words
}

/// Reads lines on a thread of its own, so that one can wait for them with a bound.
fn read_lines(output: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

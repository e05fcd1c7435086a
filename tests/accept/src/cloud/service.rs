//! A server of somebody else's, in the foreground, so that it ends with us.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use xylem_bench::shell::run;

/// How often it is looked whether it is there.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A running server. It is killed when this is dropped: what it holds is the run's alone, and some
/// take half a minute to end when they are asked to.
#[derive(Debug)]
pub(super) struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts it; what it says goes into a file.
    pub(super) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let what = format!("cannot start {command:?}");
        Ok(Self { child: command.spawn().context(what)?, log: log.to_owned() })
    }

    /// Waits until something listens on a port of this machine.
    pub(super) async fn listens(&mut self, port: u16, limit: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + limit;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(ended) = self.child.try_wait()? {
                bail!("it ended ({ended}): {}", self.said());
            }
            if Instant::now() >= end {
                bail!("nothing listens on port {port} after {limit:?}: {}", self.said());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Has it read its settings again.
    pub(super) fn reload(&self) -> anyhow::Result<()> {
        run(&format!("kill -HUP {}", self.child.id())).map(drop)
    }

    /// The last it said.
    fn said(&self) -> String {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself meanwhile.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

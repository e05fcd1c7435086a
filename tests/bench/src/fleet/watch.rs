//! What a fleet has, says and counts.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::Instant;
use xylem::system::Process;
use xylem_api::catalogue::ServerPlacement;
use xylem_model::ContentId;

use super::{ASK_EVERY, Fleet, KIND};
use crate::cpu;
use crate::shell::finish;
use crate::until;

impl Fleet {
    /// The file in which a distribution server keeps this content once it is published.
    pub fn published(&self, name: &str, content: &ContentId) -> PathBuf {
        let id = content.to_string();
        let shelf: String = id.chars().take(2).collect();
        self.repository(name).join("content").join(shelf).join(id)
    }

    /// Waits until a distribution server has published this content; gives the moment.
    ///
    /// # Errors
    /// When it has not in time.
    pub async fn arrival(
        &self,
        name: &str,
        content: &ContentId,
        limit: Duration,
    ) -> anyhow::Result<Instant> {
        let path = self.published(name, content);
        until(&format!("{name} publishes {content}"), limit, || path.exists()).await
    }

    /// What a distribution server has told of a file, where it has told anything.
    ///
    /// # Errors
    /// When the management server does not answer.
    pub async fn placement(
        &self,
        server: &str,
        file: &str,
    ) -> anyhow::Result<Option<ServerPlacement>> {
        let placement = self.access.admin.placement(KIND, file).await?;
        Ok(placement.servers.into_iter().find(|row| row.server == server))
    }

    /// Waits until a distribution server tells of a file what `holds` wants to hear.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn told(
        &self,
        server: &str,
        file: &str,
        limit: Duration,
        holds: impl Fn(&ServerPlacement) -> bool,
    ) -> anyhow::Result<ServerPlacement> {
        let end = Instant::now() + limit;
        loop {
            let row = self.placement(server, file).await?;
            if let Some(row) = row.as_ref().filter(|row| holds(row)) {
                return Ok(row.clone());
            }
            ensure!(Instant::now() < end, "in vain: {file} on {server}, the last word is {row:?}");
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// What a distribution server has counted so far.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn counted_by(&self, name: &str) -> anyhow::Result<Counted> {
        let member = self.member(name)?;
        // Metrics are for the very machine only, and no certificate names its loopback address.
        let url = format!("https://127.0.0.1:{}/metrics", member.port);
        let mut curl = member.host.command("curl");
        finish(curl.args(["--silent", "--fail", "--insecure", &url]), &url).map(Counted)
    }

    /// What the management server has counted so far.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn counted_by_server(&self) -> anyhow::Result<Counted> {
        let url = format!("{}/metrics", self.url);
        let token = fs::read_to_string(self.folder.join("server/admin.token"))?;
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--cacert"]).arg(self.folder.join("server/ca.pem"));
        curl.arg("--header").arg(format!("Authorization: Bearer {}", token.trim()));
        finish(curl.arg(&url), &url).map(Counted)
    }

    /// Seconds of processors that a distribution server has used since it was started.
    pub fn cpu_seconds(&self, name: &str) -> f64 {
        self.pid(name).map_or(0.0, |pid| cpu::seconds_of(&[pid]))
    }

    /// The process id of a distribution server.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid(&self, name: &str) -> anyhow::Result<u32> {
        let process = self.member(name)?.process.as_ref();
        process.and_then(Process::id).with_context(|| format!("{name} does not run"))
    }
}

/// What a program has counted, in Prometheus' text format.
#[derive(Debug, Clone)]
pub struct Counted(String);

impl Counted {
    /// The sum of all lines `FIGURE{labels} VALUE`; 0 where there is none yet. A figure with its
    /// first label, such as `name{method="GET"`, counts only lines that begin so.
    pub fn sum(&self, figure: &str) -> f64 {
        let lines = self.0.lines().filter_map(|line| line.strip_prefix(figure));
        lines
            .filter(|rest| rest.starts_with([' ', '{', ',', '}']))
            .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_summed_over_its_labels() {
        let counted = Counted(
            "# TYPE a_total counter\na_total{method=\"GET\",status=\"200\"} 5\n\
             a_total{method=\"POST\"} 2\na_total_more 9\nb 1\n"
                .to_owned(),
        );
        for (figure, sum) in [
            ("a_total", 7.0),
            ("a_total{method=\"GET\"", 5.0),
            ("a_total{method=\"POST\"", 2.0),
            ("b", 1.0),
            ("c", 0.0),
        ] {
            assert!((counted.sum(figure) - sum).abs() < f64::EPSILON, "{figure}");
        }
    }
}

//! The clients of `serve`: curl for bytes, ab for small files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::shell::finish;

/// A server, and how to be let in.
pub(super) struct Target {
    pub(super) large: String,
    pub(super) small: String,
    pub(super) ca: PathBuf,
    /// Certificate and key, for a server that asks for them.
    pub(super) identity: Option<PathBuf>,
}

impl Target {
    /// Takes parts of the large file, each from an offset and so long, and counts what came.
    /// Gives the seconds that it took.
    pub(super) fn take(
        &self,
        parts: &[(u64, u64)],
        connections: u64,
        config: &Path,
    ) -> anyhow::Result<f64> {
        std::fs::write(config, self.sections(parts)?)?;
        let connections = connections.to_string();
        let mut curl = Command::new("curl");
        curl.args(["--parallel", "--parallel-immediate", "--parallel-max", &connections]);
        curl.arg("--config").arg(config);
        let begun = Instant::now();
        let said = finish(&mut curl, "curl --parallel")?;
        let seconds = begun.elapsed().as_secs_f64();
        let came: u64 = said.lines().filter_map(|line| line.parse::<u64>().ok()).sum();
        let wanted: u64 = parts.iter().map(|(_, len)| len).sum();
        ensure!(came == wanted, "{came} bytes came instead of {wanted} from {}", self.large);
        Ok(seconds)
    }

    /// One section of curl's configuration for each part.
    fn sections(&self, parts: &[(u64, u64)]) -> anyhow::Result<String> {
        let mut text = String::new();
        for (offset, len) in parts {
            if !text.is_empty() {
                text.push_str("next\n");
            }
            let end = offset + len - 1;
            write!(
                text,
                "url = \"{}\"\nrange = \"{offset}-{end}\"\noutput = \"/dev/null\"\n\
                 silent\nshow-error\nfail\nhttp1.1\ncacert = {:?}\n\
                 tls13-ciphers = \"TLS_AES_256_GCM_SHA384\"\nwrite-out = \"%{{size_download}}\\n\"\n",
                self.large, self.ca
            )?;
            if let Some(identity) = &self.identity {
                writeln!(text, "cert = {identity:?}")?;
            }
        }
        Ok(text)
    }

    /// Takes the small file so often, on kept connections. Gives the seconds that it took.
    pub(super) fn take_small(&self, requests: u32, connections: u64) -> anyhow::Result<f64> {
        let mut ab = Command::new("ab");
        ab.args(["-q", "-k", "-n", &requests.to_string(), "-c", &connections.to_string()]);
        if let Some(identity) = &self.identity {
            ab.arg("-E").arg(identity);
        }
        let begun = Instant::now();
        let said = finish(ab.arg(&self.small), "ab")?;
        let seconds = begun.elapsed().as_secs_f64();
        let figure = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.trim().parse::<u32>().ok())
        };
        let failed = figure("Failed requests:").context("ab does not say what failed")?;
        let refused = figure("Non-2xx responses:").unwrap_or(0);
        let done = figure("Complete requests:").context("ab does not say what it did")?;
        let kept = figure("Keep-Alive requests:").unwrap_or(0);
        ensure!(
            (done, failed, refused) == (requests, 0, 0),
            "of {requests} requests for {} {failed} failed and {refused} were refused",
            self.small
        );
        ensure!(kept > requests / 2, "{} keeps no connections", self.small);
        Ok(seconds)
    }
}

/// Numbers that look random and are the same in each run (Knuth's MMIX generator).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 16) % bound.max(1)
    }
}

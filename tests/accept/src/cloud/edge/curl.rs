//! Somebody who fetches, by a program that knows nothing of ours.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::authority::Authority;
use crate::run::run;

/// Who believes the run's authority, and has a folder for what comes.
pub(super) struct Curl<'a> {
    pub(super) authority: &'a Authority,
    pub(super) folder: &'a Path,
}

/// What came.
pub(super) struct Answer {
    pub(super) status: String,
    pub(super) body: Vec<u8>,
}

impl Curl<'_> {
    /// Asks for a URL, byte by byte as it is.
    pub(super) fn ask(&self, options: &[&str], url: &str) -> anyhow::Result<Answer> {
        let body = self.folder.join("answer");
        fs::write(&body, b"")?;
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--globoff", "--path-as-is", "--noproxy", "*"]);
        command.args(["--max-time", "120", "--write-out", "%{http_code}", "--cacert"]);
        command.arg(&self.authority.ca).args(options).arg("--output").arg(&body).arg(url);
        let status = run(&mut command)?.require("curl")?.stdout;
        Ok(Answer { status, body: fs::read(&body)? })
    }
}

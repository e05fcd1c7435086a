//! Running the system's own commands.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Runs a line of plain words, without a shell, and gives what it printed.
///
/// # Errors
/// When it cannot be started or fails, with what it said.
pub fn run(line: &str) -> anyhow::Result<String> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().context("an empty command line")?);
    finish(command.args(words), line)
}

/// Runs a command to its end and gives what it printed; `line` is what is said of it when it
/// fails.
///
/// # Errors
/// When it cannot be started or fails, with what it said.
pub fn finish(command: &mut Command, line: &str) -> anyhow::Result<String> {
    let done = command.stdin(Stdio::null()).output();
    let done = done.with_context(|| format!("cannot start `{line}`"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("`{line}` failed ({}): {}", done.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Whether this process may make network namespaces, mount file systems and install packages.
///
/// # Errors
/// When it is not root's.
pub fn require_root(what: &str) -> anyhow::Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    bail!("{what} needs root, for network namespaces and mounts: run it again with sudo")
}

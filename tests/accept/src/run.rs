//! Running commands and measuring them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

/// A command that ended.
pub(crate) struct Ended {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Ended {
    /// Fails with what the command said where it failed.
    pub(crate) fn require(self, what: &str) -> anyhow::Result<Self> {
        if !self.success {
            let tail = |text: &str| {
                let lines: Vec<&str> = text.lines().rev().take(15).collect();
                lines.into_iter().rev().collect::<Vec<_>>().join("\n")
            };
            let named = |text: &str| {
                let lines: Vec<&str> = text
                    .lines()
                    .filter(|line| line.contains("FAILED") || line.contains("panicked"))
                    .collect();
                lines.join("\n")
            };
            let (stdout, stderr) = (&self.stdout, &self.stderr);
            bail!(
                "{what} failed:\n{}\n{}\n{}\n{}",
                named(stdout),
                named(stderr),
                tail(stdout),
                tail(stderr)
            );
        }
        Ok(self)
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<Ended> {
    let begun = Instant::now();
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    Ok(Ended {
        success: status.success(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        took: begun.elapsed(),
    })
}

/// A command run under GNU time, and its peak resident memory in KiB.
pub(crate) fn run_measured(command: &Command) -> anyhow::Result<(Ended, u64)> {
    let figures = tempfile::NamedTempFile::new()?;
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%M", "-o"]).arg(figures.path()).arg(command.get_program());
    timed.args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            timed.env(name, value);
        }
    }
    let ended = run(&mut timed)?;
    let text = std::fs::read_to_string(figures.path())?;
    let peak = text.lines().last().and_then(|line| line.trim().parse().ok());
    Ok((ended, peak.context("GNU time printed no figure")?))
}

/// The folder with the built programs: where this program is.
pub(crate) fn programs() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    Ok(here.parent().context("this program has no folder")?.to_owned())
}

/// The project's folder: where cargo runs this.
pub(crate) fn project() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir()?;
    if !here.join("Cargo.lock").exists() {
        bail!("run this through `cargo xtask accept`, from the project's folder");
    }
    Ok(here)
}

/// The packages (`*.pkg`) of a folder, sorted.
pub(crate) fn packages(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "pkg") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The last part of a path, as text.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// One thing that must hold: it prints its line of figures, or fails.
pub(crate) type Part<'a> = (&'a str, &'a dyn Fn() -> anyhow::Result<()>);

/// Runs every part of an acceptance, or those that are named, and goes on after one that fails.
pub(crate) fn run_parts(label: &str, parts: &[Part<'_>], only: Option<&str>) -> anyhow::Result<()> {
    let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
    let chosen = chosen(&names, only);
    if let Some(only) = only.filter(|_| chosen.is_empty()) {
        bail!("there is no part called {only}; there are: {}", names.join(", "));
    }
    let mut failed = Vec::new();
    for (name, part) in parts.iter().filter(|(name, _)| chosen.contains(name)) {
        if let Err(error) = part() {
            println!("{label} {name} FAILED: {error:#}");
            failed.push(*name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    println!("{label} accepted");
    Ok(())
}

/// All of these names, or the one that is asked for; where there is none, those that end with it after
/// a hyphen.
fn chosen<'a>(names: &[&'a str], only: Option<&str>) -> Vec<&'a str> {
    let Some(only) = only else { return names.to_vec() };
    let ends = |name: &str| name.strip_suffix(only).is_some_and(|rest| rest.ends_with('-'));
    match names.iter().find(|name| **name == only) {
        Some(name) => vec![*name],
        None => names.iter().copied().filter(|name| ends(name)).collect(),
    }
}

/// Runs a bench of five rounds, which prints its own lines and fails where a *must* is missed.
pub(crate) fn bench(label: &str, name: &str) -> anyhow::Result<()> {
    let status = Command::new("cargo")
        .args(["xtask", "bench", name])
        .current_dir(project()?)
        .status()
        .with_context(|| format!("cannot start the bench {name}"))?;
    ensure!(status.success(), "the bench {name} missed what it must reach");
    println!("{label} {name} every must is met");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_wholly_or_by_their_end() {
        let names = ["s3-cloud-life", "swift-s3-cloud-life", "s3-cloud-storm"];
        assert_eq!(chosen(&names, None), names);
        assert_eq!(chosen(&names, Some("s3-cloud-life")), ["s3-cloud-life"]);
        assert_eq!(chosen(&names, Some("life")), ["s3-cloud-life", "swift-s3-cloud-life"]);
        for none in ["ife", "s3", ""] {
            assert!(chosen(&names, Some(none)).is_empty(), "{none}");
        }
    }
}

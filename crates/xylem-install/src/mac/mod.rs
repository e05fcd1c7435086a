//! [`MacInstaller`]: has `/usr/sbin/installer` install the package.
//!
//! The tool takes a path and opens it itself; it cannot be given an open file (`/dev/fd/N` does not
//! work with it, because it opens the file several times, from several processes). [`handover`]
//! therefore puts the verified file under a name in a folder that only we can write to, and
//! compares its identity before and after the tool ran.
//!
//! The tool gets exactly `-pkg FILE -target VOLUME -verboseR`, an environment of `HOME`, `PATH` and
//! `USER`, no input, and a time limit after which it and its children are killed. Its exit code
//! alone decides about success; its output is kept for the report. It never restarts the computer
//! by itself.

mod handover;
mod output;
mod process;
mod receipts;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use xylem_artifact::package::FlatPackage;

use self::handover::HandedOver;
use self::output::Line;
use self::process::{Finished, RunError};
use crate::demands;
use crate::error::InstallError;
use crate::report::{ComponentReport, InstallReport, InstallResult, ReceiptChange};
use crate::request::{InstallRequest, Installer};

/// How long Apple's installer may take: one hour. Large suites take twenty minutes on old Macs.
pub const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Installs packages with Apple's command-line tools. They need root.
#[derive(Debug, Clone)]
pub struct MacInstaller {
    installer: PathBuf,
    pkgutil: PathBuf,
    time_limit: Duration,
}

impl MacInstaller {
    /// An installer that uses the tools where macOS has them.
    pub fn new() -> Self {
        Self::with_tools("/usr/sbin/installer", "/usr/sbin/pkgutil", DEFAULT_TIME_LIMIT)
    }

    /// An installer that uses tools elsewhere, and another time limit for the installation.
    pub fn with_tools(
        installer: impl Into<PathBuf>,
        pkgutil: impl Into<PathBuf>,
        time_limit: Duration,
    ) -> Self {
        Self { installer: installer.into(), pkgutil: pkgutil.into(), time_limit }
    }

    fn run_installer(&self, package: &Path, target: &Path) -> Result<Finished, InstallError> {
        let mut command = clean_command(&self.installer);
        command.arg("-pkg").arg(package).arg("-target").arg(target).arg("-verboseR");
        process::run(command, self.time_limit).map_err(|error| match error {
            RunError::Failed(source) => {
                InstallError::Program { program: self.installer.clone(), source }
            }
            RunError::TimedOut { lines } => {
                InstallError::TimedOut { limit: self.time_limit, output: lines }
            }
        })
    }

    fn receipts(
        &self,
        identifiers: &[&str],
        target: &Path,
    ) -> Result<Vec<Option<String>>, InstallError> {
        identifiers
            .iter()
            .map(|identifier| receipts::installed_version(&self.pkgutil, target, identifier))
            .collect()
    }
}

impl Default for MacInstaller {
    fn default() -> Self {
        Self::new()
    }
}

impl Installer for MacInstaller {
    fn install(&self, request: &InstallRequest) -> Result<InstallReport, InstallError> {
        let file = request
            .package
            .try_clone()
            .map_err(InstallError::target("opening", request.package_name.as_str()))?;
        let package = FlatPackage::open(file).map_err(InstallError::Package)?;
        let facts = package.facts();
        let mut warnings: Vec<String> = Vec::new();
        if let Some(host) = &request.host {
            warnings.extend(demands::check(facts, host)?);
        }
        let identifiers: Vec<&str> =
            facts.components.iter().map(|part| part.identifier.as_str()).collect();
        let before = self.receipts(&identifiers, &request.target_root)?;

        let handed_over = HandedOver::prepare(request)?;
        handed_over.check("before the installer ran")?;
        let finished = self.run_installer(handed_over.path(), &request.target_root)?;
        handed_over.check("while the installer ran")?;
        judge(&finished)?;
        if !finished.lines.iter().any(|line| Line::parse(line).says_success()) {
            warnings.push("the installer ended well, but did not say that it succeeded".to_owned());
        }

        let after = self.receipts(&identifiers, &request.target_root)?;
        let receipts = identifiers.iter().zip(before).zip(after).map(|((id, before), after)| {
            ReceiptChange { identifier: (*id).to_owned(), before, after }
        });
        let receipts: Vec<ReceiptChange> = receipts.collect();
        for receipt in receipts.iter().filter(|receipt| receipt.after.is_none()) {
            warnings.push(format!("{} left no receipt", receipt.identifier));
        }
        let components = facts.components.iter().map(|part| ComponentReport {
            identifier: part.identifier.clone(),
            version: part.version.clone().unwrap_or_default(),
            ..ComponentReport::default()
        });
        Ok(InstallReport {
            result: InstallResult::Installed,
            components: components.collect(),
            receipts,
            restart: facts.restart,
            warnings,
            log: finished.lines,
        })
    }
}

/// Exit code 0 is success, everything else is not.
fn judge(finished: &Finished) -> Result<(), InstallError> {
    if finished.status.success() {
        return Ok(());
    }
    let lines = &finished.lines;
    if let Some(reason) = lines.iter().rev().find(|line| Line::parse(line).denies_trust()) {
        return Err(InstallError::Untrusted { reason: reason.clone() });
    }
    Err(InstallError::InstallerFailed {
        code: finished.status.code(),
        last_line: output::most_telling(lines),
        output: lines.clone(),
    })
}

/// A command with nothing of our own environment, as a system service would run it.
fn clean_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", "/var/root")
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .env("USER", "root")
        .current_dir("/");
    command
}

//! Receipts as `pkgutil` tells them.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::clean_command;
use super::process::{self, RunError};
use crate::error::InstallError;
use crate::plist;

/// How long one question to `pkgutil` may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The installed version of `identifier` on the volume `target`; `None` without a receipt.
pub(super) fn installed_version(
    pkgutil: &Path,
    target: &Path,
    identifier: &str,
) -> Result<Option<String>, InstallError> {
    let mut command = clean_command(pkgutil);
    if target.as_os_str() != "/" {
        command.arg("--volume").arg(target);
    }
    command.arg("--pkg-info-plist").arg(identifier);
    let finished = process::run(command, TIME_LIMIT).map_err(|error| {
        let source = match error {
            RunError::Failed(source) => source,
            RunError::TimedOut { .. } => io::ErrorKind::TimedOut.into(),
        };
        InstallError::Program { program: pkgutil.to_owned(), source }
    })?;
    // It fails when there is no receipt, and says so.
    if !finished.status.success() {
        return Ok(None);
    }
    Ok(plist::value_of(finished.lines.join("\n").as_bytes(), "pkg-version"))
}

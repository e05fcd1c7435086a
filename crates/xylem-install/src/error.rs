//! Why a package was not installed.
//!
//! [`InstallError::result_word`] is the word that the agent reports to the server; `Display` is
//! for the administrator: what was attempted, on what, and how to mend it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use xylem_artifact::ArtifactError;
use xylem_artifact::payload::PayloadError;

/// Why a package was not installed.
///
/// Unless it is [`InstallError::RollbackFailed`] (or came from Apple's tool, which keeps its own
/// rules), the target holds what it held before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The package asks for something that is never done.
    #[error("the package is refused: {reason}")]
    Refused {
        /// What it asks for.
        reason: String,
    },
    /// The package's container is unusable.
    #[error("the package cannot be read")]
    Package(#[source] ArtifactError),
    /// The payload of a component is unusable.
    #[error("the payload of component {component} cannot be expanded")]
    Payload {
        /// The component's identifier.
        component: String,
        /// What is wrong with it.
        #[source]
        source: PayloadError,
    },
    /// The target lacks room.
    #[error(
        "not enough space on the target: {needed_bytes} bytes are needed, {available_bytes} are \
         free; free some space and try again"
    )]
    NoSpace {
        /// What the package needs, with the reserve that is always left free.
        needed_bytes: u64,
        /// What unprivileged users could still write.
        available_bytes: u64,
    },
    /// The package is not meant for this computer.
    #[error("the package does not apply to this computer: {reason}")]
    NotApplicable {
        /// Which demand is not met.
        reason: String,
    },
    /// The system does not trust the package's signature.
    #[error("the system does not trust the package: {reason}")]
    Untrusted {
        /// What the system said.
        reason: String,
    },
    /// The file at the package's path is not the file that was verified.
    #[error("{path} is not the file that was verified; it changed {when}, fetch the package again")]
    PackageChanged {
        /// The path that was handed to the installer.
        path: PathBuf,
        /// Before or while the installer ran.
        when: &'static str,
    },
    /// Somebody else is installing to the same target.
    #[error("another installation to {target} is under way; try again when it has ended")]
    Busy {
        /// The target root.
        target: PathBuf,
    },
    /// The operating system refused an operation on the target.
    #[error("{doing} {path} on the target failed")]
    Target {
        /// What was attempted.
        doing: &'static str,
        /// On what, below the target root.
        path: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Undoing a failed installation failed as well: the target is between two states.
    #[error(
        "undoing a failed installation failed; what was replaced is kept in {staging}, and the \
         next installation to this target tries again"
    )]
    RollbackFailed {
        /// The staging directory with the replaced files.
        staging: PathBuf,
        /// The first thing that could not be undone.
        #[source]
        source: Box<InstallError>,
    },
    /// A helper program could not be started or talked to.
    #[error("running {program} failed")]
    Program {
        /// Path of the program.
        program: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Apple's installer ended with a failure.
    #[error("the installer failed ({}): {last_line}", status_text(*.code))]
    InstallerFailed {
        /// Its exit code; `None` when a signal ended it.
        code: Option<i32>,
        /// The last thing that it said.
        last_line: String,
        /// The end of its output.
        output: Vec<String>,
    },
    /// Apple's installer did not end in time and was killed.
    #[error("the installer did not end within {} seconds and was killed", .limit.as_secs())]
    TimedOut {
        /// The time that it had.
        limit: Duration,
        /// The end of its output.
        output: Vec<String>,
    },
}

impl InstallError {
    /// The result word of an agent report.
    pub fn result_word(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Package(ArtifactError::ChecksumMismatch { .. }) => "hash-mismatch",
            Self::Package(ArtifactError::Read { .. }) => "installer-failed",
            Self::Package(_) => "refused",
            Self::Payload { source: PayloadError::Read(cause), .. }
                if cause.raw_os_error().is_some() =>
            {
                "installer-failed"
            }
            Self::Payload { .. } => "refused",
            Self::NoSpace { .. } => "no-space",
            Self::NotApplicable { .. } => "not-applicable",
            Self::Untrusted { .. } => "untrusted",
            Self::PackageChanged { .. } => "hash-mismatch",
            Self::TimedOut { .. } => "timeout",
            Self::Busy { .. }
            | Self::Target { .. }
            | Self::RollbackFailed { .. }
            | Self::Program { .. }
            | Self::InstallerFailed { .. } => "installer-failed",
        }
    }

    /// The exit code of Apple's installer, where there is one.
    pub fn installer_code(&self) -> Option<i32> {
        match self {
            Self::InstallerFailed { code, .. } => *code,
            _ => None,
        }
    }

    /// The end of the installer's output, where there is some; oldest line first.
    pub fn output(&self) -> &[String] {
        match self {
            Self::InstallerFailed { output, .. } | Self::TimedOut { output, .. } => output,
            _ => &[],
        }
    }

    /// A [`InstallError::Refused`].
    pub(crate) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into() }
    }

    /// An adapter for the errors of one operation on the target.
    pub(crate) fn target<E: Into<io::Error>>(
        doing: &'static str,
        path: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Target { doing, path: path.into(), source: source.into() }
    }

    /// Whether the cause is a full disk or an exhausted quota.
    pub(crate) fn is_out_of_space(&self) -> bool {
        matches!(self, Self::Target { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

fn status_text(code: Option<i32>) -> String {
    match code {
        Some(code) => format!("exit code {code}"),
        None => "ended by a signal".to_owned(),
    }
}

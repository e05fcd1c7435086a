//! How a command ends when it does not end well.

use std::fmt::Display;
use std::process::{ExitCode, ExitStatus};

/// What every command returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a command stops.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The command line makes no sense; the menu helps.
    Usage(String),
    /// Something that was tried did not work.
    Failed(String),
    /// A program that was started has already said what is wrong; only its code is passed on.
    Exit(u8),
}

impl Failure {
    /// A command line that makes no sense.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::Usage(what.into())
    }

    /// Something that was tried and did not work.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::Failed(what.into())
    }

    /// Prints the reason and turns it into the exit code the menu promises.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Usage(what) => {
                eprintln!("xtask: {what}\n\n{}", crate::MENU);
                ExitCode::from(2)
            }
            Self::Failed(what) => {
                eprintln!("xtask: {what}");
                ExitCode::from(1)
            }
            Self::Exit(code) => ExitCode::from(code),
        }
    }
}

/// Says what was attempted when the cause alone would not tell.
pub(crate) trait Attempting<T> {
    /// `attempt` completes the sentence "could not …".
    fn attempting(self, attempt: impl Display) -> Outcome<T>;
}

impl<T, E: Display> Attempting<T> for Result<T, E> {
    fn attempting(self, attempt: impl Display) -> Outcome<T> {
        self.map_err(|cause| Failure::failed(format!("could not {attempt}: {cause}")))
    }
}

/// Passes the exit code of a finished program on. One that died by a signal has none: 1.
pub(crate) fn passed_on(status: ExitStatus) -> Outcome {
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Failure::Exit(code))
}

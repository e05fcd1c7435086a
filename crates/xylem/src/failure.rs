//! How a command fails.

use std::io::Write as _;
use std::process::ExitCode;

/// Why a command did not do what was asked. Exit codes: 0 done, 1 failed, 2 wrong usage (by the
/// argument parser), 64 wrong configuration.
#[derive(Debug)]
pub enum Failure {
    /// The command was understood and could not be carried out.
    Failed(anyhow::Error),
    /// A setting is wrong or missing: a file, an environment variable, an option's value.
    Configuration(anyhow::Error),
}

/// Exit code of wrong configuration.
const CONFIGURATION: u8 = 64;

impl Failure {
    /// A failure in one sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Failed(anyhow::Error::msg(message.into()))
    }

    /// A setting that is wrong.
    pub fn configuration(message: impl Into<String>) -> Self {
        Self::Configuration(anyhow::Error::msg(message.into()))
    }

    /// What went wrong, for callers that give no exit code.
    pub fn into_error(self) -> anyhow::Error {
        match self {
            Self::Failed(error) | Self::Configuration(error) => error,
        }
    }

    /// Prints the failure with its causes in one line, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        let (error, code) = match self {
            Self::Failed(error) => (error, ExitCode::FAILURE),
            Self::Configuration(error) => (error, ExitCode::from(CONFIGURATION)),
        };
        // Where standard error is closed nobody can be told.
        let _ = writeln!(std::io::stderr(), "error: {}", xylem_telemetry::chain(error.as_ref()));
        code
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

//! The main program: a role of the system, or the administrator's command line.
//!
//! `xylem server` and `xylem distribution` run a role; `xylem up` runs both in one process;
//! `xylem demo` starts a whole system on this machine; everything else talks to a management
//! server over its API, as any script could.
//!
//! * [`cli`]: what can be typed, as data; completions and man pages come from it.
//! * [`run`]: does it. Errors become one line and an exit code in one place, [`Failure`].

pub mod access;
pub mod cli;
mod commands;
mod demo;
mod download;
mod failure;
mod output;
mod roles;
mod service;
pub mod system;
pub mod upload;

pub use failure::Failure;

use cli::{Command, Options};

/// The hidden command that inspects the file on standard input, in a process of its own.
pub const INSPECT: &str = "inspect-stdin";

/// Inspects the file on standard input, of the form that a word names, and prints what was found: what an ingest server runs for
/// each upload. To be called before any thread is started.
pub fn inspect(form: &str) -> std::process::ExitCode {
    xylem_artifact::child::serve_stdin(form)
}

/// Carries out what was typed.
pub async fn run(options: Options) -> Result<(), Failure> {
    let output = output::Output::new(options.json);
    match options.command {
        Command::Demo(demo) => demo::run(demo, &output).await,
        Command::Up(up) => roles::up(up, &output).await,
        Command::Server(command) => Box::pin(roles::server(command, &output)).await,
        Command::Distribution(command) => roles::distribution(command, &output).await,
        Command::Completions { shell } => output.generated(|text| cli::completions(shell, text)),
        Command::Man { folder } => cli::man_pages(&folder).map_err(Failure::from),
        Command::Openapi => output.generated(|text| {
            text.extend_from_slice(xylem_server::openapi_json().as_bytes());
        }),
        // Answered by `main` before anything else is started.
        Command::InspectStdin => Ok(()),
        Command::Service(command) => service::run(command, &output),
        Command::Login(login) => access::login(&login, &output).await,
        Command::Administer(command) => commands::run(command, &options.access, &output).await,
    }
}

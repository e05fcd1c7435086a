//! `cargo xtask demo`: builds the two programs and hands over to `xylem demo`.

use std::process::Command;

use crate::cargo;
use crate::failure::Outcome;

/// Becomes `xylem demo` with the given words.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let programs = cargo::build(&["xylem", "xylem-agent"])?;
    let mut demo = Command::new(programs.path("xylem")?);
    // Started where the caller stands, so that relative FILE names mean what they say.
    demo.arg("demo").args(arguments);
    become_program(demo)
}

/// Replaces this process, so that signals and the exit code are the demo's own: Ctrl-C lets it
/// stop its parts in order before the prompt comes back.
#[cfg(unix)]
fn become_program(mut command: Command) -> Outcome {
    use crate::failure::Attempting;
    use std::os::unix::process::CommandExt;

    let cause = command.exec();
    Err(cause).attempting("start `xylem demo`")
}

#[cfg(not(unix))]
fn become_program(mut command: Command) -> Outcome {
    use crate::failure::{Attempting, passed_on};

    passed_on(command.status().attempting("start `xylem demo`")?)
}

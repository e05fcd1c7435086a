//! Calling cargo: building programs and finding what was built.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::failure::{Attempting, Failure, Outcome};

/// The workspace's folder. `xtask` stands one step below it.
pub(crate) fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The same cargo that runs us, started in the workspace's folder.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(workspace());
    command
}

/// Runs `cargo` with these words and returns what it printed; its complaints go to the terminal.
pub(crate) fn output(words: &[&str]) -> Outcome<Vec<u8>> {
    let attempt = format!("run `cargo {}`", words.join(" "));
    let output = cargo().args(words).stderr(Stdio::inherit()).output().attempting(&attempt)?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Failure::failed(format!("could not {attempt}: {}", output.status)))
    }
}

/// How programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quickly.
    Dev,
    /// As they ship.
    Release,
}

/// Builds these programs quickly, showing cargo's progress.
pub(crate) fn build(programs: &[&str]) -> Outcome<Programs> {
    build_as(Profile::Dev, programs)
}

/// Builds these programs, showing cargo's progress.
///
/// The whole workspace is selected although only some programs are built: cargo then settles on
/// the same features as in `cargo test --workspace`, and each dependency is compiled once.
/// Selecting single packages would compile tokio, and all that stands on it, a second time.
///
/// Cargo itself says where it put them: a target folder moved by `CARGO_TARGET_DIR` or by a
/// configuration file, or a cross build, needs no guess.
pub(crate) fn build_as(profile: Profile, programs: &[&str]) -> Outcome<Programs> {
    let mut command = cargo();
    command.args(["build", "--workspace"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    for program in programs {
        command.args(["--bin", program]);
    }
    let attempt = format!("build {}", programs.join(" and "));
    finish_build(command, &attempt)
}

/// Runs a `cargo build`, showing its progress; `attempt` completes "could not …".
pub(crate) fn finish_build(mut command: Command, attempt: &str) -> Outcome<Programs> {
    command.arg("--message-format=json-render-diagnostics");
    let output = command.stderr(Stdio::inherit()).output().attempting(attempt)?;
    if !output.status.success() {
        return Err(Failure::failed(format!("could not {attempt}; see above")));
    }
    Ok(Programs::from_messages(&output.stdout))
}

/// Programs that were built, by name.
#[derive(Debug, Default)]
pub(crate) struct Programs(BTreeMap<String, PathBuf>);

impl Programs {
    /// Reads cargo's messages, one JSON object a line.
    fn from_messages(messages: &[u8]) -> Self {
        let programs = messages
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<Message>(line).ok())
            .filter_map(|message| Some((message.target.name, message.executable?)))
            .collect();
        Self(programs)
    }

    /// Where the program of this name is.
    pub(crate) fn path(&self, name: &str) -> Outcome<&Path> {
        self.0.get(name).map(PathBuf::as_path).ok_or_else(|| {
            Failure::failed(format!("cargo said nothing of a program called {name}"))
        })
    }
}

/// The one kind of cargo message that matters here; all others fail to parse and are skipped.
#[derive(Deserialize)]
struct Message {
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"{"reason":"build-script-executed","package_id":"blake3"}
{"reason":"compiler-artifact","target":{"name":"xylem_model"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"xylem"},"executable":"/elsewhere/debug/xylem"}
{"reason":"build-finished","success":true}
"#;

    #[test]
    fn a_program_is_found_where_cargo_says_it_put_it() {
        let programs = Programs::from_messages(MESSAGES.as_bytes());
        assert_eq!(programs.path("xylem").unwrap(), Path::new("/elsewhere/debug/xylem"));
    }

    #[test]
    fn a_library_is_not_taken_for_a_program() {
        let programs = Programs::from_messages(MESSAGES.as_bytes());
        assert!(programs.path("xylem_model").is_err());
    }
}

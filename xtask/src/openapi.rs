//! `cargo xtask openapi`: the checked-in API document.
//!
//! The document is written by the program from its own routes and reviewed like code.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::cargo;
use crate::failure::{Attempting, Failure, Outcome};

/// Where the document is, below the workspace's folder.
const DOCUMENT: &str = "openapi/xylem-v1.json";

/// Writes the document, or with `--check` compares it.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [] => write(),
        [word] if word == "--check" => check(),
        _ => Err(Failure::usage("openapi takes nothing but --check")),
    }
}

fn write() -> Outcome {
    let path = path();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).attempting(format!("make {}", folder.display()))?;
    }
    std::fs::write(&path, of_the_program()?).attempting(format!("write {DOCUMENT}"))?;
    println!("wrote {DOCUMENT}");
    Ok(())
}

/// Fails when the document does not say what the program serves.
pub(crate) fn check() -> Outcome {
    let checked_in = std::fs::read_to_string(path()).attempting(format!("read {DOCUMENT}"))?;
    if checked_in == of_the_program()? {
        println!("{DOCUMENT} says what the program serves");
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{DOCUMENT} differs from the program; run `cargo xtask openapi` and review the change"
    )))
}

fn path() -> PathBuf {
    cargo::workspace().join(DOCUMENT)
}

/// What `xylem openapi` prints, with a newline at its end.
fn of_the_program() -> Outcome<String> {
    let programs = cargo::build(&["xylem"])?;
    let output = Command::new(programs.path("xylem")?)
        .arg("openapi")
        .stderr(Stdio::inherit())
        .output()
        .attempting("run `xylem openapi`")?;
    if !output.status.success() {
        return Err(Failure::failed(format!("`xylem openapi` failed: {}", output.status)));
    }
    let text = String::from_utf8(output.stdout).attempting("read what `xylem openapi` printed")?;
    serde_json::from_str::<serde::de::IgnoredAny>(&text)
        .attempting("read what `xylem openapi` printed as JSON")?;
    Ok(format!("{}\n", text.trim_end()))
}

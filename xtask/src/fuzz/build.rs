//! Building the targets.
//!
//! libFuzzer wants to know which branches an input takes. The compiler tells it by a pass of LLVM's
//! that any stable compiler has; cargo-fuzz uses the same. Only what reads strangers' bytes is
//! built so: the rest would cost minutes to build, and would have libFuzzer look at the runtime's
//! moods. Since cargo has no way to give flags to single crates, this program is what cargo calls
//! instead of rustc, and adds them ([`wrap`]).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::cargo::{self, Programs};
use crate::failure::{Attempting, Failure, Outcome, passed_on};

/// Set where this program is called instead of rustc.
pub(crate) const WRAPPING: &str = "XYLEM_FUZZ_WRAPPING";

/// The crates that are instrumented. The same are optimised: see the root manifest's profile.
const INSTRUMENTED: &[&str] = &[
    "apfs",
    "dav_server",
    "headers",
    "hfsplus",
    "http",
    "lopdf",
    "lzfse_rust",
    "percent_encoding",
    "plist",
    "quick_xml",
    "unicode_normalization",
    "url",
    "xml",
    "xmltree",
    "xylem_artifact",
    "xylem_distribution",
    "xylem_http",
    "xylem_model",
    "xylem_webdav",
    "zip",
];

/// What instruments a crate. Cargo does not know of these: whoever changes them or the crates
/// above removes the folder of the build.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// The built targets.
pub(super) struct Targets {
    programs: Programs,
    /// Where everything that fuzzing leaves is kept, the build included.
    pub(super) folder: PathBuf,
}

impl Targets {
    /// Builds all of them, showing cargo's progress.
    pub(super) fn build() -> Outcome<Self> {
        let folder = target_directory()?.join("fuzzing");
        let wrapper = copy_of_this_program(&folder)?;
        let mut command = cargo::cargo();
        command
            .args(["build", "--package", "xylem-fuzz", "--features", "libfuzzer", "--bins"])
            // With a target that is named, build scripts and macros are told apart from the rest.
            .args(["--profile", "fuzz", "--target", &host()?, "--target-dir"])
            .arg(folder.join("build"))
            .env("RUSTC_WRAPPER", wrapper)
            .env(WRAPPING, "1");
        Ok(Self { programs: cargo::finish_build(command, "build the fuzz targets")?, folder })
    }

    pub(super) fn path(&self, name: &str) -> Outcome<&Path> {
        self.programs.path(name)
    }
}

/// A copy of this program. Where it came from may hold another by now: cargo builds this one anew
/// with the tests of the workspace.
fn copy_of_this_program(folder: &Path) -> Outcome<PathBuf> {
    // Linux gives the running program even where its file was replaced.
    let running = Path::new("/proc/self/exe");
    let from = match running.exists() {
        true => running.to_owned(),
        false => std::env::current_exe().attempting("find this program")?,
    };
    let staged = format!("wrapper.{}", std::process::id());
    let (staged, to) = (folder.join(staged), folder.join("wrapper"));
    std::fs::create_dir_all(folder).attempting("make the folder of fuzzing")?;
    std::fs::copy(from, &staged).attempting("copy this program")?;
    std::fs::rename(&staged, &to).attempting("copy this program")?;
    Ok(to)
}

/// Stands in for rustc: `words` are its path and what cargo tells it.
pub(crate) fn wrap(words: &[String]) -> Outcome {
    let (rustc, words) =
        words.split_first().ok_or_else(|| Failure::usage("no compiler is named"))?;
    let mut command = Command::new(rustc);
    command.args(words);
    if is_instrumented(words) {
        command.args(FLAGS);
    }
    passed_on(command.status().attempting(format!("start {rustc}"))?)
}

fn is_instrumented(words: &[String]) -> bool {
    let follows = |name: &str, value: &dyn Fn(&str) -> bool| {
        words.windows(2).any(|pair| matches!(pair, [a, b] if a == name && value(b)))
    };
    let is_for_the_target = words.iter().any(|word| word == "--target");
    is_for_the_target && follows("--crate-name", &|name| INSTRUMENTED.contains(&name))
}

/// The kind of machine that this is, by the compiler's name for it.
fn host() -> Outcome<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let output = Command::new(rustc).arg("-vV").output().attempting("run `rustc -vV`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::failed("`rustc -vV` names no host"))
}

/// Where cargo puts what it builds.
fn target_directory() -> Outcome<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let json = cargo::output(&["metadata", "--format-version", "1", "--no-deps"])?;
    let metadata: Metadata =
        serde_json::from_slice(&json).attempting("read what `cargo metadata` printed")?;
    Ok(metadata.target_directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_strangers_bytes_is_instrumented() {
        let asked = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            is_instrumented(&words)
        };
        assert!(asked("--crate-name xml --edition=2024 lib.rs --target x86_64-unknown-linux-gnu"));
        assert!(!asked("--crate-name tokio lib.rs --target x86_64-unknown-linux-gnu"));
        assert!(!asked("--crate-name percent_encoding lib.rs"), "it is for a build script");
    }
}

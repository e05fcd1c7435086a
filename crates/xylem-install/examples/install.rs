//! Installs a package into a folder, for developers: `install PKG ROOT`.
//!
//! Prints the report, or the error with its causes, as the agent would report them. The digest and
//! the signature of the package are not looked at here.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::error::Error;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use xylem_install::{InstallRequest, Installer, RootInstaller};
use xylem_model::{FileName, Timestamp};

/// 2026-01-01, so that two runs leave the same receipts.
const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [package, root] = arguments.as_slice() else {
        eprintln!("usage: install PKG ROOT");
        return ExitCode::from(2);
    };
    match install(package.clone(), root.clone()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn install(package: PathBuf, root: PathBuf) -> Result<(), Box<dyn Error>> {
    let name = package.file_name().and_then(|name| name.to_str()).ok_or("PKG has no file name")?;
    let request = InstallRequest {
        package_name: FileName::new(name)?,
        package: File::open(&package)?,
        package_path: Some(package),
        target_root: root,
        work_dir: std::env::temp_dir(),
        now: NOW,
        set_owner: None,
        host: None,
    };
    let report = RootInstaller::new().install(&request).inspect_err(|error| {
        eprintln!("result: {}", error.result_word());
    })?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

//! `xylem`: see the library of the same name.

use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The inspector limits itself before anything else runs: no threads, no runtime.
    if std::env::args_os().nth(1).is_some_and(|word| word == xylem::INSPECT) {
        return xylem::inspect();
    }
    let options = xylem::cli::Options::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return xylem::Failure::from(error).report(),
    };
    match runtime.block_on(Box::pin(xylem::run(options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

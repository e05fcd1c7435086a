//! `xylem`: see the library of the same name.

use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The inspector limits itself before anything else runs: no threads, no runtime.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == xylem::INSPECT) {
        let form = words.next().unwrap_or_default();
        return xylem::inspect(&form.to_string_lossy());
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

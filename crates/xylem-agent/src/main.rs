//! `xylem-agent`: the program of a managed Mac. Thin: everything it does is in the library.

mod cli;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Clap ends the program with exit code 2 where the usage is wrong.
    cli::run(cli::Arguments::parse())
}

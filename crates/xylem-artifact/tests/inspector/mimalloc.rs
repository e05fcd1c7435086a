//! The inspecting child process, as a real process, with the allocator of the program.

#![allow(clippy::print_stdout, reason = "a test harness talks to its runner")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed check ends the test")]

mod acts;
mod checks;
mod packages;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    checks::main("inspector_child_keeps_its_limits_with_mimalloc")
}

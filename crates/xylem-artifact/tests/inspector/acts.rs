//! What a reader that was taken over might try, each proven to work for a process without limits.

use std::fs::File;
use std::net::TcpListener;
use std::process::Command;

use memmap2::MmapMut;
use nix::sys::ptrace;
use rustix::process::{Pid, getppid, test_kill_process};

/// What resource limits alone prevent.
pub(crate) const LIMITED: &[&str] = &["open", "create", "listen", "thread", "program"];
/// All that can be tried.
pub(crate) const NAMES: &[&str] = &[
    "open", "create", "status", "listen", "thread", "program", "trace", "signal", "code", "limits",
];

/// Readies an act, so that nothing but the act itself comes after the limits. It panics when it
/// does not succeed.
pub(crate) fn prepare(name: &str) -> Box<dyn FnOnce()> {
    match name {
        "open" => Box::new(|| drop(File::open("/dev/null").unwrap())),
        "create" => Box::new(|| drop(tempfile::tempfile().unwrap())),
        "status" => Box::new(|| assert!(std::fs::metadata("/dev/null").is_ok())),
        "listen" => Box::new(|| drop(TcpListener::bind("127.0.0.1:0").unwrap())),
        "thread" => Box::new(|| std::thread::spawn(|| {}).join().unwrap()),
        "program" => {
            let this = std::env::current_exe().unwrap();
            Box::new(move || {
                // It inherits what is open: nothing has to be opened for it.
                let status = Command::new(this).args(["--child", "silent", "-"]).status();
                assert!(status.unwrap().success());
            })
        }
        "trace" => Box::new(|| ptrace::traceme().unwrap()),
        "signal" => {
            // Signal 0: whether one could be sent to the parent.
            let parent: Pid = getppid().unwrap();
            Box::new(move || test_kill_process(parent).unwrap())
        }
        "code" => {
            let memory = MmapMut::map_anon(4096).unwrap();
            Box::new(move || drop(memory.make_exec().unwrap()))
        }
        "limits" => Box::new(|| {
            let resource = rustix::process::Resource::Core;
            let limit = rustix::process::getrlimit(resource);
            rustix::process::setrlimit(resource, limit).unwrap();
        }),
        other => panic!("no act {other}"),
    }
}

//! The inspecting child process, as a real process.
//!
//! This test is a program of its own: started with `--child NAME` it plays a child, otherwise it
//! runs the checks and starts itself for them.

#![allow(clippy::print_stdout, reason = "a test harness talks to its runner")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed check ends the test")]

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use xylem_artifact::RefusalCode;
use xylem_artifact::build::{ComponentBuilder, PackageBuilder, Source};
use xylem_artifact::child::{Limits, limit_self, run_inspector, serve_stdin};
use xylem_artifact::inspect::{Inspection, Refusal};

const NAME: &str = "inspector_child_keeps_its_limits";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--child", role] => child(role),
        arguments if arguments.contains(&"--list") => {
            // Runners list ignored tests separately; there are none.
            if !arguments.contains(&"--ignored") {
                println!("{NAME}: test");
            }
            ExitCode::SUCCESS
        }
        _ => {
            a_sound_package_is_answered_with_its_facts();
            a_refusal_crosses_the_border_unchanged();
            every_odd_end_becomes_a_refusal();
            a_child_that_uses_too_much_is_ended();
            the_child_cannot_write_files_or_open_new_ones();
            println!("{NAME}: ok");
            ExitCode::SUCCESS
        }
    }
}

/// What a child does when it is started by one of the checks.
fn child(role: &str) -> ExitCode {
    match role {
        "serve" => return serve_stdin(),
        "panic" => panic!("on purpose"),
        "silent" => {}
        "garbage" => print!("no JSON"),
        "flood" => loop {
            if std::io::stdout().write_all(&[b' '; 4096]).is_err() {
                return ExitCode::FAILURE;
            }
        },
        "sleep" => {
            let (_sender, receiver) = std::sync::mpsc::channel::<()>();
            let _ = receiver.recv_timeout(Duration::from_secs(600));
        }
        "abort" => std::process::abort(),
        "hog" => {
            limit_self(&Limits::for_file_bytes(0)).unwrap();
            black_box(vec![1_u8; 600 << 20]);
            print!("it got the memory");
        }
        "spin" => {
            limit_self(&Limits { cpu_seconds: 1, ..Limits::for_file_bytes(0) }).unwrap();
            loop {
                black_box(());
            }
        }
        "escape" => {
            limit_self(&Limits::for_file_bytes(0)).unwrap();
            let attempts = [
                File::open("/dev/null").is_ok(),
                tempfile::tempfile().is_ok(),
                TcpListener::bind("127.0.0.1:0").is_ok(),
            ];
            if attempts.contains(&true) {
                std::process::abort();
            }
            return serve_refusal();
        }
        other => panic!("no role {other}"),
    }
    ExitCode::SUCCESS
}

/// Answers with a refusal that the check recognises.
fn serve_refusal() -> ExitCode {
    let answer: Result<Inspection, Refusal> =
        Err(Refusal { code: RefusalCode::EmptyFile, message: "held".to_owned() });
    print!("{}", serde_json::to_string(&answer).unwrap());
    ExitCode::SUCCESS
}

fn run(role: &str, file: File, limits: &Limits) -> Result<Inspection, Refusal> {
    run_inspector(&std::env::current_exe().unwrap(), &["--child", role], file, limits)
}

fn package() -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pkg");
    let component =
        ComponentBuilder::new("org.example.a", "4.2").file("a", 0o644, Source::bytes(b"content"));
    PackageBuilder::component(component).write_to(&path).unwrap();
    File::open(&path).unwrap()
}

fn a_sound_package_is_answered_with_its_facts() {
    let limits = Limits::for_file_bytes(0);
    let inspection = run("serve", package(), &limits).unwrap();
    assert_eq!(inspection.version.as_deref(), Some("4.2"));
    assert_eq!(inspection, xylem_artifact::inspect::inspect_package(package()).unwrap());
}

fn a_refusal_crosses_the_border_unchanged() {
    let page = || {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"<html>404</html>").unwrap();
        file
    };
    let refusal = run("serve", page(), &Limits::for_file_bytes(0)).unwrap_err();
    assert_eq!(refusal, xylem_artifact::inspect::inspect_package(page()).unwrap_err());
}

fn every_odd_end_becomes_a_refusal() {
    let limits = Limits::for_file_bytes(0);
    for role in ["panic", "silent", "garbage", "flood", "abort"] {
        let refusal = run(role, package(), &limits).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::InspectionFailed, "{role}: {refusal}");
    }
    let missing = std::path::Path::new("/nonexistent/program");
    let refusal = run_inspector(missing, &[], package(), &limits).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::InspectionFailed);
    let impatient = Limits { timeout: Duration::from_millis(200), ..limits };
    let refusal = run("sleep", package(), &impatient).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::InspectionTimedOut);
}

fn a_child_that_uses_too_much_is_ended() {
    let limits = Limits::for_file_bytes(0);
    let refusal = run("hog", package(), &limits).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::InspectionFailed);
    assert!(refusal.message.contains("signal"), "{refusal}");
    let refusal = run("spin", package(), &limits).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::InspectionTimedOut);
}

fn the_child_cannot_write_files_or_open_new_ones() {
    let refusal = run("escape", package(), &Limits::for_file_bytes(0)).unwrap_err();
    assert_eq!(refusal.message, "held");
}

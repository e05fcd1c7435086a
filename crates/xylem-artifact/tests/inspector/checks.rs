//! The checks, and what a child does that is started by one of them.
//!
//! The test is a program of its own: started with `--child NAME` it plays a child, otherwise it
//! runs the checks and starts itself for them.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use xylem_artifact::build::{ComponentBuilder, PackageBuilder, Source};
use xylem_artifact::child::{
    Limits, SYSTEM_CALLS_FILTERED, limit_self, run_inspector, serve_stdin,
};
use xylem_artifact::inspect::{Inspection, Refusal, inspect};
use xylem_artifact::{Form, RefusalCode};
use xylem_model::FoundIndex;

use crate::{acts, packages};

/// The message of a child that got away with what it tried.
const DONE: &str = "done";

pub(crate) fn main(name: &str) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--child", role, form] => child(role, form),
        arguments if arguments.contains(&"--list") => {
            // Runners list ignored tests separately; there are none.
            if !arguments.contains(&"--ignored") {
                println!("{name}: test");
            }
            ExitCode::SUCCESS
        }
        _ => {
            a_sound_package_is_answered_with_its_facts();
            a_refusal_crosses_the_border_unchanged();
            every_odd_end_becomes_a_refusal();
            a_child_that_uses_too_much_is_ended();
            every_package_that_can_be_built_is_inspected_under_the_limits();
            a_long_index_fits_the_limits();
            a_crash_under_the_limits_is_told_as_what_it_is();
            what_a_child_may_do_freely_ends_it_under_the_limits();
            println!("{name}: ok");
            ExitCode::SUCCESS
        }
    }
}

/// What a child does when it is started by one of the checks.
fn child(role: &str, form: &str) -> ExitCode {
    match role {
        "serve" => return serve_stdin(form),
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
        "limited-panic" => {
            limit_self(&Limits::for_file_bytes(0)).unwrap();
            panic!("on purpose");
        }
        "limited-abort" => {
            limit_self(&Limits::for_file_bytes(0)).unwrap();
            std::process::abort();
        }
        "limited-nothing" => {
            limit_self(&Limits::for_file_bytes(0)).unwrap();
            return answer_done();
        }
        "limited-memory" => {
            limit_self(&Limits::for_file_bytes(0)).unwrap();
            // Pieces of every size, kept side by side: allocators take memory in different ways.
            let sizes = (0..25).flat_map(|bits| [1_usize << bits; 2]);
            let pieces: Vec<Vec<u8>> = sizes.map(|size| vec![1; size]).collect();
            assert!(black_box(pieces).iter().all(|piece| piece.ends_with(&[1])));
            return answer_done();
        }
        role if let Some(name) = role.strip_prefix("free-") => {
            acts::prepare(name)();
            return answer_done();
        }
        role if let Some(name) = role.strip_prefix("limited-") => {
            let act = acts::prepare(name);
            limit_self(&Limits::for_file_bytes(0)).unwrap();
            act();
            return answer_done();
        }
        other => panic!("no role {other}"),
    }
    ExitCode::SUCCESS
}

/// Answers with a refusal that the check recognises.
fn answer_done() -> ExitCode {
    let answer: Result<Inspection, Refusal> =
        Err(Refusal { code: RefusalCode::EmptyFile, message: DONE.to_owned() });
    print!("{}", serde_json::to_string(&answer).unwrap());
    ExitCode::SUCCESS
}

fn run(role: &str, file: File, limits: &Limits) -> Result<Inspection, Refusal> {
    run_inspector(
        &std::env::current_exe().unwrap(),
        &["--child", role],
        Form::FlatPackage,
        file,
        limits,
    )
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
    assert_eq!(inspection, inspect(Form::FlatPackage, package()).unwrap());
}

fn a_refusal_crosses_the_border_unchanged() {
    let page = || {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"<html>404</html>").unwrap();
        file
    };
    let refusal = run("serve", page(), &Limits::for_file_bytes(0)).unwrap_err();
    assert_eq!(refusal, inspect(Form::FlatPackage, page()).unwrap_err());
}

fn every_odd_end_becomes_a_refusal() {
    let limits = Limits::for_file_bytes(0);
    for role in ["panic", "silent", "garbage", "flood", "abort"] {
        let refusal = run(role, package(), &limits).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::InspectionFailed, "{role}: {refusal}");
    }
    let missing = std::path::Path::new("/nonexistent/program");
    let refusal = run_inspector(missing, &[], Form::FlatPackage, package(), &limits).unwrap_err();
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

/// Near the largest list that there may be: 150,000 files, which take 15 MB as paths.
fn a_long_index_fits_the_limits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pkg");
    let mut component = ComponentBuilder::new("org.example.a", "1");
    let stem = "x".repeat(72);
    for number in 0..150_000 {
        let file = format!("Library/{:02}/{stem}{number:06}", number / 2_000);
        component = component.file(&file, 0o644, Source::bytes(b""));
    }
    PackageBuilder::component(component).write_to(&path).unwrap();
    let package = File::open(&path).unwrap();
    let limits = Limits::for_file_bytes(package.metadata().unwrap().len());
    let inspection = run("serve", package, &limits).unwrap();
    let Some(FoundIndex::Packed(index)) = inspection.index else {
        panic!("{:?}", inspection.index)
    };
    assert_eq!(index.check().unwrap().entries(), 150_000 + 75 + 1);
}

/// Every decoder, and every way in which a package can be refused half-way, under the filter.
fn every_package_that_can_be_built_is_inspected_under_the_limits() {
    for (name, package) in packages::all() {
        let expected = inspect(Form::FlatPackage, package.try_clone().unwrap());
        let found = run("serve", package, &Limits::for_file_bytes(0));
        assert_eq!(found, expected, "{name}");
        assert!(found.is_ok() || name == "damaged", "{name}");
    }
}

fn a_crash_under_the_limits_is_told_as_what_it_is() {
    let limits = Limits::for_file_bytes(0);
    for (role, expected) in [("limited-panic", "exit code 101"), ("limited-abort", "signal 6")] {
        let refusal = run(role, package(), &limits).unwrap_err();
        assert!(refusal.message.contains(expected), "{role}: {refusal}");
    }
    for role in ["limited-nothing", "limited-memory"] {
        assert_eq!(run(role, package(), &limits).unwrap_err().message, DONE, "{role}");
    }
}

fn what_a_child_may_do_freely_ends_it_under_the_limits() {
    let limits = Limits::for_file_bytes(0);
    let names = if SYSTEM_CALLS_FILTERED { acts::NAMES } else { acts::LIMITED };
    for name in names {
        // What could not be done anyway would prove nothing.
        let free = run(&format!("free-{name}"), package(), &limits).unwrap_err();
        assert_eq!(free.message, DONE, "{name}, free");
        let limited = run(&format!("limited-{name}"), package(), &limits).unwrap_err();
        assert_eq!(limited.code, RefusalCode::InspectionFailed, "{name}: {limited}");
        let expected =
            if SYSTEM_CALLS_FILTERED { "asked the system" } else { "the inspecting process" };
        assert!(limited.message.contains(expected), "{name}: {limited}");
    }
}

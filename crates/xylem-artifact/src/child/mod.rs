//! Inspection in a process of its own, so that a hostile file can at worst end that process.
//!
//! The parent ([`run_inspector`]) starts a program, normally its own binary with a hidden
//! subcommand, with the uploaded file as standard input and nothing else: no environment, no
//! other file, no terminal. The child ([`serve_stdin`]) takes limits upon itself, inspects, and
//! prints one line of JSON. Whatever else happens (a crash, a signal, silence, too long an answer)
//! becomes a [`Refusal`]: an odd file never turns into an error of the server.
//!
//! What the child gives up before it reads a byte is listed at [`limit_self`].

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod filter;
mod limits;
#[cfg(target_os = "linux")]
mod sandbox;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use rustix::process::Signal;

pub use limits::{Limits, SYSTEM_CALLS_FILTERED, limit_self};

use crate::Form;
use crate::error::RefusalCode;
use crate::inspect::{Inspection, Refusal, inspect};

/// Tells mimalloc, where the child uses it, how much address space to reserve at once. It would
/// reserve 1 GiB, twice what the child may have, and whether its smaller second try then finds a
/// place depends on where the system happens to put things: one inspection in a hundred failed.
const ARENA_VARIABLE: &str = "MIMALLOC_ARENA_RESERVE";
/// In KiB: 64 MiB.
const ARENA_KIB: &str = "65536";

/// Inspects `file` in a child process. Blocks until it has answered or was ended.
///
/// `program` and `args`, followed by the form's word, have to lead to [`serve_stdin`]. The file should
/// be open for reading only; its read position does not matter.
///
/// # Errors
/// The child's refusal, or one that says that the inspection itself failed
/// ([`RefusalCode::InspectionFailed`], [`RefusalCode::InspectionTimedOut`]).
pub fn run_inspector(
    program: &Path,
    args: &[&str],
    form: Form,
    file: File,
    limits: &Limits,
) -> Result<Inspection, Refusal> {
    let mut child = Command::new(program)
        .args(args)
        .arg(form.word())
        .env_clear()
        .env(ARENA_VARIABLE, ARENA_KIB)
        .current_dir("/")
        .stdin(Stdio::from(file))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(format!("the inspecting process did not start: {error}")))?;
    let answer = await_answer(&mut child, limits);
    // Whoever has answered has nothing left to do; ending it does not change how an exited or
    // crashed process has ended.
    let killed = child.kill();
    let status = child.wait();
    match (answer, status, killed) {
        (Err(refusal), ..) => Err(refusal),
        (Ok(answer), Ok(status), _) => interpret(&answer, status, limits),
        (Ok(_), Err(error), _) => Err(failed(format!("the inspecting process is lost: {error}"))),
    }
}

/// What the hidden subcommand does with the word after it: take the limits, inspect standard input
/// as that form, print the answer.
///
/// Call it first thing in `main`, before any thread is started or file opened.
#[must_use]
pub fn serve_stdin(word: &str) -> ExitCode {
    let answer = inspect_stdin(word);
    let printed = serde_json::to_vec(&answer)
        .map_err(io::Error::from)
        .and_then(|json| io::stdout().lock().write_all(&json));
    if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn inspect_stdin(word: &str) -> Result<Inspection, Refusal> {
    let form = Form::from_word(word)
        .ok_or_else(|| failed(format!("no form of file is called {word:?}")))?;
    let open = || -> io::Result<(File, Limits)> {
        let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let limits = Limits::for_file_bytes(file.metadata()?.len());
        Ok((file, limits))
    };
    let (file, limits) =
        open().map_err(|error| failed(format!("the file was not handed over: {error}")))?;
    limit_self(&limits).map_err(|error| {
        failed(format!("the inspecting process could not limit itself: {error}"))
    })?;
    inspect(form, file)
}

/// Everything that the child prints, up to the limit and within the time.
fn await_answer(child: &mut Child, limits: &Limits) -> Result<Vec<u8>, Refusal> {
    let Some(stdout) = child.stdout.take() else {
        return Err(failed("the inspecting process has no output".to_owned()));
    };
    let (sender, receiver) = mpsc::sync_channel(1);
    // One byte more than allowed tells too long an answer from one that just fits.
    let mut output = stdout.take(limits.answer_bytes.saturating_add(1));
    thread::Builder::new()
        .name("inspector-output".to_owned())
        .spawn(move || {
            let mut answer = Vec::new();
            let result = output.read_to_end(&mut answer).map(|_| answer);
            // The receiver is gone when the time was up; nobody wants the answer then.
            let _ = sender.send(result);
        })
        .map_err(|error| failed(format!("no thread for its output could be started: {error}")))?;
    match receiver.recv_timeout(limits.timeout) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(failed(format!("its answer could not be read: {error}"))),
        Err(_) => Err(timed_out(limits.timeout.as_secs())),
    }
}

fn interpret(answer: &[u8], status: ExitStatus, limits: &Limits) -> Result<Inspection, Refusal> {
    if answer.len() as u64 > limits.answer_bytes {
        return Err(failed(format!("its answer exceeds {} bytes", limits.answer_bytes)));
    }
    if status.signal() == Some(Signal::XCPU.as_raw()) {
        return Err(timed_out(limits.cpu_seconds));
    }
    // Also after a complete answer: nobody knows who wrote that.
    if status.signal() == Some(Signal::SYS.as_raw()) {
        return Err(failed(
            "the reader asked the system for something that it may not have, such as another file, \
             a connection or a program, and was ended for that; the file may be an attack on it"
                .to_owned(),
        ));
    }
    serde_json::from_slice::<Result<Inspection, Refusal>>(answer).unwrap_or_else(|_| {
        Err(failed(match (status.signal(), status.code()) {
            (Some(signal), _) => format!("the inspecting process was ended by signal {signal}"),
            (None, code) => {
                format!("the inspecting process gave no answer (exit code {})", code.unwrap_or(-1))
            }
        }))
    })
}

fn failed(reason: String) -> Refusal {
    Refusal {
        code: RefusalCode::InspectionFailed,
        message: format!(
            "the file could not be inspected: {reason}; fetch it again, and if it is refused again \
             report it with this text"
        ),
    }
}

fn timed_out(seconds: u64) -> Refusal {
    Refusal {
        code: RefusalCode::InspectionTimedOut,
        message: format!(
            "inspecting the file took longer than {seconds} seconds and was stopped; try again when \
             the server is less busy, and if it happens again rebuild the package with productbuild"
        ),
    }
}

//! Runs a program with bounded time and bounded memory for its output.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How many of the last lines are kept.
pub(super) const KEPT_LINES: usize = 200;

/// How much of a line is kept, in bytes.
const MAX_LINE_BYTES: usize = 4096;

/// Lines that may wait between the readers and us.
const QUEUED_LINES: usize = 64;

/// How often the program's end is looked for while it prints nothing.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long output may keep coming from descendants after the program itself has ended.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// A program that ended by itself.
#[derive(Debug)]
pub(super) struct Finished {
    /// How it ended.
    pub(super) status: ExitStatus,
    /// The last lines of its output and error output, oldest first.
    pub(super) lines: Vec<String>,
}

/// Why there is no [`Finished`].
#[derive(Debug)]
pub(super) enum RunError {
    /// It could not be started or waited for.
    Failed(io::Error),
    /// It was killed, with all its children, because its time was up.
    TimedOut {
        /// The last lines of its output.
        lines: Vec<String>,
    },
}

/// Runs `command` without input for at most `limit`.
pub(super) fn run(mut command: Command, limit: Duration) -> Result<Finished, RunError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that what it starts can be killed with it.
    command.process_group(0);
    let mut child = command.spawn().map_err(RunError::Failed)?;
    let lines = read_lines(&mut child);
    let mut kept = VecDeque::with_capacity(KEPT_LINES);
    let ended = follow(&mut child, &lines, &mut kept, limit);
    if !matches!(ended, Ok(Some(_))) {
        kill(&mut child);
    }
    let lines = kept.into_iter().collect();
    match ended {
        Ok(Some(status)) => Ok(Finished { status, lines }),
        Ok(None) => Err(RunError::TimedOut { lines }),
        Err(error) => Err(RunError::Failed(error)),
    }
}

/// Collects lines until the program has ended and its output is drained; `None` when time is up.
fn follow(
    child: &mut Child,
    lines: &Receiver<String>,
    kept: &mut VecDeque<String>,
    limit: Duration,
) -> io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    let mut ended: Option<(ExitStatus, Instant)> = None;
    loop {
        match lines.recv_timeout(POLL_INTERVAL) {
            Ok(line) => {
                if kept.len() == KEPT_LINES {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Both outputs are closed; what is left is to wait for the end.
            Err(RecvTimeoutError::Disconnected) => match ended {
                Some((status, _)) => return Ok(Some(status)),
                None => thread::park_timeout(POLL_INTERVAL),
            },
        }
        match ended {
            // A descendant that inherited the output and lives on must not hold us up.
            Some((status, at)) if at.elapsed() >= DRAIN_LIMIT => return Ok(Some(status)),
            Some(_) => {}
            None => ended = child.try_wait()?.map(|status| (status, Instant::now())),
        }
        if ended.is_none() && started.elapsed() >= limit {
            return Ok(None);
        }
    }
}

/// The child has not been waited for, so its number cannot belong to anybody else yet.
fn kill(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group
        && let Err(error) = kill_process_group(group, Signal::KILL)
    {
        tracing::warn!(%error, "an installer that ran out of time could not be killed");
    }
    if let Err(error) = child.wait() {
        tracing::warn!(%error, "an installer that ran out of time could not be waited for");
    }
}

/// Reads both outputs in threads that end when the outputs, or the receiver, are closed.
fn read_lines(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = sync_channel(QUEUED_LINES);
    if let Some(output) = child.stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || forward_lines(output, &sender));
    }
    if let Some(output) = child.stderr.take() {
        thread::spawn(move || forward_lines(output, &sender));
    }
    receiver
}

fn forward_lines(output: impl Read, sender: &SyncSender<String>) {
    let mut output = BufReader::new(output);
    while let Ok(Some(line)) = next_line(&mut output) {
        if sender.send(line).is_err() {
            return;
        }
    }
}

/// The next line without its end, cut at [`MAX_LINE_BYTES`], readable whatever it holds.
fn next_line(output: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut any = false;
    loop {
        let available = match output.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            break;
        }
        any = true;
        let end = available.iter().position(|byte| *byte == b'\n');
        let (piece, _) = available.split_at(end.unwrap_or(available.len()));
        let room = MAX_LINE_BYTES.saturating_sub(line.len());
        line.extend(piece.iter().take(room));
        let consumed = piece.len() + usize::from(end.is_some());
        output.consume(consumed);
        if end.is_some() {
            break;
        }
    }
    Ok(any.then(|| readable(&line)))
}

fn readable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let visible = |character: char| match character {
        '\t' => character,
        _ if character.is_control() => char::REPLACEMENT_CHARACTER,
        _ => character,
    };
    text.trim_end_matches('\r').chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script);
        command
    }

    #[test]
    fn only_the_last_lines_are_kept_and_long_ones_are_cut() {
        let script = "i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; \
                      head -c 100000 /dev/zero | tr '\\0' x; echo; echo last >&2; exit 7";
        let finished = run(shell(script), Duration::from_secs(60)).unwrap();
        assert_eq!(finished.status.code(), Some(7));
        assert_eq!(finished.lines.len(), KEPT_LINES);
        assert!(finished.lines.iter().all(|line| line.len() <= MAX_LINE_BYTES));
        assert!(finished.lines.iter().any(|line| line == "line 499"));
        assert!(finished.lines.iter().any(|line| line == "last"));
        assert!(finished.lines.iter().any(|line| line.len() == MAX_LINE_BYTES));
    }

    #[test]
    fn bytes_that_are_no_text_are_made_readable() {
        let finished =
            run(shell("printf 'a\\377\\033[31mb\\r\\nno end'"), Duration::from_secs(60)).unwrap();
        assert_eq!(finished.lines, ["a\u{fffd}\u{fffd}[31mb", "no end"]);
    }

    #[test]
    fn a_program_out_of_time_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "echo started; sleep 1000 & echo $! > {0}/child; wait; touch {0}/survived",
            folder.path().display()
        );
        let error = run(shell(&script), Duration::from_millis(300)).unwrap_err();
        let RunError::TimedOut { lines } = error else { panic!("{error:?}") };
        assert_eq!(lines, ["started"]);
        assert!(!folder.path().join("survived").exists());
        let child = std::fs::read_to_string(folder.path().join("child")).unwrap();
        // A signal needs a moment to arrive.
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !has_ended(&child) {
            assert!(std::time::Instant::now() < end, "process {child} lives on");
            std::thread::yield_now();
        }
    }

    /// A killed orphan is gone, or waits as a zombie for whoever adopted it.
    fn has_ended(pid: &str) -> bool {
        let state = if std::path::Path::new("/proc/self/stat").exists() {
            // A minimal system has no ps. The state follows the name, which ends with the last
            // bracket (proc(5)).
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            stat.unwrap_or_default().rsplit(") ").next().unwrap_or_default().to_owned()
        } else {
            let ps = Command::new("ps").args(["-o", "stat=", "-p", pid.trim()]).output().unwrap();
            String::from_utf8_lossy(&ps.stdout).trim().to_owned()
        };
        state.is_empty() || state.starts_with(['Z', 'X'])
    }

    #[test]
    fn a_chatty_program_gets_no_more_time_than_a_silent_one() {
        let error = run(shell("while :; do echo x; done"), Duration::from_millis(300)).unwrap_err();
        assert!(matches!(error, RunError::TimedOut { lines } if lines.len() == KEPT_LINES));
    }

    #[test]
    fn output_that_a_daemon_keeps_open_does_not_hold_up_the_end() {
        let finished = run(shell("sleep 1000 & echo done"), Duration::from_secs(60)).unwrap();
        assert!(finished.status.success());
        assert_eq!(finished.lines, ["done"]);
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error() {
        let error = run(Command::new("/nonexistent/installer"), Duration::from_secs(1));
        assert!(matches!(error, Err(RunError::Failed(_))));
    }
}

//! The Nth system call fails, for every N.
//!
//! One publish under `strace`, which lets the Nth call of a kind fail, or kills the worker at it;
//! N counts up until a run passes without a fault. So every place is tried, not those that somebody
//! thought of. After each run the repository is opened as the next start would: what was
//! acknowledged is there, what was not is there whole or not at all, and a second try succeeds.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use tempfile::TempDir;
use xylem_model::ContentId;

use crate::forgetful::Forgets;
use crate::trace::{self, CALLS, FAULTS, Trace};
use crate::victim::arguments;
use crate::worker::{self, Way, Work, open};

/// Where repositories lie: in memory. What a sync means is shown by `cut`.
const SHARED_MEMORY: &str = "/dev/shm";

/// Sizes tried, in bytes: a file of one group, which has no outboard, and one of several.
const SIZES: [usize; 2] = [100, 70_001];

/// More calls of one kind than a publish can make: then the loop would have no end.
const MOST_CALLS: u64 = 1_000;

/// Failures that are printed in full.
const MOST_SHOWN: u64 = 10;

/// Exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

/// What is asked for.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// One way in only.
    #[arg(long)]
    way: Option<Way>,
}

/// What was checked.
#[derive(Debug, Default)]
struct Figures {
    /// Places on the path: the Nth call of a kind, for a way in and a size.
    points: u64,
    /// Runs with a fault.
    tried: u64,
    /// Of those: acknowledged all the same, refused with a reason, and killed.
    acknowledged: u64,
    refused: u64,
    killed: u64,
    /// Promises broken.
    bad: u64,
}

/// Runs the suite.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut real = Figures::default();
    for way in Way::ALL.into_iter().filter(|way| options.way.is_none_or(|only| only == *way)) {
        for size in SIZES {
            every_call(way, size, Forgets::Nothing, &mut real)
                .with_context(|| format!("{way:?} of {size} bytes"))?;
        }
    }
    let mut planted = Figures::default();
    every_call(Way::Upload, 100, Forgets::FailedRename, &mut planted)
        .context("with failed renames forgotten")?;
    println!(
        "NTH path=publish points={} tried={} acked={} refused={} killed={} bad={} \
         mutant_failed_rename_ignored_bad={}",
        real.points,
        real.tried,
        real.acknowledged,
        real.refused,
        real.killed,
        real.bad,
        planted.bad
    );
    ensure!(real.bad == 0, "{} runs broke a promise", real.bad);
    ensure!(planted.bad > 0, "ignoring a failed rename went unnoticed");
    Ok(())
}

/// Lets every call of one publish fail in every way.
fn every_call(
    way: Way,
    size: usize,
    forgets: Forgets,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let run = Run::prepare(way, size, forgets)?;
    let before = run.calls_before_publishing()?;
    for (call, before) in before {
        for (number, fault) in FAULTS.iter().filter(|fault| fault.concerns(call)).enumerate() {
            for nth in before + 1.. {
                ensure!(nth < before + MOST_CALLS, "{call} is called without an end");
                let Some(broken) = run.with_fault(call, fault, nth, figures)? else { break };
                figures.points += u64::from(number == 0);
                figures.tried += 1;
                if let Err(error) = broken {
                    figures.bad += 1;
                    if forgets == Forgets::Nothing && figures.bad <= MOST_SHOWN {
                        println!(
                            "{way:?}, {size} bytes, {call} {} at {nth}: {error:#}",
                            fault.name
                        );
                    }
                }
            }
        }
    }
    Ok(())
}

/// One publish, which can be run again and again from an empty repository.
struct Run {
    folder: TempDir,
    options: worker::Options,
    work: Work,
}

impl Run {
    fn prepare(way: Way, size: usize, forgets: Forgets) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("xylem-nth-").tempdir_in(SHARED_MEMORY)?;
        let options = worker::Options {
            repository: folder.path().join("repository"),
            parent: folder.path().join("parent"),
            seed: 1,
            first: 0,
            publishes: 1,
            way: Some(way),
            size: Some(size),
            forgets,
        };
        let work = Work::prepare(&options, &open(&options.parent)?, 0, 0)?;
        Ok(Self { folder, options, work })
    }

    fn ids(&self) -> Vec<ContentId> {
        self.work.ids().collect()
    }

    /// For every call that the publish makes: how often it was made before, by starting up.
    fn calls_before_publishing(&self) -> anyhow::Result<BTreeMap<&'static str, u64>> {
        let (output, trace) = self.under_strace(None)?;
        ensure!(output.status.success(), "the publish fails by itself: {}", text(&output.stdout));
        let before = trace.before_publishing();
        let sync = if self.work.way == Way::Many { "syncfs" } else { "fsync" };
        for needed in ["openat", "pwrite64", sync, "rename"] {
            ensure!(
                before.contains_key(needed),
                "the trace shows no {needed}: is the path another one now?"
            );
        }
        Ok(before)
    }

    /// One run with a fault, judged; `None` where the run passed without it.
    fn with_fault(
        &self,
        call: &str,
        fault: &trace::Fault,
        nth: u64,
        figures: &mut Figures,
    ) -> anyhow::Result<Option<anyhow::Result<()>>> {
        let (output, trace) = self.under_strace(Some(&fault.inject(call, nth)))?;
        let killed = output.status.signal().is_some();
        if !trace.was_injected() && !killed {
            ensure!(output.status.success(), "failed without a fault: {}", text(&output.stdout));
            return Ok(None);
        }
        let acknowledged = text(&output.stdout).lines().any(|line| line.starts_with("ack "));
        figures.acknowledged += u64::from(acknowledged);
        figures.killed += u64::from(killed);
        figures.refused += u64::from(!acknowledged && !killed);
        if output.status.code() == Some(PANICKED) {
            return Ok(Some(Err(anyhow::anyhow!("panicked: {}", text(&output.stderr)))));
        }
        Ok(Some(self.judge(acknowledged)))
    }

    fn under_strace(&self, inject: Option<&str>) -> anyhow::Result<(Output, Trace)> {
        match std::fs::remove_dir_all(&self.options.repository) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => drop(open(&self.options.repository)?),
        }
        let log = self.folder.path().join("trace");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(&log);
        strace.arg("-e").arg(format!("trace=write,{}", CALLS.join(",")));
        if let Some(inject) = inject {
            strace.arg("-e").arg(inject);
        }
        strace.arg(std::env::current_exe()?).args(arguments(&self.options));
        let output =
            strace.output().context("cannot start strace; `cargo xtask nth` installs it")?;
        let said = text(&output.stderr);
        if said.contains("strace: ") {
            bail!("{}", said.trim());
        }
        Ok((output, Trace::parse(&std::fs::read_to_string(&log)?)))
    }

    /// The next start of the program, and a second try.
    fn judge(&self, acknowledged: bool) -> anyhow::Result<()> {
        let repository = open(&self.options.repository).context("the next start")?;
        if acknowledged {
            for id in self.ids() {
                repository.verify(&id).context("what was acknowledged")?;
            }
        }
        for (id, _) in repository.list() {
            repository.verify(&id).context("what is there")?;
        }
        ensure!(repository.quarantined()?.is_empty(), "something torn was published");
        self.work.publish(&repository).context("the second try")?;
        for id in self.ids() {
            repository.verify(&id).context("after the second try")?;
        }
        repository.sweep_staged(|_| false)?;
        ensure!(repository.staged_keys()?.is_empty(), "staged leftovers cannot be swept");
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

//! Power cuts: a worker publishes on a file system that loses its power at a random moment; what it
//! had promised by then must be there, whole, when the power is back.
//!
//! Only promises that were *read* before the cut count: one that was still on its way may be of a
//! publish that the cut prevented. The same worker on a disk that forgets its syncs must lose
//! something, or the cut proves nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;
use xylem_blobs::Repository;

use crate::contents::Content;
use crate::forgetful::Forgets;
use crate::victim::Victim;
use crate::volume::{Kind, Volume};
use crate::worker::{self, Way, Work, open};

/// Publishes that a worker may make; it is always stopped before.
const ENDLESS: u64 = 100_000;

/// A cut comes after at most this many acknowledgements: a few seconds' worth, which fits onto the
/// volume.
const MOST_ACKNOWLEDGED: u64 = 120;

/// And at most this much later, so that it falls into any phase of the next publish.
const LONGEST_WAIT: Duration = Duration::from_millis(40);

/// Cuts until a planted fault has shown itself, at most. One that leaves out the folders' syncs
/// loses a publish in about every third.
const MUTANT_CUTS: u64 = 40;

/// What is asked for.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Cuts on each file system.
    #[arg(long, default_value_t = 4)]
    cuts: u64,
    /// Chooses contents and moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One file system only.
    #[arg(long)]
    fs: Option<Kind>,
    /// Set on the second start, in a mount namespace of its own.
    #[arg(long, hide = true)]
    apart: bool,
}

/// What was checked.
#[derive(Debug, Default)]
struct Figures {
    cuts: u64,
    acknowledged: u64,
    /// Acknowledged, and not there whole.
    lost: u64,
    /// Under its name, but not whole, acknowledged or not.
    torn: u64,
    /// Staged files that a cut left; they are gone on with, or swept.
    orphans: u64,
    /// Publishes that went on after a cut and came to their end.
    resumed: u64,
}

/// Runs the suite, in a mount namespace of its own: any other process that makes a namespace for
/// itself would take our mounts along, and keep a volume that we unmount from going down.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if options.apart {
        return suite(options);
    }
    let mut apart = Command::new("unshare");
    apart.args(["--mount", "--propagation=private", "--"]).arg(std::env::current_exe()?);
    apart.args(std::env::args_os().skip(1)).arg("--apart");
    let status = apart.status().context("cannot start unshare, of the package util-linux")?;
    ensure!(status.success(), "the cuts ended with {status}");
    Ok(())
}

fn suite(options: &Options) -> anyhow::Result<()> {
    for kind in [Kind::Ext4, Kind::Xfs] {
        if options.fs.is_some_and(|only| only != kind) {
            continue;
        }
        let name = kind.name();
        let mut real = Figures::default();
        for number in 0..options.cuts {
            cut_once(kind, Forgets::Nothing, options.seed + number, &mut real)
                .with_context(|| format!("{name}, cut {number}"))?;
        }
        let no_file_sync = plant(kind, Forgets::FileSync, options.seed)?;
        let no_folder_sync = plant(kind, Forgets::FolderSync, options.seed)?;
        println!(
            "CUT fs={name} cuts={} acked={} lost={} torn={} orphans={} resumed={} \
             mutant_no_file_sync_lost={} mutant_no_folder_sync_lost={}",
            real.cuts,
            real.acknowledged,
            real.lost,
            real.torn,
            real.orphans,
            real.resumed,
            no_file_sync.lost,
            no_folder_sync.lost,
        );
        ensure!(real.acknowledged > 0, "nothing was acknowledged before any cut");
        ensure!(real.lost == 0 && real.torn == 0, "{name} lost what was promised");
        for (fault, figures) in [("file", no_file_sync), ("folder", no_folder_sync)] {
            let cuts = figures.cuts;
            ensure!(figures.lost > 0, "no {fault} sync went unnoticed on {name} in {cuts} cuts");
        }
    }
    Ok(())
}

/// Cuts with a planted fault until something is lost.
fn plant(kind: Kind, forgets: Forgets, seed: u64) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    while figures.lost == 0 && figures.cuts < MUTANT_CUTS {
        cut_once(kind, forgets, seed + figures.cuts, &mut figures)
            .with_context(|| format!("{}, {forgets:?} forgotten", kind.name()))?;
    }
    Ok(figures)
}

/// One cut, from an empty volume to the verdict.
fn cut_once(kind: Kind, forgets: Forgets, seed: u64, figures: &mut Figures) -> anyhow::Result<()> {
    let mut volume = Volume::make(kind)?;
    let scratch = TempDir::with_prefix("xylem-parent-")?;
    let options = worker::Options {
        repository: volume.mount_point().join("repository"),
        parent: scratch.path().join("repository"),
        seed,
        first: 0,
        publishes: ENDLESS,
        way: None,
        size: None,
        forgets,
    };
    // Made and synced before: a planted fault concerns content, not the repository's own folders.
    drop(open(&options.repository)?);
    let acknowledged = publish_until_cut(&volume, &options)?;
    volume.restart()?;
    figures.cuts += 1;
    figures.acknowledged += acknowledged;
    judge(&options, acknowledged, figures)
}

/// Lets the worker publish, and cuts the power under it; gives the number of acknowledgements that
/// were read before.
fn publish_until_cut(volume: &Volume, options: &worker::Options) -> anyhow::Result<u64> {
    let mut dice = StdRng::seed_from_u64(options.seed ^ 0xc07);
    let after = dice.random_range(1..=MOST_ACKNOWLEDGED);
    // Every other cut comes right after a promise, when it is hardest to keep.
    let wait = if dice.random_bool(0.5) {
        Duration::ZERO
    } else {
        Duration::from_micros(dice.random_range(0..LONGEST_WAIT.as_micros() as u64))
    };
    let victim = Victim::start(options)?;
    let mut acknowledged = 0;
    while acknowledged < after {
        victim.acknowledgement()?;
        acknowledged += 1;
    }
    let end = Instant::now() + wait;
    while victim.acknowledgement_until(end)? {
        acknowledged += 1;
    }
    victim.freeze()?;
    volume.cut()?;
    victim.kill()?;
    Ok(acknowledged)
}

/// Opens the repository as the next start of the program would, and looks for everything.
fn judge(
    options: &worker::Options,
    acknowledged: u64,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let repository = open(&options.repository)?;
    figures.torn += repository.quarantined()?.len() as u64;
    for (id, _) in repository.list() {
        figures.torn += u64::from(repository.verify(&id).is_err());
    }
    for number in 0..acknowledged {
        let id = Content::make(options.seed, number).id;
        figures.lost += u64::from(repository.verify(&id).is_err());
    }
    let orphans = repository.staged_keys()?.len() as u64;
    figures.orphans += orphans;
    if options.forgets == Forgets::Nothing {
        go_on(options, &repository, acknowledged)?;
        figures.resumed += 1;
    }
    Ok(())
}

/// What the cut interrupted, and one publish of every way, must come to its end; then nothing
/// staged may be left but leftovers that can be swept.
fn go_on(
    options: &worker::Options,
    repository: &Repository,
    acknowledged: u64,
) -> anyhow::Result<()> {
    let parent = open(&options.parent)?;
    let (mut position, mut number) = (0, 0);
    let mut left = Way::ALL.len();
    while left > 0 {
        let work = Work::prepare(options, &parent, position, number)?;
        position += 1;
        number += work.way.contents();
        if number <= acknowledged {
            continue;
        }
        left -= 1;
        work.publish(repository)
            .with_context(|| format!("going on with {number} after the cut"))?;
        for id in work.ids() {
            repository.verify(&id).context("after the cut")?;
        }
    }
    repository.sweep_staged(|_| false)?;
    ensure!(repository.staged_keys()?.is_empty(), "staged leftovers cannot be swept");
    Ok(())
}

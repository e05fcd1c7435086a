//! Every fixture cut short and with single bits flipped: refused where a checksum covers the place,
//! else refused or read, and never a crash, a long wait or much memory.

use std::fs::File;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use xylem_artifact::{Form, RefusalCode};

use super::covered::{covered, holds_the_same};
use super::fixture::{Fixture, all, inspect};
use crate::run::run_measured;

/// Points at which each fixture is cut.
const CUTS: usize = 50;
/// Bits that are flipped in each, one at a time.
const FLIPS: usize = 1000;
/// Longest that one variant may take.
const LONGEST: Duration = Duration::from_secs(5);
/// Most memory of an inspecting process, in KiB.
const MOST_KIB: u64 = 256 << 10;
/// Forms whose files have checksums, as some of the fixtures do.
const HAVE_CHECKSUMS: [Form; 5] =
    [Form::Archive, Form::DiskImage, Form::Epub, Form::FlatPackage, Form::MobileApp];
/// The word that has this program try the variants of one fixture.
pub(crate) const WORD: &str = "damaged-variants";

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Counts {
    cuts: usize,
    cuts_refused: usize,
    flips: usize,
    flips_refused: usize,
    covered: usize,
    longest_ms: u64,
}

impl Counts {
    fn add(&mut self, one: &Self) {
        self.cuts += one.cuts;
        self.cuts_refused += one.cuts_refused;
        self.flips += one.flips;
        self.flips_refused += one.flips_refused;
        self.covered += one.covered;
        self.longest_ms = self.longest_ms.max(one.longest_ms);
    }
}

/// Tries the variants of each fixture that is accepted or refused by its content.
pub(super) fn damaged(fixtures: &Path) -> anyhow::Result<()> {
    let mut fixtures = all(fixtures)?;
    fixtures.retain(|fixture| fixture.form.is_some());
    let mut sum = Counts::default();
    let (mut files, mut most_kib) = (0_usize, 0);
    let mut without_covered = HAVE_CHECKSUMS.to_vec();
    for (form, one, kib) in try_all(&fixtures)? {
        sum.add(&one);
        most_kib = most_kib.max(kib);
        files += usize::from(one.flips > 0);
        without_covered.retain(|other| *other != form || one.covered == 0);
    }
    let Counts { cuts, cuts_refused, flips, flips_refused, covered, longest_ms } = sum;
    println!(
        "ARTIFACTS damaged fixtures={files} cuts={cuts} refused={cuts_refused} flips={flips} \
         refused={flips_refused} covered={covered} passed_though_covered=0 crashes=0 \
         longest_ms={longest_ms} most_kib={most_kib}"
    );
    ensure!(files > 0 && cuts_refused > 0, "nothing was tried");
    ensure!(without_covered.is_empty(), "of {without_covered:?} no covered byte was flipped");
    ensure!(most_kib <= MOST_KIB, "an inspection took {most_kib} KiB");
    Ok(())
}

/// The form of each fixture, what came of it, and the most memory that was used, in KiB. Each processor tries one at
/// a time.
fn try_all(fixtures: &[Fixture]) -> anyhow::Result<Vec<(Form, Counts, u64)>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        while let Some(fixture) = fixtures.get(next.fetch_add(1, Ordering::Relaxed)) {
            found.push(try_in_a_process(fixture).inspect_err(|_| {
                // The others need not go on.
                next.store(fixtures.len(), Ordering::Relaxed);
            })?);
        }
        anyhow::Ok(found)
    };
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let found = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        let each =
            threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a panic"))?);
        each.collect::<anyhow::Result<Vec<_>>>()
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// Has a process of its own try the variants of a fixture. Its peak of memory includes that of each
/// process it waited for.
fn try_in_a_process(fixture: &Fixture) -> anyhow::Result<(Form, Counts, u64)> {
    let form = fixture.form.context("its name says no form")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(WORD).arg("--fixtures").arg(&fixture.path);
    let (ended, kib) = run_measured(&command)?;
    let ended = ended.require(&fixture.name)?;
    let line = ended.stdout.lines().last().context("no counts were printed")?;
    Ok((form, serde_json::from_str(line)?, kib))
}

/// Tries all variants of one fixture, and prints the counts.
pub(crate) fn variants(path: &Path) -> anyhow::Result<()> {
    let fixture = Fixture::at(path.to_owned());
    let form = fixture.form.context("its name says no form")?;
    let whole = std::fs::read(path)?;
    let is_sound = inspect(form, File::open(path)?)?.answer.is_ok();
    let covered = if is_sound { covered(form, &whole)? } else { Vec::new() };
    let mut counts = Counts::default();
    // One seed for each file, so that a failure can be looked at again.
    let mut rng = StdRng::seed_from_u64(whole.len() as u64);
    if whole.is_empty() {
        println!("{}", serde_json::to_string(&counts)?);
        return Ok(());
    }
    let covered_to = covered.iter().map(|range| range.end).max().unwrap_or(0);
    for _ in 0..CUTS.min(whole.len()) {
        let length = rng.random_range(0..whole.len());
        let cut = whole.get(..length).unwrap_or_default();
        let passed = passes(form, cut, &mut counts.longest_ms)?;
        let is_harm = passed && (length as u64) < covered_to;
        ensure!(!is_harm, "cut at byte {length}, before the end of what is covered, it passed");
        counts.cuts += 1;
        counts.cuts_refused += usize::from(!passed);
    }
    for _ in 0..FLIPS {
        let (at, bit) = (rng.random_range(0..whole.len()), rng.random_range(0..8));
        let mut flipped = whole.clone();
        if let Some(byte) = flipped.get_mut(at) {
            *byte ^= 1 << bit;
        }
        let passed = passes(form, &flipped, &mut counts.longest_ms)
            .with_context(|| format!("bit {bit} of byte {at}"))?;
        let is_covered = covered.iter().any(|range| range.contains(&(at as u64)));
        // Compressed bytes can say the same in two ways; then nothing is damaged.
        let is_harm = passed && is_covered && !holds_the_same(form, &whole, &flipped)?;
        ensure!(!is_harm, "bit {bit} of byte {at} is covered, and it passed");
        counts.flips += 1;
        counts.flips_refused += usize::from(!passed);
        counts.covered += usize::from(is_covered);
    }
    println!("{}", serde_json::to_string(&counts)?);
    Ok(())
}

/// Whether a variant is accepted. A reader that crashes, or has to be ended, fails the run.
fn passes(form: Form, bytes: &[u8], longest_ms: &mut u64) -> anyhow::Result<bool> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    let inspected = inspect(form, file)?;
    let took = u64::try_from(inspected.took.as_millis())?;
    *longest_ms = (*longest_ms).max(took);
    ensure!(inspected.took <= LONGEST, "it took {took} ms");
    if let Err(refusal) = &inspected.answer {
        let is_crash =
            matches!(refusal.code, RefusalCode::InspectionFailed | RefusalCode::InspectionTimedOut);
        ensure!(!is_crash, "{}", refusal.message);
    }
    Ok(inspected.answer.is_ok())
}

//! Every fixture cut short and with single bits flipped: refused where a checksum covers the place,
//! else refused or read, and never a crash, a long wait or much memory.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
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

/// Tries the variants of each fixture that is accepted or refused by its content.
pub(super) fn damaged(fixtures: &Path) -> anyhow::Result<()> {
    let (mut sum, mut files, mut most_kib) = (Counts::default(), 0_usize, 0);
    for fixture in all(fixtures)? {
        if fixture.form.is_none() || std::fs::metadata(&fixture.path)?.len() == 0 {
            continue;
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(WORD).arg("--fixtures").arg(&fixture.path);
        // The peak includes that of each process it waited for.
        let (ended, kib) = run_measured(&command)?;
        let ended = ended.require(&fixture.name)?;
        let line = ended.stdout.lines().last().context("no counts were printed")?;
        let one: Counts = serde_json::from_str(line)?;
        sum.cuts += one.cuts;
        sum.cuts_refused += one.cuts_refused;
        sum.flips += one.flips;
        sum.flips_refused += one.flips_refused;
        sum.covered += one.covered;
        sum.longest_ms = sum.longest_ms.max(one.longest_ms);
        most_kib = most_kib.max(kib);
        files += 1;
    }
    let Counts { cuts, cuts_refused, flips, flips_refused, covered, longest_ms } = sum;
    println!(
        "ARTIFACTS damaged fixtures={files} cuts={cuts} refused={cuts_refused} flips={flips} \
         refused={flips_refused} covered={covered} passed_though_covered=0 crashes=0 \
         longest_ms={longest_ms} most_kib={most_kib}"
    );
    ensure!(files > 0 && covered > 0 && cuts_refused > 0, "nothing was tried");
    ensure!(most_kib <= MOST_KIB, "an inspection took {most_kib} KiB");
    Ok(())
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
    for _ in 0..CUTS.min(whole.len()) {
        let length = rng.random_range(0..whole.len());
        let cut = whole.get(..length).unwrap_or_default();
        counts.cuts += 1;
        counts.cuts_refused += usize::from(!passes(form, cut, &mut counts.longest_ms)?);
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

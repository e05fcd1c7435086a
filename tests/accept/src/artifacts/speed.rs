//! What an inspection costs, next to taking the file's digests.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use xylem_bench::scratch::Scratch;
use xylem_testkit::package_of;

use crate::run::{programs, run};

/// The payload of the product archive.
const BYTES: u64 = 4 << 30;
/// Most processor time, as a multiple of that for BLAKE3 and SHA-256 in one pass.
const MOST: f64 = 1.0;
/// Most memory of the inspecting process, in KiB.
const MOST_KIB: u64 = 64 << 10;
/// Rounds, one of each in turn.
const ROUNDS: usize = 5;
/// The word that has this program take the digests of a file, and nothing else.
pub(crate) const WORD: &str = "digests-of";

/// Inspects a product archive of 4 GiB and takes its digests, in turn.
pub(super) fn speed() -> anyhow::Result<()> {
    let scratch = Scratch::on_disk(&std::env::temp_dir())?;
    let package = package_of(scratch.path(), "Large.pkg", 7, BYTES);
    let itself = std::env::current_exe()?;
    let (mut inspecting, mut digesting, mut most_kib) = (Vec::new(), Vec::new(), 0);
    for round in 1..=ROUNDS {
        let digests = timed(Command::new(&itself).args([WORD, "--fixtures"]).arg(&package), None)?;
        let found = inspection(&package, "pkg")?;
        println!(
            "ARTIFACTS speed round={round} inspection_cpu_s={:.2} digests_cpu_s={:.2}",
            found.cpu_s, digests.cpu_s
        );
        inspecting.push(found.cpu_s);
        digesting.push(digests.cpu_s);
        most_kib = most_kib.max(found.kib);
    }
    let (inspection, digests) = (median(inspecting), median(digesting));
    let ratio = inspection / digests;
    println!(
        "ARTIFACTS speed bytes={BYTES} inspection_cpu_s={inspection:.2} digests_cpu_s={digests:.2} \
         ratio={ratio:.3} most_kib={most_kib}"
    );
    ensure!(ratio <= MOST, "an inspection costs {ratio:.3} times the digests");
    ensure!(most_kib <= MOST_KIB, "an inspection takes {most_kib} KiB");
    Ok(())
}

/// Takes BLAKE3 and SHA-256 of a file in one pass, as an ingest server does.
pub(crate) fn digests_of(path: &Path) -> anyhow::Result<()> {
    let mut file = File::open(path)?;
    let mut digesting = xylem_client::RunningDigests::new();
    let mut block = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut block)?;
        match block.get(..read) {
            Some(bytes) if read > 0 => digesting.update(bytes),
            _ => break,
        }
    }
    println!("{}", digesting.digests().blake3);
    Ok(())
}

/// What a process cost.
pub(super) struct Cost {
    cpu_s: f64,
    /// The peak of its memory, from its first moment to its last.
    pub(super) kib: u64,
}

/// Inspects a file as an ingest server does, with the ending that its name has. It must pass.
pub(super) fn inspection(file: &Path, ending: &str) -> anyhow::Result<Cost> {
    let xylem = programs()?.join("xylem");
    timed(Command::new(xylem).args([xylem::INSPECT, ending]), Some(file))
}

/// Runs a command under GNU time.
fn timed(command: &Command, input: Option<&Path>) -> anyhow::Result<Cost> {
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "COST %U %S %M"]).arg(command.get_program()).args(command.get_args());
    if let Some(input) = input {
        let mut file = File::open(input)?;
        file.rewind()?;
        timed.stdin(file);
    }
    let ended = run(&mut timed)?.require("what is timed")?;
    let is_refusal = input.is_some() && !ended.stdout.starts_with("{\"Ok\"");
    ensure!(!is_refusal, "it was refused: {}", ended.stdout);
    let line = ended.stderr.lines().find_map(|line| line.strip_prefix("COST "));
    let figures: Vec<f64> = line
        .context("GNU time printed no figures")?
        .split(' ')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    match figures.as_slice() {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole KiB")]
        [user, system, kib] => Ok(Cost { cpu_s: user + system, kib: *kib as u64 }),
        _ => anyhow::bail!("GNU time printed other figures"),
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

//! The main job, end to end on real parts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use xylem::Failure;
use xylem::system::{Programs, System};
use xylem_bench::debian::{Tool, require};
use xylem_bench::peak::peak_kib;
use xylem_testkit::{Snapshot, snapshot};

use crate::run::{Part, name_of, packages, programs, project, run, run_measured, run_parts};
use crate::{debian, oracle};

/// Debian packages these runs need, and for what.
const NEEDED: &[Tool] = &[
    Tool::new("7z", "p7zip-full"),
    Tool::new("cpio", "cpio"),
    Tool::new("xz", "xz-utils"),
    Tool::new("mmdebstrap", "mmdebstrap"),
    Tool::new("/usr/bin/time", "time"),
    Tool::new("psql", "postgresql"),
];

/// Fixtures called packages that are none, though they lie among the real ones: one is a bare
/// archive, the other names a component that it lacks.
const NOT_PACKAGES: [&str; 2] = ["pkg-flat-tiny-homebrew.pkg", "pkg-product-mac-app-fastlane.pkg"];

/// Hostile packages that may pass the upload, where payloads are not expanded, and must be turned
/// down by the agent.
const REFUSED_AT_INSTALL: [&str; 3] = [
    "payload-gzip-bomb-512MiB.pkg",
    "payload-path-traversal-and-symlink.pkg",
    "payload-pbzx-chunk-length-huge.pkg",
];

/// Most time and memory to turn a hostile file down.
const REFUSAL_LIMIT: Duration = Duration::from_secs(1);
const REFUSAL_KIB: u64 = 64 << 10;

/// Where a computer's disk is in a demo's folder.
const DISK: &str = "campus-mac-1-disk";

/// Runs every part, or the one that is named.
pub(crate) fn accept(fixtures: &Path, only: Option<&str>) -> anyhow::Result<()> {
    require(NEEDED)?;
    let parts: [Part<'_>; 6] = [
        ("demo", &|| every_valid_package(fixtures)),
        ("large", &large_package),
        ("hostile", &|| hostile_packages(fixtures)),
        ("stories", &stories),
        ("pages", &pages),
        ("fresh-debian", &debian::two_commands),
    ];
    run_parts("MAIN-JOB", &parts, only)
}

/// The demo with each valid package installs what independent tools find in it.
fn every_valid_package(fixtures: &Path) -> anyhow::Result<()> {
    let mut tried = 0;
    let mut entries = 0;
    for folder in ["real", "generated"] {
        for package in packages(&fixtures.join(folder))? {
            if NOT_PACKAGES.contains(&name_of(&package).as_str()) {
                continue;
            }
            entries += demo(&package).with_context(|| name_of(&package))?;
            tried += 1;
        }
    }
    ensure!(tried > 0, "no packages in {}", fixtures.display());
    println!("MAIN-JOB demo packages={tried} entries_compared={entries} differing=0");
    Ok(())
}

/// Runs the demo with one package; gives the number of entries that were compared.
fn demo(package: &Path) -> anyhow::Result<usize> {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("demo");
    run(Command::new(programs()?.join("xylem"))
        .arg("demo")
        .arg(package)
        .arg("--folder")
        .arg(&folder))?
    .require("the demo")?;
    let expected = scratch.path().join("expected");
    fs::create_dir_all(&expected)?;
    oracle::unpack(package, &scratch.path().join("oracle"), &expected)?;
    compare(&snapshot(&expected), &installed(&folder.join(DISK)))
}

/// What was installed, without the receipts, which are the installer's own.
fn installed(disk: &Path) -> Snapshot {
    let mut found = snapshot(disk);
    found.retain(|path, _| !path.starts_with("var/db/receipts"));
    for folder in ["var/db", "var"] {
        let prefix = format!("{folder}/");
        if !found.keys().any(|path| path.starts_with(&prefix)) {
            found.remove(folder);
        }
    }
    found
}

fn compare(expected: &Snapshot, found: &Snapshot) -> anyhow::Result<usize> {
    let differing: Vec<String> = expected
        .iter()
        .filter(|(path, line)| found.get(*path) != Some(*line))
        .map(|(path, line)| format!("{path}: expected {line}, found {:?}", found.get(path)))
        .chain(
            found
                .keys()
                .filter(|path| !expected.contains_key(*path))
                .map(|path| format!("{path}: not expected")),
        )
        .collect();
    ensure!(differing.is_empty(), "{} differences: {}", differing.len(), differing.join("; "));
    Ok(expected.len())
}

/// The demo with a package of 2 GiB that it builds.
fn large_package() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("demo");
    let demo = run(Command::new(programs()?.join("xylem"))
        .args(["demo", "--json", "--size", "2048", "--folder"])
        .arg(&folder))?
    .require("the demo")?;
    let package = folder.join("Library-2048MiB.pkg");
    let bytes = fs::metadata(&package)?.len();
    let expected = scratch.path().join("expected");
    fs::create_dir_all(&expected)?;
    oracle::unpack(&package, &scratch.path().join("oracle"), &expected)?;
    let compared = compare(&snapshot(&expected), &installed(&folder.join(DISK)))?;
    let seconds = demo.took.as_secs();
    println!(
        "MAIN-JOB large bytes={bytes} seconds={seconds} entries_compared={compared} differing=0"
    );
    Ok(())
}

/// Every hostile file is turned down, quickly, in little memory; nothing of it is kept.
fn hostile_packages(fixtures: &Path) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let scratch = tempfile::tempdir()?;
        let programs = Programs::beside(&programs()?.join("xylem")).map_err(Failure::into_error)?;
        let mut system = System::start(programs, scratch.path().join("system"))
            .await
            .map_err(Failure::into_error)?;
        system
            .add_distribution_server("root", None, None, None)
            .await
            .map_err(Failure::into_error)?;
        system.add_computer("mac", None).await.map_err(Failure::into_error)?;
        let result = try_hostile(fixtures, &system).await;
        system.stop().await;
        result
    })
}

async fn try_hostile(fixtures: &Path, system: &System) -> anyhow::Result<()> {
    let (mut worst, mut inspector) = (Worst::default(), Worst::default());
    let (mut at_upload, mut at_install) = (0, 0);
    let mut hostile = packages(&fixtures.join("generated/bad"))?;
    hostile.extend(NOT_PACKAGES.iter().map(|name| fixtures.join("real").join(name)));
    for package in hostile {
        let name = name_of(&package);
        let uploaded = worst.measure(
            &name,
            Command::new(&system.programs().xylem)
                .args(["package", "upload"])
                .arg(&package)
                .envs(system.environment()),
        )?;
        inspector.measure(
            &name,
            Command::new("sh")
                .args(["-c", "exec \"$0\" inspect-stdin < \"$1\""])
                .arg(&system.programs().xylem)
                .arg(&package),
        )?;
        if !uploaded {
            at_upload += 1;
        } else {
            ensure!(REFUSED_AT_INSTALL.contains(&name.as_str()), "{name} was taken");
            refused_by_agent(system, &name, &mut worst).await.with_context(|| name.clone())?;
            at_install += 1;
        }
    }
    let listed = system.xylem(&["package", "list", "--json"]).await.map_err(Failure::into_error)?;
    let kept: serde_json::Value = serde_json::from_str(&listed)?;
    ensure!(kept.as_array().is_some_and(Vec::is_empty), "something was kept: {listed}");
    let staged = fs::read_dir(system.folder().join("root/repo/staged"))?.count();
    ensure!(staged == 0, "{staged} staged files are left");
    println!(
        "MAIN-JOB hostile refused_at_upload={at_upload} refused_at_install={at_install} taken=0 \
         kept=0 worst_ms={} ({}) worst_kib={} ({}) inspector_worst_ms={} inspector_worst_kib={} ({}) \
         root_peak_kib={} server=alive",
        worst.took.as_millis(),
        worst.slowest,
        worst.kib,
        worst.largest,
        inspector.took.as_millis(),
        inspector.kib,
        inspector.largest,
        system.process_id("root").and_then(peak_kib).context("the server did not live")?,
    );
    Ok(())
}

/// Orders the package to be installed: the agent must turn it down and touch nothing.
async fn refused_by_agent(system: &System, name: &str, worst: &mut Worst) -> anyhow::Result<()> {
    let admin = &system.access().admin;
    let order = admin.order("mac", name).await?;
    let before = snapshot(&system.disk_of("mac"));
    worst.measure(
        name,
        Command::new(&system.programs().agent)
            .args(["check-in", "--data"])
            .arg(system.folder().join("mac"))
            .arg("--target")
            .arg(system.disk_of("mac")),
    )?;
    let report = admin.order_info(order.id).await?.report.context("the agent did not report")?;
    ensure!(report.result != "installed", "it was installed");
    ensure!(snapshot(&system.disk_of("mac")) == before, "the disk was changed");
    admin.delete_file(xylem_model::FileKind::Package, name).await?;
    Ok(())
}

/// The slowest and the largest of several runs.
#[derive(Default)]
struct Worst {
    took: Duration,
    slowest: String,
    kib: u64,
    largest: String,
}

impl Worst {
    /// Runs a command under measurement; says whether it succeeded.
    fn measure(&mut self, name: &str, command: &mut Command) -> anyhow::Result<bool> {
        let (ended, kib) = run_measured(command)?;
        if ended.took > self.took {
            (self.took, self.slowest) = (ended.took, name.to_owned());
        }
        if kib > self.kib {
            (self.kib, self.largest) = (kib, name.to_owned());
        }
        ensure!(ended.took <= REFUSAL_LIMIT, "{name} took {} ms", ended.took.as_millis());
        ensure!(kib <= REFUSAL_KIB, "{name} took {kib} KiB");
        Ok(ended.success)
    }
}

/// The end-to-end stories.
fn stories() -> anyhow::Result<()> {
    let (verdicts, took) = cargo_test("stories")?;
    println!("MAIN-JOB stories {verdicts:?} seconds={}", took.as_secs());
    Ok(())
}

/// The pages name every crate, and only paths that exist.
fn pages() -> anyhow::Result<()> {
    cargo_test("pages")?;
    println!("MAIN-JOB pages ARCHITECTURE.md names every crate; every path exists");
    Ok(())
}

/// Runs one test program; gives the number of tests by verdict, and how long it took. The whole
/// workspace is selected, so that nothing is compiled again with other features.
fn cargo_test(program: &str) -> anyhow::Result<(BTreeMap<String, usize>, Duration)> {
    let ended = run(Command::new("cargo")
        .args(["test", "--workspace", "--test", program])
        .current_dir(project()?))?
    .require(program)?;
    let mut verdicts = BTreeMap::new();
    for line in ended.stdout.lines().filter(|line| line.starts_with("test ")) {
        // The closing "test result: …" is none of a test.
        if let Some((_, verdict)) = line.rsplit_once(" ... ") {
            *verdicts.entry(verdict.to_owned()).or_default() += 1;
        }
    }
    ensure!(!verdicts.is_empty(), "the test program {program} ran no test");
    Ok((verdicts, ended.took))
}

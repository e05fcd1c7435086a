//! A made-up legacy share, moved in by the real program: whole, and killed on the way.
//!
//! What has to come of each file is said by whoever made the share
//! ([`xylem_migration::testing::legacy_share`]); the report and the server are compared with that.

mod catalogue;
mod command;
mod compared;

use std::collections::BTreeMap;
use std::fs::{File, create_dir_all};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};
use xylem::Failure;
use xylem::system::Programs;
use xylem_bench::fleet::Fleet;
use xylem_bench::room::Host;
use xylem_bench::scratch::Scratch;
use xylem_migration::Document;
use xylem_migration::testing::{Expectation, Kept, Seed, legacy_share, snapshot};

use crate::pair::{ROOT, stage};
use crate::run::programs;
use catalogue::Catalogue;
use command::{Migrating, Moment};
use compared::{agree, differences, has_every_kind, none_differs};

/// Files and folders of the share that each get a line in the report.
const FILES: usize = 2_000;
/// How often a run is killed: once while it reads, then while it sends.
const KILLS: usize = 5;
/// The share and the moments of the kills follow from it.
const SEED: u64 = 2_006;
/// The longest that a kill waits after the run has come so far, in milliseconds.
const LONGEST_WAIT_MS: usize = 60;

type Source = BTreeMap<PathBuf, Kept>;

/// Nothing is lost, doubled or changed, and the report says what is.
pub(super) fn migration() -> anyhow::Result<()> {
    stage(async |scratch| {
        let begun = Instant::now();
        let share = scratch.path().join("CasperShare");
        create_dir_all(&share)?;
        let expected = legacy_share(&share, FILES, SEED)?;
        has_every_kind(&expected)?;
        let source = snapshot(&share)?;
        let whole = at_once(scratch, &share, &expected).await?;
        let killed = interrupted(scratch, &share, &expected).await?;
        agree(&whole.outcomes, &killed.outcomes).context("after the kills")?;
        let changed = changed(&source, &snapshot(&share)?);
        compared::finds_what_is_planted(&expected.done, &whole.outcomes.lines)?;
        finds_a_touched_file(&share, &source)?;
        let totals = whole.outcomes.totals;
        println!(
            "ARTIFACTS migration files={} taken={} renamed={} refused={} left_out={} \
             duplicates={} kills={KILLS} differing=0 source_changed={changed} seconds={:.0}",
            totals.paths,
            totals.taken,
            totals.renamed,
            totals.refused,
            totals.left_out,
            totals.same,
            begun.elapsed().as_secs_f64()
        );
        ensure!(totals.paths == FILES, "the share has {} lines", totals.paths);
        ensure!(changed == 0, "{changed} files of the source were changed");
        Ok(())
    })
}

/// A dry run, the whole run, and once more.
async fn at_once(
    scratch: &Scratch,
    share: &Path,
    expected: &Expectation,
) -> anyhow::Result<Document> {
    let fleet = root(scratch, "whole").await?;
    let migrating = Migrating::new(&fleet, share, scratch.path().join("state"));
    let dry = migrating.dry_run().await?;
    none_differs("the dry run", &differences(&expected.planned, &dry.outcomes.lines))?;
    let there = Catalogue::of(&fleet).await?;
    ensure!(there.is_empty(), "a dry run published {there:?}");

    let first = migrating.run().await?;
    none_differs("the run", &differences(&expected.done, &first.outcomes.lines))?;
    let there = Catalogue::of(&fleet).await?;
    there.check(&fleet, &expected.done)?;
    let again = migrating.run().await?;
    agree(&first.outcomes, &again.outcomes).context("run once more")?;
    ensure!(again.run.sent.is_empty(), "once more, {:?} were sent", again.run.sent);
    let count = again.run.there_already.len();
    ensure!(count == there.len(), "of {} only {count} were found to be there", there.len());
    ensure!(Catalogue::of(&fleet).await? == there, "run once more, it changed what is there");
    fleet.stop().await;
    Ok(first)
}

/// The same share to a server of its own, by runs that are killed.
async fn interrupted(
    scratch: &Scratch,
    share: &Path,
    expected: &Expectation,
) -> anyhow::Result<Document> {
    let fleet = root(scratch, "killed").await?;
    let migrating = Migrating::new(&fleet, share, scratch.path().join("state-of-killed"));
    let mut seed = Seed::new(SEED);
    let all = catalogue::wanted(&expected.done).len();
    let mut sent = 0;
    for kill in 0..KILLS {
        let moment = match kill {
            0 => Moment::Read(1 + seed.below(FILES / 4)),
            // At most a part of so many each, so that some is left for the run that is not killed.
            _ => Moment::Sent(all / KILLS / 2 + seed.below(all / KILLS / 2)),
        };
        let wait = Duration::from_millis(seed.below(LONGEST_WAIT_MS) as u64);
        let one = migrating.kill_at(moment, wait).await;
        sent += one.with_context(|| format!("kill {} at {moment:?}", kill + 1))?;
    }
    ensure!(sent < all, "all {all} were sent before the last kill");
    let last = migrating.run().await?;
    none_differs("the last run", &differences(&expected.done, &last.outcomes.lines))?;
    ensure!(!last.run.sent.is_empty(), "nothing was left for the last run");
    let there = last.run.there_already.len();
    ensure!(there >= sent, "{sent} were sent by runs that were killed, {there} are there");
    Catalogue::of(&fleet).await?.check(&fleet, &expected.done)?;
    fleet.stop().await;
    Ok(last)
}

/// A management server with one distribution server.
async fn root(scratch: &Scratch, name: &str) -> anyhow::Result<Fleet> {
    let programs = Programs::beside(&programs()?.join("xylem")).map_err(Failure::into_error)?;
    let host = Host::loopback();
    let mut fleet = Fleet::start(&programs, &scratch.path().join(name), &host).await?;
    fleet.add(ROOT, &host, None).await?;
    Ok(fleet)
}

/// How many files and folders are not what they were, or are new or gone.
fn changed(before: &Source, after: &Source) -> usize {
    let new = after.keys().filter(|path| !before.contains_key(*path)).count();
    new + before.iter().filter(|(path, kept)| after.get(*path) != Some(*kept)).count()
}

/// Whoever looks for changes in the source must find one.
fn finds_a_touched_file(share: &Path, before: &Source) -> anyhow::Result<()> {
    let file = before.iter().find(|(_, kept)| kept.size > 0).context("the share is empty")?.0;
    File::options().append(true).open(file)?.set_modified(SystemTime::UNIX_EPOCH)?;
    let found = changed(before, &snapshot(share)?);
    ensure!(found == 1, "of one touched file {found} were found");
    Ok(())
}

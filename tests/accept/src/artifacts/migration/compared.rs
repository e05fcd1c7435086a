//! Reports beside what is expected, and beside each other.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use xylem_migration::testing::{Expectation, Expected};
use xylem_migration::{Line, Outcome, Outcomes, ReasonCode};

/// Most differences that are printed.
const SHOWN: usize = 20;

/// The reasons for which something on the share is not taken.
const REASONS: [ReasonCode; 12] = [
    ReasonCode::AppleScript,
    ReasonCode::BundleRefused,
    ReasonCode::Empty,
    ReasonCode::KnownFolder,
    ReasonCode::NotDistributed,
    ReasonCode::ScriptRefused,
    ReasonCode::ServerRefused,
    ReasonCode::SideFile,
    ReasonCode::SpecialFile,
    ReasonCode::SymbolicLink,
    ReasonCode::Unsupported,
    ReasonCode::WrongContent,
];

/// A share on which something is missing would show less than it should.
pub(super) fn has_every_kind(expected: &Expectation) -> anyhow::Result<()> {
    let codes: BTreeSet<ReasonCode> = expected.done.iter().filter_map(|it| it.code).collect();
    for code in REASONS {
        ensure!(codes.contains(&code), "nothing on the share is refused as {code:?}");
    }
    for outcome in [Outcome::Taken, Outcome::Renamed, Outcome::Same] {
        let is_there = expected.done.iter().any(|it| it.outcome == outcome);
        ensure!(is_there, "nothing on the share is {outcome:?}");
    }
    Ok(())
}

/// A sentence for each path of which the report says something else, or nothing.
pub(super) fn differences(expected: &[Expected], found: &[Line]) -> Vec<String> {
    let found: Vec<Expected> = found.iter().map(Expected::of).collect();
    let by_path: BTreeMap<&str, &Expected> =
        found.iter().map(|line| (line.path.as_str(), line)).collect();
    let paths: BTreeSet<&str> = expected.iter().map(|it| it.path.as_str()).collect();
    let unexpected = by_path.keys().filter(|path| !paths.contains(*path));
    let mut differing: Vec<String> = unexpected.map(|path| format!("{path} is new")).collect();
    for wanted in expected {
        match by_path.get(wanted.path.as_str()) {
            Some(line) if **line == *wanted => {}
            Some(line) => differing.push(format!("{line:?}, and expected was {wanted:?}")),
            None => differing.push(format!("{} is missing", wanted.path)),
        }
    }
    let order = |all: &[Expected]| all.iter().map(|it| it.path.clone()).collect::<Vec<_>>();
    if differing.is_empty() && order(expected) != order(&found) {
        differing.push("the lines come in another order".to_owned());
    }
    differing
}

/// Fails with the first of the differences.
pub(super) fn none_differs(what: &str, differing: &[String]) -> anyhow::Result<()> {
    let shown: Vec<&str> = differing.iter().take(SHOWN).map(String::as_str).collect();
    ensure!(
        differing.is_empty(),
        "{what} is not as expected in {} places:\n{}",
        differing.len(),
        shown.join("\n")
    );
    Ok(())
}

/// Two reports say the same, to the letter.
pub(super) fn agree(one: &Outcomes, other: &Outcomes) -> anyhow::Result<()> {
    let lines = one.lines.iter().zip(&other.lines).filter(|(one, other)| one != other);
    let differing: Vec<String> = lines.map(|(one, other)| format!("{one:?}, {other:?}")).collect();
    none_differs("the report", &differing)?;
    ensure!(one == other, "the reports have other totals, or another number of lines");
    Ok(())
}

/// A comparison that agrees with anything would not be one.
pub(super) fn finds_what_is_planted(expected: &[Expected], found: &[Line]) -> anyhow::Result<()> {
    let mut other_digest = expected.to_vec();
    let mut contents = other_digest.iter_mut().filter_map(|it| it.content.as_mut());
    let (one, next) = contents.next().zip(contents.next()).context("nothing is taken")?;
    one.digests.sha256 = next.digests.sha256;
    let mut other_name = expected.to_vec();
    let renamed = other_name.iter_mut().find(|it| it.outcome == Outcome::Renamed);
    renamed.context("nothing is renamed")?.name = Some("Planted.pkg".to_owned());
    for planted in [other_digest, other_name] {
        let found = differences(&planted, found).len();
        ensure!(found == 1, "of one planted difference {found} were found");
    }
    Ok(())
}

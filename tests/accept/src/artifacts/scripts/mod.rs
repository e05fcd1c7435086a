//! A script with its history, and not a byte of it on a distribution server.

mod editors;
mod search;
mod texts;
mod ways_in;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use xylem_api::scripts::{ScriptDiff, ScriptSaved};
use xylem_bench::fleet::Fleet;

use crate::pair::{CHILD, ROOT, pair, stage};
use editors::Desk;
use texts::Text;

/// The script.
const NAME: &str = "Map drives.sh";
/// Versions that are written.
const EDITS: usize = 20;

/// Any two versions are compared, any one restored, nothing is overwritten, and no distribution
/// server has any of it.
pub(super) fn scripts() -> anyhow::Result<()> {
    stage(async |scratch| {
        let (fleet, _) = pair(scratch, &[], CHILD).await?;
        let desk = Desk::new(&fleet, scratch.path())?;
        let texts = texts::versions(EDITS);
        for (number, text) in texts.iter().enumerate() {
            desk.write(NAME, number == 0, text).await?;
        }
        let compared = compare_all(&fleet, &texts).await?;
        let restored = restore_all(&fleet, &texts).await?;
        let conflicts = two_at_once(&desk, &fleet).await?;
        // Nothing of what was written first is another now.
        for (number, text) in texts.iter().enumerate() {
            let kept = contents(&fleet, Some(number + 1)).await?.1;
            ensure!(kept == text.contents(), "version {} is another now", number + 1);
        }

        let ways = ways_in::try_all(&fleet, scratch.path()).await?;
        let searched = search::none_found(&fleet, &[ROOT, CHILD])?;
        let planted = search::find_planted(&fleet, CHILD)?;
        fleet.stop().await;
        println!(
            "ARTIFACTS scripts edits={EDITS} compared={compared} restored={restored} \
             conflicts={conflicts} searched_files={searched} found=0 planted={planted} \
             sent_as_files={ways} published=0"
        );
        Ok(())
    })
}

/// Every pair of versions: the lines that differ are named, and no others.
async fn compare_all(fleet: &Fleet, texts: &[Text]) -> anyhow::Result<usize> {
    let mut compared = 0;
    for (from, old) in texts.iter().enumerate() {
        for (to, new) in texts.iter().enumerate().skip(from + 1) {
            let (from, to) = ((from + 1).to_string(), (to + 1).to_string());
            let said = fleet.xylem(&["script", "diff", NAME, &from, &to, "--json"]).await?;
            let diff: ScriptDiff = serde_json::from_str(&said)?;
            let named = Changed::named_in(&diff.unified)?;
            let (from, to) = (&from, &to);
            ensure!(named == Changed::between(old, new), "{from} and {to}: {}", diff.unified);
            ensure!(named != Changed::between(old, old), "{from} and {to} do not differ");
            compared += 1;
        }
    }
    Ok(compared)
}

/// Lines that are only in one of two texts, each in its order.
#[derive(Debug, PartialEq, Eq)]
struct Changed<'a> {
    old: Vec<&'a str>,
    new: Vec<&'a str>,
}

impl<'a> Changed<'a> {
    /// No line is twice in a text, and none moves, so this is all that differs.
    fn between(old: &'a Text, new: &'a Text) -> Self {
        Self { old: old.lines_not_in(new), new: new.lines_not_in(old) }
    }

    /// What a unified diff names.
    fn named_in(unified: &'a str) -> anyhow::Result<Self> {
        let mut lines = unified.lines();
        let heads = lines.next().zip(lines.next()).context("the diff is empty")?;
        ensure!(heads.0.starts_with("--- ") && heads.1.starts_with("+++ "), "{heads:?}");
        let mut changed = Self { old: Vec::new(), new: Vec::new() };
        for line in lines {
            match line.split_at_checked(1) {
                Some(("-", rest)) => changed.old.push(rest),
                Some(("+", rest)) => changed.new.push(rest),
                Some((" " | "@", _)) => {}
                _ => bail!("a line of no diff: {line:?}"),
            }
        }
        Ok(changed)
    }
}

/// Every version, one after the other, becomes the newest.
async fn restore_all(fleet: &Fleet, texts: &[Text]) -> anyhow::Result<usize> {
    let mut newest = texts.len() as u64;
    for (number, text) in texts.iter().enumerate() {
        let version = (number + 1).to_string();
        let said = fleet.xylem(&["script", "restore", NAME, &version, "--json"]).await?;
        let saved: ScriptSaved = serde_json::from_str(&said)?;
        newest += 1;
        let is_as_told = saved.changed && saved.script.current.restores == Some(number as u64 + 1);
        ensure!(is_as_told, "version {version} was not restored: {said}");
        let now = contents(fleet, None).await?;
        ensure!(now == (newest, text.contents()), "version {version} is another now: {now:?}");
    }
    Ok(texts.len())
}

/// Two editors are open with the same version. The first is saved, the second hears of it; gives
/// how many were refused.
async fn two_at_once(desk: &Desk<'_>, fleet: &Fleet) -> anyhow::Result<usize> {
    let (before, base) = contents(fleet, None).await?;
    let (first, second) = (texts::alone("first"), texts::alone("second"));
    let mut open = [desk.open(NAME, "first", &first)?, desk.open(NAME, "second", &second)?];
    for one in &mut open {
        let seen = one.opened().await?;
        ensure!(seen == base, "an editor begins with another text: {seen}");
    }
    let [one, other] = open;
    let saved = one.save().await?;
    ensure!(saved.status.success(), "the first is not saved: {saved:?}");
    let refused = other.save().await?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(refused.status.code() == Some(1), "the second is not refused: {refused:?}");
    ensure!(said.contains("changed meanwhile"), "the second hears something else: {said}");
    let now = contents(fleet, None).await?;
    ensure!(now == (before + 1, first.contents()), "it was overwritten: {now:?}");
    let kept = desk.drafts()?;
    ensure!(kept == [second.contents()], "the text of the second is not kept: {kept:?}");
    Ok(1)
}

/// Number and contents of a version, or of the newest.
async fn contents(fleet: &Fleet, version: Option<usize>) -> anyhow::Result<(u64, String)> {
    let number = version.map(|version| version.to_string());
    let mut words = vec!["script", "show", NAME, "--json"];
    words.extend(number.iter().flat_map(|number| ["--version", number.as_str()]));
    let shown: Value = serde_json::from_str(&fleet.xylem(&words).await?)?;
    let version = shown.pointer("/version/version").and_then(Value::as_u64);
    let text = shown.get("contents").and_then(Value::as_str).map(str::to_owned);
    version.zip(text).with_context(|| format!("what is shown is no script: {shown}"))
}

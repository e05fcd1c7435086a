//! What goes wrong at a provider: each has an error of its own in `xylem cloud test`, files wait
//! for its end, and get there by themselves afterwards.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use xylem_bench::debian::{self, Tool};
use xylem_bench::publish::write_random;
use xylem_model::Priority;

use super::authority::Authority;
use super::ground::{Ground, key_of};
use super::rows::{PRESENT, present, rows};
use super::store::Store;
use super::storm_faults::{Does, Fault, Faulty};
use super::tools::{Tools, sha256_of};
use super::weather::{Sky, Weather};
use crate::pair::stage;

/// What gives one program another time.
const FAKETIME: &[Tool] = &[Tool::new("faketime", "faketime")];

/// The file that waits for the end of each fault: several parts, so that some are cut off.
const BYTES: u64 = 96 << 20;

/// How long a fault is watched for files that get through all the same.
const WATCHED: Duration = Duration::from_secs(5);

/// How long after a fault its file may take: one request tries again every five minutes.
const LIMIT: Duration = Duration::from_secs(720);

/// Each fault in turn, at the store that is started by a function.
pub(super) fn storm<S, F>(start: F) -> anyhow::Result<()>
where
    S: Faulty,
    F: AsyncFnOnce(&Tools, &Path, &Authority) -> anyhow::Result<S> + Send,
{
    debian::require(FAKETIME)?;
    stage(async |scratch| {
        let mut ground = Ground::lay(scratch, start).await?;
        let weather = Weather::over(&ground.authority, ground.store.plain_port())?;
        ground.set_cloud(weather.port).await?;
        let mut messages: BTreeMap<String, &str> = BTreeMap::new();
        let provider = ground.store.provider();
        for (number, fault) in (0..).zip(S::FAULTS) {
            let name = fault.name;
            let said = one(&mut ground, &weather, *fault, number).await;
            let said = said.with_context(|| format!("fault {name}"))?;
            if let Some(other) = messages.insert(shape(&said), name) {
                // A bucket that is gone is one fault, told by two servers.
                let is_same = name.starts_with(other) || other.starts_with(name);
                ensure!(is_same, "{name} is told as {other} is: {said}");
            }
        }
        ground.fleet.stop().await;
        println!(
            "CLOUD storm provider={provider} faults={} told_apart=1 ended_well=1",
            S::FAULTS.len()
        );
        Ok(())
    })
}

/// One fault: it is told, a file waits for its end, and gets there whole. Gives what was told.
async fn one<S: Faulty>(
    ground: &mut Ground<S>,
    weather: &Weather,
    fault: Fault<S::Own>,
    number: u64,
) -> anyhow::Result<String> {
    let struck = weather.struck();
    let file = ground.folder().join(format!("{}.dmg", fault.name));
    write_random(&file, 1000 + number, BYTES)?;
    let sha256 = sha256_of(&file)?;
    // By clocks that differ the root takes no file: it is there before, and held.
    let mut content = None;
    if let Does::Clock(_) = fault.does {
        ground.fleet.xylem(&["cloud", "pause"]).await?;
        content = Some(ground.fleet.upload(&file, Priority::Normal).await?.content);
    }
    begin(ground, weather, fault.does).await?;
    let said = ground.tested().await?.context("the test passes")?;
    let lower = said.to_lowercase();
    let is_said = fault.says.iter().any(|word| lower.contains(&word.to_lowercase()));
    ensure!(is_said, "the error says nothing of {:?}: {said}", fault.says);
    if let Does::Sky(_, later) = fault.does {
        weather.turn(later);
    }
    let content = match content {
        Some(content) => {
            ground.fleet.xylem(&["cloud", "resume"]).await?;
            content
        }
        None => ground.fleet.upload(&file, Priority::Normal).await?.content,
    };
    std::fs::remove_file(&file)?;
    tokio::time::sleep(WATCHED).await;
    let told = rows(&ground.fleet).await?;
    let row = told.iter().find(|row| row.content == content);
    let has_passed = row.is_some_and(|row| row.state == PRESENT);
    ensure!(fault.may_pass || !has_passed, "it got through: {row:?}");
    let waited = row.map_or("unknown", |row| row.state.as_str()).to_owned();
    let reason = row.and_then(|row| row.reason.clone()).unwrap_or_default();

    end(ground, weather, fault.does).await?;
    let ended = Instant::now();
    let again = ground.tested().await?;
    ensure!(again.is_none(), "the fault has ended, and the test fails: {again:?}");
    present(&ground.fleet, &[content], LIMIT).await?;
    let there = ground.store.read(&key_of(&content))?;
    ensure!(there.is(BYTES, &sha256), "it is there as {there:?}");
    println!(
        "CLOUD storm provider={} fault={} was={waited} struck={} recovered_s={:.1} \
         reason={reason:?} said={said:?}",
        ground.store.provider(),
        fault.name,
        weather.struck() - struck,
        ended.elapsed().as_secs_f64()
    );
    Ok(said)
}

async fn begin<S: Faulty>(
    ground: &mut Ground<S>,
    weather: &Weather,
    does: Does<S::Own>,
) -> anyhow::Result<()> {
    match does {
        Does::Own(what) => ground.store.spoil(what).await,
        Does::Clock(offset) => restart(ground, Some(offset)).await,
        Does::Sky(sky, _) => {
            weather.turn(sky);
            Ok(())
        }
    }
}

async fn end<S: Faulty>(
    ground: &mut Ground<S>,
    weather: &Weather,
    does: Does<S::Own>,
) -> anyhow::Result<()> {
    match does {
        Does::Own(what) => ground.store.mend(what).await,
        Does::Clock(_) => restart(ground, None).await,
        Does::Sky(..) => {
            weather.turn(Sky::Clear);
            Ok(())
        }
    }
}

/// Starts the management server again, with another time of day where one is given. Time that only
/// runs on stays as it is: programs wait by it.
async fn restart<S: Store>(ground: &mut Ground<S>, offset: Option<&str>) -> anyhow::Result<()> {
    let library =
        format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    ensure!(Path::new(&library).exists(), "there is no {library}: install libfaketime");
    ground.fleet.kill_server().await;
    match offset {
        None => ground.fleet.restart_server().await,
        Some(offset) => {
            let preload = format!("LD_PRELOAD={library}");
            let before = ["env", &preload, offset, "DONT_FAKE_MONOTONIC=1"];
            ground.fleet.restart_server_behind(&before).await
        }
    }
}

/// A message without what differs each time: digits, and names of objects.
fn shape(message: &str) -> String {
    let words = message.split_whitespace().filter(|word| !word.contains("probe/"));
    let words = words.map(|word| word.replace(|at: char| at.is_ascii_digit(), ""));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_by_their_words() {
        let one = "writing `macs/probe/1-a`: 403 InvalidAccessKeyId";
        let same = "writing `macs/probe/2-b`: 404 InvalidAccessKeyId";
        assert_eq!(shape(one), shape(same));
        assert_ne!(shape(one), shape("writing `macs/probe/1-a`: 403 SignatureDoesNotMatch"));
    }
}

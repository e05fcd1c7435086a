//! A tree of eight servers on thin links, each of which chose the files of its own site.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use xylem_bench::fleet::Fleet;
use xylem_bench::publish::write_random;
use xylem_bench::room::{Host, Room};
use xylem_bench::scratch::Scratch;
use xylem_model::{ContentId, Priority};

use crate::content_link::stage;

/// Rate of every link, in Mbit/s.
const RATE_MBIT: u32 = 50;

/// Each server with its parent; four levels.
const SERVERS: [(&str, Option<&str>); 8] = [
    ("root", None),
    ("north", Some("root")),
    ("south", Some("root")),
    ("north-a", Some("north")),
    ("north-b", Some("north")),
    ("south-a", Some("south")),
    ("hut", Some("north-a")),
    ("barn", Some("south-a")),
];

/// Sizes of the files of each site, in bytes: below and above what travels in a stream of many.
const SIZES: [u64; 3] = [40 << 10, 880 << 10, 6 << 20];

/// The file that is chosen later, and for whom.
const MOVED: &str = "hut-2.dmg";
const MOVED_TO: &str = "barn";

/// How long all of it may take at first, and how long a change may take besides its bytes.
const LIMIT: Duration = Duration::from_secs(120);
const CHANGE_LIMIT: f64 = 5.0;

/// How many bytes may move for each that is needed.
const OVERHEAD: f64 = 1.05;

/// Each server gets exactly its set, by moving what is needed and no more.
pub(crate) fn selection() -> anyhow::Result<()> {
    let (programs, scratch) = stage()?;
    let mut room = Room::open()?;
    let mut hosts: BTreeMap<&str, Host> = BTreeMap::new();
    for (name, parent) in SERVERS {
        let host = room.host(name)?;
        if let Some(parent) = parent.and_then(|parent| hosts.get(parent)) {
            room.link(parent, &host, Some(RATE_MBIT))?;
        }
        hosts.insert(name, host);
    }
    let hub = room.hub();
    hub.inside(async || {
        let mut fleet = Fleet::start(&programs, &scratch.path().join("fleet"), hub).await?;
        for (name, parent) in SERVERS {
            let host = hosts.get(name).context("no host")?;
            fleet.add(name, host, parent).await?;
        }
        let played = play(&fleet, &scratch, &hosts).await;
        fleet.stop().await;
        played
    })
}

async fn play(
    fleet: &Fleet,
    scratch: &Scratch,
    hosts: &BTreeMap<&str, Host>,
) -> anyhow::Result<()> {
    for (name, _) in SERVERS.iter().skip(1) {
        fleet.xylem(&["site", "add", name]).await?;
        fleet.xylem(&["ds", "select", name, "--rule", &format!("site={name}")]).await?;
        fleet.xylem(&["ds", "set", name, "keep-unwanted=0s"]).await?;
    }
    let before = received(hosts)?;
    let mut files: BTreeMap<&str, BTreeMap<ContentId, u64>> = BTreeMap::new();
    let mut moved = None;
    for (number, (name, _)) in SERVERS.iter().enumerate() {
        for (at, size) in SIZES.iter().enumerate() {
            let file = format!("{name}-{at}.dmg");
            let path = scratch.path().join(&file);
            write_random(&path, (number * SIZES.len() + at) as u64, *size)?;
            let content = fleet.upload(&path, Priority::Normal).await?.content;
            if number > 0 {
                // The root's are of no site: they are for nobody else.
                fleet.xylem(&["package", "set", &file, &format!("site={name}")]).await?;
            }
            files.entry(name).or_default().insert(content, *size);
            if file == MOVED {
                moved = Some((content, *size));
            }
        }
    }
    let (moved, moved_size) = moved.context("the file that moves is one of them")?;
    settle(fleet, &files).await?;
    let needed: u64 = SERVERS.iter().skip(1).map(|(name, _)| bytes(&wanted(&files, name))).sum();
    let first = (received(hosts)? - before) as f64 / needed as f64;

    let before = received(hosts)?;
    let begun = Instant::now();
    fleet.xylem(&["package", "set", MOVED, &format!("for-sites={MOVED_TO}")]).await?;
    fleet.arrival(MOVED_TO, &moved, LIMIT).await?;
    let seconds = begun.elapsed().as_secs_f64();
    files.entry(MOVED_TO).or_default().insert(moved, moved_size);
    settle(fleet, &files).await?;
    let transfer = moved_size as f64 * 8.0 / (f64::from(RATE_MBIT) * 1e6);
    let ways = SERVERS.iter().filter(|(name, _)| below(name).contains(MOVED_TO));
    let ways = ways.filter(|(name, _)| *name != "root").count() as u64;
    let second = (received(hosts)? - before) as f64 / (ways * moved_size) as f64;
    let why = fleet.xylem(&["ds", "show", "south", "--why", MOVED]).await?;
    println!(
        "TREE selection servers={} files={} exact=8 moved_per_needed={first:.3} change_s={seconds:.2} \
         transfer_s={transfer:.2} change_moved_per_needed={second:.3}",
        SERVERS.len(),
        SERVERS.len() * SIZES.len(),
    );
    ensure!(first <= OVERHEAD && second <= OVERHEAD, "more was moved than was needed");
    ensure!(seconds <= CHANGE_LIMIT + transfer, "the change took {seconds:.1} s");
    ensure!(why.contains("barn"), "it is not told why: {why}");
    Ok(())
}

/// A server and everybody below it.
fn below(name: &str) -> BTreeSet<&'static str> {
    let is_below = |mut at: &'static str| loop {
        if at == name {
            return true;
        }
        match SERVERS.iter().find(|(other, _)| *other == at).and_then(|(_, parent)| *parent) {
            Some(parent) => at = parent,
            None => return false,
        }
    };
    SERVERS.iter().map(|(name, _)| *name).filter(|name| is_below(name)).collect()
}

/// What a server is to hold.
fn wanted(
    files: &BTreeMap<&str, BTreeMap<ContentId, u64>>,
    name: &str,
) -> BTreeMap<ContentId, u64> {
    let sites = below(name);
    let chosen = files.iter().filter(|(site, _)| sites.contains(*site));
    chosen.flat_map(|(_, files)| files.clone()).collect()
}

fn bytes(files: &BTreeMap<ContentId, u64>) -> u64 {
    files.values().sum()
}

/// Waits until every server holds exactly its set.
async fn settle(
    fleet: &Fleet,
    files: &BTreeMap<&str, BTreeMap<ContentId, u64>>,
) -> anyhow::Result<()> {
    let end = Instant::now() + LIMIT;
    for (name, _) in SERVERS {
        let wanted: BTreeSet<String> =
            wanted(files, name).keys().map(ToString::to_string).collect();
        loop {
            let held = held(fleet, name)?;
            if held == wanted {
                break;
            }
            ensure!(
                Instant::now() < end,
                "{name} holds {} contents, and is to hold {}: {:?}",
                held.len(),
                wanted.len(),
                held.symmetric_difference(&wanted).collect::<Vec<_>>()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// The contents in a server's repository.
fn held(fleet: &Fleet, name: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut held = BTreeSet::new();
    for shelf in std::fs::read_dir(fleet.repository(name).join("content"))? {
        for file in std::fs::read_dir(shelf?.path())? {
            let file = file?.file_name().to_string_lossy().into_owned();
            // Beside each lies its tree.
            if !file.contains('.') {
                held.insert(file);
            }
        }
    }
    Ok(held)
}

/// Bytes that came in over all links, with all headers.
fn received(hosts: &BTreeMap<&str, Host>) -> anyhow::Result<u64> {
    hosts.values().map(Host::bytes_received).sum()
}

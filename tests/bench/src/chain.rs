//! `chain`: six hops, against our own one hop and against a chain of rsync.
//!
//! What is measured for us: from the file under its name on the root to the file under its name on
//! the last hop, durable, all servers running and connected. Every round begins with new, empty
//! servers. For rsync: the hops one after the other, each begun when the one before is synced,
//! which is as soon as rsync can.

use std::path::Path;
use std::time::Duration;

use futures_util::future::try_join_all;
use xylem::system::Programs;
use xylem_model::Priority;

use crate::debian;
use crate::fleet::Fleet;
use crate::options::Options;
use crate::peers::{Peers, Way, What};
use crate::publish::{content_of_file, write_random};
use crate::ready::make_ready;
use crate::room::{Host, Room};
use crate::rows::{Goal, Row, Sample};
use crate::scratch::Scratch;
use crate::sync_named;

/// Hops of a long chain.
pub const HOPS: usize = 6;

/// How long a file may take to the last hop before something is wrong.
const LIMIT: Duration = Duration::from_secs(1800);

/// What the file is called.
const FILE: &str = "large.dmg";

/// The contenders.
const CHAIN: &str = "xylem-chain";
const ONE_HOP: &str = "xylem-one-hop";
const RSYNC: &str = "rsync-chain";

/// The name of the server that is this many hops away from the root.
pub fn name(hop: usize) -> String {
    if hop == 0 { "root".to_owned() } else { format!("hop{hop}") }
}

/// A room with hosts in a row, each joined to the next and to nobody else: a server cannot skip
/// its parent and ask one further up.
///
/// # Errors
/// When the room cannot be made.
pub fn room(hops: usize, mbit: Option<u32>) -> anyhow::Result<(Room, Vec<Host>)> {
    let mut room = Room::open()?;
    let mut hosts: Vec<Host> = Vec::new();
    for hop in 0..=hops {
        let host = room.host(&name(hop))?;
        if let Some(before) = hosts.last() {
            room.link(before, &host, mbit)?;
        }
        hosts.push(host);
    }
    Ok((room, hosts))
}

/// Distribution servers in a row, one on each of these hosts, the root first.
///
/// # Errors
/// When one does not come up.
pub async fn fleet(
    programs: &Programs,
    folder: &Path,
    hub: &Host,
    hosts: &[Host],
) -> anyhow::Result<Fleet> {
    let mut fleet = Fleet::start(programs, folder, hub).await?;
    for (hop, host) in hosts.iter().enumerate() {
        let parent = hop.checked_sub(1).map(name);
        fleet.add(&name(hop), host, parent.as_deref()).await?;
    }
    Ok(fleet)
}

/// Runs the bench; says whether it met what it must.
///
/// # Errors
/// When something breaks.
pub fn run(programs: &Programs, options: &Options) -> anyhow::Result<bool> {
    options.check_rows(&[])?;
    debian::require(debian::ROOM)?;
    debian::require(debian::PEERS)?;
    let scratch = Scratch::on_disk(&options.folder)?;
    let (room, hosts) = room(HOPS, Some(options.rate_mbit))?;
    let hub = room.hub();
    hub.inside(async || rounds(programs, options, scratch.path(), hub, &hosts).await)
}

async fn rounds(
    programs: &Programs,
    options: &Options,
    folder: &Path,
    hub: &Host,
    hosts: &[Host],
) -> anyhow::Result<bool> {
    let file = folder.join("rsync-0").join(FILE);
    std::fs::create_dir_all(folder.join("rsync-0"))?;
    write_random(&file, 1, options.size_mib << 20)?;
    let mut peers = Vec::new();
    for (hop, pair) in hosts.windows(2).enumerate() {
        let [parent, child] = pair else { continue };
        let source = folder.join(format!("rsync-{hop}"));
        std::fs::create_dir_all(&source)?;
        let own = folder.join(format!("peers-{hop}"));
        peers.push(Peers::start(&[Way::Rsync], parent, child, &source, &own).await?);
    }
    let mut row = Row::new("chain");
    for _ in 0..options.rounds {
        row.add(CHAIN, our_round(programs, folder, hub, hosts, &file).await?);
        let pair = hosts.get(..2).unwrap_or(hosts);
        row.add(ONE_HOP, our_round(programs, folder, hub, pair, &file).await?);
        row.add(RSYNC, rsync_round(&peers, folder)?);
    }
    row.print_medians();
    let own = row.judge(CHAIN, &[ONE_HOP], Goal { must: 1.15, aim: 1.05 });
    Ok(row.judge(CHAIN, &[RSYNC], Goal { must: 0.22, aim: 0.18 }) && own)
}

/// A new fleet on these hosts; the file is published and followed to the last of them.
async fn our_round(
    programs: &Programs,
    folder: &Path,
    hub: &Host,
    hosts: &[Host],
    file: &Path,
) -> anyhow::Result<Sample> {
    let folder = folder.join("fleet");
    let fleet = fleet(programs, &folder, hub, hosts).await?;
    make_ready();
    let names: Vec<String> = (1..hosts.len()).map(name).collect();
    let (root, content) = (name(0), content_of_file(file)?);
    let (uploaded, begun) =
        tokio::join!(fleet.upload(file, Priority::Normal), fleet.arrival(&root, &content, LIMIT));
    let ingested = fleet.cpu_seconds(&root);
    let (_, begun) = (uploaded?, begun?);
    let arrivals = names.iter().map(|name| fleet.arrival(name, &content, LIMIT));
    let arrivals = try_join_all(arrivals).await?;
    sync_named(&fleet.published(&name(hosts.len() - 1), &content))?;
    let seconds = begun.elapsed().as_secs_f64();
    print_hops(arrivals.iter().map(|at| at.saturating_duration_since(begun)));
    let sample = Sample {
        seconds,
        child_cpu: names.iter().map(|name| fleet.cpu_seconds(name)).sum(),
        // Without the upload, as far as it can be told apart.
        parent_cpu: fleet.cpu_seconds(&root) - ingested,
    };
    fleet.stop().await;
    std::fs::remove_dir_all(&folder)?;
    Ok(sample)
}

fn print_hops(after: impl Iterator<Item = Duration>) {
    let shown: Vec<String> = after.map(|after| format!("{:.3}", after.as_secs_f64())).collect();
    println!("HOPS chain {}", shown.join(" "));
}

fn rsync_round(peers: &[Peers], folder: &Path) -> anyhow::Result<Sample> {
    let mut sum = Sample::default();
    for (hop, one) in peers.iter().enumerate() {
        let into = folder.join(format!("rsync-{}", hop + 1));
        if into.exists() {
            std::fs::remove_dir_all(&into)?;
        }
        let taken = one.take(Way::Rsync, What::File(FILE), &into)?;
        sum.seconds += taken.seconds;
        sum.child_cpu += taken.child_cpu;
        sum.parent_cpu += taken.parent_cpu;
    }
    Ok(sum)
}

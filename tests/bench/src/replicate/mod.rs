//! `replicate`: one hop, from the root to a child.
//!
//! What is measured for us: from the start of the child's program, enrolled and with an empty
//! repository, to the last file under its name, and a sync of it, which finds nothing left to do if
//! we did what we say. So the start of the program, the control link, the state and the descriptors
//! are in it. For a peer: from the start of its program to the end of the same sync.

mod many_files;
mod one_file;
mod unchanged;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use xylem::system::Programs;
use xylem_model::ContentId;

use crate::debian;
use crate::fleet::Fleet;
use crate::options::Options;
use crate::peers::{Peers, Way, What};
use crate::ready::make_ready;
use crate::room::{Host, Room};
use crate::rows::Sample;
use crate::scratch::Scratch;
use crate::{sync_all_of, sync_named, until};

const ROWS: [&str; 4] = ["one-hop", "loopback", "many-files", "unchanged"];

/// The name that we have in what is printed.
pub(crate) const WE: &str = "xylem";

/// The two servers.
const ROOT: &str = "root";
const CHILD: &str = "child";

/// How long one hop may take before something is wrong.
pub(crate) const HOP_LIMIT: Duration = Duration::from_secs(1800);

/// Runs all rows, or one; says whether all of them met what they must.
///
/// # Errors
/// When something breaks.
pub fn run(programs: &Programs, options: &Options) -> anyhow::Result<bool> {
    options.check_rows(&ROWS)?;
    debian::require(debian::PEERS)?;
    let mut met = true;
    if options.wants("one-hop") {
        met &= on_a_link(programs, options)?;
    }
    if options.wants("loopback") {
        met &= on_loopback(programs, options, async |scene| one_file::loopback(scene).await)?;
    }
    if options.wants("many-files") || options.wants("unchanged") {
        met &= on_loopback(programs, options, async |scene| many_files::run(scene).await)?;
    }
    Ok(met)
}

fn on_a_link(programs: &Programs, options: &Options) -> anyhow::Result<bool> {
    debian::require(debian::ROOM)?;
    let scratch = Scratch::on_disk(&options.folder)?;
    let mut room = Room::open()?;
    let (root, child) = (room.host(ROOT)?, room.host(CHILD)?);
    room.link(&root, &child, Some(options.rate_mbit))?;
    let hub = room.hub().clone();
    let scene = Scene { programs, options, scratch: &scratch, hub, root, child };
    room.hub().inside(async || one_file::shaped(&scene).await)
}

fn on_loopback(
    programs: &Programs,
    options: &Options,
    row: impl AsyncFnOnce(&Scene<'_>) -> anyhow::Result<bool> + Send,
) -> anyhow::Result<bool> {
    let scratch = Scratch::on_disk(&options.folder)?;
    let [hub, root, child] = [Host::loopback(), Host::loopback(), Host::loopback()];
    let scene = Scene { programs, options, scratch: &scratch, hub, root, child };
    Host::loopback().inside(async || row(&scene).await)
}

/// Where a row takes place.
struct Scene<'a> {
    programs: &'a Programs,
    options: &'a Options,
    scratch: &'a Scratch,
    hub: Host,
    root: Host,
    child: Host,
}

impl Scene<'_> {
    /// A running root, and a child that is enrolled but down.
    async fn fleet(&self) -> anyhow::Result<Fleet> {
        let folder = self.scratch.path().join("fleet");
        let mut fleet = Fleet::start(self.programs, &folder, &self.hub).await?;
        fleet.add(ROOT, &self.root, None).await?;
        fleet.add(CHILD, &self.child, Some(ROOT)).await?;
        fleet.down(CHILD).await?;
        Ok(fleet)
    }

    async fn peers(&self, ways: &[Way]) -> anyhow::Result<Peers> {
        let folder = self.scratch.path().join("peers");
        Peers::start(ways, &self.root, &self.child, &self.source(), &folder).await
    }

    /// The folder of the files that are given away.
    fn source(&self) -> std::path::PathBuf {
        self.scratch.path().join("source")
    }

    /// Where peers put what they take.
    fn taken(&self) -> std::path::PathBuf {
        self.scratch.path().join("taken")
    }

    /// One round of ours: starts the child with nothing, and ends when it has published everything.
    async fn our_round(&self, fleet: &mut Fleet, wanted: &[ContentId]) -> anyhow::Result<Sample> {
        self.clear(&fleet.repository(CHILD), wanted.len())?;
        make_ready();
        let paths: Vec<_> = wanted.iter().map(|content| fleet.published(CHILD, content)).collect();
        let parent = fleet.cpu_seconds(ROOT);
        let begun = Instant::now();
        fleet.launch(CHILD)?;
        // One after the other: each is looked for until it is there, and never again.
        let mut missing = paths.iter().peekable();
        until("the child publishes everything", HOP_LIMIT, || {
            while missing.next_if(|path| path.exists()).is_some() {}
            missing.peek().is_none()
        })
        .await?;
        match paths.as_slice() {
            [one] => sync_named(one)?,
            _ => sync_all_of(&fleet.data_of(CHILD))?,
        }
        let seconds = begun.elapsed().as_secs_f64();
        let child_cpu = fleet.cpu_seconds(CHILD);
        let parent_cpu = fleet.cpu_seconds(ROOT) - parent;
        ensure!(child_cpu > 0.0, "the child has ended");
        fleet.down(CHILD).await?;
        Ok(Sample { seconds, child_cpu, parent_cpu })
    }

    /// One round of a peer.
    fn peer_round(&self, peers: &Peers, way: Way, what: What<'_>) -> anyhow::Result<Sample> {
        let files = match what {
            What::File(_) => 1,
            What::Everything => self.options.files,
        };
        self.clear(&self.taken(), files)?;
        peers.take(way, what, &self.taken())
    }

    /// Makes room for a round where the files of another are.
    fn clear(&self, folder: &Path, files: usize) -> anyhow::Result<()> {
        match (folder.exists(), files) {
            (false, _) => Ok(()),
            (true, 1) => Ok(std::fs::remove_dir_all(folder)?),
            (true, _) => self.scratch.set_aside(folder),
        }
    }
}

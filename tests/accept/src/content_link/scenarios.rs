//! What must hold on real processes and real links when something goes wrong on the way.
//!
//! Each scene has hosts as network namespaces, links of a known rate between them, and our
//! programs on them as an administrator starts them (`xylem-bench` sets all of it). Each prints
//! one line of figures and fails where a bound is missed. All need root.

mod full_disk;
mod lying_relay;
mod parent_killed;
mod relay;
mod urgent_under_bulk;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use xylem::Failure;
use xylem::system::Programs;
use xylem_bench::debian;
use xylem_bench::fleet::Fleet;
use xylem_bench::publish::content_of_file;
use xylem_bench::room::{Host, Room};
use xylem_bench::scratch::Scratch;
use xylem_model::ContentId;

pub(crate) use full_disk::full_disk;
pub(crate) use lying_relay::lying_relay;
pub(crate) use parent_killed::parent_killed;
pub(crate) use urgent_under_bulk::urgent_under_bulk;

/// Rate of every link, in Mbit/s.
const RATE_MBIT: u32 = 200;

/// How long anything may take before the scene is given up.
const LIMIT: Duration = Duration::from_secs(900);

/// The servers.
const ROOT: &str = "root";
const PARENT: &str = "parent";
const CHILD: &str = "child";

/// The programs beside this one, and a folder on a disk.
pub(crate) fn stage() -> anyhow::Result<(Programs, Scratch)> {
    debian::require(debian::ROOM)?;
    let xylem = crate::run::programs()?.join("xylem");
    let programs = Programs::beside(&xylem).map_err(Failure::into_error)?;
    Ok((programs, Scratch::on_disk(&std::env::temp_dir())?))
}

/// Three hosts, each joined to each other: a child has a second way to its content.
struct Triangle {
    room: Room,
    root: Host,
    parent: Host,
    child: Host,
}

impl Triangle {
    fn open() -> anyhow::Result<Self> {
        let mut room = Room::open()?;
        let (root, parent, child) = (room.host(ROOT)?, room.host(PARENT)?, room.host(CHILD)?);
        room.link(&root, &parent, Some(RATE_MBIT))?;
        room.link(&parent, &child, Some(RATE_MBIT))?;
        room.link(&root, &child, Some(RATE_MBIT))?;
        Ok(Self { room, root, parent, child })
    }
}

/// Fails unless a server has published this content, and nothing but bytes that are what their
/// name says.
fn require_right(fleet: &Fleet, server: &str, content: &ContentId) -> anyhow::Result<()> {
    let path = fleet.published(server, content);
    let shelves = path.parent().and_then(Path::parent).context("content lies on a shelf")?;
    let mut published = Vec::new();
    for shelf in std::fs::read_dir(shelves)? {
        for entry in std::fs::read_dir(shelf?.path())? {
            let entry = entry?;
            // Beside each content lies its outboard, which has another name.
            let Ok(id) = entry.file_name().to_string_lossy().parse::<ContentId>() else { continue };
            let found = content_of_file(&entry.path())?;
            ensure!(found == id, "{server} has published wrong bytes: {found} as {id}");
            published.push(id);
        }
    }
    ensure!(published.contains(content), "{server} has not published {content}");
    Ok(())
}

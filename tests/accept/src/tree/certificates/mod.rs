//! Certificates: what is shown, what is refused, and a change of authorities under load.

mod forged;
mod rotation;
mod scan;

use xylem::Failure;
use xylem::system::Programs;
use xylem_bench::fleet::Fleet;
use xylem_bench::room::Host;
use xylem_bench::scratch::Scratch;

use crate::run::programs;

pub(crate) use forged::forged;
pub(crate) use rotation::rotation;
pub(crate) use scan::scan;

/// Root, child, grandchild.
const TREE: [(&str, Option<&str>); 3] =
    [("root", None), ("north", Some("root")), ("hut", Some("north"))];

async fn fleet(scratch: &Scratch) -> anyhow::Result<Fleet> {
    let programs = Programs::beside(&programs()?.join("xylem")).map_err(Failure::into_error)?;
    let (host, folder) = (Host::loopback(), scratch.path().join("fleet"));
    let mut fleet = Fleet::start(&programs, &folder, &host).await?;
    for (name, parent) in TREE {
        fleet.add(name, &host, parent).await?;
    }
    Ok(fleet)
}

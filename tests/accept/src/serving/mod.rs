//! Serving under faults, attacks and restarts: `cargo xtask accept serving`.

mod client;
mod flips;
mod fuzz;
mod hostile;
mod restart;
mod slow_heads;
mod webdav;

use std::time::Duration;

use xylem::Failure;
use xylem::system::Programs;
use xylem_bench::fleet::{Fleet, free_port};
use xylem_bench::publish::write_random;
use xylem_bench::room::Host;
use xylem_bench::scratch::Scratch;
use xylem_model::{ContentId, Priority};

use crate::run::{Part, bench, programs, run_parts};

/// The servers that are asked, and the one whose certificate the clients show. It never runs.
const ROOT: &str = "root";
const CHILD: &str = "child";
const CLIENT: &str = "client";

/// How long a file may take to the child.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs every part, or the one that is named.
pub(crate) fn accept(only: Option<&str>) -> anyhow::Result<()> {
    let parts: &[Part<'_>] = &[
        ("hostile", &hostile::hostile),
        ("litmus", &webdav::litmus),
        ("tools", &webdav::tools),
        ("flips", &flips::flips),
        ("restart", &restart::restart),
        ("slow-heads", &slow_heads::slow_heads),
        ("fuzz", &fuzz::fuzz),
        ("serve", &|| bench("SERVING", "serve")),
        ("put", &|| bench("SERVING", "put")),
        ("memory", &|| bench("SERVING", "memory")),
    ];
    run_parts("SERVING", parts, only)
}

/// A root with a child below it, on this machine, and files of so many random bytes each, which
/// both of them hold. The client may ask one of the two.
async fn pair(
    scratch: &Scratch,
    sizes: &[u64],
    asked: &str,
) -> anyhow::Result<(Fleet, Vec<ContentId>)> {
    let programs = Programs::beside(&programs()?.join("xylem")).map_err(Failure::into_error)?;
    let (host, folder) = (Host::loopback(), scratch.path().join("fleet"));
    let mut fleet = Fleet::start(&programs, &folder, &host).await?;
    fleet.add(ROOT, &host, None).await?;
    fleet.add(CHILD, &host, Some(ROOT)).await?;
    let port = free_port()?;
    fleet.enroll(CLIENT, &host, Some(asked), (&port, &port)).await?;
    let mut contents = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        let file = scratch.path().join(name(number));
        write_random(&file, number as u64, *size)?;
        contents.push(fleet.upload(&file, Priority::Normal).await?.content);
    }
    for content in &contents {
        fleet.arrival(CHILD, content, LIMIT).await?;
    }
    Ok((fleet, contents))
}

/// What a file is called.
fn name(number: usize) -> String {
    format!("file-{number}.ipa")
}

/// Runs a scene on this machine's loopback interface, in a folder of its own.
fn stage<F>(scene: F) -> anyhow::Result<()>
where
    F: AsyncFnOnce(&Scratch) -> anyhow::Result<()> + Send,
{
    let scratch = Scratch::on_disk(&std::env::temp_dir())?;
    Host::loopback().inside(async || scene(&scratch).await)
}

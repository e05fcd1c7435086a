//! A root, a child below it, and what is asked of them.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use xylem::Failure;
use xylem::system::Programs;
use xylem_bench::fleet::{Fleet, free_port};
use xylem_bench::publish::write_random;
use xylem_bench::room::Host;
use xylem_bench::scratch::Scratch;
use xylem_model::{ContentId, Priority};

use crate::run::programs;

/// The servers that are asked, and the one whose certificate the clients show. It never runs.
pub(crate) const ROOT: &str = "root";
pub(crate) const CHILD: &str = "child";
pub(crate) const CLIENT: &str = "client";

/// How long a file may take to the child.
const LIMIT: Duration = Duration::from_secs(300);

/// A root with a child below it, on this machine, and files of so many random bytes each, which
/// both of them hold. The client may ask one of the two.
pub(crate) async fn pair(
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
pub(crate) fn name(number: usize) -> String {
    format!("file-{number}.dmg")
}

/// Runs a scene on this machine's loopback interface, in a folder of its own.
pub(crate) fn stage<F>(scene: F) -> anyhow::Result<()>
where
    F: AsyncFnOnce(&Scratch) -> anyhow::Result<()> + Send,
{
    let scratch = Scratch::on_disk(&std::env::temp_dir())?;
    Host::loopback().inside(async || scene(&scratch).await)
}

/// Sizes of files without an outboard, with one, and of several frames, over and over.
pub(crate) fn sizes(files: usize) -> Vec<u64> {
    [1 << 10, 200 << 10, 300 << 10, 3 << 20].into_iter().cycle().take(files).collect()
}

/// Flips one bit of a file that has so many bytes, somewhere.
pub(crate) fn flip(path: &Path, size: u64, seed: u64) -> anyhow::Result<()> {
    let file = File::options().read(true).write(true).open(path);
    let file = file.with_context(|| format!("no {}", path.display()))?;
    let at = seed.wrapping_mul(6_364_136_223_846_793_005) % size;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    let flipped = byte.map(|byte| byte ^ (1 << (seed % 8)));
    Ok(file.write_all_at(&flipped, at)?)
}

//! Many small files, and the same again when nothing has changed.

use anyhow::ensure;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use xylem_model::{ContentId, Priority};

use super::{CHILD, Scene, WE, unchanged};
use crate::fleet::Fleet;
use crate::peers::{Way, What};
use crate::publish::write_random;
use crate::ready::Ballast;
use crate::rows::{Goal, Row};

/// Size of each file.
const BYTES: u64 = 64 << 10;

/// Uploads at a time while the root is filled, which is not measured.
const UPLOADS_AT_ONCE: usize = 8;

/// Both rows, which need the same files.
pub(super) async fn run(scene: &Scene<'_>) -> anyhow::Result<bool> {
    let mut fleet = scene.fleet().await?;
    let contents = publish(scene, &fleet).await?;
    let mut met = true;
    if scene.options.wants("many-files") {
        met &= compare(scene, &mut fleet, &contents).await?;
    }
    if scene.options.wants("unchanged") {
        met &= unchanged::run(&mut fleet, &contents).await?;
    }
    fleet.stop().await;
    Ok(met)
}

/// Writes the files for the peers, and publishes the same ones on the root.
async fn publish(scene: &Scene<'_>, fleet: &Fleet) -> anyhow::Result<Vec<ContentId>> {
    std::fs::create_dir_all(scene.source())?;
    let one = |number: usize| async move {
        let name = format!("small-{number:05}.dmg");
        let path = scene.source().join(&name);
        write_random(&path, number as u64, BYTES)?;
        let bytes = Bytes::from(std::fs::read(&path)?);
        let published = fleet.send(&name, bytes, Priority::Normal).await?;
        Ok::<ContentId, anyhow::Error>(published.content)
    };
    println!("publishing {} files", scene.options.files);
    stream::iter(0..scene.options.files)
        .map(one)
        .buffer_unordered(UPLOADS_AT_ONCE)
        .try_collect()
        .await
}

async fn compare(
    scene: &Scene<'_>,
    fleet: &mut Fleet,
    contents: &[ContentId],
) -> anyhow::Result<bool> {
    let ways = [Way::Rsync, Way::Rclone];
    let peers = scene.peers(&ways).await?;
    let mut row = Row::new("replicate/many-files");
    let ballast = Ballast::take()?;
    println!("holding back {} MiB of free memory", ballast.bytes() >> 20);
    for _ in 0..scene.options.rounds {
        row.add(WE, scene.our_round(fleet, contents).await?);
        for way in ways {
            row.add(way.name(), scene.peer_round(&peers, way, What::Everything)?);
            let taken = std::fs::read_dir(scene.taken())?.count();
            ensure!(taken == contents.len(), "{} took {taken} files", way.name());
        }
    }
    row.print_medians();
    let rsync = row.judge(WE, &[Way::Rsync.name()], Goal { must: 1.0, aim: 0.5 });
    Ok(row.judge(WE, &[Way::Rclone.name()], Goal { must: 0.3, aim: 0.1 }) && rsync)
}

/// Starts the child and waits until it holds everything.
pub(super) async fn settle(fleet: &mut Fleet, contents: &[ContentId]) -> anyhow::Result<()> {
    fleet.launch(CHILD)?;
    for content in contents {
        fleet.arrival(CHILD, content, super::HOP_LIMIT).await?;
    }
    Ok(())
}

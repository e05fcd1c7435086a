//! One large file: over a link of a known rate, and over loopback.

use xylem_model::Priority;

use super::{Scene, WE};
use crate::peers::{Way, What};
use crate::publish::write_random;
use crate::rows::{Goal, Row};

/// What the file is called.
const FILE: &str = "large.dmg";

/// Over a link: whoever keeps it full is as fast as one can be.
pub(super) async fn shaped(scene: &Scene<'_>) -> anyhow::Result<bool> {
    let ways = [Way::Curl, Way::Rclone, Way::Rsync];
    let row = rounds(scene, "replicate/one-hop", &ways).await?;
    Ok(row.judge(WE, &ways.map(Way::name), Goal { must: 1.03, aim: 1.0 }))
}

/// Over loopback, where processors and the disk decide.
pub(super) async fn loopback(scene: &Scene<'_>) -> anyhow::Result<bool> {
    let row = rounds(scene, "replicate/loopback", &[Way::Curl]).await?;
    Ok(row.judge(WE, &[Way::Curl.name()], Goal { must: 1.25, aim: 1.0 }))
}

async fn rounds(scene: &Scene<'_>, name: &str, ways: &[Way]) -> anyhow::Result<Row> {
    std::fs::create_dir_all(scene.source())?;
    let file = scene.source().join(FILE);
    write_random(&file, 1, scene.options.size_mib << 20)?;
    let mut fleet = scene.fleet().await?;
    let content = fleet.upload(&file, Priority::Normal).await?.content;
    let peers = scene.peers(ways).await?;
    let mut row = Row::new(name);
    for _ in 0..scene.options.rounds {
        row.add(WE, scene.our_round(&mut fleet, &[content]).await?);
        for way in ways {
            row.add(way.name(), scene.peer_round(&peers, *way, What::File(FILE))?);
        }
    }
    row.print_medians();
    fleet.stop().await;
    Ok(row)
}

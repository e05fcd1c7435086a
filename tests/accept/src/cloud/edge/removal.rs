//! What is gone goes out of the edge's cache, too: the management server has it invalidated at
//! Amazon's host name, which leads to a strict double on this machine.
//!
//! The name is written down for `xylem` alone, in a mount namespace of its own with another
//! `/etc/hosts`.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use time::OffsetDateTime;
use tokio::runtime::Runtime;
use xylem_bench::publish::write_random;
use xylem_bench::shell::require_root;
use xylem_model::{ContentId, Priority, Timestamp};
use xylem_testkit::{CLOUDFRONT_DISTRIBUTION, CLOUDFRONT_HOST, CloudFrontControl};

use super::super::agent::Mac;
use super::super::authority::{Authority, HOST};
use super::super::gate::own_runtime;
use super::super::ground::{Ground, PREFIX, key_of, path};
use super::super::rows::present;
use super::super::seaweed::{KEY_ID, SECRET};
use super::super::store::Store as _;
use super::super::tools::{Tools, sha256_of};
use super::curl::{Answer, Curl};
use super::keys::{Algorithm, Hash};
use super::ours::Signer;
use super::refusals::LIFE;
use super::{Front, nginx};
use crate::pair::{ROOT, stage};
use crate::run::programs;

/// Where Amazon's name leads: an address of the loopback that nobody else uses.
const CONTROL: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 77)), 443);

const NAME: &str = "Removed.dmg";
const BYTES: u64 = 6 << 20;

/// How long each thing may take.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What stands for Amazon's management of distributions, on a thread of its own.
struct Control {
    double: CloudFrontControl,
    runtime: Option<Runtime>,
}

/// Somebody else writes wrong bytes, which the edge caches; looking through removes them, and the
/// edge gives them until they were invalidated, and the right ones afterwards.
pub(in super::super) fn removal() -> anyhow::Result<()> {
    stage(async |scratch| {
        require_root("another /etc/hosts for one program")?;
        let xylem = named(&scratch.path().join("named"))?;
        let start = async |tools: &Tools, folder: &Path, authority: &Authority| {
            Front::start(tools, folder, authority, Algorithm::P256).await
        };
        let hosts = [HOST, CLOUDFRONT_HOST];
        let mut ground = Ground::lay_with(scratch, &xylem, &hosts, start).await?;
        let control = Control::start(&ground).await?;
        set(&ground).await?;
        let (content, sha256) = published(&ground).await?;
        Mac::of(&ground).enroll().await?;

        ground.fleet.down(ROOT).await?;
        wrong_bytes(&ground, content)?;
        control.double.hold(true);
        ground.fleet.xylem(&["cloud", "inventory"]).await?;
        let asked = control.asked(content).await?;
        let key = key_of(&content);
        ensure!(!ground.store.names()?.objects.contains(&key), "the wrong bytes are there still");
        let kept = fetch(&ground, content)?;
        ensure!(kept.status == "200", "the edge answers {} for what it has", kept.status);
        control.double.hold(false);
        let gone = fetch(&ground, content)?;
        ensure!(gone.status == "404", "the edge answers {} for what it forgot", gone.status);

        ground.fleet.up(ROOT).await?;
        present(&ground.fleet, &[content], LIMIT).await?;
        ground.fleet.down(ROOT).await?;
        let fetched = Mac::of(&ground).fetch(NAME).await?;
        ensure!(sha256_of(&fetched)? == sha256, "other bytes came from the edge");
        ground.fleet.stop().await;
        println!(
            "CLOUD cloudfront invalidations={asked} refused={} given_before=1 given_after=0 \
             mended=1",
            control.double.refused()
        );
        ensure!(control.double.refused() == 0, "an invalidation was refused");
        Ok(())
    })
}

/// `xylem` and the agent in a folder, where the first has another `/etc/hosts`; gives its path.
fn named(folder: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let (hosts, script) = (folder.join("hosts"), folder.join("xylem"));
    let before = fs::read_to_string("/etc/hosts").unwrap_or_default();
    fs::write(&hosts, format!("{} {CLOUDFRONT_HOST}\n{before}", CONTROL.ip()))?;
    let programs = programs()?;
    // Each becomes the next, so the process's id is the program's own.
    let text = format!(
        "#!/bin/sh\nexec unshare --mount sh -c 'mount --bind \"$0\" /etc/hosts && exec \"$@\"' \
         '{}' '{}' \"$@\"\n",
        path(&hosts)?,
        path(&programs.join("xylem"))?
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    symlink(programs.join("xylem-agent"), folder.join("xylem-agent"))?;
    Ok(script)
}

impl Control {
    /// Opens it, for the keys of the bucket. What ends goes out of the edge's cache.
    async fn start(ground: &Ground<Front>) -> anyhow::Result<Self> {
        let (runtime, tls) = (own_runtime()?, Arc::new(ground.authority.server_tls()?));
        let edge = ground.store.edge.folder.clone();
        let forget = move |paths: &[String]| {
            if let Err(error) = nginx::forget(&edge, paths) {
                println!("the edge forgets nothing: {error:#}");
            }
        };
        let keys = (KEY_ID, SECRET);
        let starting = runtime
            .spawn(async move { CloudFrontControl::start(CONTROL, tls, keys, forget).await });
        let double = starting.await?.with_context(|| format!("nobody can listen at {CONTROL}"))?;
        Ok(Self { double, runtime: Some(runtime) })
    }

    /// Waits until a content was asked to be invalidated; gives how many requests were taken.
    async fn asked(&self, content: ContentId) -> anyhow::Result<usize> {
        let (path, end) = (format!("/{}", key_of(&content)), Instant::now() + LIMIT);
        loop {
            let asked = self.double.invalidated();
            if asked.iter().any(|(_, paths)| *paths == [path.as_str()]) {
                return Ok(asked.len());
            }
            ensure!(Instant::now() < end, "nobody asked for {path}, but for {asked:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Sets the point, with the distribution's id.
async fn set(ground: &Ground<Front>) -> anyhow::Result<()> {
    let more = ["--distribution", CLOUDFRONT_DISTRIBUTION];
    ground.set(&ground.store, ground.store.port(), &more).await.map(drop)
}

/// Publishes a file and waits until it is in the cloud; gives what it is.
async fn published(ground: &Ground<Front>) -> anyhow::Result<(ContentId, String)> {
    let file = ground.folder().join(NAME);
    write_random(&file, 5, BYTES)?;
    let content = ground.fleet.upload(&file, Priority::Normal).await?.content;
    present(&ground.fleet, &[content], LIMIT).await?;
    Ok((content, sha256_of(&file)?))
}

/// Has the bucket hold other bytes of the same length, and the edge give them.
fn wrong_bytes(ground: &Ground<Front>, content: ContentId) -> anyhow::Result<()> {
    let file = ground.folder().join("wrong");
    write_random(&file, 6, BYTES)?;
    let key = key_of(&content);
    ground.store.bucket.bucket().write(&key, &file)?;
    let went = nginx::forget(&ground.store.edge.folder, &[format!("/{key}")])?;
    ensure!(went > 0, "the edge had nothing of it, though a sample was read there");
    let answer = fetch(ground, content)?;
    ensure!(answer.body == fs::read(&file)?, "the edge gives others than the wrong bytes");
    Ok(())
}

/// What the edge gives of a content, by an address that is good now.
fn fetch(ground: &Ground<Front>, content: ContentId) -> anyhow::Result<Answer> {
    let (edge, now) = (&ground.store.edge, OffsetDateTime::now_utc().unix_timestamp());
    let prefix: xylem_cloud::Prefix = PREFIX.to_owned().try_into()?;
    let signer = Signer {
        distribution: &edge.url(),
        key: edge.key(Algorithm::P256),
        hash: Hash::Sha256,
        source: None,
        now: Timestamp::from_unix_ms(now * 1000),
        life: LIFE,
    };
    let url = signer.url(&prefix.content(&content))?;
    Curl { authority: &ground.authority, folder: ground.folder() }.ask(&[], &url)
}

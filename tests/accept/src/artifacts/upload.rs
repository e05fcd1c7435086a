//! A large upload that is interrupted again and again, of bytes that lie nowhere.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use xylem::Failure;
use xylem::access::Access;
use xylem::cli::UploadOptions;
use xylem::system::Programs;
use xylem::upload::{ReadAt, Source, upload};
use xylem_bench::fleet::{Fleet, KIND};
use xylem_bench::publish::first_sector;
use xylem_bench::room::Host;
use xylem_bench::scratch::Scratch;
use xylem_model::ContentId;
use xylem_pki::TrustAnchors;
use xylem_runtime::RealFs;

use super::peaks::Peaks;
use super::speed::inspection;
use crate::pair::{ROOT, stage};
use crate::run::programs;

/// The file that is sent.
const BYTES: u64 = 20 << 30;
const NAME: &str = "Large.dmg";
/// Most memory of any process, in KiB.
const MOST_KIB: u64 = 64 << 10;
/// The word that has this program send the file.
pub(crate) const WORD: &str = "send-generated";
/// Longest that the upload may make no headway.
const LIMIT: Duration = Duration::from_secs(900);
/// Most bytes that an interruption may cost: what is not marked yet, and what came ahead.
const MAX_LOST: u64 = (64 << 20) + (1 << 30);
/// How often it is looked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Bytes that are compared at once.
const BLOCK_BYTES: usize = 1 << 20;

/// What is killed, one after the other, each time another eleventh of the file is there.
const INTERRUPTED: [Kind; 10] = [
    Kind::Ingest,
    Kind::Sender,
    Kind::Management,
    Kind::Ingest,
    Kind::Sender,
    Kind::Ingest,
    Kind::Sender,
    Kind::Management,
    Kind::Ingest,
    Kind::Sender,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ingest,
    Sender,
    Management,
}

/// A disk full of bytes that no compression makes smaller. Any part of it can be made at any time.
#[derive(Debug)]
struct Generated {
    first: [u8; 512],
    stream: blake3::OutputReader,
}

impl Generated {
    fn new(seed: u64, bytes: u64) -> Self {
        let stream = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
        Self { first: first_sector(bytes), stream }
    }
}

impl ReadAt for Generated {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut stream = self.stream.clone();
        stream.set_position(offset);
        stream.fill(buffer);
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        let first = self.first.get(skipped..).unwrap_or_default();
        buffer.iter_mut().zip(first).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

/// What the sending process is told, in a file.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    server: String,
    token: PathBuf,
    ca: PathBuf,
    seed: u64,
    bytes: u64,
}

/// Sends the file until all of it is there, whatever ends in between.
pub(super) fn large() -> anyhow::Result<()> {
    stage(async |scratch| {
        let begun = Instant::now();
        let programs = Programs::beside(&programs()?.join("xylem")).map_err(Failure::into_error)?;
        let host = Host::loopback();
        let mut fleet = Fleet::start(&programs, &scratch.path().join("fleet"), &host).await?;
        fleet.add(ROOT, &host, None).await?;
        let (server, token, ca) = (fleet.url().to_owned(), fleet.token_file(), fleet.ca_file());
        let order = Order { server, token, ca, seed: 20, bytes: BYTES };
        let mut peaks = Peaks::default();
        interrupted(&mut fleet, scratch, &order, &mut peaks).await?;
        let content = fleet.access().admin.file(KIND, NAME).await?.file.current.content;
        let published = published(&fleet, &content)?;
        let identical = is_identical(&published, &order)?;
        // The one that looked into it as it came is over within moments.
        peaks.inspector = peaks.inspector.max(inspection(&published, "dmg")?.kib);
        fleet.stop().await;
        let Peaks { sender, ingest, inspector, management } = peaks;
        println!(
            "ARTIFACTS upload bytes={BYTES} interrupted={} identical={} sender_kib={sender} \
             ingest_kib={ingest} inspector_kib={inspector} management_kib={management} seconds={}",
            INTERRUPTED.len(),
            u8::from(identical),
            begun.elapsed().as_secs()
        );
        ensure!(identical, "what was published is not what was sent");
        let all = [sender, ingest, inspector, management];
        ensure!(!all.contains(&0), "not every process was measured");
        ensure!(all.iter().all(|kib| *kib <= MOST_KIB), "a process took more than {MOST_KIB} KiB");
        Ok(())
    })
}

/// Sends the file, and kills what is to be killed on the way.
async fn interrupted(
    fleet: &mut Fleet,
    scratch: &Scratch,
    order: &Order,
    peaks: &mut Peaks,
) -> anyhow::Result<()> {
    let file = scratch.path().join("order.json");
    fs::write(&file, serde_json::to_vec(order)?)?;
    let mut sender = start(&file)?;
    let mut kept = 0;
    for (number, kind) in (1..).zip(INTERRUPTED) {
        let enough = order.bytes * number / (INTERRUPTED.len() as u64 + 1);
        let mut end = Instant::now() + LIMIT;
        let mut most = 0;
        loop {
            peaks.look(fleet, &sender)?;
            let there = staged(fleet)?;
            ensure!(there >= kept, "of {kept} bytes that were to be kept {there} are there");
            if there >= enough {
                kept = there.saturating_sub(MAX_LOST);
                break;
            }
            if there > most {
                (most, end) = (there, Instant::now() + LIMIT);
            }
            if let Some(ended) = sender.try_wait()? {
                bail!("the sender ended ({ended}) before interruption {number}");
            }
            ensure!(Instant::now() < end, "{there} bytes, and no more for {LIMIT:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        match kind {
            Kind::Ingest => {
                fleet.kill(ROOT).await?;
                fleet.up(ROOT).await?;
            }
            Kind::Sender => {
                sender.kill()?;
                sender.wait()?;
                sender = start(&file)?;
            }
            Kind::Management => {
                fleet.kill_server().await;
                fleet.restart_server().await?;
            }
        }
    }
    let end = Instant::now() + 2 * LIMIT;
    loop {
        peaks.look(fleet, &sender)?;
        if let Some(ended) = sender.try_wait()? {
            ensure!(ended.success(), "the sender failed");
            return Ok(());
        }
        ensure!(Instant::now() < end, "it is not published within {:?}", 2 * LIMIT);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn start(order: &Path) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([WORD, "--fixtures"]).arg(order).stdin(Stdio::null());
    command.spawn().context("cannot start the sender")
}

/// Bytes that are staged, or come ahead: of one upload, since every sender goes on with it.
fn staged(fleet: &Fleet) -> anyhow::Result<u64> {
    let (mut most, mut uploads) = (0, 0);
    for entry in fs::read_dir(fleet.repository(ROOT).join("staged"))? {
        let entry = entry?;
        // It may be published in the meantime.
        if entry.path().extension().is_some_and(|extension| extension == "part")
            && let Ok(metadata) = entry.metadata()
        {
            most = most.max(metadata.len());
            uploads += 1;
        }
    }
    ensure!(uploads <= 1, "there are {uploads} uploads: one was begun anew");
    Ok(most)
}

/// Sends the file with the command line's code. Returns once it is published.
pub(crate) fn send_generated(order: &Path) -> anyhow::Result<()> {
    let order: Order = serde_json::from_slice(&fs::read(order)?)?;
    let anchors = TrustAnchors::read(&RealFs, &order.ca)?;
    let token = fs::read_to_string(&order.token)?;
    let access = Access::new(&order.server, token.trim(), &anchors).map_err(Failure::into_error)?;
    let content = Arc::new(Generated::new(order.seed, order.bytes));
    let hidden = ProgressBar::hidden();
    let source = Source::read(content, NAME, order.bytes, &hidden)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let options = UploadOptions::default();
    let sending = upload(&access, KIND, &source, &options, &hidden);
    runtime.block_on(sending).map_err(Failure::into_error)?;
    Ok(())
}

/// Where the ingest server has it.
fn published(fleet: &Fleet, content: &ContentId) -> anyhow::Result<PathBuf> {
    let hex = content.to_string();
    let folder = hex.get(..2).context("a digest has digits")?;
    Ok(fleet.repository(ROOT).join("content").join(folder).join(&hex))
}

/// Whether what was published is what was made, byte by byte.
fn is_identical(published: &Path, order: &Order) -> anyhow::Result<bool> {
    let file = File::open(published)?;
    if file.metadata()?.len() != order.bytes {
        return Ok(false);
    }
    let made = Generated::new(order.seed, order.bytes);
    let (mut have, mut wanted) = (vec![0; BLOCK_BYTES], vec![0; BLOCK_BYTES]);
    let mut at = 0;
    while at < order.bytes {
        let length = BLOCK_BYTES.min(usize::try_from(order.bytes - at)?);
        let have = have.get_mut(..length).unwrap_or_default();
        let wanted = wanted.get_mut(..length).unwrap_or_default();
        file.read_exact_at(have, at)?;
        made.read_exact_at(wanted, at)?;
        if have != wanted {
            return Ok(false);
        }
        at += length as u64;
    }
    Ok(true)
}

//! `serve`: what it costs a server to give bytes away, beside nginx.
//!
//! Measured are the seconds of processors of the server alone. The clients are the same for both,
//! curl for bytes and ab for small files, and what they use does not count: on loopback they share
//! the processors, so times on the wall say little. Ours asks each client for its certificate and
//! checks it; nginx serves everybody. Ours runs twice, as it is (each frame is proved before it
//! leaves) and with `--scrub-only`.

mod clients;

use std::path::Path;

use anyhow::ensure;
use xylem::system::Programs;
use xylem_model::Priority;

use crate::debian;
use crate::fleet::Fleet;
use crate::options::Options;
use crate::peers::{Peers, Way};
use crate::publish::write_random;
use crate::ready::make_ready;
use crate::room::Host;
use crate::rows::{Goal, Row, Sample};
use crate::scratch::Scratch;

use clients::Target;

/// The server that is measured, and the one whose certificate the clients show.
const ROOT: &str = "root";
const CLIENT: &str = "client";

/// What the files are called.
const LARGE: &str = "large.dmg";
const SMALL: &str = "small.dmg";

/// Size of the small file.
const SMALL_BYTES: u64 = 16 << 10;

/// Small files that are asked for in one round.
const SMALL_REQUESTS: u32 = 20_000;

/// Size of each of the random ranges.
const RANGE_BYTES: u64 = 8 << 20;

/// Connections of the rows that name no number.
const RANGES_AT_ONCE: u64 = 8;
const SMALL_AT_ONCE: u64 = 64;

/// What nginx is called in what is printed.
const NGINX: &str = "nginx";

/// How ours runs.
const MODES: [Mode; 2] = [
    Mode { name: "xylem", words: &[], is_verified: true },
    Mode { name: "xylem-scrub-only", words: &["--scrub-only"], is_verified: false },
];

#[derive(Debug, Clone, Copy)]
struct Mode {
    name: &'static str,
    words: &'static [&'static str],
    is_verified: bool,
}

/// What clients ask for in one round.
#[derive(Debug, Clone, Copy)]
enum Load {
    /// The large file once, in as many equal parts as there are connections.
    Bulk(u64),
    /// As many bytes in ranges that begin anywhere.
    Ranges,
    /// The small file, over and over, on kept connections.
    Small,
}

const LOADS: [Load; 5] = [Load::Bulk(1), Load::Bulk(8), Load::Bulk(64), Load::Ranges, Load::Small];

const ROWS: [&str; 5] = ["1", "8", "64", "ranges", "small"];

impl Load {
    fn name(self) -> String {
        match self {
            Self::Bulk(connections) => connections.to_string(),
            Self::Ranges => "ranges".to_owned(),
            Self::Small => "small".to_owned(),
        }
    }

    /// Of nginx's seconds of processors.
    const fn goal(self, is_verified: bool) -> Goal {
        match (self, is_verified) {
            (Self::Bulk(_), true) => Goal { must: 0.80, aim: 0.65 },
            (Self::Bulk(_), false) => Goal { must: 0.60, aim: 0.40 },
            (Self::Ranges, true) => Goal { must: 0.85, aim: 0.70 },
            (Self::Ranges, false) => Goal { must: 0.65, aim: 0.50 },
            (Self::Small, _) => Goal { must: 0.80, aim: 0.50 },
        }
    }
}

/// Runs all rows, or one; says whether all of them met what they must.
///
/// # Errors
/// When something breaks.
pub fn run(programs: &Programs, options: &Options) -> anyhow::Result<bool> {
    options.check_rows(&ROWS)?;
    ensure!(options.size_mib << 20 >= RANGE_BYTES, "ranges of 8 MiB need a file of 8 MiB or more");
    debian::require(debian::PEERS)?;
    debian::require(debian::CLIENTS)?;
    let scratch = Scratch::on_disk(&options.folder)?;
    Host::loopback()
        .inside(async || Bench::new(programs, options, scratch.path()).await?.run().await)
}

/// Both servers with the same two files.
struct Bench<'a> {
    options: &'a Options,
    folder: &'a Path,
    fleet: Fleet,
    peers: Peers,
    large: String,
    small: String,
}

impl<'a> Bench<'a> {
    async fn new(
        programs: &Programs,
        options: &'a Options,
        folder: &'a Path,
    ) -> anyhow::Result<Self> {
        let (host, source) = (Host::loopback(), folder.join("source"));
        std::fs::create_dir_all(&source)?;
        write_random(&source.join(LARGE), 1, options.size_mib << 20)?;
        write_random(&source.join(SMALL), 2, SMALL_BYTES)?;
        let mut fleet = Fleet::start(programs, &folder.join("fleet"), &host).await?;
        fleet.add(ROOT, &host, None).await?;
        fleet.add(CLIENT, &host, Some(ROOT)).await?;
        let large = fleet.upload(&source.join(LARGE), Priority::Normal).await?.content;
        let small = fleet.upload(&source.join(SMALL), Priority::Normal).await?.content;
        fleet.arrival(CLIENT, &large, super::replicate::HOP_LIMIT).await?;
        fleet.down(CLIENT).await?;
        let peers =
            Peers::start(&[Way::Curl], &host, &host, &source, &folder.join("peers")).await?;
        let path = |content| format!("/v1/blob/{content}");
        Ok(Self { options, folder, fleet, peers, large: path(large), small: path(small) })
    }

    async fn run(mut self) -> anyhow::Result<bool> {
        let wanted = LOADS.into_iter().filter(|load| self.options.wants(&load.name()));
        let mut rows: Vec<(Load, Row)> =
            wanted.map(|load| (load, Row::new(format!("serve/{}", load.name())))).collect();
        for round in 0..self.options.rounds {
            for mode in MODES {
                self.fleet.down(ROOT).await?;
                self.fleet.up_with(ROOT, mode.words).await?;
                let target = self.ours()?;
                for (load, row) in &mut rows {
                    make_ready();
                    let before = self.fleet.cpu_seconds(ROOT);
                    let seconds = self.ask(&target, *load, round)?;
                    row.add(
                        mode.name,
                        Sample::of_server(seconds, self.fleet.cpu_seconds(ROOT) - before),
                    );
                }
            }
            let target = self.nginx();
            for (load, row) in &mut rows {
                make_ready();
                let before = self.peers.parent_cpu_seconds();
                let seconds = self.ask(&target, *load, round)?;
                row.add(
                    NGINX,
                    Sample::of_server(seconds, self.peers.parent_cpu_seconds() - before),
                );
            }
        }
        self.fleet.stop().await;
        let mut met = true;
        for (load, row) in &rows {
            row.print_medians();
            for mode in MODES {
                met &= row.judge_cpu(mode.name, NGINX, load.goal(mode.is_verified));
            }
        }
        Ok(met)
    }

    fn ours(&self) -> anyhow::Result<Target> {
        let identity = self.fleet.data_of(CLIENT).join("identity");
        Ok(Target {
            large: format!("{}{}", self.fleet.url_of(ROOT)?, self.large),
            small: format!("{}{}", self.fleet.url_of(ROOT)?, self.small),
            ca: identity.join("ca.pem"),
            identity: Some(identity.join("identity.pem")),
        })
    }

    fn nginx(&self) -> Target {
        Target {
            large: format!("{}/{LARGE}", self.peers.url()),
            small: format!("{}/{SMALL}", self.peers.url()),
            ca: self.peers.ca(),
            identity: None,
        }
    }

    /// Seconds on the wall that the clients took.
    fn ask(&self, target: &Target, load: Load, round: usize) -> anyhow::Result<f64> {
        let (size, config) = (self.options.size_mib << 20, self.folder.join("curl.conf"));
        match load {
            Load::Bulk(connections) => {
                let part = size / connections;
                let parts: Vec<_> = (0..connections).map(|number| (number * part, part)).collect();
                target.take(&parts, connections, &config)
            }
            Load::Ranges => {
                let mut dice = clients::Dice(round as u64 + 1);
                let parts: Vec<_> = (0..size / RANGE_BYTES)
                    .map(|_| (dice.below(size - RANGE_BYTES), RANGE_BYTES))
                    .collect();
                target.take(&parts, RANGES_AT_ONCE, &config)
            }
            Load::Small => target.take_small(SMALL_REQUESTS, SMALL_AT_ONCE),
        }
    }
}

//! One seed, from the first moment to the verdict.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use turmoil::{Builder, Sim};
use xylem_blobs::VerifyOnRead;

use crate::environment::DiskFaults;
use crate::history::{Figures, History};
use crate::world::{SERVER, SERVERS, World};
use crate::{hosts, people};

/// How long faults are made.
const FAULTY: Duration = Duration::from_secs(40);

/// A run that takes longer, in simulated time, has stuck.
const END: Duration = Duration::from_secs(400);

/// How likely a fault begins in a step of a hundredth of a second.
const FAULT_PROBABILITY: f64 = 0.006;

/// How likely a read of published content on a child's disk has a flipped bit.
const FLIP_PROBABILITY: f64 = 0.1;

/// A fault planted at a seam.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Syncing a file does nothing.
    NoFileSync,
    /// Bytes are served without being verified.
    NoVerification,
}

/// What a seed came to.
#[derive(Debug)]
pub struct Outcome {
    /// What was checked.
    pub figures: Figures,
    /// Why it failed, where it did.
    pub failure: Option<String>,
}

/// Runs one seed.
///
/// # Errors
/// When the run cannot be set up, which says nothing about the code.
pub fn run_seed(seed: u64, mutant: Option<Mutant>) -> anyhow::Result<Outcome> {
    let world = World::make()?;
    let history = History::default();
    history.lock().faults = true;
    let mut sim = build(seed);
    populate(&mut sim, &world, &history, seed, mutant);
    let ended = drive(&mut sim, &history, seed);

    let mut record = history.lock();
    record.figures.simulated_ms = u64::try_from(sim.elapsed().as_millis())?;
    let failure = record.violations.first().cloned().or(ended.err());
    Ok(Outcome { figures: record.figures, failure })
}

fn build(seed: u64) -> Sim<'static> {
    let mut builder = Builder::new();
    builder
        .rng_seed(seed)
        .tick_duration(Duration::from_millis(10))
        .simulation_duration(END)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(20))
        .enable_random_order()
        .tcp_capacity(4096);
    builder.fs().sync_probability(0.02).block_size(4096);
    builder.build()
}

fn populate(
    sim: &mut Sim<'static>,
    world: &World,
    history: &History,
    seed: u64,
    mutant: Option<Mutant>,
) {
    let verify = match mutant {
        Some(Mutant::NoVerification) => VerifyOnRead::ScrubOnly,
        _ => VerifyOnRead::Always,
    };
    sim.host(SERVER, {
        let world = world.clone();
        move || hosts::management_server(world.clone(), seed)
    });
    for (member, (name, parent)) in SERVERS.into_iter().enumerate() {
        let world = world.clone();
        let faults = DiskFaults {
            no_file_sync: mutant == Some(Mutant::NoFileSync),
            // The root's copy is the only one for a while: mending it from a child comes later.
            flip_probability: if parent.is_some() { FLIP_PROBABILITY } else { 0.0 },
        };
        let seed = seed.wrapping_add(member as u64 + 1);
        sim.host(name, move || {
            hosts::distribution_server(world.clone(), member, seed, faults, verify)
        });
    }
    let everybody = || (world.clone(), history.clone());
    let (world_, history_) = everybody();
    sim.client("uploader", async move { Ok(people::upload(world_, history_, seed ^ 0xaa).await?) });
    let (world_, history_) = everybody();
    sim.client("reader", async move { Ok(people::read(world_, history_, seed ^ 0xbb).await?) });
    let (world_, history_) = everybody();
    sim.client("judge", async move { Ok(people::judge(world_, history_, seed ^ 0xcc).await?) });
}

/// Steps through the run, making faults in between.
fn drive(sim: &mut Sim<'static>, history: &History, seed: u64) -> Result<(), String> {
    let mut faults = Faults::new(seed);
    loop {
        let done = sim.step().map_err(|error| error.to_string())?;
        if done {
            return Ok(());
        }
        if !history.lock().violations.is_empty() {
            return Ok(());
        }
        let making = history.lock().faults;
        if making && sim.elapsed() >= FAULTY {
            faults.stop(sim);
            history.lock().faults = false;
        } else if making {
            faults.step(sim, history);
        }
    }
}

/// Makes faults, and mends them after a while.
struct Faults {
    dice: StdRng,
    acknowledged: u64,
    down: Vec<(&'static str, Duration)>,
    cut: Vec<(&'static str, &'static str, Duration)>,
}

impl Faults {
    fn new(seed: u64) -> Self {
        let dice = StdRng::seed_from_u64(seed ^ 0xfa17);
        Self { dice, acknowledged: 0, down: Vec::new(), cut: Vec::new() }
    }

    fn step(&mut self, sim: &mut Sim<'static>, history: &History) {
        self.mend(sim, sim.elapsed());
        let acknowledged = history.lock().figures.acknowledged;
        // The hardest moment for a promise is right after it was given.
        let promised = acknowledged > self.acknowledged;
        self.acknowledged = acknowledged;
        if promised && self.dice.random_bool(0.5) {
            self.crash("root", sim, history);
        }
        if !self.dice.random_bool(FAULT_PROBABILITY) {
            return;
        }
        let host = self.host();
        if self.dice.random_bool(0.5) {
            self.crash(host, sim, history);
        } else {
            let other = self.host();
            if host != other && !self.cut.iter().any(|(a, b, _)| (*a, *b) == (host, other)) {
                sim.partition(host, other);
                let until = sim.elapsed() + self.a_while();
                self.cut.push((host, other, until));
                history.lock().figures.partitions += 1;
            }
        }
    }

    fn host(&mut self) -> &'static str {
        // One past the last: the management server.
        let number = self.dice.random_range(0..=SERVERS.len());
        SERVERS.get(number).map_or(SERVER, |(name, _)| *name)
    }

    fn a_while(&mut self) -> Duration {
        Duration::from_millis(self.dice.random_range(100..6_000))
    }

    fn crash(&mut self, host: &'static str, sim: &mut Sim<'static>, history: &History) {
        if self.down.iter().any(|(down, _)| *down == host) {
            return;
        }
        sim.crash(host);
        let until = sim.elapsed() + self.a_while();
        self.down.push((host, until));
        history.lock().figures.crashes += 1;
    }

    fn mend(&mut self, sim: &mut Sim<'static>, now: Duration) {
        self.down.retain(|(host, until)| {
            if *until <= now {
                sim.bounce(*host);
            }
            *until > now
        });
        self.cut.retain(|(a, b, until)| {
            if *until <= now {
                sim.repair(*a, *b);
            }
            *until > now
        });
    }

    fn stop(&mut self, sim: &mut Sim<'static>) {
        self.mend(sim, Duration::MAX);
    }
}

//! One seed, from the first moment to the verdict.

use std::sync::Arc;
use std::time::Duration;

use turmoil::{Builder, Sim};

use crate::cloud::CLOUD;
use crate::disk::BLOCK_BYTES;
use crate::faults::Faults;
use crate::history::{Figures, History};
use crate::machine::Planted;
use crate::world::{SERVER, World};
use crate::{cloud, hosts, people};

/// How long faults are made.
const FAULTY: Duration = Duration::from_secs(40);

/// A run that takes longer, in simulated time, has stuck.
const END: Duration = Duration::from_secs(600);

/// The same of one with a cloud: leases and waits of that are of minutes.
const END_WITH_CLOUD: Duration = Duration::from_secs(2_000);

/// How likely a read of published content on a child's disk has a flipped bit.
const FLIP_PROBABILITY: f64 = 0.1;

/// The same on the disk of the relay that lies: it does not look twice.
const CORRUPT_FLIP_PROBABILITY: f64 = 0.5;

/// Who reads.
const READERS: [&str; 2] = ["reader", "second-reader"];

/// What a seed came to.
#[derive(Debug)]
pub struct Outcome {
    /// What was checked.
    pub figures: Figures,
    /// Why it failed, where it did.
    pub failure: Option<String>,
    /// What was done to the servers, in its order.
    pub course: Vec<String>,
}

/// Runs one seed.
///
/// # Errors
/// When the run cannot be set up, which says nothing about the code.
pub fn run_seed(seed: u64, planted: Option<Planted>) -> anyhow::Result<Outcome> {
    let world = World::make(seed, planted)?;
    let history = History::default();
    history.lock().faults = true;
    let mut sim = build(seed, if world.cloud.is_some() { END_WITH_CLOUD } else { END });
    history.lock().figures.clouds = u64::from(world.cloud.is_some());
    history.lock().figures.servers = world.members.len() as u64;
    populate(&mut sim, &world, &history, seed);
    let ended = drive(&mut sim, &world, &history, seed);

    let mut record = history.lock();
    record.figures.simulated_ms = u64::try_from(sim.elapsed().as_millis())?;
    let failure = record.violations.first().cloned().or(ended.err());
    let course = std::mem::take(&mut record.course);
    Ok(Outcome { figures: record.figures, failure, course })
}

fn build(seed: u64, end: Duration) -> Sim<'static> {
    let mut builder = Builder::new();
    builder
        .rng_seed(seed)
        .tick_duration(Duration::from_millis(10))
        .simulation_duration(end)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(20))
        .enable_random_order()
        .tcp_capacity(4096);
    builder.fs().sync_probability(0.02).block_size(BLOCK_BYTES);
    builder.build()
}

fn populate(sim: &mut Sim<'static>, world: &World, history: &History, seed: u64) {
    sim.host(SERVER, {
        let (world, history) = (world.clone(), history.clone());
        move || hosts::management_server(world.clone(), history.clone(), seed)
    });
    for (number, member) in world.members.iter().enumerate() {
        // The root's copy is the only one for a while: mending it from a child comes later.
        member.machine.set_flip_probability(match number {
            0 => 0.0,
            _ if world.corrupt == Some(number) => CORRUPT_FLIP_PROBABILITY,
            _ => FLIP_PROBABILITY,
        });
        let (world, history) = (world.clone(), history.clone());
        let seed = seed.wrapping_add(number as u64 + 1);
        sim.host(member.name, move || {
            hosts::distribution_server(world.clone(), history.clone(), number, seed)
        });
    }
    if let Some(cloud) = &world.cloud {
        cloud.watch(&world.store, history);
        let host = Arc::clone(cloud);
        sim.host(CLOUD, move || cloud::provider(Arc::clone(&host), seed));
        let (world, history) = (world.clone(), history.clone());
        sim.client("cloud-administrator", async move {
            Ok(people::administer_cloud(world, history, seed ^ 0xcc).await?)
        });
    }
    let everybody = || (world.clone(), history.clone());
    let (world_, history_) = everybody();
    sim.client("uploader", async move { Ok(people::upload(world_, history_, seed ^ 0xaa).await?) });
    for (number, name) in READERS.into_iter().enumerate() {
        let ((world_, history_), seed) = (everybody(), seed ^ (0xbb00 + number as u64));
        sim.client(name, async move { Ok(people::read(world_, history_, seed).await?) });
    }
    let (world_, history_) = everybody();
    sim.client("administrator", async move {
        Ok(people::administer(world_, history_, seed ^ 0xdd).await?)
    });
    let (world_, history_) = everybody();
    sim.client("judge", async move { Ok(people::judge(world_, history_, seed).await?) });
}

/// Steps through the run, making faults in between.
fn drive(
    sim: &mut Sim<'static>,
    world: &World,
    history: &History,
    seed: u64,
) -> Result<(), String> {
    let mut faults = Faults::new(world, seed);
    loop {
        let done = sim.step().map_err(|error| error.to_string())?;
        if done || !history.lock().violations.is_empty() {
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

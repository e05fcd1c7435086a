//! Makes faults, and mends them after a while.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use turmoil::Sim;
use xylem_model::DistributionServerId;

use crate::cloud::{Cloud, CloudFaults};
use crate::history::History;
use crate::machine::Machine;
use crate::world::{SERVER, World};

/// How likely a fault begins in a step of a hundredth of a second, in the smallest tree and in
/// larger ones at most.
const PROBABILITY: f64 = 0.006;
const HIGHEST_PROBABILITY: f64 = 0.015;

/// Servers for which the first of these holds.
const SMALL_TREE: f64 = 3.0;

/// How long a fault lasts, in milliseconds.
const LASTS_MS: std::ops::Range<u64> = 100..6_000;

/// By how much a clock goes wrong: an hour, or a day, either way.
const CLOCK_ERRORS_MS: [i64; 4] = [3_600_000, -3_600_000, 86_400_000, -86_400_000];

/// Shares of the kinds of fault; the rest are cut links.
const CRASHES: f64 = 0.5;
const WRONG_CLOCKS: f64 = 0.1;
const FULL_DISKS: f64 = 0.1;

/// One who makes faults.
pub(crate) struct Faults {
    dice: StdRng,
    probability: f64,
    /// Every host with its machine, the management server last.
    hosts: Vec<(&'static str, Arc<Machine>)>,
    acknowledged: u64,
    names: BTreeMap<DistributionServerId, &'static str>,
    down: Vec<(&'static str, Duration)>,
    cut: Vec<(&'static str, &'static str, Duration)>,
    /// Machines whose clock or disk is to be mended.
    ailing: Vec<(Arc<Machine>, Duration)>,
    cloud: Option<(Arc<Cloud>, CloudFaults)>,
}

impl Faults {
    pub(crate) fn new(world: &World, seed: u64) -> Self {
        let mut hosts: Vec<_> =
            world.members.iter().map(|one| (one.name, Arc::clone(&one.machine))).collect();
        let probability = (PROBABILITY * hosts.len() as f64 / SMALL_TREE).min(HIGHEST_PROBABILITY);
        hosts.push((SERVER, Arc::clone(&world.server_machine)));
        Self {
            dice: StdRng::seed_from_u64(seed ^ 0xfa17),
            probability,
            hosts,
            acknowledged: 0,
            names: world.members.iter().map(|member| (member.id, member.name)).collect(),
            down: Vec::new(),
            cut: Vec::new(),
            ailing: Vec::new(),
            cloud: world.cloud.clone().zip(CloudFaults::new(world, seed)),
        }
    }

    /// Mends what is due, and perhaps makes a new fault.
    pub(crate) fn step(&mut self, sim: &mut Sim<'static>, history: &History) {
        let now = sim.elapsed();
        self.mend(sim, now);
        let acknowledged = history.lock().figures.acknowledged;
        // The hardest moment for a promise is right after it was given.
        let promised = acknowledged > self.acknowledged;
        self.acknowledged = acknowledged;
        if promised && self.dice.random_bool(0.5) {
            let (_, principal) = self.roles(history);
            self.crash(principal, sim, history);
        }
        let cloud = self.cloud.as_mut();
        if cloud.is_some_and(|(_, faults)| faults.step(sim, history)) {
            // Either of those without whom nothing is sent there.
            let host = if self.dice.random_bool(0.5) { SERVER } else { self.roles(history).0 };
            self.crash(host, sim, history);
        }
        if !self.dice.random_bool(self.probability) {
            return;
        }
        let until = now + Duration::from_millis(self.dice.random_range(LASTS_MS));
        let Some((host, machine)) = self.host() else { return };
        let kind: f64 = self.dice.random();
        if kind < CRASHES {
            self.crash(host, sim, history);
        } else if kind < CRASHES + WRONG_CLOCKS {
            let error = CLOCK_ERRORS_MS.get(self.dice.random_range(0..CLOCK_ERRORS_MS.len()));
            let error = error.copied().unwrap_or_default();
            machine.set_clock_error(error);
            self.ailing.push((machine, until));
            let mut record = history.lock();
            record.figures.clock_jumps += 1;
            record.note(
                now,
                format!("{host}: clock wrong by {} s, {}", error / 1000, span(now, until)),
            );
        } else if kind < CRASHES + WRONG_CLOCKS + FULL_DISKS {
            machine.set_full(true);
            self.ailing.push((machine, until));
            let mut record = history.lock();
            record.figures.full_disks += 1;
            record.note(now, format!("{host}: disk full, {}", span(now, until)));
        } else if let Some((other, _)) = self.host() {
            self.cut_link(host, other, until, sim, history);
        }
    }

    /// Names of the root and of the principal.
    fn roles(&self, history: &History) -> (&'static str, &'static str) {
        let record = history.lock();
        let (root, principal) =
            record.roles.last_key_value().map(|(_, roles)| *roles).unwrap_or_default();
        let name = |id: Option<DistributionServerId>| {
            id.and_then(|id| self.names.get(&id).copied()).unwrap_or("root")
        };
        (name(root), name(principal))
    }

    fn host(&mut self) -> Option<(&'static str, Arc<Machine>)> {
        let number = self.dice.random_range(0..self.hosts.len());
        self.hosts.get(number).cloned()
    }

    fn cut_link(
        &mut self,
        host: &'static str,
        other: &'static str,
        until: Duration,
        sim: &mut Sim<'static>,
        history: &History,
    ) {
        if host != other && !self.cut.iter().any(|(a, b, _)| (*a, *b) == (host, other)) {
            sim.partition(host, other);
            self.cut.push((host, other, until));
            let (now, mut record) = (sim.elapsed(), history.lock());
            record.figures.partitions += 1;
            record.note(now, format!("{host} and {other}: cut off, {}", span(now, until)));
        }
    }

    fn crash(&mut self, host: &'static str, sim: &mut Sim<'static>, history: &History) {
        if self.down.iter().any(|(down, _)| *down == host) {
            return;
        }
        let sends = host == SERVER || host == self.roles(history).0;
        let is_under_way = self.cloud.as_ref().is_some_and(|(cloud, _)| cloud.is_under_way());
        sim.crash(host);
        let until = sim.elapsed() + Duration::from_millis(self.dice.random_range(LASTS_MS));
        self.down.push((host, until));
        let (now, mut record) = (sim.elapsed(), history.lock());
        record.figures.crashes += 1;
        record.figures.cloud_kills += u64::from(sends && is_under_way);
        record.note(now, format!("{host}: crashes, {}", span(now, until)));
    }

    fn mend(&mut self, sim: &mut Sim<'static>, now: Duration) {
        self.ailing.retain(|(machine, until)| {
            if *until <= now {
                machine.set_clock_error(0);
                machine.set_full(false);
            }
            *until > now
        });
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

    /// Mends everything, rotting disks too.
    pub(crate) fn stop(&mut self, sim: &mut Sim<'static>) {
        self.mend(sim, Duration::MAX);
        if let Some((_, faults)) = &mut self.cloud {
            faults.stop(sim);
        }
        self.hosts.iter().for_each(|(_, machine)| machine.set_flip_probability(0.0));
    }
}

fn span(from: Duration, until: Duration) -> String {
    format!("for {:.2} s", until.saturating_sub(from).as_secs_f64())
}

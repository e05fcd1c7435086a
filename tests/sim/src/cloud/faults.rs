//! What goes wrong at the provider, or on the way there.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use turmoil::Sim;
use xylem_testkit::S3Fault;

use super::watch::named;
use super::{CLOUD, Cloud};
use crate::history::History;
use crate::world::{SERVER, World};

/// How likely a fault begins in a step of a hundredth of a second, while there is none.
const PROBABILITY: f64 = 0.01;

/// How likely somebody is killed after the provider took something.
const KILLED_AFTER_A_PART: f64 = 0.04;

/// How long a fault lasts, in milliseconds. Short, so that something is sent in between.
const LASTS_MS: std::ops::Range<u64> = 100..2_500;

/// By how much the provider's clock goes wrong, either way, in milliseconds.
const CLOCK_ERROR_MS: i64 = 3_600_000;

/// What the provider does wrong.
const MISDEEDS: [S3Fault; 5] = [
    S3Fault::Busy,
    S3Fault::LosesAnswers,
    S3Fault::StoresOther,
    S3Fault::StoresOtherUnsaid,
    S3Fault::OtherBytes,
];

/// One who makes faults there.
pub(crate) struct CloudFaults {
    cloud: Arc<Cloud>,
    dice: StdRng,
    members: Vec<&'static str>,
    taken: u64,
    /// What is wrong, and until when.
    present: Option<(Wrong, Duration)>,
}

/// What is wrong.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Misdeed(S3Fault),
    /// Nobody reaches it.
    Down,
    /// This host does not reach it.
    CutOff(&'static str),
    Clock(i64),
}

impl CloudFaults {
    pub(crate) fn new(world: &World, seed: u64) -> Option<Self> {
        let cloud = Arc::clone(world.cloud.as_ref()?);
        let members = world.members.iter().map(|member| member.name).collect();
        let dice = StdRng::seed_from_u64(seed ^ 0xc10d_fa17);
        Some(Self { cloud, dice, members, taken: 0, present: None })
    }

    /// Mends what is due, and perhaps makes a new fault. Says whether somebody is to be killed since
    /// the provider has just taken something.
    pub(crate) fn step(&mut self, sim: &mut Sim<'static>, history: &History) -> bool {
        let now = sim.elapsed();
        if self.present.is_some_and(|(_, until)| until <= now) {
            self.mend(sim);
        }
        let taken = {
            let figures = history.lock().figures;
            figures.cloud_parts + figures.cloud_written
        };
        let has_taken = std::mem::replace(&mut self.taken, taken) != taken;
        if self.present.is_none() && self.dice.random_bool(PROBABILITY) {
            match self.dice.random_range(0..8) {
                0 => self.meddle(now, history),
                kind => {
                    let wrong = self.choose(kind);
                    self.break_it(wrong, sim, history);
                }
            }
        }
        has_taken && self.dice.random_bool(KILLED_AFTER_A_PART)
    }

    fn choose(&mut self, kind: u32) -> Wrong {
        match kind {
            1 => Wrong::Down,
            2 => Wrong::CutOff(SERVER),
            3 => {
                let at = self.dice.random_range(0..self.members.len());
                Wrong::CutOff(self.members.get(at).copied().unwrap_or("root"))
            }
            4 if self.dice.random_bool(0.5) => Wrong::Clock(CLOCK_ERROR_MS),
            4 => Wrong::Clock(-CLOCK_ERROR_MS),
            _ => {
                let fault = MISDEEDS.get(self.dice.random_range(0..MISDEEDS.len()));
                Wrong::Misdeed(fault.copied().unwrap_or_default())
            }
        }
    }

    fn break_it(&mut self, wrong: Wrong, sim: &mut Sim<'static>, history: &History) {
        match wrong {
            Wrong::Misdeed(fault) => self.cloud.double.misbehave(fault),
            Wrong::Down => sim.crash(CLOUD),
            Wrong::CutOff(host) => sim.partition(CLOUD, host),
            Wrong::Clock(error) => self.cloud.machine.set_clock_error(error),
        }
        let now = sim.elapsed();
        let lasts = Duration::from_millis(self.dice.random_range(LASTS_MS));
        self.present = Some((wrong, now + lasts));
        let mut record = history.lock();
        record.figures.cloud_faults += 1;
        record.note(now, format!("cloud: {wrong:?} for {:.2} s", lasts.as_secs_f64()));
    }

    /// Somebody else who has the keys writes over an object, or deletes it.
    fn meddle(&mut self, now: Duration, history: &History) {
        let names: Vec<(String, _)> = self
            .cloud
            .double
            .names()
            .into_iter()
            .filter_map(|name| match named(&name) {
                xylem_cloud::Named::Content(content) => Some((name, content)),
                _ => None,
            })
            .collect();
        if names.is_empty() {
            return;
        }
        let Some((name, content)) = names.get(self.dice.random_range(0..names.len())) else {
            return;
        };
        self.cloud.seen().meddle(*content);
        let is_replaced = self.dice.random_bool(0.5);
        match is_replaced {
            true => self.cloud.double.place(name, "what somebody else wrote"),
            false => self.cloud.double.take_away(name),
        }
        let mut record = history.lock();
        record.figures.cloud_faults += 1;
        let done = if is_replaced { "replaced" } else { "deleted" };
        record.note(now, format!("cloud: {content} is {done} by somebody else"));
    }

    fn mend(&mut self, sim: &mut Sim<'static>) {
        match self.present.take() {
            Some((Wrong::Misdeed(_), _)) => self.cloud.double.misbehave(self.cloud.base),
            Some((Wrong::Down, _)) => sim.bounce(CLOUD),
            Some((Wrong::CutOff(host), _)) => sim.repair(CLOUD, host),
            Some((Wrong::Clock(_), _)) => self.cloud.machine.set_clock_error(0),
            None => {}
        }
    }

    /// Mends everything.
    pub(crate) fn stop(&mut self, sim: &mut Sim<'static>) {
        self.mend(sim);
    }
}

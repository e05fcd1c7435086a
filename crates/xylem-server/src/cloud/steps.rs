//! The steps of a test, each told by itself.

use tokio::time::Instant;
use xylem_api::cloud::{CloudStepOutcome, CloudTest, CloudTestStep};
use xylem_cloud::ObjectKey;
use xylem_model::Timestamp;

use super::probe::{Miss, Probe};

/// What came of a step that did not fail.
pub(super) enum Done {
    /// It went as it should.
    Passed,
    /// It did, and something is worth knowing.
    Noted(String),
    /// It was not tried, and why.
    Skipped(&'static str),
}

pub(super) type Outcome = Result<Done, Miss>;

/// The steps so far.
#[derive(Default)]
pub(super) struct Steps {
    told: Vec<CloudTestStep>,
    /// Whether a step failed without which the others cannot succeed.
    is_blocked: bool,
}

impl Steps {
    /// Does a step without which the others cannot succeed, and gives what it found.
    pub(super) async fn needed<T>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<T, Miss>>,
    ) -> Option<T> {
        let mut found = None;
        self.add(name, async {
            found = Some(work.await?);
            Ok(Done::Passed)
        })
        .await;
        self.is_blocked = found.is_none();
        found
    }

    /// Does a step, unless it cannot succeed.
    pub(super) async fn add(&mut self, name: &'static str, work: impl Future<Output = Outcome>) {
        if self.is_blocked {
            self.tell(name, CloudStepOutcome::Skipped, 0, None);
            return;
        }
        let began = Instant::now();
        let outcome = work.await;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (outcome, message) = match outcome {
            Ok(Done::Passed) => (CloudStepOutcome::Passed, None),
            Ok(Done::Noted(note)) => (CloudStepOutcome::Passed, Some(note)),
            Ok(Done::Skipped(why)) => (CloudStepOutcome::Skipped, Some(why.to_owned())),
            Err(miss) => (CloudStepOutcome::Failed, Some(miss.to_string())),
        };
        self.tell(name, outcome, took_ms, message);
    }

    /// Whether nothing more can succeed.
    pub(super) const fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// After a step without which the others cannot succeed.
    pub(super) fn block_after_failure(&mut self) {
        let last = self.told.last();
        self.is_blocked |= last.is_some_and(|step| step.outcome == CloudStepOutcome::Failed);
    }

    /// All of it, of a test that began at this moment.
    pub(super) fn told(self, at: Timestamp) -> CloudTest {
        let passed = self.told.iter().all(|step| step.outcome != CloudStepOutcome::Failed);
        CloudTest { at, passed, steps: self.told }
    }

    fn tell(
        &mut self,
        name: &str,
        outcome: CloudStepOutcome,
        took_ms: u64,
        message: Option<String>,
    ) {
        self.told.push(CloudTestStep { name: name.to_owned(), outcome, took_ms, message });
    }

    /// Removes what a step before may have left, also where one failed.
    pub(super) async fn clean(&mut self, probe: &Probe<'_>, keys: &[ObjectKey]) {
        for key in keys {
            let removed = probe.remove(key).await;
            if let Err(miss) = removed
                && !self.is_blocked
            {
                let told = format!("`{key}` may stay behind: delete it. {miss}");
                self.tell("clean up", CloudStepOutcome::Failed, 0, Some(told));
            }
        }
    }
}

//! Checking in for ever.

use std::time::Duration;

use tokio::time::sleep;
use xylem_client::ClientError;
use xylem_runtime::{Backoff, Rng, Shutdown, random_array};
use xylem_telemetry::chain;

use crate::agent::Agent;
use crate::error::AgentError;
use crate::progress::silent;
use crate::target::Target;

/// Bounds of the wait after a check-in that failed.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);

/// The longest that the management server can ask to stay away with `Retry-After`.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

impl Agent {
    /// Checks in at once, and then as often as the management server asks, each time at a moment
    /// drawn from around the one it named, so that a thousand computers switched on together do not
    /// stay together. While the management server is away the waits grow. Returns soon after
    /// shutdown began: a fetch is left for the next start, an installation is waited for, however
    /// long it takes.
    pub async fn run(&self, target: &Target, shutdown: &Shutdown) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        while !shutdown.has_begun() {
            let rng = &*self.environment().rng;
            let wait = match self.check_in_until(target, &silent, shutdown).await {
                Ok(outcome) => {
                    backoff.reset();
                    scatter(outcome.next_check_in, rng)
                }
                Err(error) => {
                    let wait = after_failure(&error, backoff.next_wait(rng));
                    tracing::warn!(
                        error = %chain(&error),
                        wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                        "check-in failed"
                    );
                    wait
                }
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = shutdown.begun() => {}
            }
        }
    }
}

/// A moment between three and five quarters of the wish: the wish on average.
fn scatter(wish: Duration, rng: &dyn Rng) -> Duration {
    let draw = f64::from(u32::from_le_bytes(random_array(rng))) / f64::from(u32::MAX);
    wish.mul_f64(0.75 + draw / 2.0)
}

/// A server that says when to come back is not asked before.
fn after_failure(error: &AgentError, wait: Duration) -> Duration {
    match error {
        AgentError::CheckIn {
            source: ClientError::Answer { retry_after: Some(asked), .. },
            ..
        } => wait.max((*asked).min(LONGEST_RETRY_AFTER)),
        _ => wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xylem_runtime::SystemRng;

    #[test]
    fn check_ins_scatter_around_the_wish() {
        let wish = Duration::from_secs(60);
        let waits: Vec<Duration> = (0..100).map(|_| scatter(wish, &SystemRng)).collect();
        assert!(waits.iter().all(|wait| (45..=75).contains(&wait.as_secs())), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[test]
    fn a_server_that_names_a_time_is_not_asked_before() {
        let body = xylem_api::error::ErrorBody {
            code: xylem_api::error::ErrorCode::Unavailable,
            message: "busy".into(),
            request_id: String::new(),
        };
        let error = |seconds| AgentError::CheckIn {
            server: "https://a.example".parse().unwrap(),
            source: ClientError::Answer {
                status: 503,
                body: body.clone(),
                retry_after: Some(Duration::from_secs(seconds)),
            },
        };
        let second = Duration::from_secs(1);
        assert_eq!(after_failure(&error(30), second), Duration::from_secs(30));
        assert_eq!(after_failure(&error(0), second), second);
        assert_eq!(after_failure(&error(u64::MAX), second), LONGEST_RETRY_AFTER);
    }
}

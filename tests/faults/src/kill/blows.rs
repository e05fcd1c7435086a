//! Kills programs, and starts them again.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::{Instant, sleep, timeout};
use xylem::Failure;
use xylem::system::{SERVER, System};

use super::TREE;
use super::history::History;

/// How likely a blow waits for an acknowledgement, and then hits the one who gave it.
const AFTER_A_PROMISE: f64 = 0.5;

/// How long it waits for one; while programs are killed they come late.
const PROMISE_LIMIT: Duration = Duration::from_secs(10);

/// Otherwise it falls within this time.
const PAUSE_MS: u64 = 1_000;

/// How likely a second program is killed together with the first.
const TWO_AT_ONCE: f64 = 0.2;

/// How likely the management server is hit, when it is nobody's turn.
const MANAGEMENT: f64 = 0.15;

/// A killed program stays away for less than this.
const AWAY_MS: u64 = 500;

/// Deals so many blows; gives for each how long the program took to be back, from its start until
/// the management server heard of it.
pub(crate) async fn deal(
    seed: u64,
    kills: u64,
    system: &mut System,
    history: &History,
) -> anyhow::Result<Vec<Duration>> {
    let mut dice = StdRng::seed_from_u64(seed ^ 0xb10);
    let mut recoveries = Vec::new();
    while (recoveries.len() as u64) < kills {
        let victims = choose(&mut dice, history).await;
        for victim in &victims {
            system.strike(victim).map_err(Failure::into_error)?;
        }
        for victim in &victims {
            system.kill(victim).await.map_err(Failure::into_error)?;
        }
        sleep(Duration::from_millis(dice.random_range(0..AWAY_MS))).await;
        // The management server first: the others report to it.
        for victim in victims {
            let begun = Instant::now();
            match victim {
                SERVER => system.start_server().await,
                name => system.start_distribution_server(name).await,
            }
            .map_err(Failure::into_error)?;
            recoveries.push(begun.elapsed());
        }
    }
    Ok(recoveries)
}

/// Waits for a moment and says who is hit, the management server first.
async fn choose(dice: &mut StdRng, history: &History) -> Vec<&'static str> {
    let (root, _) = TREE[0];
    let mut victims = Vec::new();
    if dice.random_bool(AFTER_A_PROMISE) {
        // Where none comes in time, the moment is as good as any.
        let _ = timeout(PROMISE_LIMIT, history.next_acknowledgement()).await;
        victims.push(root);
    } else {
        sleep(Duration::from_millis(dice.random_range(0..PAUSE_MS))).await;
        victims.push(anybody(dice));
    }
    if dice.random_bool(TWO_AT_ONCE) {
        victims.push(anybody(dice));
    }
    victims.sort_by_key(|victim| *victim != SERVER);
    victims.dedup();
    victims
}

fn anybody(dice: &mut StdRng) -> &'static str {
    if dice.random_bool(MANAGEMENT) {
        return SERVER;
    }
    let number = dice.random_range(0..TREE.len());
    TREE.get(number).map_or(SERVER, |(name, _)| name)
}

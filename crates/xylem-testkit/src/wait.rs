//! Bounded waiting on state.

use std::time::Duration;

use tokio::time::Instant;

/// Longest wait of a story.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `holds` says so; fails the test, saying what was awaited, after a minute.
pub async fn eventually<F>(what: &str, mut holds: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let end = Instant::now() + LIMIT;
    while !holds().await {
        assert!(Instant::now() < end, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

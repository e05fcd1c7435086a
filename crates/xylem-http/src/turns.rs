//! Counts the requests of one connection.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

/// The requests of one connection.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    begun: AtomicU32,
    first: Notify,
}

impl Turns {
    /// A request begins. Gives its number, from 1.
    pub(crate) fn begin(&self) -> u32 {
        let before = self.begun.fetch_add(1, Ordering::Relaxed);
        if before == 0 {
            self.first.notify_one();
        }
        before.saturating_add(1)
    }

    /// Returns once there was a request. Only one waits.
    pub(crate) async fn first(&self) {
        while self.begun.load(Ordering::Relaxed) == 0 {
            self.first.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn the_first_request_is_heard_whenever_it_comes() {
        let turns = Arc::new(Turns::default());
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.first().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        assert_eq!((turns.begin(), turns.begin()), (1, 2));
        waiting.await.unwrap();
        turns.first().await;
    }
}

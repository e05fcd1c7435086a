//! Counts the requests of one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// The requests of one connection.
#[derive(Debug)]
pub(crate) struct Turns {
    /// As many as there may be.
    most: u32,
    begun: AtomicU32,
    ended: AtomicU32,
    /// Requests, bytes of bodies, bytes that are taken: whatever shows that the connection is used.
    /// What comes in is no sign: the head of a request may drip for ever.
    steps: AtomicU64,
    first: Notify,
    last: Notify,
}

impl Turns {
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most,
            begun: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            steps: AtomicU64::new(0),
            first: Notify::new(),
            last: Notify::new(),
        }
    }

    /// A request begins. Says whether it is the last that is answered on this connection.
    pub(crate) fn begin(self: &Arc<Self>) -> (Turn, bool) {
        let begun = self.begun.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if begun == 1 {
            self.first.notify_one();
        }
        if begun == self.most {
            self.last.notify_one();
        }
        self.step();
        (Turn(Arc::clone(self)), begun >= self.most)
    }

    /// Something of a body moves, or is taken.
    pub(crate) fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// An answer has ended, or was given up.
    fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.step();
    }

    /// Returns once there was a request. Only one waits.
    pub(crate) async fn first(&self) {
        while self.begun.load(Ordering::Relaxed) == 0 {
            self.first.notified().await;
        }
    }

    /// Returns once there were as many requests as there may be. Only one waits.
    pub(crate) async fn last(&self) {
        while self.begun.load(Ordering::Relaxed) < self.most {
            self.last.notified().await;
        }
    }

    /// Returns once nothing has happened for `idle` while no request was under way, or for `stuck`
    /// while one was.
    pub(crate) async fn unused(&self, idle: Duration, stuck: Duration) {
        let (mut seen, mut since) = (self.steps.load(Ordering::Relaxed), Instant::now());
        loop {
            sleep(idle / 10).await;
            let now = self.steps.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            let under_way =
                self.begun.load(Ordering::Relaxed) != self.ended.load(Ordering::Relaxed);
            if since.elapsed() >= if under_way { stuck } else { idle } {
                return;
            }
        }
    }
}

/// One request under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Turns>);

impl Turn {
    /// Something of the request or its answer has moved.
    pub(crate) fn step(&self) {
        self.0.step();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_and_the_last_request_are_heard_whenever_they_come() {
        let turns = Arc::new(Turns::new(2));
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { tokio::join!(turns.first(), turns.last()) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        let (_one, is_last) = turns.begin();
        assert!(!is_last);
        turns.first().await;
        assert!(!waiting.is_finished());
        let (_two, is_last) = turns.begin();
        assert!(is_last);
        waiting.await.unwrap();
        turns.last().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_unused_soon_when_idle_and_later_when_stuck() {
        let turns = Arc::new(Turns::new(10));
        let (idle, stuck) = (Duration::from_secs(10), Duration::from_secs(120));
        let begin = Instant::now();
        turns.unused(idle, stuck).await;
        assert_eq!(begin.elapsed().as_secs(), 10);
        let turn = turns.begin();
        turns.unused(idle, stuck).await;
        assert_eq!(begin.elapsed().as_secs(), 130);
        drop(turn);
        turns.unused(idle, stuck).await;
        assert_eq!(begin.elapsed().as_secs(), 140);
    }
}

//! Telling every task to finish.

use tokio::sync::watch;

/// A signal that is given once. Clones share it; [`Shutdown::begin`] on any of them wakes all.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Sender<Stage>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    /// Nothing new is begun; what was begun may take its time.
    Retiring,
    /// What was begun has little time.
    Stopping,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A signal not yet given.
    pub fn new() -> Self {
        Self(watch::Sender::new(Stage::Running))
    }

    /// Gives the signal. Giving it again does nothing.
    pub fn begin(&self) {
        self.raise(Stage::Stopping);
    }

    /// Gives the signal, but leaves what was begun all the time it needs: somebody else does the
    /// work already. [`begin`](Self::begin) may follow.
    pub fn retire(&self) {
        self.raise(Stage::Retiring);
    }

    fn raise(&self, stage: Stage) {
        self.0.send_if_modified(|now| {
            let is_later = *now < stage;
            *now = (*now).max(stage);
            is_later
        });
    }

    /// Whether it was given.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow() > Stage::Running
    }

    /// Returns once it is given, at once when it was.
    pub async fn begun(&self) {
        self.reached(Stage::Retiring).await;
    }

    /// Returns once it is given and what was begun has little time.
    pub async fn hurried(&self) {
        self.reached(Stage::Stopping).await;
    }

    async fn reached(&self, stage: Stage) {
        // The sender lives in `self`, so waiting can end only with the signal.
        let _ = self.0.subscribe().wait_for(|now| *now >= stage).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_hears_the_signal() {
        let shutdown = Shutdown::new();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.begun().await }
        });
        shutdown.begin();
        waiting.await.unwrap();
        assert!(shutdown.has_begun());
        shutdown.begun().await;
        shutdown.hurried().await;
    }

    #[tokio::test]
    async fn who_retires_may_still_be_hurried() {
        let shutdown = Shutdown::new();
        shutdown.retire();
        shutdown.begun().await;
        let hurried = shutdown.hurried();
        let mut hurried = std::pin::pin!(hurried);
        assert!(futures_poll(hurried.as_mut()).await.is_pending());
        shutdown.begin();
        hurried.await;
        shutdown.retire();
        shutdown.hurried().await;
    }

    async fn futures_poll<F: Future>(
        mut future: std::pin::Pin<&mut F>,
    ) -> std::task::Poll<F::Output> {
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await
    }
}

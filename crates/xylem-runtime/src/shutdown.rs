//! Telling every task to finish.

use tokio::sync::watch;

/// A signal that is given once. Clones share it; [`Shutdown::begin`] on any of them wakes all.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Sender<bool>);

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A signal not yet given.
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Gives the signal. Giving it again does nothing.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was given.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once it is given, at once when it was.
    pub async fn begun(&self) {
        // The sender lives in `self`, so waiting can end only with the signal.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
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
    }
}

//! How patient a fetch is.

use std::time::Duration;

use xylem_client::{ContentClient, Deadlines, Transport};

/// Bounds of a fetch.
#[derive(Debug, Clone)]
pub struct FetchPolicy {
    /// Tries at one source.
    pub tries_per_source: u32,
    /// Tries over all sources.
    pub tries: u32,
    /// Upper bound of the first wait between two rounds over the sources.
    pub first_wait: Duration,
    /// Upper bound of every wait.
    pub longest_wait: Duration,
    /// How long a connection may take to open.
    pub connect: Duration,
    /// How long a source may stay silent.
    pub stall: Duration,
}

impl Default for FetchPolicy {
    fn default() -> Self {
        Self {
            tries_per_source: 3,
            tries: 8,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            connect: Duration::from_secs(5),
            stall: Duration::from_secs(60),
        }
    }
}

impl FetchPolicy {
    /// A client that keeps to these time limits.
    pub(crate) fn client(&self, transport: &Transport) -> ContentClient {
        ContentClient::new(transport.with_deadlines(self.deadlines()))
    }

    /// These time limits.
    pub(super) const fn deadlines(&self) -> Deadlines {
        Deadlines { connect: self.connect, answer: self.stall, stall: self.stall }
    }
}

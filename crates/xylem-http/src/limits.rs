//! What one listener allows.

use std::time::Duration;

/// Connections at once, in all, where nothing else is set: at up to 64 KiB each, half a gigabyte.
pub const DEFAULT_CONNECTIONS: usize = 8192;

/// Connections at once from one address, where nothing else is set. All the sites of an
/// organisation may come from one, behind a router that translates addresses, each with a stream
/// of events and a few calls; one address alone must not be able to use up all places.
pub const DEFAULT_CONNECTIONS_PER_ADDRESS: usize = 4096;

/// Limits of a listener. Every one has a value; none is infinite.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once, in all.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_address: usize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long the head of a request may take to arrive, and a connection may idle between two.
    pub header: Duration,
    /// Largest head of a request, in bytes.
    pub header_bytes: usize,
    /// Requests on one connection, after which it is closed: so that connections spread anew over
    /// threads, and over servers behind one address.
    pub requests: u32,
    /// How long a handler may have to wait for each 30 KiB of a request's body.
    pub body: Duration,
    /// How long to wait for the other side to take each 30 KiB of what is sent to it.
    pub stall: Duration,
    /// Bytes of answers that are encrypted and wait for the network, of all connections together.
    pub output_bytes: usize,
    /// How long answers in flight may go on after shutdown began.
    pub drain: Duration,
}

/// Least and most that one connection may have waiting for the network, in bytes. With the most,
/// two frames of a distribution server go out with few calls.
const OUTPUT_BYTES: std::ops::RangeInclusive<usize> = 64 << 10..=512 << 10;

impl Limits {
    /// What a connection may have waiting for the network, where there are so many of them.
    pub(crate) fn output_bytes_of_each(&self, connections: usize) -> usize {
        let share = self.output_bytes / connections.max(1);
        share.clamp(*OUTPUT_BYTES.start(), *OUTPUT_BYTES.end())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: DEFAULT_CONNECTIONS,
            connections_per_address: DEFAULT_CONNECTIONS_PER_ADDRESS,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(8),
            header_bytes: 64 << 10,
            requests: 10_000,
            body: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            output_bytes: 64 << 20,
            drain: Duration::from_secs(30),
        }
    }
}

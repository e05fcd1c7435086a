//! What one listener allows.

use std::time::Duration;

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
    /// How long a handler may have to wait for each 30 KiB of a request's body.
    pub body: Duration,
    /// How long the other side may take nothing of what is sent to it.
    pub stall: Duration,
    /// How long answers in flight may go on after shutdown began.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_address: 512,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            header_bytes: 64 << 10,
            body: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            drain: Duration::from_secs(30),
        }
    }
}

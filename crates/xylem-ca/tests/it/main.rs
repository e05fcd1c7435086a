//! The authority and the parties' side of it, together: certificates issued here carry real TLS
//! handshakes there.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to fail"
)]

mod files;
mod handshakes;
mod issuing;
mod refusals;
mod renewal;
mod rotation;
mod support;

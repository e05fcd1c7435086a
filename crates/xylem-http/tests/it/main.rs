//! The accept loop over real TLS on the loopback interface, with peers that behave well, badly
//! and not at all.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to fail"
)]

mod access_log;
mod bodies;
mod drain;
mod errors;
mod http2;
mod limits;
mod listen;
mod parsing;
mod peers;
mod slow;
mod support;

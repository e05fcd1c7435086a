//! The clients over real TLS on the loopback interface, against a server that misbehaves as it is
//! told to.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to fail"
)]

mod answers;
mod cloud;
mod cloud_content;
mod content;
mod deadlines;
mod enroll;
mod events;
mod kept;
mod sending;
mod support;
mod trust;

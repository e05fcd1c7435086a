//! Agents against a management server and distribution servers made for the purpose, over real TLS.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to fail"
)]

mod cloud;
mod commands;
mod distribution;
mod enrolling;
mod fetching;
mod interrupted;
mod management;
mod orders;
mod world;

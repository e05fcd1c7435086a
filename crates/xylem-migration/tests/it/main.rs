//! A migration of made-up shares from beginning to end, with a server that is a map.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the report"
)]

mod munki;
mod server;
mod share;
mod untouched;

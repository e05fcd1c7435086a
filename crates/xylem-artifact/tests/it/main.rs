//! What the readers accept and refuse, and that what the writer makes is genuine.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the report"
)]

mod accepted;
mod app;
mod archive;
mod book;
mod corrupted;
mod image;
mod index;
mod raw;
mod refused;
mod scripts;
mod signed;
mod written;
mod zip;
mod zipped;

//! Golden vectors of others, and whole lives of objects, request by request. No network.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must fail"
)]

mod akamai_life;
mod cloudfront;
mod common;
mod every_provider;
mod s3_life;
mod s3_refusals;
mod swift_auth;
mod swift_life;

//! End to end, with real processes, real TLS, real files.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on must fail")]

mod inspection;
mod loss;
mod rot;
mod upload;

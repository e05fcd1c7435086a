//! The real code on a simulated network, disk and clock.
pub mod environment;

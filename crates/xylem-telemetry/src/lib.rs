//! Logs, metrics, and errors told whole.
//!
//! Messages read alone; fields have the same names everywhere (`dp.id`, `package.digest`,
//! `peer.addr`, `duration_ms`, …; the list is in `CONTRIBUTING.md`). Never logged: invitation
//! codes, tokens, tickets, key material, script bodies.

mod chain;
mod logs;
mod metrics;

pub use chain::{ErrorChain, chain};
pub use logs::{LogFormat, start_logging};
pub use metrics::{Metrics, start_metrics};

//! The replication planner.
//!
//! Two pure questions, no disk, no network, no clock:
//!
//! * [`should_hold`]: what is a distribution server to hold? The management server asks it, signs
//!   the answer as a head, and every peer enforces it.
//! * [`plan`]: what is a server to do next, given what it should hold, what it has and what went
//!   wrong lately? The distribution server asks it again after every change and acts; it keeps no
//!   memory between two plans, so nothing depends on having seen an event.

mod holding;
mod plan;

pub use holding::{FileFacts, ServerFacts, should_hold};
pub use plan::{
    CHILD_REMOVAL_GRACE, Fetch, Limits, Plan, ROOT_REMOVAL_GRACE, Reality, SMALL_BYTES, Unwanted,
    Wanted, plan,
};

//! What happened in a run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use xylem_model::ContentId;

/// What is counted: things that were *checked*, not only violations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Hosts crashed.
    pub crashes: u64,
    /// Links cut.
    pub partitions: u64,
    /// Bodies read to their end and compared.
    pub bodies: u64,
    /// Uploads acknowledged.
    pub acknowledged: u64,
    /// Copies compared at the end, on all servers.
    pub copies: u64,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
}

impl Figures {
    /// Adds another run's figures.
    pub fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.partitions += other.partitions;
        self.bodies += other.bodies;
        self.acknowledged += other.acknowledged;
        self.copies += other.copies;
        self.simulated_ms += other.simulated_ms;
    }
}

/// Shared by everybody in a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Arc<Mutex<Record>>);

#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) figures: Figures,
    /// Acknowledged content, with its bytes.
    pub(crate) acknowledged: BTreeMap<ContentId, Arc<[u8]>>,
    /// Whether faults are still being made.
    pub(crate) faults: bool,
    /// What must not have happened, and did.
    pub(crate) violations: Vec<String>,
}

impl History {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

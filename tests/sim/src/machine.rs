//! What is wrong with a machine, now and by design.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// A fault planted at a seam of every machine, for a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// Syncing a file of content does nothing.
    NoFileSync,
    /// Syncing a folder of content does nothing.
    NoFolderSync,
    /// Bytes are served without being verified.
    NoVerification,
    /// Removing a content takes another along, wanted or not.
    CollectsTheWanted,
    /// The management server forgets that it removed a server.
    ForgetsRemovals,
    /// The management server commits what was sent to a former principal.
    NoFencing,
    /// What is in the cloud is offered as soon as all of it was sent.
    OffersBeforeProof,
    /// What is wanted in the cloud is removed there.
    RemovesTheWanted,
    /// What crashes left in the cloud is not removed.
    LeavesLeftovers,
}

impl Planted {
    /// Whether it concerns the cloud, which every run has then.
    pub(crate) const fn is_of_cloud(self) -> bool {
        matches!(self, Self::OffersBeforeProof | Self::RemovesTheWanted | Self::LeavesLeftovers)
    }
}

/// One simulated machine. Its faults outlive the crashes of its host: the host that runs on it and
/// the one who makes faults share it.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    planted: Option<Planted>,
    clock_error_ms: AtomicI64,
    full: AtomicBool,
    /// In parts per million, so that it fits an integer.
    flips_ppm: AtomicU64,
}

impl Machine {
    pub(crate) fn new(planted: Option<Planted>) -> Arc<Self> {
        Arc::new(Self { planted, ..Self::default() })
    }

    /// Whether this fault is planted.
    pub(crate) fn is_planted(&self, fault: Planted) -> bool {
        self.planted == Some(fault)
    }

    /// Sets the clock wrong, by so much.
    pub(crate) fn set_clock_error(&self, ms: i64) {
        self.clock_error_ms.store(ms, Ordering::Relaxed);
    }

    /// Has the clock go on by so much, beside what time does.
    pub(crate) fn move_clock_on(&self, ms: i64) {
        self.clock_error_ms.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn clock_error_ms(&self) -> i64 {
        self.clock_error_ms.load(Ordering::Relaxed)
    }

    /// Another program fills the disk, or frees it.
    pub(crate) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// What the operating system says where a file would grow on a full disk.
    pub(crate) fn refuse_when_full(&self) -> io::Result<()> {
        if self.is_full() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// How likely a read of published content comes back with one bit flipped.
    pub(crate) fn set_flip_probability(&self, probability: f64) {
        self.flips_ppm.store((probability * 1e6) as u64, Ordering::Relaxed);
    }

    pub(crate) fn flip_probability(&self) -> f64 {
        self.flips_ppm.load(Ordering::Relaxed) as f64 / 1e6
    }
}

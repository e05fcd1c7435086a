//! The four seams in one handle.

use std::sync::Arc;

use crate::{Clock, Disk, Net, RealNet, Rng, SystemClock, SystemRng, random_array};

/// What a program may know of the machine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Files.
    pub disk: Disk,
    /// Connections.
    pub net: Arc<dyn Net>,
    /// Random bytes.
    pub rng: Arc<dyn Rng>,
}

impl Environment {
    /// The real machine.
    pub fn real() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            disk: Disk::real(),
            net: Arc::new(RealNet),
            rng: Arc::new(SystemRng),
        }
    }

    /// Makes a new identifier out of the time and random bytes:
    /// `environment.new_id(FileId::from_parts)`.
    pub fn new_id<Id>(&self, from_parts: impl FnOnce(u64, &[u8; 10]) -> Id) -> Id {
        let unix_ms = u64::try_from(self.clock.now().unix_ms()).unwrap_or(0);
        from_parts(unix_ms, &random_array(&*self.rng))
    }
}

//! How old a wish is: the epoch of the management server and its generation counter.

use serde::{Deserialize, Serialize};

/// Counts changes of what is wanted; raised by one in the transaction of every change.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// Counts restores of the management server: a restored backup starts a higher epoch, so that its
/// lower generations still count as newer than what servers saw before.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// Epoch and generation, compared in that order. A lower stamp than one already seen is refused.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Stamp {
    /// Which life of the management server.
    pub epoch: Epoch,
    /// Which change within it.
    pub generation: Generation,
}

impl Stamp {
    /// Builds a stamp from its two numbers.
    pub const fn new(epoch: u64, generation: u64) -> Self {
        Self { epoch: Epoch(epoch), generation: Generation(generation) }
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.epoch.0, self.generation.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_epoch_beats_any_generation() {
        assert!(Stamp::new(2, 1) > Stamp::new(1, 900));
        assert!(Stamp::new(1, 2) > Stamp::new(1, 1));
    }
}

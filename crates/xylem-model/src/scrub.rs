//! What a distribution server says of looking through what it holds.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The passes of a distribution server.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubReport {
    /// The pass under way.
    pub current: Option<ScrubPass>,
    /// The last one that ended, or was left off for another.
    pub last: Option<ScrubPass>,
    /// The newest moment at which one was asked for and begun.
    pub heard: Option<Timestamp>,
}

/// One pass over everything that a distribution server holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubPass {
    /// When it began.
    pub begun: Timestamp,
    /// When an administrator asked for it; none where it began by itself.
    pub asked: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How much of it is done, in thousandths.
    pub thousandths: u16,
    /// What it has found.
    pub found: ScrubFound,
}

/// What a pass has seen.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubFound {
    /// Sound copies.
    pub files: u64,
    /// Bytes of sound copies.
    pub bytes: u64,
    /// Copies that did not have their digest any more: withdrawn, and fetched again.
    pub damaged: u64,
    /// Copies that the disk did not give back, or that were gone from it.
    pub unreadable: u64,
    /// Outboards that were not sound, and were made anew from content that is.
    #[serde(default)]
    pub mended: u64,
}

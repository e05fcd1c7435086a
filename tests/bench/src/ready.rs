//! A machine that is the same for each contender.

use std::fs;

use anyhow::Context as _;

use crate::kib::kib;

/// Memory that is made ready before each measurement: more than one contender needs.
const READY_BYTES: usize = 2 << 30;

/// Memory that stays free beyond that, for whatever else runs.
const SPARE_BYTES: usize = 256 << 20;

/// Makes the machine the same for each contender: nothing is left to write that another wrote, and
/// there is free memory that was used a moment ago. A virtual machine may have given free memory
/// back to its host, and using a page of it for the first time costs more than the copying that it
/// is needed for.
pub fn make_ready() {
    rustix::fs::sync();
    drop(std::hint::black_box(vec![1_u8; READY_BYTES]));
}

/// Memory that is held and not used, so that hardly more is free than [`make_ready`] makes ready.
///
/// What a virtual machine gives back every two seconds is a part of all that is free (a sixteenth:
/// `mm/page_reporting.c` of Linux), beginning with what was freed last. With 16 GiB free that is
/// half of what has just been made ready.
#[derive(Debug)]
pub struct Ballast(Vec<u8>);

impl Ballast {
    /// Holds what is free beyond what a measurement needs; nothing where no more is free.
    ///
    /// # Errors
    /// When the system does not say how much is free.
    pub fn take() -> anyhow::Result<Self> {
        // What nobody uses, not even as a cache.
        let free = kib(&fs::read_to_string("/proc/meminfo")?, "MemFree");
        let free = usize::try_from(free.context("no MemFree in /proc/meminfo")? << 10)?;
        Ok(Self(vec![1; free.saturating_sub(READY_BYTES + SPARE_BYTES)]))
    }

    /// How much is held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

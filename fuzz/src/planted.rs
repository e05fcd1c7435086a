//! The fault that a run must find when it is planted.
//!
//! It is easy to reach, but no seed reaches it: somebody must have put things together.

use std::sync::OnceLock;

/// Plants it where it is set.
const VARIABLE: &str = "XYLEM_FUZZ_PLANT";

/// Breaks on what is only found by looking for it.
pub(crate) fn planted(is_reached: impl FnOnce() -> bool) {
    static IS_PLANTED: OnceLock<bool> = OnceLock::new();
    if *IS_PLANTED.get_or_init(|| std::env::var_os(VARIABLE).is_some()) {
        assert!(!is_reached(), "the planted fault");
    }
}

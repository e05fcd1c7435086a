//! The most memory that a process has taken.

use std::fs;

use crate::kib::kib;

/// The peak of a process's resident memory, its program's own pages included, since it began or
/// since that was last forgotten (`VmHWM`, proc(5)), in KiB. `None` of one that has ended.
#[must_use]
pub fn peak_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    kib(&status, "VmHWM")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_that_of_a_process_that_is_there() {
        let before = peak_kib(std::process::id()).unwrap();
        let taken = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(peak_kib(std::process::id()).unwrap() >= before.max(64 << 10), "{}", taken.len());
        assert_eq!(peak_kib(u32::MAX), None);
    }
}

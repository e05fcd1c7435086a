//! How many bytes a payload may expand to.

use std::io::{self, Read};

use super::error::PayloadError;

/// Every payload may expand to this much, however little it declares: 64 MiB.
///
/// Small packages declare small sizes and are often a little wrong about them.
pub const MIN_BUDGET_BYTES: u64 = 64 * 1024 * 1024;

/// How many times its declared size a payload may expand to.
pub const DECLARED_SIZE_FACTOR: u64 = 4;

/// The most bytes a payload may expand to, headers included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    max_expanded_bytes: u64,
}

impl Budget {
    /// The budget of a payload whose `PackageInfo` declares `installKBytes` (units of 1024 bytes):
    /// the larger of [`MIN_BUDGET_BYTES`] and [`DECLARED_SIZE_FACTOR`] times the declared size.
    pub fn for_declared_kbytes(install_kbytes: u64) -> Self {
        let allowed = install_kbytes.saturating_mul(1024).saturating_mul(DECLARED_SIZE_FACTOR);
        Self { max_expanded_bytes: allowed.max(MIN_BUDGET_BYTES) }
    }

    /// A budget of exactly `max_expanded_bytes`.
    pub const fn of_bytes(max_expanded_bytes: u64) -> Self {
        Self { max_expanded_bytes }
    }

    /// The limit in bytes.
    pub fn max_expanded_bytes(self) -> u64 {
        self.max_expanded_bytes
    }
}

/// A reader that fails with [`PayloadError::Bomb`] instead of yielding more than its budget.
pub(super) struct Budgeted<R> {
    inner: R,
    budget: Budget,
    left: u64,
}

impl<R: Read> Budgeted<R> {
    pub(super) fn new(inner: R, budget: Budget) -> Self {
        Self { inner, budget, left: budget.max_expanded_bytes }
    }

    pub(super) fn inner(&self) -> &R {
        &self.inner
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.budget.max_expanded_bytes - self.left
    }
}

impl<R: Read> Read for Budgeted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // One byte more than is left tells "exactly used up" from "more to come".
        let probe = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX);
        let wanted = out.len().min(probe);
        let (window, _) = out.split_at_mut(wanted);
        let count = self.inner.read(window)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => {
                return Err(
                    PayloadError::Bomb { limit_bytes: self.budget.max_expanded_bytes }.into()
                );
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_declared_sizes_get_the_minimum_and_large_ones_four_times_theirs() {
        assert_eq!(Budget::for_declared_kbytes(1).max_expanded_bytes(), 64 << 20);
        assert_eq!(Budget::for_declared_kbytes(1 << 20).max_expanded_bytes(), 4 << 30);
        assert_eq!(Budget::for_declared_kbytes(u64::MAX).max_expanded_bytes(), u64::MAX);
    }

    #[test]
    fn exactly_the_budget_passes_and_one_byte_more_does_not() {
        let mut out = Vec::new();
        Budgeted::new(&[7_u8; 10][..], Budget::of_bytes(10)).read_to_end(&mut out).unwrap();
        assert_eq!(out.len(), 10);

        let error =
            Budgeted::new(&[7_u8; 11][..], Budget::of_bytes(10)).read_to_end(&mut out).unwrap_err();
        assert!(matches!(PayloadError::from_io(error), PayloadError::Bomb { limit_bytes: 10 }));
    }
}

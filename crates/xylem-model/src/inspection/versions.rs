//! Comparison of version numbers, number by number.

use std::cmp::Ordering;

/// Compares `10.9` below `10.10`; a missing part counts as zero. None where a part is no number, as
/// in `1.2b3`: makers do not agree on what follows what then.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (left, right) = (numbers(a)?, numbers(b)?);
    let length = left.len().max(right.len());
    let part = |of: &[u64], at: usize| of.get(at).copied().unwrap_or_default();
    let orders = (0..length).map(|at| part(&left, at).cmp(&part(&right, at)));
    Some(orders.fold(Ordering::Equal, Ordering::then))
}

fn numbers(text: &str) -> Option<Vec<u64>> {
    text.trim().split('.').map(|part| part.parse().ok()).collect()
}

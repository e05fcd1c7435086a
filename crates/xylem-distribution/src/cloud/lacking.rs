//! Which parts are still to be begun.

use std::collections::VecDeque;

use xylem_api::control_cloud::PartRange;
use xylem_cloud::{Part, PartPlan};

/// Parts that nobody has begun, in order. As ranges: a file may have ten thousand parts.
#[derive(Debug)]
pub(super) struct Lacking {
    plan: PartPlan,
    ranges: VecDeque<PartRange>,
}

impl Lacking {
    /// Those of these ranges that the file has.
    pub(super) fn new(plan: PartPlan, ranges: &[PartRange]) -> Self {
        let last = plan.count();
        let ranges = ranges
            .iter()
            .map(|range| PartRange { first: range.first.max(1), last: range.last.min(last) });
        Self { plan, ranges: ranges.filter(|range| range.first <= range.last).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The next one, which is begun with this.
    pub(super) fn next(&mut self) -> Option<Part> {
        let range = self.ranges.front_mut()?;
        let number = range.first;
        if range.first >= range.last {
            self.ranges.pop_front();
        } else {
            range.first += 1;
        }
        self.plan.part(number)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn all(plan: PartPlan, ranges: &[(u32, u32)]) -> Vec<(u32, u64, u64)> {
        let ranges: Vec<PartRange> =
            ranges.iter().map(|&(first, last)| PartRange { first, last }).collect();
        let mut lacking = Lacking::new(plan, &ranges);
        let mut all = Vec::new();
        while !lacking.is_empty() {
            all.extend(lacking.next().map(|part| (part.number, part.offset, part.bytes)));
        }
        assert_eq!(lacking.next(), None);
        all
    }

    #[test]
    fn parts_come_in_order_with_their_place() {
        let plan = PartPlan::again(10, NonZeroU64::new(3));
        let told = [(1, 1), (3, 4)];
        assert_eq!(all(plan, &told), [(1, 0, 3), (3, 6, 3), (4, 9, 1)]);
        assert_eq!(all(plan, &[]), []);
        assert_eq!(all(PartPlan::again(10, None), &[(1, 1)]), [(1, 0, 10)]);
        assert_eq!(all(PartPlan::again(0, None), &[(1, 1)]), [(1, 0, 0)]);
    }

    #[test]
    fn what_the_file_does_not_have_is_left_out() {
        let plan = PartPlan::again(10, NonZeroU64::new(3));
        let numbers = |ranges| all(plan, ranges).iter().map(|it| it.0).collect::<Vec<_>>();
        assert_eq!(numbers(&[(0, 2), (4, u32::MAX)]), [1, 2, 4]);
        assert_eq!(numbers(&[(3, 2), (5, 9)]), [0_u32; 0]);
    }
}

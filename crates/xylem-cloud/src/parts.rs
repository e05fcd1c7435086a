//! How a file is cut into parts.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use xylem_model::ByteSize;

/// One MiB: parts are whole numbers of these.
pub const MIB: u64 = 1024 * 1024;

/// What a provider's way of sending large files asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartRules {
    /// Up to here a file is one request, bytes.
    pub whole_up_to: u64,
    /// Smallest part that we make, but for the last, bytes.
    pub smallest_part: u64,
    /// Largest part that the provider takes, bytes.
    pub largest_part: u64,
    /// How many parts we aim at, at most: fewer than the provider takes.
    pub aim_parts: u64,
    /// How many parts the provider takes.
    pub most_parts: u64,
    /// Largest file, bytes.
    pub largest_file: u64,
}

/// How one file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartPlan {
    size: u64,
    part_bytes: u64,
    whole: bool,
}

/// One part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: u32,
    /// Where it begins, bytes.
    pub offset: u64,
    /// How long it is, bytes.
    pub bytes: u64,
}

/// A file that a provider does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a file of {} ({size} B) cannot be sent: the provider takes {} ({limit} B); leave it out of the selection",
    ByteSize(*size), ByteSize(*limit)
)]
pub struct FileTooLarge {
    /// The file's size, bytes.
    pub size: u64,
    /// The largest that goes, bytes.
    pub limit: u64,
}

impl PartRules {
    /// The classic quotas of Amazon S3. Fewer parts are aimed at than the 10,000 that are allowed,
    /// for other servers count differently.
    pub const S3: Self = Self {
        whole_up_to: 16 * MIB,
        smallest_part: 16 * MIB,
        largest_part: 5 * 1024 * MIB,
        aim_parts: 9_000,
        most_parts: 10_000,
        largest_file: 5 * 1024 * 1024 * MIB,
    };

    /// How a file of this size is sent.
    ///
    /// # Errors
    /// When it is larger than the provider takes.
    pub fn plan(&self, size: u64) -> Result<PartPlan, FileTooLarge> {
        if size > self.limit() {
            return Err(FileTooLarge { size, limit: self.limit() });
        }
        if size <= self.whole_up_to {
            return Ok(PartPlan { size, part_bytes: size, whole: true });
        }
        let aimed = size.div_ceil(self.aim_parts.max(1)).div_ceil(MIB).saturating_mul(MIB);
        let part_bytes = aimed.max(self.smallest_part).min(self.largest_part).max(1);
        Ok(PartPlan { size, part_bytes, whole: false })
    }

    /// The largest file that goes: by its size, and by the number and size of its parts.
    pub fn limit(&self) -> u64 {
        let in_parts = self.largest_part.saturating_mul(self.most_parts);
        self.largest_file.min(in_parts.max(self.whole_up_to))
    }
}

impl PartPlan {
    /// A plan that was made before, from what was kept of it: the size of its parts, or that the
    /// file goes as a whole. What is under way goes on by it, whatever the rules have become.
    pub const fn again(size: u64, part_bytes: Option<NonZeroU64>) -> Self {
        match part_bytes {
            Some(part_bytes) => Self { size, part_bytes: part_bytes.get(), whole: false },
            None => Self { size, part_bytes: size, whole: true },
        }
    }

    /// Whether one request sends it all, without beginning and ending.
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// The file's size, bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// How long each part is but the last, bytes.
    pub const fn part_bytes(&self) -> u64 {
        self.part_bytes
    }

    /// How many parts there are; a whole file is one, also an empty one.
    pub fn count(&self) -> u32 {
        if self.whole {
            return 1;
        }
        u32::try_from(self.size.div_ceil(self.part_bytes)).unwrap_or(u32::MAX)
    }

    /// The part of this number; `None` for 0 and beyond the last.
    pub fn part(&self, number: u32) -> Option<Part> {
        if number == 0 || number > self.count() {
            return None;
        }
        let offset = u64::from(number - 1).saturating_mul(self.part_bytes);
        let bytes = self.part_bytes.min(self.size.saturating_sub(offset));
        Some(Part { number, offset, bytes })
    }

    /// The parts that are not among those that arrived, in order.
    pub fn lacking<'a>(&'a self, arrived: &'a BTreeSet<u32>) -> impl Iterator<Item = Part> + 'a {
        (1..=self.count())
            .filter(move |number| !arrived.contains(number))
            .filter_map(|number| self.part(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1024 * MIB;
    const TIB: u64 = 1024 * GIB;

    #[test]
    fn files_of_every_size_are_covered_without_gaps() {
        let rules = PartRules::S3;
        let edges = [0, 1, 16 * MIB, 9_000 * 16 * MIB, GIB, TIB, 5 * TIB];
        for size in edges.into_iter().flat_map(|size| [size.saturating_sub(1), size, size + 1]) {
            let Ok(plan) = rules.plan(size) else {
                assert!(size > 5 * TIB, "{size}");
                continue;
            };
            let mut end = 0;
            for part in plan.lacking(&BTreeSet::new()) {
                assert_eq!(part.offset, end, "{size}");
                end += part.bytes;
                assert!(part.bytes <= rules.largest_part && (part.bytes > 0 || size == 0));
            }
            assert_eq!(end, size);
            assert!(u64::from(plan.count()) <= rules.aim_parts.max(1), "{size}: {}", plan.count());
            assert_eq!((plan.part(0), plan.part(plan.count() + 1)), (None, None));
        }
    }

    #[test]
    fn parts_have_the_sizes_that_the_design_names() {
        let plan = |size| PartRules::S3.plan(size).unwrap();
        assert_eq!(plan(TIB).part_bytes(), 117 * MIB);
        assert_eq!((plan(6 * GIB).part_bytes(), plan(6 * GIB).count()), (16 * MIB, 384));
        assert!(plan(0).is_whole() && plan(16 * MIB).is_whole() && !plan(16 * MIB + 1).is_whole());
        assert_eq!((plan(0).count(), plan(0).part(1).unwrap().bytes), (1, 0));
        assert_eq!(plan(16 * MIB + 1).part(2).unwrap().bytes, 1);
    }

    #[test]
    fn what_is_lacking_is_what_did_not_arrive() {
        let plan = PartPlan::again(10, NonZeroU64::new(3));
        let lacking: Vec<_> =
            plan.lacking(&BTreeSet::from([1, 3])).map(|part| (part.number, part.bytes)).collect();
        assert_eq!(lacking, [(2, 3), (4, 1)]);
        let whole = PartPlan::again(10, None);
        assert_eq!((whole.count(), whole.lacking(&BTreeSet::new()).next().unwrap().bytes), (1, 10));
    }

    #[test]
    fn limits_are_named_with_both_numbers() {
        let error = PartRules::S3.plan(5 * TIB + 1).unwrap_err().to_string();
        assert!(error.contains("5497558138881") && error.contains("5.0 TiB"), "{error}");
        let few = PartRules { most_parts: 2, largest_part: 10, ..PartRules::S3 };
        assert_eq!(PartRules { whole_up_to: 5, ..few }.limit(), 20);
    }
}

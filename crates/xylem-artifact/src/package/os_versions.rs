//! The ranges of macOS versions that a `Distribution` allows.

use std::cmp::Ordering;

use super::version;

/// The macOS versions allowed. Several ranges are alternatives, so the widest bounds count.
#[derive(Debug, Default)]
pub(super) struct OsVersions {
    minimum: Bound,
    before: Bound,
}

/// One end of the ranges.
#[derive(Debug, Default)]
enum Bound {
    #[default]
    Unsaid,
    At(String),
    /// One of the ranges is open at this end.
    Open,
}

impl OsVersions {
    /// Takes in another range: its lowest version, and the lowest that is too new.
    pub(super) fn add(&mut self, minimum: Option<String>, before: Option<String>) {
        self.minimum.widen(minimum, Ordering::Less);
        self.before.widen(before, Ordering::Greater);
    }

    pub(super) fn minimum(&self) -> Option<String> {
        self.minimum.version()
    }

    pub(super) fn before(&self) -> Option<String> {
        self.before.version()
    }
}

impl Bound {
    /// Takes in another range's end; `wider` is how a wider end compares with a narrower.
    fn widen(&mut self, other: Option<String>, wider: Ordering) {
        let Some(other) = other else {
            *self = Self::Open;
            return;
        };
        match self {
            Self::Open => {}
            Self::At(known) if version::compare(&other, known) != wider => {}
            Self::At(_) | Self::Unsaid => *self = Self::At(other),
        }
    }

    fn version(&self) -> Option<String> {
        match self {
            Self::At(version) => Some(version.clone()),
            Self::Unsaid | Self::Open => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(ranges: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let mut versions = OsVersions::default();
        for (minimum, before) in ranges {
            versions.add(said(minimum), said(before));
        }
        (versions.minimum(), versions.before())
    }

    #[test]
    fn the_widest_bounds_count() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(bounds(&[]), (None, None));
        assert_eq!(bounds(&[("10.13", "11"), ("10.9", "10.10")]), (some("10.9"), some("11")));
        assert_eq!(bounds(&[("10.9", "10.10"), ("12", "")]), (some("10.9"), None));
        assert_eq!(bounds(&[("", "12"), ("11", "13")]), (None, some("13")));
    }
}

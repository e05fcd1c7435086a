//! Which versions of macOS something is for.
//!
//! A comma-separated list as the original takes it: exact versions (`10.6.8`) and whole series
//! (`10.6.x`); and, as its users' tools have long expanded by themselves, `>=10.6.7`. One of the
//! list has to hold; an empty list is met by every version.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Longest list in bytes of text.
pub const MAX_OS_REQUIREMENT_BYTES: usize = 1024;

/// Longest part of a wrong version that is repeated in the error, in characters.
const REPEATED: usize = 40;

/// Most numbers in one version.
const MAX_NUMBERS: usize = 5;

/// The versions of macOS that a package or script is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OsRequirement(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    /// This version, and no other.
    Exactly(Vec<u32>),
    /// All versions that begin so.
    Series(Vec<u32>),
    /// This version and all later ones.
    AtLeast(Vec<u32>),
}

/// Why a text is no OS requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OsRequirementError {
    /// One of the list is no version.
    #[error(
        "`{0}` is no OS requirement: write versions such as 10.6.8, 10.6.x or >=10.13, with commas between them"
    )]
    Term(String),
    /// The whole is too long.
    #[error(
        "an OS requirement of {0} bytes is too long: at most {MAX_OS_REQUIREMENT_BYTES} are kept"
    )]
    TooLong(usize),
}

impl OsRequirement {
    /// Whether a version of macOS meets it. One that cannot be read meets only what is empty.
    pub fn is_met_by(&self, version: &str) -> bool {
        let Some(version) = numbers(version.trim()) else { return self.0.is_empty() };
        self.0.is_empty() || self.0.iter().any(|term| term.is_met_by(&version))
    }

    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Term {
    fn is_met_by(&self, version: &[u32]) -> bool {
        match self {
            Self::Exactly(wanted) => compare(version, wanted).is_eq(),
            Self::Series(begin) => version.starts_with(begin),
            Self::AtLeast(least) => compare(version, least).is_ge(),
        }
    }
}

/// Compares number by number; one that is missing counts as zero, so 10.6 is 10.6.0.
fn compare(left: &[u32], right: &[u32]) -> Ordering {
    let at = |version: &[u32], place: usize| version.get(place).copied().unwrap_or(0);
    let places = 0..left.len().max(right.len());
    places
        .map(|place| at(left, place).cmp(&at(right, place)))
        .find(|it| it.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn numbers(text: &str) -> Option<Vec<u32>> {
    let all: Option<Vec<u32>> = text.split('.').map(number).collect();
    all.filter(|all| all.len() <= MAX_NUMBERS)
}

/// Digits alone: the standard parser would also take a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl FromStr for Term {
    type Err = OsRequirementError;

    fn from_str(text: &str) -> Result<Self, OsRequirementError> {
        let (at_least, version) =
            match text.strip_prefix(">=").or_else(|| text.strip_prefix('\u{2265}')) {
                Some(version) => (true, version.trim()),
                None => (false, text),
            };
        let series = [".x", ".X", ".*"].iter().find_map(|end| version.strip_suffix(end));
        let term = match (at_least, series) {
            (false, None) => numbers(version).map(Self::Exactly),
            (false, Some(begin)) => numbers(begin).map(Self::Series),
            (true, None) => numbers(version).map(Self::AtLeast),
            // From a series on: from its first version on.
            (true, Some(begin)) => numbers(begin).map(Self::AtLeast),
        };
        term.ok_or_else(|| OsRequirementError::Term(text.chars().take(REPEATED).collect()))
    }
}

impl FromStr for OsRequirement {
    type Err = OsRequirementError;

    fn from_str(text: &str) -> Result<Self, OsRequirementError> {
        if text.len() > MAX_OS_REQUIREMENT_BYTES {
            return Err(OsRequirementError::TooLong(text.len()));
        }
        let terms = text.split(',').map(str::trim).filter(|term| !term.is_empty());
        terms.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, version, after) = match self {
            Self::Exactly(version) => ("", version, ""),
            Self::Series(version) => ("", version, ".x"),
            Self::AtLeast(version) => (">=", version, ""),
        };
        let version: Vec<String> = version.iter().map(u32::to_string).collect();
        write!(f, "{before}{}{after}", version.join("."))
    }
}

impl fmt::Display for OsRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, term) in self.0.iter().enumerate() {
            write!(f, "{}{term}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl serde::Serialize for OsRequirement {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for OsRequirement {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_list_has_to_hold() {
        for (requirement, version, is_met) in [
            ("", "10.6.8", true),
            ("", "no version", true),
            ("10.6.8", "10.6.8", true),
            ("10.6", "10.6.0", true),
            ("10.6", "10.6.1", false),
            ("10.6.x", "10.6", true),
            ("10.6.x", "10.6.8", true),
            ("10.6.x", "10.60.1", false),
            ("10.5.8, 10.6.x", "10.6.3", true),
            ("10.5.8,10.6.x", "10.7", false),
            (">=10.6.7", "10.6.7", true),
            (">= 10.6.7", "10.10", true),
            (">=10.6.7", "10.6.6", false),
            (">=11.x", "14.3.1", true),
            ("14.x", "14.3.1", true),
            ("14.x", "4.14", false),
            ("14.x", "no version", false),
        ] {
            let read: OsRequirement = requirement.parse().unwrap();
            assert_eq!(read.is_met_by(version), is_met, "{requirement} by {version}");
        }
    }

    #[test]
    fn texts_are_brought_to_one_form() {
        for (text, form) in [
            (" 10.6.8 ,10.6.X,, >= 10.13 ", "10.6.8, 10.6.x, >=10.13"),
            ("\u{2265}11.*", ">=11"),
            ("", ""),
        ] {
            let read: OsRequirement = text.parse().unwrap();
            assert_eq!(read.to_string(), form);
            assert_eq!(form.parse::<OsRequirement>().unwrap(), read);
        }
    }

    #[test]
    fn what_is_no_version_is_refused_by_name() {
        for text in [
            "x",
            "10.6.y",
            "ten",
            "10..6",
            ">10.6",
            "<=10",
            "+10",
            "1.2.3.4.5.6",
            "10.4294967296",
            ".x",
        ] {
            let error = text.parse::<OsRequirement>().unwrap_err();
            assert_eq!(error, OsRequirementError::Term(text.to_owned()));
        }
        assert!("1,".repeat(600).parse::<OsRequirement>().is_err());
        let long = "x".repeat(1_000).parse::<OsRequirement>().unwrap_err();
        assert_eq!(long, OsRequirementError::Term("x".repeat(REPEATED)));
    }
}

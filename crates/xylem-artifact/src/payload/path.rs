//! Names of payload members, once checked.

use std::fmt;

use super::error::PayloadError;

/// Longest accepted path of a member, in bytes: `PATH_MAX` of macOS.
pub const MAX_PATH_BYTES: usize = 1024;

/// Longest accepted component of a path, in bytes: `NAME_MAX` of every Unix.
pub const MAX_COMPONENT_BYTES: usize = 255;

/// A relative path that cannot leave the directory it is resolved in, symbolic links apart.
///
/// Its components are non-empty, none is `.` or `..`, none holds a NUL or a slash. The empty path
/// is the root of the payload (`.` in the archive). Whoever resolves one on a file system must
/// still refuse to walk through symbolic links.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MemberPath(String);

impl MemberPath {
    /// Checks a name as it stands in an archive; a leading `./` is dropped.
    pub fn parse(raw: &[u8]) -> Result<Self, PayloadError> {
        Self::check(raw).map_err(|reason| PayloadError::unsafe_path(raw, reason))
    }

    /// Checks an `install-location` of a `PackageInfo`: absolute below the target volume, `/` or
    /// nothing for the volume itself.
    pub fn parse_install_location(raw: &str) -> Result<Self, PayloadError> {
        let trimmed = raw.trim_start_matches('/').trim_end_matches('/');
        if trimmed.is_empty() {
            return Ok(Self::default());
        }
        Self::check(trimmed.as_bytes())
            .map_err(|reason| PayloadError::unsafe_path(raw.as_bytes(), reason))
    }

    fn check(raw: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(raw).map_err(|_| "its name is not UTF-8")?;
        let text = text.strip_prefix("./").unwrap_or(text);
        if text == "." {
            return Ok(Self::default());
        }
        if text.len() > MAX_PATH_BYTES {
            return Err("its path is longer than 1024 bytes");
        }
        if text.starts_with('/') {
            return Err("its path is absolute");
        }
        for component in text.split('/') {
            check_component(component)?;
        }
        Ok(Self(text.to_owned()))
    }

    /// The path with `/` between components; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root of the payload.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The components from the root down.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }

    /// The directory that holds this path, and the last component; `None` for the root.
    pub fn split_last(&self) -> Option<(MemberPath, &str)> {
        match self.0.rsplit_once('/') {
            Some((parent, name)) => Some((Self(parent.to_owned()), name)),
            None if self.0.is_empty() => None,
            None => Some((Self::default(), &self.0)),
        }
    }

    /// This path followed by `below`.
    #[must_use]
    pub fn join(&self, below: &MemberPath) -> Self {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            _ => Self(format!("{}/{}", self.0, below.0)),
        }
    }
}

impl fmt::Display for MemberPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

fn check_component(component: &str) -> Result<(), &'static str> {
    match component {
        "" => Err("its path has an empty component"),
        "." => Err("its path has a `.` component"),
        ".." => Err("its path has a `..` component"),
        _ if component.contains('\0') => Err("its path holds a NUL byte"),
        _ if component.len() > MAX_COMPONENT_BYTES => Err("a component is longer than 255 bytes"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(raw: &str) -> String {
        MemberPath::parse(raw.as_bytes()).unwrap().as_str().to_owned()
    }

    #[test]
    fn a_leading_dot_is_dropped_and_the_dot_itself_is_the_root() {
        assert_eq!(parsed("./Applications/X.app"), "Applications/X.app");
        assert_eq!(parsed("a/b"), "a/b");
        assert!(MemberPath::parse(b".").unwrap().is_root());
        assert_eq!(MemberPath::parse(b"./a/b").unwrap().components().count(), 2);
    }

    #[test]
    fn names_that_could_leave_the_root_are_refused() {
        let long_path = "a/".repeat(600) + "a";
        let long_name = "n".repeat(256);
        let bad: [&[u8]; 13] = [
            b"",
            b"/etc/passwd",
            b".//etc",
            b"..",
            b"./../x",
            b"a/../../x",
            b"a/./b",
            b"a//b",
            b"a/",
            b"a\0b",
            b"\xff\xfe",
            long_path.as_bytes(),
            long_name.as_bytes(),
        ];
        for raw in bad {
            let error = MemberPath::parse(raw).unwrap_err();
            assert!(matches!(error, PayloadError::UnsafePath { .. }), "{raw:?}: {error}");
        }
    }

    #[test]
    fn install_locations_are_taken_relative_to_the_volume() {
        for (raw, expected) in
            [("/", ""), ("", ""), ("/Applications", "Applications"), ("/a/b/", "a/b")]
        {
            assert_eq!(MemberPath::parse_install_location(raw).unwrap().as_str(), expected);
        }
        assert!(MemberPath::parse_install_location("/a/../../b").is_err());
    }

    #[test]
    fn joining_and_splitting_are_inverse() {
        let base = MemberPath::parse(b"Library").unwrap();
        let joined = base.join(&MemberPath::parse(b"Fonts/A.ttf").unwrap());
        assert_eq!(joined.as_str(), "Library/Fonts/A.ttf");
        let (parent, name) = joined.split_last().unwrap();
        assert_eq!((parent.as_str(), name), ("Library/Fonts", "A.ttf"));
        assert_eq!(MemberPath::default().join(&base), base);
        assert_eq!(base.join(&MemberPath::default()), base);
        assert!(MemberPath::default().split_last().is_none());
    }
}

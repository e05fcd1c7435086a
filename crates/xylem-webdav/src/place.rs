//! Where something is: a path, read once and for all.

use std::fmt;

use dav_server::davpath::DavPath;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use unicode_normalization::UnicodeNormalization;

/// Longest path that is read, in bytes as it was sent.
const MAX_PATH_BYTES: usize = 8 << 10;

/// Longest name in a path, in bytes of its composed form.
pub const MAX_SEGMENT_BYTES: usize = 255;

/// Most names in a path.
pub const MAX_DEPTH: usize = 32;

/// The names of a path from the root down, decoded once and in Unicode's composed form (NFC):
/// whoever sends `é` as one character or as two means the same. None is empty, `.` or `..`, or
/// holds a slash or a control character. The root has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place(Vec<String>);

/// A path that cannot be the place of anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// It does not begin at the root.
    #[error("the path does not begin with a slash")]
    Relative,
    /// It is longer than any path of ours.
    #[error("the path is longer than {MAX_PATH_BYTES} bytes or has more than {MAX_DEPTH} names")]
    TooLong,
    /// A name is longer than file systems take.
    #[error("a name in the path is longer than {MAX_SEGMENT_BYTES} bytes")]
    NameTooLong,
    /// A name is not UTF-8.
    #[error("a name in the path is not UTF-8")]
    NotUnicode,
    /// A name holds what names must not hold.
    #[error(
        "a name in the path is `.` or `..`, or holds a slash or a control character: such paths \
         are not followed"
    )]
    Forbidden,
}

impl Place {
    /// Reads the path of a URL (RFC 3986 section 3.3), still encoded.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn of_url(path: &str) -> Result<Self, PlaceError> {
        if path.len() > MAX_PATH_BYTES {
            return Err(PlaceError::TooLong);
        }
        let rest = path.strip_prefix('/').ok_or(PlaceError::Relative)?;
        let names = rest.split('/').map(|segment| {
            percent_decode_str(segment).decode_utf8().map_err(|_| PlaceError::NotUnicode)
        });
        Self::of_names(names)
    }

    /// Reads a path that dav-server has decoded.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn of_dav(path: &DavPath) -> Result<Self, PlaceError> {
        let bytes = path.as_bytes();
        let rest = bytes.strip_prefix(b"/").ok_or(PlaceError::Relative)?;
        let names = rest
            .split(|byte| *byte == b'/')
            .map(|segment| std::str::from_utf8(segment).map_err(|_| PlaceError::NotUnicode));
        Self::of_names(names)
    }

    fn of_names<N: AsRef<str>>(
        names: impl Iterator<Item = Result<N, PlaceError>>,
    ) -> Result<Self, PlaceError> {
        let mut place = Self::default();
        for name in names {
            let name = name?;
            // Two slashes are one, and a slash at the end names nothing.
            if !name.as_ref().is_empty() {
                place.push(name.as_ref())?;
            }
        }
        Ok(place)
    }

    fn push(&mut self, name: &str) -> Result<(), PlaceError> {
        if self.0.len() >= MAX_DEPTH {
            return Err(PlaceError::TooLong);
        }
        let name: String = name.nfc().collect();
        let forbidden = |c: char| c == '/' || c.is_control();
        if name == "." || name == ".." || name.chars().any(forbidden) {
            return Err(PlaceError::Forbidden);
        }
        if name.len() > MAX_SEGMENT_BYTES {
            return Err(PlaceError::NameTooLong);
        }
        self.0.push(name);
        Ok(())
    }

    /// The names, from the root down.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The last name; none for the root.
    pub fn name(&self) -> Option<&str> {
        self.0.last().map(String::as_str)
    }

    /// The folder it is in; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        Some(Self(above.to_vec()))
    }

    /// The place of a name in this folder, where that can be one.
    pub fn join(&self, name: &str) -> Result<Self, PlaceError> {
        let mut place = self.clone();
        place.push(name)?;
        Ok(place)
    }

    /// Whether this is `other`, or something in it, however deep.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// As the path of a URL, encoded, so that whoever reads it means this place.
    pub fn to_url(&self) -> String {
        let names = self.0.iter().map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC));
        names.fold(String::new(), |path, name| format!("{path}/{name}"))
    }

    /// What is left of this place below its first name.
    pub fn below_first(&self) -> Option<(&str, Self)> {
        let (first, rest) = self.0.split_first()?;
        Some((first, Self(rest.to_vec())))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_once_and_composed() {
        let place = Place::of_url("/Drop/a%20b/Gro%CC%88%C3%9Fe.pkg/").unwrap();
        assert_eq!(place.to_string(), "/Drop/a b/Größe.pkg");
        assert_eq!(Place::of_url("/Drop//a").unwrap(), Place::of_url("/Drop/a/").unwrap());
        assert_eq!(Place::of_url("/a%2520b").unwrap().name(), Some("a%20b"));
        assert_eq!(Place::of_url("/").unwrap(), Place::default());
        for name in ["/Drop/a\\..\\b", "/Drop/100%25%2f?".trim_end_matches("%2f?"), "/Drop/é#"] {
            let place = Place::of_url(name).unwrap();
            assert_eq!(Place::of_url(&place.to_url()).unwrap(), place, "{name}");
        }
        let dav = DavPath::new("/Drop/a%20b").unwrap();
        assert_eq!(Place::of_dav(&dav).unwrap().to_string(), "/Drop/a b");
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for (path, why) in [
            ("Drop", PlaceError::Relative),
            ("", PlaceError::Relative),
            ("/Drop/../x", PlaceError::Forbidden),
            ("/Drop/%2e%2E/x", PlaceError::Forbidden),
            ("/Drop/.", PlaceError::Forbidden),
            ("/Drop/a%2fb", PlaceError::Forbidden),
            ("/Drop/a%00b", PlaceError::Forbidden),
            ("/Drop/a%0ab", PlaceError::Forbidden),
            ("/Drop/%ff", PlaceError::NotUnicode),
            ("/Drop/%c0%ae%c0%ae/x", PlaceError::NotUnicode),
        ] {
            assert_eq!(Place::of_url(path), Err(why), "{path}");
        }
        assert_eq!(Place::of_url(&"/a".repeat(33)), Err(PlaceError::TooLong));
        assert_eq!(Place::of_url(&format!("/{}", "a".repeat(256))), Err(PlaceError::NameTooLong));
        assert_eq!(Place::of_url(&format!("/{}", "a".repeat(9000))), Err(PlaceError::TooLong));
    }

    #[test]
    fn within_is_a_matter_of_whole_names() {
        let place = |path: &str| Place::of_url(path).unwrap();
        assert!(place("/a/b").is_within(&place("/a")));
        assert!(place("/a").is_within(&place("/a")));
        assert!(!place("/ab").is_within(&place("/a")));
        assert_eq!(place("/a/b").parent(), Some(place("/a")));
        assert_eq!(place("/").parent(), None);
    }
}

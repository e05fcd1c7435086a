//! Where something lies in the source.
//!
//! Names on old shares are bytes: a server that stored another encoding left names that are no
//! Unicode, and they must still be told apart, read and reported.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization as _;
use xylem_model::is_invisible;

/// A path below the folder that is migrated, in the bytes of its file system. Never absolute, and
/// without steps up: it is put together from names that were listed.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct SourcePath(Vec<u8>);

impl SourcePath {
    /// The folder itself.
    pub fn top() -> Self {
        Self::default()
    }

    /// Something in it.
    pub fn join(&self, name: &[u8]) -> Self {
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Self(path)
    }

    /// Its last name.
    pub fn name(&self) -> &[u8] {
        self.names().last().unwrap_or_default()
    }

    /// From the top down.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }

    /// The folder that it lies in; the top's is the top.
    pub fn parent(&self) -> Self {
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Self(self.0.get(..end).unwrap_or_default().to_vec())
    }

    /// The bytes, with slashes between the names.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same below another folder.
    pub fn below(&self, folder: &Path) -> PathBuf {
        folder.join(OsStr::from_bytes(&self.0))
    }

    /// What the stable order goes by: names in normalisation form C, so that a share lists alike
    /// whether it is seen through HFS+, SMB or a copy; then the bytes, which are unique.
    pub(crate) fn order(&self) -> (Vec<String>, Vec<u8>) {
        let composed = |name: &[u8]| String::from_utf8_lossy(name).nfc().collect();
        (self.names().map(composed).collect(), self.0.clone())
    }
}

impl From<&str> for SourcePath {
    fn from(text: &str) -> Self {
        let names = text.split('/').filter(|name| !matches!(*name, "" | "." | ".."));
        names.fold(Self::top(), |path, name| path.join(name.as_bytes()))
    }
}

/// For people and for the report: never ambiguous, since what is no text is written as escapes and
/// the backslash, which begins them, is doubled.
impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    c if c.is_control() || is_invisible(c) => write!(f, "{}", c.escape_unicode())?,
                    c => write!(f, "{c}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_without_doubt() {
        let top = SourcePath::top();
        for (name, shown) in [
            (&b"a b.pkg"[..], "a b.pkg"),
            (b"caf\xe9.pkg", "caf\\xe9.pkg"),
            (b"caf\\xe9.pkg", "caf\\\\xe9.pkg"),
            (b"Icon\r", "Icon\\u{d}"),
            ("a\u{202e}b".as_bytes(), "a\\u{202e}b"),
        ] {
            assert_eq!(top.join(name).to_string(), shown);
        }
    }

    #[test]
    fn a_folders_content_stays_together_and_twins_have_an_order() {
        let mut paths: Vec<SourcePath> =
            ["a.b", "a/z", "Cafe\u{301}", "Caf\u{e9}", "a", "Cafd"].map(SourcePath::from).into();
        paths.sort_by_cached_key(SourcePath::order);
        let shown: Vec<String> = paths.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["Cafd", "Cafe\u{301}", "Caf\u{e9}", "a", "a/z", "a.b"]);
    }

    #[test]
    fn parents_and_names() {
        let path = SourcePath::from("a//b/../c");
        assert_eq!((path.to_string().as_str(), path.name()), ("a/b/c", &b"c"[..]));
        assert_eq!(path.parent(), SourcePath::from("a/b"));
        assert_eq!(SourcePath::from("a").parent(), SourcePath::top());
    }
}

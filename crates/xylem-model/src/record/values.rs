//! The values of a record's fields. Each is checked as it is read, and never again.

use std::fmt;

use crate::file_name::breaks_a_line;
use crate::word::words;

/// Longest text of one line, in bytes.
pub const MAX_LINE_BYTES: usize = 1024;
/// Longest info and longest notes, in bytes.
pub const MAX_PROSE_BYTES: usize = 16 << 10;
/// Longest manifest, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 64 << 10;
/// Most files that trigger another installation.
pub const MAX_TRIGGERING_FILES: usize = 100;

words! {
    /// When a package is installed once more by itself, as older versions of the original did. Its
    /// words for this are not known but for the first; the others are ours.
    #[derive(Default)]
    ReinstallOption, "reinstall option", "never, when-missing or when-changed",
    /// Not at all.
    #[default]
    Never = "never",
    /// When one of the files was changed or is gone.
    WhenChanged = "when-changed",
    /// When one of the files is gone.
    WhenMissing = "when-missing",
}

words! {
    /// The processor that a package is for.
    #[derive(Default)]
    RequiredProcessor, "processor", "none, arm64, ppc, universal, x86 or x86_64",
    /// Apple silicon.
    Arm64 = "arm64",
    /// Any.
    #[default]
    None = "none",
    /// PowerPC.
    Ppc = "ppc",
    /// Apple silicon, or Intel with 64 bits.
    Universal = "universal",
    /// Intel, of 32 or 64 bits.
    X86 = "x86",
    /// Intel with 64 bits.
    #[serde(rename = "x86_64")]
    X86_64 = "x86_64",
}

/// Which of several packages is installed first: 1 to 20, the lower first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct InstallPriority(u8);

impl InstallPriority {
    /// The first of all.
    pub const FIRST: Self = Self(1);
    /// The last of all.
    pub const LAST: Self = Self(20);

    /// The number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Default for InstallPriority {
    fn default() -> Self {
        Self(10)
    }
}

impl<'de> serde::Deserialize<'de> for InstallPriority {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let given = <i64 as serde::Deserialize>::deserialize(d)?;
        let number = u8::try_from(given).ok().map(Self);
        number.filter(|it| (Self::FIRST..=Self::LAST).contains(it)).ok_or_else(|| {
            serde::de::Error::custom(format_args!("{given} is not from 1 (first) to 20 (last)"))
        })
    }
}

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It holds what no screen shows, or is more than one line where there is one.
    #[error("it holds the character U+{0:04X}, which is not shown as one: take it out")]
    Character(u32),
    /// There are more files than are looked at.
    #[error("it names {0} files; at most {MAX_TRIGGERING_FILES} are looked at")]
    Files(usize),
    /// It says no path from the root of the volume.
    #[error("each of the files is a path such as /Applications/Firefox.app")]
    Path,
    /// It is too long.
    #[error("it has {bytes} bytes; at most {limit} are kept")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The most there may be.
        limit: usize,
    },
}

/// A text of one line, without blanks around it; empty where nothing is said. It holds nothing that
/// makes two texts look alike: what a [`FileName`](crate::FileName) may not hold for that.
#[derive(Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Line(String);

impl Line {
    /// Checks a text.
    ///
    /// # Errors
    /// Where it is longer than [`MAX_LINE_BYTES`], or holds a control character, one that cannot be
    /// seen, or the end of a line or paragraph.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let text = text.trim();
        bounded(text, MAX_LINE_BYTES, breaks_a_line)?;
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text of any number of lines, each ended by LF whatever it came with.
#[derive(Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Prose<const LIMIT: usize = MAX_PROSE_BYTES>(String);

impl<const LIMIT: usize> Prose<LIMIT> {
    /// Checks a text.
    ///
    /// # Errors
    /// Where it has more than `LIMIT` bytes, or holds a control character that is no end of a line
    /// and no tab.
    pub fn new(text: &str) -> Result<Self, TextError> {
        // Bounded before anything is copied: it may come from the network.
        bounded(text, LIMIT, |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))?;
        Ok(Self(text.replace("\r\n", "\n").replace('\r', "\n")))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Paths on a managed Mac, each from the root of its volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct TriggeringFiles(Vec<Line>);

impl TriggeringFiles {
    /// Checks paths.
    ///
    /// # Errors
    /// Where there are more than [`MAX_TRIGGERING_FILES`], or one is no path from the root.
    pub fn new(files: Vec<Line>) -> Result<Self, TextError> {
        if files.len() > MAX_TRIGGERING_FILES {
            return Err(TextError::Files(files.len()));
        }
        match files.iter().all(|file| file.as_str().starts_with('/')) {
            true => Ok(Self(files)),
            false => Err(TextError::Path),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn bounded(text: &str, limit: usize, refused: impl Fn(char) -> bool) -> Result<(), TextError> {
    if text.len() > limit {
        return Err(TextError::TooLong { bytes: text.len(), limit });
    }
    match text.chars().find(|&c| refused(c)) {
        Some(refused) => Err(TextError::Character(refused.into())),
        None => Ok(()),
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const LIMIT: usize> fmt::Debug for Prose<LIMIT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<'de> serde::Deserialize<'de> for Line {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl<'de, const LIMIT: usize> serde::Deserialize<'de> for Prose<LIMIT> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl<'de> serde::Deserialize<'de> for TriggeringFiles {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let files = <Vec<Line> as serde::Deserialize>::deserialize(d)?;
        Self::new(files).map_err(serde::de::Error::custom)
    }
}

//! The index of a file: the list of what it puts on a Mac.
//!
//! It is made while an upload is inspected, travels with the inspection, and is kept packed. What
//! arrives has passed through a child process that read a stranger's file and through another
//! machine: nothing of it is believed before [`PackedIndex::check`] has unpacked it once.
//!
//! Unpacked it is, for each entry in ascending order of the bytes of its path, a byte for the kind
//! (`f`, `d` or `l`), the path in UTF-8, and a zero byte. Packed it is a zlib stream of that.

mod unpack;

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::word::words;

pub use unpack::UnpackedIndex;

/// Most entries of an index. Nearly all packages put down fewer than a tenth of that; of a whole Xcode
/// there is none.
pub const MAX_INDEX_ENTRIES: usize = 200_000;
/// Longest path in an index, in bytes of UTF-8: four times what macOS takes.
pub const MAX_INDEXED_PATH_BYTES: usize = 4096;
/// Largest packed index, in bytes before base64. It is a row of a database, and with the rest of the
/// inspection a request to the management server, which takes 8 MiB.
pub const MAX_PACKED_INDEX_BYTES: usize = 1_500_000;
/// Largest index as it is unpacked, in bytes: so much is looked through for each page of it.
pub const MAX_UNPACKED_INDEX_BYTES: usize = 64 << 20;

/// How hard an index is packed: zlib's own middle way.
const LEVEL: u32 = 6;
/// Longest reason that is kept, in characters; more is cut off.
const MAX_REASON_CHARS: usize = 500;
/// Longest part of a path that an error repeats, in characters.
const REPEATED: usize = 80;
/// Where an inspection has its index.
const FIELD: &str = "index";

words! {
    /// What an entry of an index is.
    IndexedKind, "kind of an entry", "file, folder or link",
    /// A file.
    File = "file",
    /// A folder.
    Folder = "folder",
    /// A symbolic link.
    Link = "link",
}

impl IndexedKind {
    /// The byte that stands for it where it is packed.
    const fn byte(self) -> u8 {
        match self {
            Self::File => b'f',
            Self::Folder => b'd',
            Self::Link => b'l',
        }
    }

    fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.byte() == byte)
    }
}

/// One entry of an index. Entries are in the order of their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedPath {
    /// What it is.
    pub kind: IndexedKind,
    /// Where it is put, from the top of the volume: `/Applications/Foo.app`.
    pub path: String,
}

impl Ord for IndexedPath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.path.cmp(&other.path).then(self.kind.cmp(&other.kind))
    }
}

impl PartialOrd for IndexedPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What an inspection says of the index, as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FoundIndex {
    /// There is one.
    Packed(PackedIndex),
    /// There is none.
    Missing {
        /// Why, as a sentence.
        missing: String,
    },
}

/// An index as it travels. Nothing of it is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedIndex {
    /// How many entries it is said to have.
    pub entries: u32,
    /// The zlib stream in base64 (RFC 4648 section 4).
    pub packed: String,
}

/// An index that was unpacked once and is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedIndex {
    entries: u32,
    packed: Vec<u8>,
}

/// Why an index cannot be made, or cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It has other fields than an index has.
    #[error("the index is neither a packed one nor the reason why there is none")]
    Form,
    /// It is no base64.
    #[error("the packed index is no base64")]
    Base64,
    /// It expands to nothing that is an index.
    #[error("the packed index is damaged: {0}")]
    Damaged(String),
    /// It has no entries.
    #[error("the index has no entries")]
    Empty,
    /// It has too many entries.
    #[error("the index has more than {MAX_INDEX_ENTRIES} entries")]
    TooMany,
    /// It is too large.
    #[error("the index has more than {limit} bytes {form}")]
    TooLarge {
        /// How many there may be.
        limit: usize,
        /// In which form.
        form: &'static str,
    },
    /// It is said to have another number of entries.
    #[error("the index has {found} entries, and is said to have {said}")]
    Count {
        /// How many it has.
        found: u32,
        /// How many it is said to have.
        said: u32,
    },
    /// A path that cannot be.
    #[error("the index has the path `{path}`, {problem}")]
    Path {
        /// Its beginning.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl IndexError {
    const PACKED: Self = Self::TooLarge { limit: MAX_PACKED_INDEX_BYTES, form: "packed" };
    const UNPACKED: Self = Self::TooLarge { limit: MAX_UNPACKED_INDEX_BYTES, form: "unpacked" };

    fn path(path: &str, problem: &'static str) -> Self {
        Self::Path { path: path.escape_debug().take(REPEATED).collect(), problem }
    }
}

impl PackedIndex {
    /// Packs entries that come in the order of their paths, each once.
    ///
    /// # Errors
    /// Where a path cannot be or is not in its place, where there is none at all, and where a limit
    /// is passed: then nothing more is taken from `sorted`.
    pub fn pack(sorted: impl IntoIterator<Item = IndexedPath>) -> Result<Self, IndexError> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(LEVEL));
        let mut entries = Entries::default();
        for entry in sorted {
            entries.take(&entry.path)?;
            for part in [&[entry.kind.byte()][..], entry.path.as_bytes(), &[0]] {
                encoder.write_all(part).map_err(|error| IndexError::Damaged(error.to_string()))?;
            }
            if encoder.get_ref().len() > MAX_PACKED_INDEX_BYTES {
                return Err(IndexError::PACKED);
            }
        }
        let entries = entries.finish()?;
        let packed = encoder.finish().map_err(|error| IndexError::Damaged(error.to_string()))?;
        match packed.len() > MAX_PACKED_INDEX_BYTES {
            true => Err(IndexError::PACKED),
            false => Ok(Self { entries, packed: STANDARD.encode(packed) }),
        }
    }

    /// Its entries, unpacked while they are asked for. Each is checked, and so is how many there
    /// are and how large they are; what [`entries`](Self::entries) says is not looked at.
    ///
    /// # Errors
    /// Where it is no base64, or too large.
    pub fn unpack(&self) -> Result<UnpackedIndex, IndexError> {
        Ok(UnpackedIndex::new(self.decoded()?))
    }

    /// Unpacks it once, and forgets what came out.
    ///
    /// # Errors
    /// Where it is not what it is said to be, or passes a limit.
    pub fn check(&self) -> Result<CheckedIndex, IndexError> {
        let packed = self.decoded()?;
        let mut unpacked = UnpackedIndex::new(packed);
        for entry in unpacked.by_ref() {
            entry?;
        }
        let (found, packed) = unpacked.into_parts();
        match found == self.entries {
            true => Ok(CheckedIndex { entries: found, packed }),
            false => Err(IndexError::Count { found, said: self.entries }),
        }
    }

    fn decoded(&self) -> Result<Vec<u8>, IndexError> {
        // Four characters for three bytes, and nothing longer is worth decoding.
        if self.packed.len() > MAX_PACKED_INDEX_BYTES.div_ceil(3) * 4 {
            return Err(IndexError::PACKED);
        }
        let packed = STANDARD.decode(&self.packed).map_err(|_| IndexError::Base64)?;
        match packed.len() > MAX_PACKED_INDEX_BYTES {
            true => Err(IndexError::PACKED),
            false => Ok(packed),
        }
    }
}

impl CheckedIndex {
    /// An index that was checked before it was stored. Unpacking it asks everything once more.
    pub const fn stored(entries: u32, packed: Vec<u8>) -> Self {
        Self { entries, packed }
    }

    /// How many entries it has.
    pub const fn entries(&self) -> u32 {
        self.entries
    }

    /// The zlib stream.
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// Its entries, unpacked while they are asked for.
    pub fn unpack(self) -> UnpackedIndex {
        UnpackedIndex::new(self.packed)
    }
}

/// Takes the index out of an inspection. What stays is how many entries it has, or why there is
/// none.
///
/// # Errors
/// Where there is something in its place that is no index, or one that cannot be believed.
pub fn take_index(inspection: &mut Value) -> Result<Option<CheckedIndex>, IndexError> {
    let Some(field) = inspection.get_mut(FIELD) else { return Ok(None) };
    match serde_json::from_value(field.take()).map_err(|_| IndexError::Form)? {
        FoundIndex::Packed(packed) => {
            let index = packed.check()?;
            *field = json!({ "entries": index.entries });
            Ok(Some(index))
        }
        FoundIndex::Missing { missing } => {
            let visible = missing.chars().filter(|c| !c.is_control());
            *field = json!({ "missing": visible.take(MAX_REASON_CHARS).collect::<String>() });
            Ok(None)
        }
    }
}

/// Why an inspection says that there is no index.
pub fn missing_index(inspection: &Value) -> Option<&str> {
    inspection.get(FIELD)?.get("missing")?.as_str()
}

/// Counts entries, and compares each path with what may be and with the one before.
#[derive(Debug, Default)]
struct Entries {
    count: u32,
    bytes: usize,
    last: String,
}

impl Entries {
    fn take(&mut self, path: &str) -> Result<(), IndexError> {
        if usize::try_from(self.count).is_ok_and(|count| count >= MAX_INDEX_ENTRIES) {
            return Err(IndexError::TooMany);
        }
        check_path(path)?;
        if self.count > 0 && path <= self.last.as_str() {
            return Err(IndexError::path(path, "which stands behind a later one or the same"));
        }
        // Its kind and the zero byte.
        self.bytes = self.bytes.saturating_add(path.len() + 2);
        if self.bytes > MAX_UNPACKED_INDEX_BYTES {
            return Err(IndexError::UNPACKED);
        }
        self.count += 1;
        self.last.clear();
        self.last.push_str(path);
        Ok(())
    }

    fn finish(&self) -> Result<u32, IndexError> {
        if self.count == 0 { Err(IndexError::Empty) } else { Ok(self.count) }
    }
}

fn check_path(path: &str) -> Result<(), IndexError> {
    let Some(below) = path.strip_prefix('/') else {
        return Err(IndexError::path(path, "which does not begin at the top of the volume"));
    };
    let problem = if path.len() > MAX_INDEXED_PATH_BYTES {
        "which is longer than 4,096 bytes"
    } else if path.contains('\0') {
        "which has a zero byte"
    } else if below.split('/').any(str::is_empty) {
        "which has a part without a name"
    } else if below.split('/').any(|part| matches!(part, "." | "..")) {
        "which has a part `.` or `..`"
    } else {
        return Ok(());
    };
    Err(IndexError::path(path, problem))
}

#[cfg(test)]
mod tests;

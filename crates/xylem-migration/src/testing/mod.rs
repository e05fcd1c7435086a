//! A made-up legacy share with everything that can be wrong with one, and what has to come of it.
//!
//! For tests, here and elsewhere. The same seed and number make the same share; what is expected of
//! a path is said where it is made, and not worked out by the code that is tested.

mod contents;
mod makers;
mod reader;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::digest::Content;
use crate::path::SourcePath;
use crate::plan::ItemKind;
use crate::reason::ReasonCode;
use crate::report::{Line, Outcome};
pub use reader::read_any_script;

/// What has to come of a share, if the server has no files of its own; in the order of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// What a dry run says.
    pub planned: Vec<Expected>,
    /// What a run comes to, once the server has looked into everything.
    pub done: Vec<Expected>,
}

/// What has to come of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Where it lies, as reports write it.
    pub path: String,
    /// What comes of it.
    pub outcome: Outcome,
    /// What it is published as.
    pub kind: Option<ItemKind>,
    /// Its name on the server.
    pub name: Option<String>,
    /// Why it is not taken.
    pub code: Option<ReasonCode>,
    /// Where the same file lies.
    pub same_as: Option<String>,
    /// What is published.
    pub content: Option<Content>,
}

impl Expected {
    /// The same of a report's line, to be compared.
    pub fn of(line: &Line) -> Self {
        Self {
            path: line.path.clone(),
            outcome: line.outcome,
            kind: line.kind,
            name: line.name.as_ref().map(ToString::to_string),
            code: line.reason.as_ref().map(|reason| reason.code),
            same_as: line.same_as.clone(),
            content: line.content,
        }
    }

    /// The same, published with these bytes; what is not published holds nothing that counts.
    fn holding(self, bytes: &[u8]) -> Self {
        let content = self.kind.map(|_| contents::content_of(bytes));
        Self { content, ..self }
    }
}

/// Makes a share of that many paths (each gets one line in the report) in an empty folder, and says
/// what has to come of each, in the order of the report.
///
/// # Errors
/// When it cannot be written; some file systems cannot hold all of the names.
pub fn legacy_share(folder: &Path, paths: usize, seed: u64) -> io::Result<Expectation> {
    let mut making = Making {
        folder: folder.to_owned(),
        seed: Seed::new(seed),
        number: 0,
        round: 0,
        expected: Vec::new(),
    };
    making.once()?;
    let mut turn = 0;
    while making.expected.len() < paths {
        making.number += 1;
        making.next(turn, paths - making.expected.len())?;
        turn += 1;
    }
    let mut expected = making.expected;
    expected.sort_by_cached_key(|(path, _)| path.order());
    let (planned, done) = expected.into_iter().map(|(_, both)| both).unzip();
    Ok(Expectation { planned, done })
}

/// A share in the making.
struct Making {
    folder: PathBuf,
    seed: Seed,
    /// In every name, so that nothing collides by chance.
    number: usize,
    /// How often every maker had its turn.
    round: usize,
    /// What a dry run says, and what a run comes to.
    expected: Vec<(SourcePath, (Expected, Expected))>,
}

impl Making {
    /// Writes a file.
    fn write(&self, path: &SourcePath, bytes: &[u8]) -> io::Result<()> {
        let whole = path.below(&self.folder);
        if let Some(folder) = whole.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(whole, bytes)
    }

    fn expect(&mut self, path: SourcePath, expected: Expected) {
        let expected = Expected { path: path.to_string(), ..expected };
        self.expected.push((path, (expected.clone(), expected)));
    }

    /// The same of what the server refuses, once it has looked into it.
    fn expect_refusal(&mut self, path: SourcePath, planned: Expected) {
        let planned = Expected { path: path.to_string(), ..planned };
        let done = Expected {
            outcome: Outcome::Refused,
            code: Some(ReasonCode::ServerRefused),
            ..planned.clone()
        };
        self.expected.push((path, (planned, done)));
    }
}

/// Something that is taken.
fn taken(kind: ItemKind, name: impl Into<String>) -> Expected {
    Expected {
        path: String::new(),
        outcome: Outcome::Taken,
        kind: Some(kind),
        name: Some(name.into()),
        code: None,
        same_as: None,
        content: None,
    }
}

/// Something that is taken under another name.
fn renamed(kind: ItemKind, name: impl Into<String>) -> Expected {
    Expected { outcome: Outcome::Renamed, ..taken(kind, name) }
}

/// Something that is not.
fn not(outcome: Outcome, code: ReasonCode) -> Expected {
    Expected {
        path: String::new(),
        outcome,
        kind: None,
        name: None,
        code: Some(code),
        same_as: None,
        content: None,
    }
}

/// What must not change of something in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Sort and permissions.
    pub mode: u32,
    /// When the content was changed: seconds and nanoseconds.
    pub modified: (i64, i64),
    /// Length of a file.
    pub size: u64,
    /// Digest of a file, target of a link.
    pub content: String,
}

/// Everything in a folder, and the folder itself.
///
/// # Errors
/// When something cannot be read.
pub fn snapshot(folder: &Path) -> io::Result<BTreeMap<PathBuf, Kept>> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let meta = fs::symlink_metadata(&path)?;
        let mut kept = Kept {
            mode: meta.mode(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            size: 0,
            content: String::new(),
        };
        if meta.is_dir() {
            for entry in fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        } else if meta.is_symlink() {
            kept.content = fs::read_link(&path)?.display().to_string();
        } else if meta.is_file() {
            kept.size = meta.len();
            kept.content = match fs::read(&path) {
                Ok(bytes) => blake3::hash(&bytes).to_string(),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => String::new(),
                Err(error) => return Err(error),
            };
        }
        all.insert(path, kept);
    }
    Ok(all)
}

/// Numbers that follow from a seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Seed(u64);

impl Seed {
    /// Begins a row.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of that many; 0 of none.
    pub fn below(&mut self, many: usize) -> usize {
        let many = many.max(1) as u64;
        usize::try_from(self.number() % many).unwrap_or(0)
    }
}

fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

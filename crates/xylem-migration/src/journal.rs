//! What was digested already, so that an interrupted run of a large share goes on and does not
//! read it all again.
//!
//! Only a cache: without it, or with half of it, the result is the same. One line per file, each
//! with a checksum of its own; a line that was torn by a crash is not believed and does not spoil
//! the next one. It lies in the state folder, never in the source.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest::Content;
use crate::path::SourcePath;

/// Longest line: a path of 4 KiB, escaped, and the digests.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// Characters of the checksum before each line.
const CHECK_CHARACTERS: usize = 16;

/// The digests known of one source.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    known: HashMap<String, Line>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    path: String,
    /// What the file system said when it was read.
    stamp: String,
    content: Content,
}

impl Journal {
    /// Opens or begins the journal of the source at `source`; another source has another journal.
    pub(crate) fn open(state: &Path, source: &Path) -> io::Result<Self> {
        let id = blake3::hash(source.as_os_str().as_encoded_bytes()).to_hex();
        let name = format!("digests-{}.jsonl", id.get(..16).unwrap_or_default());
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(state.join(name))?;
        let (known, is_torn) = read(&file)?;
        if is_torn {
            file.write_all(b"\n")?;
        }
        Ok(Self { file, known })
    }

    /// What something holds, if it still is what it was when it was read.
    pub(crate) fn find(&self, path: &SourcePath, stamp: &str) -> Option<Content> {
        let line = self.known.get(&path.to_string()).filter(|line| line.stamp == stamp)?;
        Some(line.content)
    }

    /// Notes what something holds, unless that is known already.
    pub(crate) fn note_new(
        &mut self,
        path: &SourcePath,
        stamp: String,
        content: Content,
    ) -> io::Result<()> {
        match self.find(path, &stamp) {
            Some(known) if known == content => Ok(()),
            _ => self.note(path, stamp, content),
        }
    }

    /// Notes what something holds.
    pub(crate) fn note(
        &mut self,
        path: &SourcePath,
        stamp: String,
        content: Content,
    ) -> io::Result<()> {
        let line = Line { path: path.to_string(), stamp, content };
        let text = serde_json::to_string(&line)?;
        // One call, so that two runs at once do not write into each other's lines.
        self.file.write_all(format!("{} {text}\n", check(&text)).as_bytes())?;
        self.known.insert(line.path.clone(), line);
        Ok(())
    }
}

/// The lines that are whole, and whether the last one has no end.
fn read(file: &File) -> io::Result<(HashMap<String, Line>, bool)> {
    let mut reader = BufReader::new(file);
    let mut known = HashMap::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok((known, false));
        }
        if let Some(line) = parse(&line) {
            known.insert(line.path.clone(), line);
        }
        if line.last() != Some(&b'\n') && reader.fill_buf()?.is_empty() {
            return Ok((known, true));
        }
    }
}

fn parse(line: &[u8]) -> Option<Line> {
    let (sum, text) = std::str::from_utf8(line).ok()?.trim_end_matches('\n').split_once(' ')?;
    if sum != check(text) {
        return None;
    }
    serde_json::from_str(text).ok()
}

fn check(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().chars().take(CHECK_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_in(folder: &Path) -> std::path::PathBuf {
        std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
    }

    #[test]
    fn a_torn_last_line_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Journal::open(folder.path(), Path::new("/share")).unwrap();
        let (one, two) = (SourcePath::from("a.pkg"), SourcePath::from("b.pkg"));
        let content = Content::of(b"x");
        let mut journal = open();
        journal.note(&one, "1".to_owned(), content).unwrap();
        journal.note(&two, "1".to_owned(), content).unwrap();
        drop(journal);
        let path = file_in(folder.path());
        let whole = std::fs::read(&path).unwrap();
        for cut in (1..whole.len() / 2).step_by(13) {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let mut journal = open();
            assert_eq!(journal.find(&one, "1"), Some(content), "{cut}");
            // Without its line break alone the line is still whole.
            assert_eq!(journal.find(&two, "1").is_some(), cut == 1, "{cut}");
            journal.note(&two, "2".to_owned(), content).unwrap();
            drop(journal);
            assert_eq!(open().find(&two, "2"), Some(content), "{cut}");
        }
    }

    #[test]
    fn what_has_changed_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = SourcePath::from("a.pkg");
        let mut journal = Journal::open(folder.path(), Path::new("/share")).unwrap();
        journal.note(&path, "1".to_owned(), Content::of(b"x")).unwrap();
        assert_eq!(journal.find(&path, "2"), None);
        let other = Journal::open(folder.path(), Path::new("/other")).unwrap();
        assert_eq!(other.find(&path, "1"), None);
    }

    #[test]
    fn garbage_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        drop(Journal::open(folder.path(), Path::new("/share")).unwrap());
        let mut garbage = vec![0; 200_000];
        garbage.extend_from_slice(b"\n{}\nxx {\"path\":1}\n");
        std::fs::write(file_in(folder.path()), garbage).unwrap();
        assert!(Journal::open(folder.path(), Path::new("/share")).unwrap().known.is_empty());
    }
}
